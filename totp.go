package auth

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/datixlab/auth/internal/ident"
	"github.com/datixlab/auth/internal/otp"
	"github.com/datixlab/auth/internal/qr"
	"github.com/datixlab/auth/internal/record"
	"github.com/datixlab/auth/store"
)

// pendingTTL is how long a user has to confirm a second factor.
const pendingTTL = 10 * time.Minute

// maxPicturesWaiting is how many QR codes may wait for the one that is drawn. One takes a few
// milliseconds.
const maxPicturesWaiting = 16

// newFactorLimit bounds how often a user can begin to set up a second factor.
var newFactorLimit = store.Limit{Burst: 10, Every: 10 * time.Minute}

func newFactorBudget(uid string) budget {
	return budget{name: "new_factor", key: userKey(uid, "newfactor"), limit: newFactorLimit, keepOnSuccess: true}
}

// A TwoFactorEnrollment is what the user needs to set up an authenticator. It is returned by
// [Manager.EnableTwoFactor] and cannot be read again.
type TwoFactorEnrollment struct {
	Secret      Secret      // base32 without padding, to type in
	URI         Secret      // otpauth://totp/…, the text of the QR code
	QRCode      SecretBytes // a PNG of the URI
	BackupCodes []Secret    // 10, of Config.BackupCodeLength digits; each replaces a TOTP code once
}

// A TwoFactorStatus is the state of a user's second factor, and what Config.TwoFactorPolicy of
// this Manager says of the user.
type TwoFactorStatus struct {
	Enabled         bool
	EnabledAt       time.Time // UTC; zero while not enabled
	BackupCodesLeft int       // that are not spent, 0 to 10

	// Required reports whether the policy binds the user, with a second factor or without,
	// also before its From. It is false if the policy is ReportOnly.
	Required bool
	// RequiredFrom is the From of a policy that binds the user, in UTC. It is zero if there is
	// none, and stays what it is after it has passed.
	RequiredFrom time.Time
}

// totpRecord has the pending enrolment and the active one. Until it is confirmed, codes of a
// pending secret are rejected, and no login asks for them.
type totpRecord struct {
	Pending pendingFactor
	Active  activeFactor
	// PendingBy is the ID of Pending, '/' and the session that began it, by its password or
	// its fresh login. No other can confirm it. With another ID it is of an earlier
	// enrolment, and an older version wrote Pending.
	PendingBy string
	newer     []byte
}

type pendingFactor struct {
	ID     string // "" is none
	Sealed []byte // the secret and the backup codes
	Since  time.Time
}

type activeFactor struct {
	ID     string // account.Enrolment
	Sealed []byte // the secret
	Since  time.Time
	// LastStep is the last time step whose code was accepted. Codes of later steps only
	// are accepted, so no code works twice (RFC 6238, 5.2).
	LastStep uint64
	Backup   backupSet
}

// Fields implements [record.Fields].
func (t *totpRecord) Fields(c *record.Codec) {
	c.String(&t.Pending.ID)
	c.Bytes(&t.Pending.Sealed)
	c.Time(&t.Pending.Since)
	c.String(&t.Active.ID)
	c.Bytes(&t.Active.Sealed)
	c.Time(&t.Active.Since)
	c.Uint(&t.Active.LastStep)
	t.Active.Backup.Fields(c)
	c.String(&t.PendingBy)
	c.Rest(&t.newer)
}

func totpRow(uid string) record.Row[totpRecord] { return record.New[totpRecord](totpKey(uid)) }

// pendingFor reports whether the session may confirm the pending enrolment at now.
func (t *totpRecord) pendingFor(sid string, now time.Time) bool {
	by, known := strings.CutPrefix(t.PendingBy, t.Pending.ID+"/")
	return t.Pending.ID != "" && isRecent(t.Pending.Since, now, pendingTTL) && (!known || by == sid)
}

// sealFactor and openFactor bind a sealed secret to its user and enrolment. So it cannot be
// opened for another. The secret of a pending factor is followed by its backup codes.
func (m *Manager) sealFactor(uid, enrolment string, plain []byte) []byte {
	return m.keys.Seal(labelTOTP, plain, []byte(uid+"/"+enrolment))
}

func (m *Manager) openFactor(uid, enrolment string, sealed []byte) (secret, rest []byte, current bool, err error) {
	plain, current, err := m.keys.Open(labelTOTP, sealed, []byte(uid+"/"+enrolment))
	if err != nil || len(plain) < otp.SecretLen {
		return nil, nil, false, errSealedSecret()
	}
	return plain[:otp.SecretLen], plain[otp.SecretLen:], current, nil
}

// openActive returns the secret of an active factor. One that was imported may have another length
// than ours.
func (m *Manager) openActive(uid string, f *activeFactor) (secret []byte, current bool, err error) {
	secret, current, err = m.keys.Open(labelTOTP, f.Sealed, []byte(uid+"/"+f.ID))
	if err != nil || !otp.ValidSecret(secret) {
		return nil, false, errSealedSecret()
	}
	return secret, current, nil
}

func errSealedSecret() error {
	return unavailable(errors.New("auth: a TOTP secret does not open with Config.Secrets"))
}

// EnableTwoFactor begins to set up a second factor for the caller and returns what the user
// needs for it. The second factor is on after [Manager.ConfirmTwoFactor], which must be called
// within 10 minutes. A second call of EnableTwoFactor replaces the first. The error is:
//   - ErrTwoFactorEnabled if a second factor is on already, which then stays as it is.
//   - ErrReauthenticationRequired if the login is not fresh and there is no password.
//   - ErrInvalidCredentials if the password is wrong.
//   - ErrRateLimited, also after 10 calls at once for one user. One more is allowed every 10
//     minutes.
//   - ErrOverloaded if no slot for the password or the QR code came free.
func (m *Manager) EnableTwoFactor(ctx context.Context, id Identity, password Secret) (TwoFactorEnrollment, error) {
	defer m.calls.Begin()()
	totp, pass := totpRow(uidOf(id)), passwordRow(uidOf(id))
	c, err := m.loadEnrolling(ctx, id, &totp, &pass)
	if err != nil {
		return TwoFactorEnrollment{}, err
	}
	if c.acct.Rec.Enrolment != "" {
		return TwoFactorEnrollment{}, ErrTwoFactorEnabled
	}
	if err := m.reauthenticate(ctx, id, c, &pass, password); err != nil {
		return TwoFactorEnrollment{}, err
	}
	budgets := []budget{newFactorBudget(c.uid)}
	if password == "" { // nothing is charged to the address yet
		budgets = append(m.addressBudgets(ctx), budgets...)
	}
	var e TwoFactorEnrollment
	err = m.throttled(ctx, c.uid, budgets, func(ctx context.Context) (bool, error) {
		e, err = m.beginEnrolment(ctx, id, c, totp)
		return err == nil, err
	})
	return e, err
}

// beginEnrolment makes a secret, its picture and backup codes, and writes the pending
// enrolment. A budget was charged for it before.
func (m *Manager) beginEnrolment(ctx context.Context, id Identity, c *principal, totp record.Row[totpRecord]) (e TwoFactorEnrollment, err error) {
	secret := make([]byte, otp.SecretLen)
	_, _ = rand.Read(secret)
	codes := newBackupCodes(m.cfg.BackupCodeLength)
	uri := otp.URI(m.cfg.TOTPIssuer, c.acct.Rec.Email, secret)
	var png []byte
	slotErr := m.withSlot(ctx, m.pictureSlots, func() { png, err = qr.PNG(uri) })
	if err := errors.Join(slotErr, err); err != nil {
		return TwoFactorEnrollment{}, err
	}
	enrolment := ident.Random()
	sealed := m.sealFactor(c.uid, enrolment, slices.Concat(secret, codes.joined()))
	err = m.retryAs(ctx, id, c, func() error {
		if c.acct.Rec.Enrolment != "" {
			return overtaken{ErrTwoFactorEnabled}
		}
		totp.Rec.Pending = pendingFactor{ID: enrolment, Sealed: sealed, Since: m.now()}
		totp.Rec.PendingBy = enrolment + "/" + c.sid
		return m.records.Commit(ctx, c.acct.Unchanged(), c.session.Unchanged(), totp.Put())
	}, &totp)
	m.report(ctx, err, id.event(EventTwoFactorStarted))
	if err != nil {
		return TwoFactorEnrollment{}, err
	}
	return TwoFactorEnrollment{Secret: Secret(otp.Base32(secret)), URI: Secret(uri), QRCode: png, BackupCodes: codes.secrets()}, nil
}

// ConfirmTwoFactor turns the second factor on. Code is a TOTP code, which proves that the
// authenticator works. From its return on the user's other sessions are rejected everywhere;
// the caller's goes on. The error is:
//   - ErrInvalidCode if the code is wrong or the enrolment was replaced. A text that is not six
//     digits is not charged. White space and hyphens in a code are no part of it.
//   - ErrTwoFactorNotEnabled if no enrolment of this session waits to be confirmed.
//   - ErrTwoFactorEnabled if the second factor is on already.
//   - ErrRateLimited, also after 60 right codes from one network at once, see
//     Config.Limits.LoginByAddress, or 20 of one user. One more is allowed every 10 minutes.
//   - ErrOverloaded if no hashing slot came free.
func (m *Manager) ConfirmTwoFactor(ctx context.Context, id Identity, code Secret) error {
	defer m.calls.Begin()()
	totp := totpRow(uidOf(id))
	c, err := m.loadEnrolling(ctx, id, &totp)
	if err != nil {
		return err
	}
	if c.acct.Rec.Enrolment != "" {
		return ErrTwoFactorEnabled
	}
	if !totp.Rec.pendingFor(c.sid, m.now()) {
		return ErrTwoFactorNotEnabled
	}
	if code = tidyCode(code); len(code) != otp.Digits || !wellFormedCode(code) {
		m.emit(ctx, id.codeEvent("confirm", malformed))
		return ErrInvalidCode
	}
	ctx = m.callerContext(ctx, c) // for the hashes of the backup codes
	budgets := append(m.addressBudgets(ctx), m.confirmBudget(c.uid))
	err = m.throttled(ctx, c.uid, budgets, func(ctx context.Context) (bool, error) {
		err := m.confirmPending(ctx, id, c, totp, code)
		if errors.Is(err, ErrInvalidCode) {
			m.emit(ctx, id.codeEvent("confirm", wrong))
		}
		return err == nil, err
	})
	m.report(ctx, err, id.event(EventTwoFactorEnabled), accountNotice(EventTwoFactorEnabled, c.uid, &c.acct.Rec, c.acct.Rec.Email))
	return err
}

// confirmPending makes the pending enrolment the active one, if code is of its secret and it
// is still pending.
func (m *Manager) confirmPending(ctx context.Context, id Identity, c *principal, totp record.Row[totpRecord], code Secret) error {
	pending := totp.Rec.Pending
	secret, rest, _, err := m.openFactor(c.uid, pending.ID, pending.Sealed)
	if err != nil {
		return err
	}
	codes, ok := splitBackupCodes(rest)
	if !ok {
		return unavailable(record.ErrDamaged)
	}
	step, ok := otp.Match(secret, string(code), 0, m.now())
	if !ok {
		return ErrInvalidCode
	}
	sealed := m.sealFactor(c.uid, pending.ID, secret)
	var backup *backupSet
	return m.retryAs(ctx, id, c, func() error {
		if c.acct.Rec.Enrolment != "" {
			return overtaken{ErrTwoFactorEnabled}
		}
		if totp.Rec.Pending.ID != pending.ID { // replaced meanwhile
			return ErrInvalidCode
		}
		if backup == nil { // after the conditions: a call that comes too late hashes nothing
			made, err := m.chargeNewCodes(ctx, firstCodesBudget(c.uid), c.uid, codes)
			if err != nil {
				return err
			}
			backup = &made
		}
		c.acct.Rec.Enrolment = pending.ID
		totp.Rec.Pending, totp.Rec.PendingBy = pendingFactor{}, ""
		totp.Rec.Active = activeFactor{ID: pending.ID, Sealed: sealed, Since: m.now(), LastStep: step, Backup: *backup}
		return m.records.Commit(ctx, append(c.endOtherSessions(), totp.Put())...)
	}, &totp)
}

// DisableTwoFactor turns the second factor off. It needs the password and a code, TOTP or backup. For
// an account without a password it needs a fresh login and a code. From its return on the user's other
// sessions are rejected everywhere. The error is:
//   - ErrInvalidCredentials if the password or the code is wrong. It does not say which, and
//     both are charged.
//   - ErrReauthenticationRequired if the account has no password and the login is not fresh.
//   - ErrTwoFactorNotEnabled if there is no second factor to turn off.
//   - ErrRateLimited. After 100 wrong codes in a row from a known network no code from there
//     is compared, here or at a login, until your program calls UnlockUser or ResetTwoFactor.
//     Other networks have 100 together, and one more every 3 days.
//
// A user whom Config.TwoFactorPolicy binds may turn it off too, to set up another. Until that
// is confirmed, the caller's session can do nothing else, and the user's API keys are
// rejected.
func (m *Manager) DisableTwoFactor(ctx context.Context, id Identity, password, code Secret) error {
	defer m.calls.Begin()()
	f := newFactors(id, password, code)
	c, err := m.loadPrincipal(ctx, id, &f.totp, &f.pass)
	if err != nil {
		return err
	}
	if c.acct.Rec.Enrolment == "" {
		return ErrTwoFactorNotEnabled
	}
	err = m.proveFactors(ctx, id, c, f, "disable", func(context.Context) ([]store.Op, error) {
		c.acct.Rec.Enrolment = ""
		return append(c.endOtherSessions(), f.totp.Remove()), nil
	})
	if isBackupCode(f.code) {
		e := id.event(EventBackupCodeUsed)
		e.Action, e.Count = "disable", f.totp.Rec.Active.Backup.left()
		m.report(ctx, err, e)
	}
	m.report(ctx, err, id.event(EventTwoFactorDisabled), accountNotice(EventTwoFactorDisabled, c.uid, &c.acct.Rec, c.acct.Rec.Email))
	return err
}

// TwoFactorStatus returns the state of the user's second factor, or ErrNotFound.
func (m *Manager) TwoFactorStatus(ctx context.Context, userID string) (TwoFactorStatus, error) {
	uid, _ := parseUser(userID)
	totp := totpRow(uid)
	_, acct, err := m.findUser(ctx, userID, &totp)
	if err != nil {
		return TwoFactorStatus{}, err
	}
	var s TwoFactorStatus
	if acct.Rec.Enrolment != "" {
		s = TwoFactorStatus{Enabled: true, EnabledAt: totp.Rec.Active.Since, BackupCodesLeft: totp.Rec.Active.Backup.left()}
	}
	if p := &m.cfg.TwoFactorPolicy; p.binds(m.user(userID, &acct.Rec)) {
		s.Required, s.RequiredFrom = true, p.From.UTC()
	}
	return s, nil
}
