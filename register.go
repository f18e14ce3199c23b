package auth

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/datixlab/auth/internal/emailaddr"
	"github.com/datixlab/auth/internal/ident"
	"github.com/datixlab/auth/internal/parallel"
	"github.com/datixlab/auth/internal/printable"
	"github.com/datixlab/auth/internal/record"
	"github.com/datixlab/auth/store"
)

const (
	maxName    = 100      // code points in a person's, an organization's or a key's name
	roleAdmin  = "admin"  // of an organization; the default of Config.FirstRole
	roleMember = "member" // of a user who is no admin

	notAnAddress = "It is not an email address: a name in ASCII, without spaces and quotes, an '@' and a domain."
)

// A Registration is what a person enters to get an account.
type Registration struct {
	Email    string // what a browser takes, see Manager.Register
	Password Secret // every character counts, also a space at an end
	FullName string // 1 to 100 characters on one line
	// OrganizationName is the name of the organization that is made for the account.
	// Empty: FullName.
	OrganizationName string
	// InvitationToken is that of an invitation, for which no organization is made: see Register.
	InvitationToken Secret
}

// A NewUser is an account that your program makes, in an organization that exists.
type NewUser struct {
	Email string
	// Password may be empty, for a user who logs in by other means, see [Manager.LoginAs]. To
	// [Manager.Login], every password of such an account is wrong. Where a call asks for the
	// password, a fresh login stands in for it, and a password is wrong. ChangePassword and
	// SetPassword set the first one.
	Password       Secret
	FullName       string
	OrganizationID string // "org_…"
	Role           string // as for Manager.SetRole
	EmailVerified  bool   // your program has proof that the user reads the mail of Email
}

// Register makes an account, and an organization with the account as its first admin. The role
// of the account is Config.FirstRole.
//
// The address is one that every browser takes in <input type=email>, or has a domain of IDNA
// 2008. White space around it is dropped. The domain is stored as its A-labels, and both its
// forms are one address. Every call that takes an address reads it in this way. A new address
// is refused if mail programs read it as something else. Names are stored in Unicode form NFC,
// without space at their ends.
//
// The error is an [*InputError] that names every field at fault, ErrEmailTaken, ErrRateLimited
// or ErrOverloaded. With Config.NoRegistration it is ErrRegistrationClosed: nothing is looked
// at, counted or reported. Then only an invitation opens an account. With a Config.Mailer the address gets a token for VerifyEmail. The
// account can be used without it, unless Config.RequireVerifiedEmail is set. ErrEmailTaken shows the client that the address has an account, so
// Config.Limits.RegisterByAddress limits how often a client can ask.
//
// With a Registration.InvitationToken the account is a member of the organization of [Manager.Invite],
// with the invited role. The address is the invited one, in any of its spellings, and is verified if
// the token was mailed. There is no OrganizationName. The error is ErrInvalidOneTimeToken for a token
// that is wrong, used, revoked or expired, of another address, or of a former admin, and with
// Config.NoRegistration ErrRegistrationClosed. A registration that fails leaves the token valid.
func (m *Manager) Register(ctx context.Context, r Registration) (User, error) {
	defer m.calls.Begin()()
	oid, secret, invited := invitationMail.parse(r.InvitationToken)
	if m.cfg.NoRegistration && !invited {
		return User{}, ErrRegistrationClosed
	}
	u, canonical, err := m.checkRegistration(&r)
	if err != nil {
		return User{}, err
	}
	if r.InvitationToken != "" && !invited {
		m.refuseMailToken(ctx, invitationMail, "", malformed)
		return User{}, ErrInvalidOneTimeToken
	}
	known := []string{clientPrefix(ctx)} // the caller chose the password, so strangers there are no more likely
	var user User
	err = m.throttled(ctx, "", m.registerBudgets(ctx), func(ctx context.Context) (done bool, err error) {
		e := entry{name: cmp.Or(r.OrganizationName, u.FullName), unproven: m.SendsMail()}
		if invited {
			e, err = m.entryByInvitation(ctx, &u, oid, secret, canonical)
		}
		if err == nil {
			user, err = m.create(ctx, u, canonical, known, Event{Type: EventRegistered, Role: u.Role}, e)
		}
		return err == nil, err
	})
	switch {
	case errors.Is(err, ErrInvalidOneTimeToken):
		if err = m.refuseInvited(ctx, ""); m.cfg.NoRegistration {
			err = ErrRegistrationClosed
		}
	case err == nil && invited:
		m.emit(ctx, Event{Type: EventInvitationAccepted, UserID: user.ID, OrganizationID: user.OrganizationID, Role: user.Role})
	}
	if err == nil && !user.EmailVerified {
		uid, _ := parseUser(user.ID)
		m.offerMail(ctx, mailRequest{kind: verifyMail, digest: emailDigest(canonical), uid: uid})
	}
	return user, err
}

// CheckRegistration returns the [*InputError] with which Register would refuse r, or nil. It
// is for forms of your own: it reads no store, hashes nothing, and asks no PasswordChecker.
func (m *Manager) CheckRegistration(r Registration) error {
	_, _, err := m.checkRegistration(&r)
	return err
}

// checkRegistration brings the name of the organization into the form in which it is stored. It
// returns the account that r asks for and the canonical form of its address.
func (m *Manager) checkRegistration(r *Registration) (u NewUser, canonical string, err error) {
	u = NewUser{Email: r.Email, Password: r.Password, FullName: r.FullName, Role: m.cfg.FirstRole}
	r.OrganizationName = printable.Tidy(r.OrganizationName)
	wrong := checkText("organization_name", r.OrganizationName, maxName, false)
	if wrong == nil && r.OrganizationName != "" && r.InvitationToken != "" {
		wrong = &FieldError{"organization_name", "not_allowed", "An invitation is for an organization that exists."}
	}
	canonical, err = m.checkNewUser(&u, m.checkPassword("password", u.Password, printable.Trim(u.Email)), wrong)
	return u, canonical, err
}

// RegistrationOpen reports whether anyone may register: Config.NoRegistration is not set.
func (m *Manager) RegistrationOpen() bool { return !m.cfg.NoRegistration }

// CreateUser makes an account in an organization that exists. It is for your program: it
// checks no permission, no limit of attempts and no Config.NoRegistration. The error is
// ErrNotFound if there is no such organization, an [*InputError], ErrEmailTaken or
// ErrOverloaded.
func (m *Manager) CreateUser(ctx context.Context, u NewUser) (User, error) {
	defer m.calls.Begin()()
	org, err := m.Organization(ctx, u.OrganizationID)
	if err != nil {
		return User{}, err
	}
	var weak *FieldError
	if u.Password != "" {
		weak = m.checkPassword("password", u.Password, printable.Trim(u.Email))
	}
	canonical, err := m.checkNewUser(&u, weak, checkRole(u.Role))
	if err != nil {
		return User{}, err
	}
	event := Event{Type: EventRegistered, Actor: actorOf(ctx), Role: u.Role}
	oid, _ := parseOrganization(org.ID)
	return m.create(withPreferredLane(ctx), u, canonical, nil, event, entry{oid: oid})
}

// checkNewUser brings the email address and the name of u into the form in which they are
// stored. It returns the canonical form of the address, or an error that names every field at
// fault. Weak is the error of the password, and other that of a field that only the caller of
// checkNewUser has, or nil.
func (m *Manager) checkNewUser(u *NewUser, weak, other *FieldError) (canonical string, err error) {
	if err := m.ready(); err != nil {
		return "", err
	}
	var fields []FieldError
	u.FullName = printable.Tidy(u.FullName)
	typed := printable.Trim(u.Email)
	canonical, ok := emailaddr.Canonical(typed)
	switch u.Email, _ = emailaddr.Clean(typed); {
	case typed == "":
		fields = append(fields, FieldError{"email", "required", "It is required."})
	case !ok:
		fields = append(fields, FieldError{"email", "invalid_email", notAnAddress})
	default:
		fields = appendMisread(fields, canonical)
	}
	if e := checkText("full_name", u.FullName, maxName, true); e != nil {
		fields = append(fields, *e)
	}
	if other != nil {
		fields = append(fields, *other)
	}
	if weak != nil {
		return "", inputError(ErrWeakPassword, append([]FieldError{*weak}, fields...)...)
	}
	return canonical, inputError(ErrInvalidInput, fields...)
}

// appendMisread adds to fields what is wrong with a new email address that mail programs read
// otherwise.
func appendMisread(fields []FieldError, canonical string) []FieldError {
	what := emailaddr.Misread(canonical)
	if what == "" {
		return fields
	}
	return append(fields, FieldError{"email", "invalid_email", "It has " + what + ", which mail programs read as something else."})
}

// create claims the email address, then enters the organization, and then makes the account.
// See emailClaim and memberRecord for a crash in between. Known are the first known networks of
// the account. The event has the actor, and is emitted as it is or as taken.
func (m *Manager) create(ctx context.Context, u NewUser, canonical string, known []string, event Event, e entry) (User, error) {
	hash := ""
	if u.Password != "" { // first: a call that is shed writes nothing and asks nobody
		var err error
		if hash, err = m.hashPassword(ctx, u.Password); err != nil {
			return User{}, err
		}
		if err := m.checkBreached(ctx, "password", u.Password); err != nil {
			return User{}, err
		}
	}
	return m.createDraft(ctx, draft{NewUser: u, hash: hash, known: known}, canonical, event, e)
}

// A draft is an account that is about to be made, with its password hash or "".
type draft struct {
	NewUser
	hash  string
	known []string
	// Of an import:
	disabled bool
	created  time.Time // zero is now
	secret   []byte    // of the second factor, or nil
}

// createDraft is create for a password that is hashed.
func (m *Manager) createDraft(ctx context.Context, d draft, canonical string, event Event, e entry) (User, error) {
	u, now := d.NewUser, m.now()
	uid := ident.Timed(now)
	if e.name != "" {
		e.oid = ident.Timed(now)
	}
	claim, err := m.claimEmail(ctx, canonical, uid, e.founds(), newKnownNetworks(canonical, uid, d.known))
	if errors.Is(err, ErrEmailTaken) {
		m.emit(ctx, event.taken())
	}
	if err != nil {
		if claim.Rec.User == uid { // it may have been written, and then is exactly this
			claim.Raw = claim.Overwrite().Value
			m.abandonClaim(ctx, canonical, claim)
		}
		return User{}, err
	}
	acct := accountRow(uid)
	acct.Rec = account{Email: u.Email, FullName: u.FullName, Role: u.Role, Created: now, Disabled: d.disabled, Unproven: e.unproven}
	if !d.created.IsZero() {
		acct.Rec.Created = d.created
	}
	if u.EmailVerified {
		acct.Rec.proveEmail()
	}
	member, err := m.enter(ctx, e, uid, &acct.Rec, now)
	if err != nil {
		m.undo(ctx, e, member, canonical, claim)
		return User{}, err
	}
	acct.Rec.Org = orgPrefix + member.oid
	pass := passwordRow(uid)
	pass.Rec = passwordRecord{Hash: d.hash, Changed: now}
	var writes []store.Op
	if d.secret != nil {
		totp := m.importedFactor(uid, d.secret, now)
		acct.Rec.Enrolment = totp.Rec.Active.ID
		writes = append(writes, totp.Put())
	}
	writes = append(writes, acct.Put(), pass.Put())
	err = m.records.Commit(ctx, writes...)
	if errors.Is(err, store.ErrConflict) { // after claimHold the address went to another account
		m.undo(ctx, e, member, canonical, claim)
		if e.secret != "" { // or somebody else was faster with the invitation
			if _, err := m.openInvitation(ctx, e.oid, e.secret, e.address); err != nil {
				return User{}, err
			}
		}
		if u.OrganizationID != "" { // or the organization has ended meanwhile
			if _, err := m.Organization(ctx, u.OrganizationID); err != nil {
				return User{}, err
			}
		}
		m.emit(ctx, event.taken())
		return User{}, ErrEmailTaken
	}
	user := m.user(userIDOf(uid), &acct.Rec)
	event.UserID, event.OrganizationID = user.ID, user.OrganizationID
	m.report(ctx, err, event)
	if err != nil {
		if m.uncreate(ctx, err, acct.Key, writes) {
			m.undo(ctx, e, member, canonical, claim)
		}
		return User{}, err
	}
	m.settleArrival(ctx, member)
	return user, nil
}

// uncreate ends a registration whose last Commit returned commitErr. If the outcome is unknown,
// it removes the records if they are exactly what that Commit writes. If they are not
// there, a tombstone keeps the Commit from writing them later. It reports whether the account
// does not exist and never will, so that its address can be given up.
func (m *Manager) uncreate(ctx context.Context, commitErr error, acctKey string, writes []store.Op) bool {
	if !errors.Is(commitErr, record.ErrOutcomeUnknown) {
		return true
	}
	ctx = context.WithoutCancel(ctx)
	tombstone := record.New[account](acctKey)
	tombstone.Rec.Deleted = true
	var remove []store.Op
	for _, op := range writes {
		remove = append(remove, store.Delete(op.Key).Was(op.Value))
	}
	var err error
	for range 2 { // the Commit may be carried out between the first two of these
		if err = m.records.Commit(ctx, remove...); !errors.Is(err, store.ErrConflict) {
			break
		}
		if err = m.records.Commit(ctx, tombstone.Put().Until(m.now().Add(tombstoneTTL))); !errors.Is(err, store.ErrConflict) {
			break
		}
	}
	return err == nil
}

// An entry is the organization of a new account: one that exists or, with a name, one that is
// made for it.
type entry struct {
	oid, name string
	unproven  bool // account.Unproven
	// secret and address are of the token of an invitation, and the digest of the invited address.
	secret, address string
}

// founds returns the organization that is made for the account, or "".
func (e entry) founds() string {
	if e.name == "" {
		return ""
	}
	return e.oid
}

func (m *Manager) enter(ctx context.Context, e entry, uid string, a *account, now time.Time) (arrival, error) {
	switch {
	case e.name != "":
		return m.foundOrganization(ctx, e.oid, e.name, uid, a, now)
	case e.secret != "":
		return m.joinInvited(ctx, e, uid)
	}
	return m.joinOrganization(ctx, e.oid, uid, a.Role, now)
}

// undo ends an entry, and removes a claim, of an account that was not created. If the
// organization of the claim cannot be removed, the claim stays, for whoever voids it.
func (m *Manager) undo(ctx context.Context, e entry, c arrival, canonical string, claim record.Row[emailClaim]) {
	ctx = context.WithoutCancel(ctx)
	if e.founds() == "" {
		parallel.Do(
			func() { m.abandonClaim(ctx, canonical, claim) },
			func() {
				if e.secret == "" || m.freeInvitation(ctx, c) == nil {
					_ = m.leaveOrganization(ctx, c.oid, c.uid, true)
				}
			},
		)
		return
	}
	if m.dissolve(ctx, c) == nil {
		m.abandonClaim(ctx, canonical, claim)
	}
}

// taken returns the event for an account that was not made because the address is taken.
func (e Event) taken() Event {
	e.Type, e.Role, e.Action = EventEmailTaken, "", "register"
	if e.Actor != "" {
		e.Action = "create_user"
	}
	if e.Reason == imported {
		e.Action, e.Reason = "import_user", ""
	}
	return e
}
