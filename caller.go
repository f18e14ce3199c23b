package auth

import (
	"context"
	"errors"

	"github.com/datixlab/auth/store"
)

// A caller is the session that a call comes from, read anew: the identity was true
// when it was proven, and what the call changes is conditional on what is true now.
type caller struct {
	uid, sid string
	acct     row[account]
	session  row[sessionRecord]
}

// readCaller reads the caller's account and session, and more of the same
// partition, at one instant. It returns ErrInvalidToken if the session has ended, and
// ErrTwoFactorSetupRequired if all that the policy leaves it is to set up a second factor.
func (m *Manager) readCaller(ctx context.Context, id Identity, more ...scanner) (*caller, error) {
	c, err := m.readEnrolling(ctx, id, more...)
	if err == nil && m.cfg.TwoFactorPolicy.enrolmentOnly(c.acct.rec.user(id.User.ID), m.now()) {
		m.ReportDenied(ctx, id, "two_factor_setup_required")
		return nil, ErrTwoFactorSetupRequired
	}
	return c, err
}

// readEnrolling is readCaller for what sets up a second factor.
func (m *Manager) readEnrolling(ctx context.Context, id Identity, more ...scanner) (*caller, error) {
	uid, sid, err := m.sessionOf(ctx, id)
	if err != nil {
		return nil, err
	}
	c := &caller{
		uid: uid, sid: sid,
		acct: newRow[account](userKey(uid, "acct")), session: newRow[sessionRecord](sessionKey(uid, sid)),
	}
	if err := m.records.read(ctx, append(more, &c.acct, &c.session)...); err != nil {
		return nil, err
	}
	if !c.session.rec.alive(&c.acct, m.now()) {
		m.emit(ctx, id.ended())
		return nil, ErrInvalidToken
	}
	return c, nil
}

// endOthers are the operations that write the caller's account and end every other
// session of the user, and every login that waits for its second factor. They hold
// on the condition that account and session are as they were read.
func (c *caller) endOthers() []store.Op {
	c.acct.rec.Epoch++
	c.session.rec.Epoch = c.acct.rec.Epoch
	return []store.Op{
		c.acct.put(),
		c.session.put().Until(c.session.rec.Expires),
		store.Delete(userKey(c.uid, "temp")),
	}
}

// reauthenticate lets a sensitive call pass if it brings the account's password or,
// where it brings none, comes from a session whose login is fresh. The caller and the
// password record are as they were read at one instant.
func (m *Manager) reauthenticate(ctx context.Context, id Identity, c *caller, pass *row[passwordRecord], pw Secret) error {
	if pw == "" {
		if m.cfg.FreshLogin > 0 && m.now().Sub(c.session.rec.Created) <= m.cfg.FreshLogin {
			return nil
		}
		m.ReportDenied(ctx, id, "reauthentication_required")
		return ErrReauthenticationRequired
	}
	budgets, err := m.callerBudgets(ctx, c)
	if err != nil {
		return err
	}
	return m.guess(ctx, c.uid, budgets, func() (bool, error) {
		err := m.provePassword(ctx, id, pass, pw)
		return err == nil, err
	})
}

// callerBudgets are those of the password of the caller's account: the same that a
// login is charged to, so that a stolen session is no way around them.
func (m *Manager) callerBudgets(ctx context.Context, c *caller) ([]budget, error) {
	canonical, _ := canonicalEmail(c.acct.rec.Email)
	digest := emailDigest(canonical)
	_, known, err := m.emailOwner(ctx, digest)
	return m.passwordBudgets(digest, clientPrefix(ctx), known.rec.Prefixes), err
}

// provePassword returns ErrInvalidCredentials if pw is not the password that pass is
// the record of. The caller of it has charged the budgets.
func (m *Manager) provePassword(ctx context.Context, id Identity, pass *row[passwordRecord], pw Secret) error {
	_, err := m.verifyPassword(ctx, pass.rec.Hash, pw, true)
	if errors.Is(err, ErrInvalidCredentials) {
		m.emit(ctx, id.event(EventReauthFailed))
	}
	return err
}
