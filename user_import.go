package auth

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"time"

	"github.com/datixlab/auth/internal/emailaddr"
	"github.com/datixlab/auth/internal/ident"
	"github.com/datixlab/auth/internal/otp"
	"github.com/datixlab/auth/internal/password"
	"github.com/datixlab/auth/internal/printable"
	"github.com/datixlab/auth/internal/record"
)

// An ImportedUser is an account of another system, which [Manager.ImportUser] makes here. It has
// no identifier: that of the other system is none of this one. Nor has it backup codes, since each
// would cost a hash: a user with a second factor makes new ones with ReplaceBackupCodes.
type ImportedUser struct {
	Email string // as for Manager.Register
	// EmailVerified says that the other system has proof that the user reads the mail of Email.
	// Without it and with a Config.Mailer, the address counts as one that nobody has proven:
	// see Config.RequireVerifiedEmail.
	EmailVerified bool
	FullName      string // 1 to 100 characters; empty: the part of Email before its '@'
	// PasswordHash is the hash of the other system, or empty. These are the schemes, their forms
	// and their bounds:
	//
	//	Argon2id, Argon2i  PHC with v=19           256 MiB, 10 passes, 16 lanes
	//	bcrypt             $2a$, $2b$, $2y$        cost 14
	//	scrypt             PHC, passlib, Django    N·r·128 up to 64 MiB, r up to 32, p up to 8
	//	PBKDF2             PHC, passlib, Django    2,000,000 rounds of SHA-1, SHA-256 or SHA-512
	//	Firebase scrypt    $firebase-scrypt$salt$hash, with Config.FirebaseHashes
	PasswordHash Secret
	// TOTPSecret is the secret of the user's authenticator in base32, 10 to 64 bytes, or empty.
	// Codes are six digits of HMAC-SHA-1, for 30 seconds each. The second factor is on at once.
	TOTPSecret Secret
	// Role is as for Manager.SetRole. Empty: in an organization that exists "member", or the lowest
	// of Config.Roles if those have no "member"; otherwise Config.FirstRole.
	Role string
	// OrganizationID is the "org_…" of an organization that exists. Without it, the user is alone
	// in a new one. OrganizationName is its name, and the default is FullName.
	OrganizationID, OrganizationName string
	Disabled                         bool
	CreatedAt                        time.Time // zero: now
}

// An ImportResult is what became of an ImportedUser.
type ImportResult struct {
	User User // without an ID from CheckImport
	// DroppedHash says why the account has no password although there was a PasswordHash:
	// "unknown_scheme", or "too_costly" if its costs are above the bounds. Such a user sets a
	// password with ForgotPassword. Otherwise it is "".
	DroppedHash string
}

// imported is the Reason of the event of an account that was imported.
const imported = "imported"

// errAddressHeld reports an address that no account has, and that is claimed.
var errAddressHeld = errors.New("auth: an operation that was cut off holds the address, for 30 seconds")

// ImportUser makes an account of another system here, with its password hash and its second
// factor. It hashes nothing, mails nothing and sends no notice. It is for your program: it checks
// no permission, no limit of attempts and no Config.NoRegistration.
//
// The user logs in with the password of the other system, and the first login replaces its hash by
// one of ours. Until then a login to the account takes longer than to others. So whoever measures
// it learns that the address has an account. The bytes of the password are compared as they are
// sent, with Argon2id in form NFC. With bcrypt, a password of more than 72 bytes is wrong. The
// rules of new passwords are not applied.
//
// The address makes a second import harmless: the error is ErrEmailTaken if an account has it, from
// this import or not. So a file can be imported again after a crash. The error is [*InputError]
// for what CheckImport refuses, and ErrNotFound if the organization ends meanwhile. ErrUnavailable
// may also mean that the call before was cut off with this address. Try again then, 30 seconds
// later at most.
func (m *Manager) ImportUser(ctx context.Context, u ImportedUser) (ImportResult, error) {
	defer m.calls.Begin()()
	p, err := m.planImport(ctx, u)
	if err != nil {
		return ImportResult{}, err
	}
	event := Event{Type: EventRegistered, Actor: actorOf(ctx), Role: p.Role, Reason: imported}
	made, err := m.createDraft(ctx, p.draft, p.canonical, event, p.entry)
	if errors.Is(err, ErrEmailTaken) {
		if held := m.checkUntaken(ctx, p.canonical, ""); !errors.Is(held, ErrEmailTaken) {
			return ImportResult{}, cmp.Or(held, unavailable(errAddressHeld))
		}
	}
	if err != nil {
		return ImportResult{}, err
	}
	return ImportResult{User: made, DroppedHash: p.dropped}, nil
}

// CheckImport returns what ImportUser would, and writes nothing. The error is an [*InputError] that
// names every field at fault, or else ErrEmailTaken.
func (m *Manager) CheckImport(ctx context.Context, u ImportedUser) (ImportResult, error) {
	p, err := m.planImport(ctx, u)
	if err == nil {
		err = m.checkUntaken(ctx, p.canonical, "")
	}
	if err != nil {
		return ImportResult{}, err
	}
	return ImportResult{User: User{
		Email: p.Email, EmailVerified: p.EmailVerified, FullName: p.FullName, Role: p.Role, OrganizationID: p.OrganizationID,
		TwoFactorEnabled: p.secret != nil, Disabled: p.disabled, CreatedAt: p.created,
	}, DroppedHash: p.dropped}, nil
}

// An importPlan is what ImportUser is about to make.
type importPlan struct {
	draft
	entry     entry
	canonical string // of the address
	dropped   string // ImportResult.DroppedHash
}

// planImport returns what ImportUser makes of u, or an error that names every field at fault.
func (m *Manager) planImport(ctx context.Context, u ImportedUser) (p importPlan, err error) {
	if strings.TrimSpace(u.FullName) == "" {
		address, _ := emailaddr.Clean(printable.Trim(u.Email))
		u.FullName, _, _ = strings.Cut(address, "@")
	}
	p.NewUser = NewUser{
		Email: u.Email, EmailVerified: u.EmailVerified, FullName: u.FullName, OrganizationID: u.OrganizationID, Role: u.Role,
	}
	p.disabled, p.created, p.entry.unproven = u.Disabled, u.CreatedAt.UTC(), m.SendsMail() && !u.EmailVerified
	if u.CreatedAt.IsZero() {
		p.created = m.now()
	}
	var refused *InputError
	if p.canonical, err = m.checkNewUser(&p.NewUser, nil, nil); err != nil && !errors.As(err, &refused) {
		return p, err
	}
	var fields []FieldError
	if refused != nil {
		fields = refused.Fields
	}
	wrong := func(field, code, detail string) { fields = append(fields, FieldError{field, code, detail}) }

	switch p.hash, err = m.passwords.Import(string(u.PasswordHash)); {
	case u.PasswordHash == "":
		p.hash = "" // there is no password
	case errors.Is(err, password.ErrUnknown):
		p.dropped = "unknown_scheme"
	case errors.Is(err, password.ErrCosts):
		p.dropped = "too_costly"
	case errors.Is(err, password.ErrNoKey):
		wrong("password_hash", "no_signer_key", "It is a hash of Firebase, and Config.FirebaseHashes is not set.")
	case err != nil:
		wrong("password_hash", "malformed", "It does not have the form of its scheme.")
	}
	if u.TOTPSecret != "" {
		secret, ok := otp.ParseBase32(string(u.TOTPSecret))
		if p.secret = secret; !ok {
			wrong("totp_secret", "invalid_secret", "It is not 10 to 64 bytes in base32.")
		}
	}
	if bad := checkRole(u.Role); bad != nil && u.Role != "" {
		fields = append(fields, *bad)
	}
	if p.created.Unix() <= 0 || p.created.After(m.now().Add(clockSkew)) {
		wrong("created_at", "out_of_range", "It is not after 1970, or is in the future.")
	}
	name := printable.Tidy(u.OrganizationName)
	switch {
	case u.OrganizationID != "" && name != "":
		wrong("organization_name", "conflict", "There is an organization_id too.")
	case u.OrganizationID != "":
		p.Role = cmp.Or(u.Role, m.cfg.memberRole())
		p.entry.oid, _ = parseOrganization(u.OrganizationID)
		if _, err := m.Organization(ctx, u.OrganizationID); errors.Is(err, ErrNotFound) {
			wrong("organization_id", "not_found", "There is no such organization.")
		} else if err != nil {
			return p, err
		}
	default:
		p.Role = cmp.Or(u.Role, m.cfg.FirstRole)
		p.entry.name = cmp.Or(name, p.FullName)
		if bad := checkText("organization_name", name, maxName, false); bad != nil {
			fields = append(fields, *bad)
		}
	}
	return p, inputError(ErrInvalidInput, fields...)
}

// importedFactor returns the second factor of an account that is about to be made. Any code of its
// secret works once, from now on.
func (m *Manager) importedFactor(uid string, secret []byte, now time.Time) record.Row[totpRecord] {
	totp, enrolment := totpRow(uid), ident.Random()
	totp.Rec.Active = activeFactor{ID: enrolment, Sealed: m.sealFactor(uid, enrolment, secret), Since: now}
	return totp
}
