package auth

import (
	"cmp"
	"context"
	"errors"

	"github.com/datixlab/auth/internal/emailaddr"
	"github.com/datixlab/auth/internal/printable"
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
// The error is an [*InputError] that names every field at fault, ErrEmailTaken, ErrRateLimited or
// ErrOverloaded. With Config.NoRegistration it is ErrRegistrationClosed: nothing is looked at, counted
// or reported. Then only an invitation opens an account. With a Config.Mailer the address gets a token
// for VerifyEmail. The account can be used without it, unless Config.RequireVerifiedEmail is set.
// ErrEmailTaken shows the client that the address has an account, so Config.Limits.RegisterByAddress
// limits how often a client can ask.
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
