package auth

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/datixlab/auth/internal/callback"
	"github.com/datixlab/auth/internal/emailaddr"
	"github.com/datixlab/auth/internal/password"
	"github.com/datixlab/auth/internal/printable"
	"github.com/datixlab/auth/internal/record"
	"github.com/datixlab/auth/internal/slots"
	"github.com/datixlab/auth/store"
)

// A passwordRecord is the password of an account. An account without a password has a record with
// an empty hash. So a record that was lost is a fault, and no account without a password.
type passwordRecord struct {
	Hash    string // Argon2id in PHC form, what password.Comparer.Import returned, or ""
	Changed time.Time
	newer   []byte
}

// Fields implements [record.Fields].
func (p *passwordRecord) Fields(c *record.Codec) {
	c.String(&p.Hash)
	c.Time(&p.Changed)
	c.Rest(&p.newer)
}

func passwordRow(uid string) record.Row[passwordRecord] {
	return record.New[passwordRecord](passwordKey(uid))
}

// hasNone reports whether the record is that of an account without a password.
func hasNone(pass *record.Row[passwordRecord]) bool { return pass.Exists() && pass.Rec.Hash == "" }

// ChangePassword sets a new password and ends the user's other sessions at once, in every
// process. The caller's session goes on. An account without a password gets its first: current is
// empty then, and the login must be fresh. If a second factor is on, 100 codes from networks that
// are not known are allowed again, at most once in 30 days: whoever used them up knew the old
// password. The new password is checked before the current one is compared, so
// ErrWeakPassword shows nothing about the current one. The error is an
// [*InputError] with ErrWeakPassword, or ErrInvalidCredentials if current is not the password.
// It is ErrReauthenticationRequired if the account has none and the login is not fresh.
// It may also be ErrRateLimited or ErrOverloaded. With a Config.PasswordChecker, one user has 60
// calls at once, and one more a minute.
func (m *Manager) ChangePassword(ctx context.Context, id Identity, current, replacement Secret) error {
	defer m.calls.Begin()()
	pass := passwordRow(uidOf(id))
	c, err := m.loadPrincipal(ctx, id, &pass)
	if err != nil {
		return err
	}
	if err := m.CheckNewPassword(replacement, c.acct.Rec.Email); err != nil {
		return err
	}
	ctx = m.callerContext(ctx, c)
	budgets := hashing(2, m.callerBudgets(ctx, c)) // the current password and the new one
	err = m.throttled(ctx, c.uid, budgets, func(ctx context.Context) (bool, error) {
		if err := m.chargeCheck(ctx, c.uid); err != nil {
			return false, err
		}
		if err := m.checkBreached(ctx, "new_password", replacement); err != nil {
			return false, err
		}
		if err := m.provePassword(ctx, id, c, &pass, current); err != nil {
			return false, err
		}
		proven := pass.Rec.Hash
		hash, err := m.hashPassword(ctx, replacement)
		if err != nil {
			return false, err
		}
		err = m.retryAs(ctx, id, c, func() error {
			if pass.Rec.Hash != proven { // changed meanwhile: current is no longer the password
				return overtaken{ErrInvalidCredentials}
			}
			pass.Rec.Hash, pass.Rec.Changed = hash, m.now()
			return m.records.Commit(ctx, append(c.endOtherSessions(), pass.Put())...)
		}, &pass)
		return err == nil, err
	})
	if err == nil && c.acct.Rec.Enrolment != "" {
		m.forgiveCodes(ctx, c.uid)
	}
	m.report(ctx, err, id.event(EventPasswordChanged), accountNotice(EventPasswordChanged, c.uid, &c.acct.Rec, c.acct.Rec.Email))
	return err
}

// HasPassword reports whether the user has a password, or returns ErrNotFound. An account of
// [Manager.CreateUser] may have none. Then a fresh login stands in for it, see [NewUser].
func (m *Manager) HasPassword(ctx context.Context, userID string) (bool, error) {
	uid, _ := parseUser(userID)
	pass := passwordRow(uid)
	if _, _, err := m.findUser(ctx, userID, &pass); err != nil {
		return false, err
	}
	return !hasNone(&pass), nil
}

// CheckNewPassword returns the [*InputError] with which ChangePassword would refuse a new
// password of the account with this email address, or nil. Call it before you use up what
// allows a change, such as a link by mail. It reads no store, hashes nothing, and asks no
// PasswordChecker.
func (m *Manager) CheckNewPassword(pw Secret, email string) error {
	if err := m.ready(); err != nil {
		return err
	}
	if weak := m.checkPassword("new_password", pw, email); weak != nil {
		return inputError(ErrWeakPassword, *weak)
	}
	return nil
}

// checkPassword returns why a new password is refused, or nil. The email address in any
// spelling, the part before its '@' and both issuers are refused as passwords too.
func (m *Manager) checkPassword(field string, pw Secret, email string) *FieldError {
	policy := password.Policy{Min: m.cfg.PasswordMinLength}
	blocklist := append([]string{m.cfg.Issuer, m.cfg.TOTPIssuer}, m.cfg.PasswordBlocklist...)
	email = printable.Bound(email, emailaddr.MaxLen) // what is longer is no address, and is read before anything is charged
	address, _ := emailaddr.Clean(email)
	local, _, _ := strings.Cut(cmp.Or(address, email), "@")
	own := []string{email, local}
	if canonical, ok := emailaddr.Canonical(string(pw)); ok && emailaddr.Same(email, canonical) {
		own = append(own, string(pw))
	}
	switch reason := policy.Check(string(pw), append(blocklist, own...)...); {
	case pw == "":
		return &FieldError{field, "required", "It is required."}
	case reason == password.TooShort:
		return &FieldError{field, string(reason), fmt.Sprintf("It has fewer than %d characters.", m.cfg.PasswordMinLength)}
	case reason == password.TooLong:
		return &FieldError{field, string(reason), fmt.Sprintf("It has more than %d characters.", password.DefaultMax)}
	case reason == password.Blocked && policy.Check(string(pw), blocklist...) == password.OK:
		return &FieldError{field, string(reason), "It is the email address, or the part before the @."}
	case reason == password.Blocked:
		return &FieldError{field, string(reason), "It is one of the passwords that are tried first."}
	case reason != password.OK:
		return &FieldError{field, string(reason), "It is not valid text."}
	}
	return nil
}

// A PasswordChecker reports whether a new password is known to attackers, for instance by
// looking it up in a list of breached ones. The call that sets the password waits for it, at
// most 2 seconds. Up to 64 goroutines call it at once. If it fails, panics, is too late or is
// busy, that is logged and the password is accepted: a list that does not answer must not keep
// users from changing their passwords.
type PasswordChecker interface {
	// Breached reports whether the password is known to attackers. It stops when
	// ctx is done.
	Breached(ctx context.Context, password Secret) (bool, error)
}

// checkTimeout is how long a call waits for a PasswordChecker.
const checkTimeout = 2 * time.Second

// maxChecks is how many calls of Config.PasswordChecker may run at once. Beyond that, a
// password is accepted without a call.
const maxChecks = 64

// checkLimit bounds how often a user can have Config.PasswordChecker called. Nothing gives a
// call back: a refused password costs no attempt, so it could be tried again without end.
var checkLimit = store.Limit{Burst: 60, Every: time.Minute}

func checkBudget(uid string) budget {
	return budget{name: "password_check", key: userKey(uid, "newpassword"), limit: checkLimit}
}

// chargeCheck charges the budget of the user for a call of the checker, if there is one.
func (m *Manager) chargeCheck(ctx context.Context, uid string) error {
	if m.cfg.PasswordChecker == nil {
		return nil
	}
	_, err := m.charge(ctx, uid, []budget{checkBudget(uid)})
	return err
}

// checkBreached asks Config.PasswordChecker about a new password. It returns an [*InputError]
// if the password is breached. If the checker fails, panics or does not answer in time, the
// password is accepted and the failure is logged. A call for a client is charged before: for a
// new account to the client's network, and otherwise by chargeCheck.
func (m *Manager) checkBreached(ctx context.Context, field string, pw Secret) error {
	if m.cfg.PasswordChecker == nil {
		return nil
	}
	breached, err := callback.Try(ctx, m.checkerCalls, func(ctx context.Context) (bool, error) {
		return m.cfg.PasswordChecker.Breached(ctx, pw)
	})
	if err != nil {
		m.cfg.Logger.WarnContext(ctx, "auth: the password checker failed; the password is accepted", "err", err)
		return nil
	}
	if breached {
		detail := "It is in a list of passwords that became known."
		return inputError(ErrWeakPassword, FieldError{field, string(password.Blocked), detail})
	}
	return nil
}

// withHashSlot runs f, which computes an Argon2id hash, in a hashing slot. A budget was charged
// for it before.
func (m *Manager) withHashSlot(ctx context.Context, f func()) error {
	return m.withSlot(ctx, m.hashSlots, func() {
		began := time.Now()
		f()
		m.pace.Note(time.Since(began), m.cfg.HashSlots)
	})
}

// maxLargeHashes is how many hashes may be checked at once that take more memory than our own. An
// imported hash takes up to 256 MiB.
const maxLargeHashes = 2

// withSlotFor is withHashSlot for the comparison with a stored hash. A large one waits for others
// of its kind before it takes a hashing slot. So they never take all of these, and little memory.
func (m *Manager) withSlotFor(ctx context.Context, hash string, f func()) (err error) {
	if !m.passwords.Large(hash) {
		return m.withHashSlot(ctx, f)
	}
	largeErr := m.inSlot(ctx, m.largeSlots, func() { err = m.withHashSlot(ctx, f) })
	return cmp.Or(largeErr, err)
}

// withSlot is inSlot for f that is work of an attempt.
func (m *Manager) withSlot(ctx context.Context, s *slots.Slots, f func()) error {
	return m.inSlot(ctx, s, func() {
		noteWork(ctx)
		f()
	})
}

// inSlot runs f in a slot of s. If it does not run f, the error is ErrOverloaded or, if ctx
// ended first, errNotRun.
func (m *Manager) inSlot(ctx context.Context, s *slots.Slots, f func()) error {
	err := s.Do(ctx, hashCaller(ctx), f)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, slots.ErrBusy):
		m.emit(ctx, Event{Type: EventOverloaded})
		return &RetryError{Err: ErrOverloaded, After: m.pace.After(max(m.cfg.HashWait, time.Second))}
	default:
		return unavailable(fmt.Errorf("%w: %w", errNotRun, err))
	}
}

// errNotRun reports work whose context ended while it waited for a slot.
var errNotRun = errors.New("auth: given up in the queue")

// hashPassword returns the hash of a new password, in PHC form.
func (m *Manager) hashPassword(ctx context.Context, pw Secret) (hash string, err error) {
	slotErr := m.withHashSlot(ctx, func() {
		hash, err = password.Hash(password.Params(m.cfg.PasswordHash), string(pw))
	})
	if slotErr != nil {
		return "", slotErr
	}
	return hash, err
}

// verifyPassword returns ErrInvalidCredentials unless pw is the password of hash and the
// account is usable. It does the same work if there is no hash, a malformed one, or one under
// costs of Config.PasswordHashBefore, and more for one that was imported. Stale reports that the
// hash was imported, or has other costs than Config.PasswordHash, or a shorter salt or tag than a
// new one.
func (m *Manager) verifyPassword(ctx context.Context, hash string, pw Secret, usable bool) (stale bool, err error) {
	ok := false
	slotErr := m.withSlotFor(ctx, hash, func() { ok, stale, err = m.passwords.Verify(hash, string(pw)) })
	switch {
	case slotErr != nil:
		return false, slotErr
	case errors.Is(err, password.ErrMalformed) && (usable || hash != ""):
		m.cfg.Logger.ErrorContext(ctx, "auth: an account's password hash is malformed; no password matches it", "err", err)
		noteWrong(ctx)
		return false, ErrInvalidCredentials
	case err != nil || !ok || !usable:
		noteWrong(ctx)
		return false, ErrInvalidCredentials
	}
	return stale, nil
}
