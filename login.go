package auth

import (
	"context"
	"errors"

	"github.com/datixlab/auth/internal/emailaddr"
	"github.com/datixlab/auth/internal/record"
)

// A LoginResult is the outcome of a step of a login: an access token or, where the
// account has a second factor, a temp token for [Manager.VerifyTwoFactor].
type LoginResult struct {
	AccessToken AccessToken // zero where TempToken is set
	TempToken   Secret
	User        User // who logged in; zero where TempToken is set: nothing is proven yet

	// EnrollmentOnly is true where Config.TwoFactorPolicy leaves the session nothing
	// but to set up a second factor.
	EnrollmentOnly bool

	session string // "ses_…"
}

// TwoFactorRequired reports whether the login waits for its second factor.
func (r LoginResult) TwoFactorRequired() bool { return r.TempToken != "" }

// Login proves an account by its password. An unknown address, a wrong password and
// a disabled account are one and the same: ErrInvalidCredentials, after the same
// work. ErrRateLimited says the same of every address too, and while it does no
// password is looked at, not even the right one.
func (m *Manager) Login(ctx context.Context, email string, pw Secret) (LoginResult, error) {
	if err := m.ready(); err != nil {
		return LoginResult{}, err
	}
	canonical, ok := emailaddr.Canonical(email)
	if !ok {
		canonical = "not an address: " + email // counted like one that nobody has
	}
	digest, prefix := emailDigest(canonical), clientPrefix(ctx)
	uid, known, err := m.emailOwner(ctx, digest)
	if err != nil {
		return LoginResult{}, err
	}
	var result LoginResult
	err = m.throttled(ctx, uid, m.passwordBudgets(digest, prefix, known.Rec.Prefixes), func() (done bool, err error) {
		result, err = m.login(ctx, uid, canonical, pw)
		if errors.Is(err, ErrInvalidCredentials) {
			m.emit(ctx, Event{Type: EventLoginFailed, UserID: userIDOf(uid)})
		}
		return err == nil && !result.TwoFactorRequired(), err
	})
	if err == nil && !result.TwoFactorRequired() {
		m.noteNetwork(ctx, known, prefix, result)
	}
	return result, err
}

// dummyUID is the bare id of no user: ids begin with the time.
const dummyUID = "00000000000000000000000000000"

// login is Login behind its budgets. It looks at the password once for every hash
// that it finds, so again only if the password was changed at this very moment.
func (m *Manager) login(ctx context.Context, uid, canonical string, pw Secret) (result LoginResult, err error) {
	lookup := uid
	if uid == "" {
		lookup = dummyUID // so that an unknown address costs the same reads
	}
	acct, pass := accountRow(lookup), passwordRow(lookup)
	proven, stale := "", false
	err = m.records.Retry(ctx, func() error {
		if err := m.records.Read(ctx, &acct, &pass); err != nil {
			return err
		}
		usable := acct.Exists() && acct.Rec.open() && emailaddr.Same(acct.Rec.Email, canonical)
		if !usable || proven == "" || proven != pass.Rec.Hash {
			if stale, err = m.verifyPassword(ctx, pass.Rec.Hash, pw, usable); err != nil {
				return err
			}
			proven = pass.Rec.Hash
		}
		result, err = m.startSession(ctx, uid, &acct, byPassword)
		return err
	})
	if err == nil && stale {
		m.rehash(ctx, pass, pw)
	}
	return result, err
}

// rehash replaces a hash that is cheaper than the configuration asks for, unless
// the password was changed meanwhile. It is an improvement, never a condition.
func (m *Manager) rehash(ctx context.Context, pass record.Row[passwordRecord], pw Secret) {
	hash, err := m.hashPassword(ctx, pw)
	if err != nil {
		return
	}
	pass.Rec.Hash = hash
	_ = m.records.Commit(ctx, pass.Put())
}
