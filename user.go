package auth

import (
	"context"
	"time"

	"github.com/datixlab/auth/internal/emailaddr"
	"github.com/datixlab/auth/internal/record"
)

// A User describes an account. It has no secret.
type User struct {
	ID               string // "user_…"
	Email            string // as the user wrote it, with A-labels for an international domain
	FullName         string
	Role             string // Config.FirstRole after Register; else what your program or an admin set
	Admin            bool   // the role is "admin" or above it in Config.Roles, so the user manages the organization
	OrganizationID   string // "org_…"
	TwoFactorEnabled bool
	AssignedAgents   []string // set by your program with Manager.SetAssignedAgents
	Disabled         bool
	CreatedAt        time.Time // UTC
	// EmailVerified is true if the user has proven that they read the mail of Email, or if your
	// program said so: see NewUser and Proof. It is false until then.
	EmailVerified bool
	// PendingEmail is the address that waits for Manager.ConfirmEmail, or "". It waits until
	// PendingEmailUntil, in UTC.
	PendingEmail      string
	PendingEmailUntil time.Time
}

// An account is the state that every request of a user is checked against.
type account struct {
	Email        string // emailaddr.Clean of what the user wrote; the claim is of emailaddr.Canonical
	PendingEmail string // the new address of a change that is under way, see email_claim.go
	PendingSince time.Time
	PendingID    string // of this change, so that another to the same address differs
	FullName     string
	Role         string
	Org          string // "org_…"
	Agents       []string
	Created      time.Time
	Disabled     bool
	Deleted      bool // a tombstone: this account can never be created again
	// Epoch goes up when all sessions end. A session of another epoch is rejected.
	Epoch     uint64
	Enrolment string // the active second factor's id, "" while it is off
	// Digests are of the addresses that the user had or was changing to before, up to
	// maxDigests: a change that was cut off may have left a claim there. In a tombstone they
	// are of all addresses. With Org they say what is left to remove, and a tombstone has
	// neither once the deletion is done.
	Digests []string
	// ProvenEmail is the address whose mailbox the user has proven. It says something only if
	// it is Email: an older version changes Email alone.
	ProvenEmail string
	// Unproven is true for an account that got its address while there was a Mailer, which asks
	// for a proof of it: by a registration or by a change. See emailUnverified.
	Unproven bool
	// RequestedEmail is the address that waits for its confirmation until RequestedUntil.
	// Nothing is claimed for it.
	RequestedEmail string
	RequestedUntil time.Time
	// LastChange is the id of the last announced change that was made, see memberChange.
	LastChange string
	// KeysNamed: the account has moved to another organization. So an API key that names none,
	// which an older version made, is refused.
	KeysNamed bool
	newer     []byte
}

// Fields implements [record.Fields].
func (a *account) Fields(c *record.Codec) {
	c.String(&a.Email)
	c.String(&a.PendingEmail)
	c.Time(&a.PendingSince)
	c.String(&a.PendingID)
	c.String(&a.FullName)
	c.String(&a.Role)
	c.String(&a.Org)
	c.Strings(&a.Agents)
	c.Time(&a.Created)
	c.Bool(&a.Disabled)
	c.Bool(&a.Deleted)
	c.Uint(&a.Epoch)
	c.String(&a.Enrolment)
	c.Strings(&a.Digests)
	c.String(&a.ProvenEmail)
	c.Bool(&a.Unproven)
	c.String(&a.RequestedEmail)
	c.Time(&a.RequestedUntil)
	c.String(&a.LastChange)
	c.Bool(&a.KeysNamed)
	c.Rest(&a.newer)
}

func accountRow(uid string) record.Row[account] { return record.New[account](accountKey(uid)) }

// clearPendingEmail ends an email change, whether it succeeded or failed.
func (a *account) clearPendingEmail() {
	a.PendingEmail, a.PendingSince, a.PendingID = "", time.Time{}, ""
}

func (a *account) usable() bool { return !a.Disabled && !a.Deleted }

// emailVerified reports whether the user has proven that they read the mail of the address.
func (a *account) emailVerified() bool { return a.ProvenEmail == a.Email && a.Email != "" }

// emailUnverified reports whether a proof was asked for and is missing. It is false for an address
// from before there was a Mailer, and for one that your program gave the account.
func (a *account) emailUnverified() bool { return a.Unproven && !a.emailVerified() }

// proveEmail notes that the user reads the mail of the address.
func (a *account) proveEmail() { a.ProvenEmail = a.Email }

// takeEmail gives the account another address, which nobody has proven: not even a former holder
// of it, who has had another since. Asked says that there is a Mailer to ask for the proof.
func (a *account) takeEmail(address string, asked bool) {
	a.Email, a.ProvenEmail, a.Unproven = address, "", a.Unproven || asked
}

// respellEmail replaces the address by another spelling of it.
func (a *account) respellEmail(address string) {
	if a.emailVerified() {
		a.ProvenEmail = address
	}
	a.Email = address
}

// clearRequestedEmail ends the wait for a confirmation.
func (a *account) clearRequestedEmail() { a.RequestedEmail, a.RequestedUntil = "", time.Time{} }

// user returns the description of an account.
func (m *Manager) user(id string, a *account) User {
	return User{
		ID: id, Email: a.Email, FullName: a.FullName, Role: a.Role, Admin: m.cfg.isAdmin(a.Role),
		OrganizationID: a.Org, TwoFactorEnabled: a.Enrolment != "",
		AssignedAgents: a.Agents, Disabled: a.Disabled, CreatedAt: a.Created,
		EmailVerified: a.emailVerified(), PendingEmail: a.RequestedEmail, PendingEmailUntil: a.RequestedUntil,
	}
}

// findUser reads the account with this public id, or returns ErrNotFound.
func (m *Manager) findUser(ctx context.Context, userID string, more ...record.Reader) (uid string, acct *record.Row[account], err error) {
	if err := m.ready(); err != nil {
		return "", nil, err
	}
	uid, ok := parseUser(userID)
	if !ok {
		return "", nil, ErrNotFound
	}
	a := accountRow(uid)
	if err := m.records.Read(ctx, append(more, &a)...); err != nil {
		return "", nil, err
	}
	if !a.Exists() || a.Rec.Deleted {
		return "", nil, ErrNotFound
	}
	return uid, &a, nil
}

// User returns the account with this id, disabled or not, or ErrNotFound.
func (m *Manager) User(ctx context.Context, userID string) (User, error) {
	_, acct, err := m.findUser(ctx, userID)
	if err != nil {
		return User{}, err
	}
	return m.user(userID, &acct.Rec), nil
}

// UserByEmail returns the account that has this address, in any of its spellings, or
// ErrNotFound. Send mail to User.Email and not to the address that was typed. Do not show the
// result to strangers: it reveals who has an account.
func (m *Manager) UserByEmail(ctx context.Context, email string) (User, error) {
	if err := m.ready(); err != nil {
		return User{}, err
	}
	canonical, ok := emailaddr.Canonical(email)
	if !ok {
		return User{}, ErrNotFound
	}
	uid, _, err := m.emailOwner(ctx, emailDigest(canonical))
	if err != nil {
		return User{}, err
	}
	u, err := m.User(ctx, userIDOf(uid))
	if err == nil && !emailaddr.Same(u.Email, canonical) {
		return User{}, ErrNotFound
	}
	return u, err
}
