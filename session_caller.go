package auth

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/datixlab/auth/internal/record"
	"github.com/datixlab/auth/store"
)

// A principal is the session that a call comes from, read again. The identity was true when
// it was proven; a change requires what is true now.
type principal struct {
	uid, sid string
	enrols   bool // loaded by loadEnrolling
	acct     record.Row[account]
	session  record.Row[sessionRecord]
}

// sessionOf returns the digits of the user and session of a session's identity. For an API
// key it returns ErrForbidden: an API key never manages credentials.
func (m *Manager) sessionOf(ctx context.Context, id Identity) (uid, sid string, err error) {
	if err := m.ready(); err != nil {
		return "", "", err
	}
	if id.IsAPIKey() {
		m.ReportDenied(ctx, id, "api_key")
		return "", "", ErrForbidden
	}
	uid, okUser := parseUser(id.User.ID)
	sid, okSession := parseSession(id.SessionID)
	if !okUser || !okSession {
		return "", "", ErrInvalidToken
	}
	return uid, sid, nil
}

// loadPrincipal reads the caller's account and session, and more of the same partition, at
// one instant. It returns ErrInvalidToken if the session has ended. It returns
// ErrTwoFactorSetupRequired if the policy lets the session only set up a second factor.
func (m *Manager) loadPrincipal(ctx context.Context, id Identity, more ...record.Reader) (*principal, error) {
	c, err := m.loadEnrolling(ctx, id, more...)
	if err != nil {
		return nil, err
	}
	c.enrols = false
	if m.cfg.TwoFactorPolicy.enrolmentOnly(m.user(id.User.ID, &c.acct.Rec), m.now()) {
		m.ReportDenied(ctx, id, "two_factor_setup_required")
		return nil, ErrTwoFactorSetupRequired
	}
	return c, nil
}

// loadEnrolling is loadPrincipal for the calls that set up a second factor. It does not
// apply the policy.
func (m *Manager) loadEnrolling(ctx context.Context, id Identity, more ...record.Reader) (*principal, error) {
	uid, sid, err := m.sessionOf(ctx, id)
	if err != nil {
		return nil, err
	}
	c := &principal{
		uid: uid, sid: sid, enrols: true,
		acct: accountRow(uid), session: sessionRow(uid, sid),
	}
	if err := m.records.Read(ctx, append(more, &c.acct, &c.session)...); err != nil {
		return nil, err
	}
	if !c.session.Rec.alive(&c.acct, m.now()) {
		m.emit(ctx, id.ended())
		return nil, ErrInvalidToken
	}
	return c, nil
}

// retryAs is RetryFrom for a step of the caller. Before every attempt except the first, and the
// first of a call that has waited for others, it loads c again, in the way that c was loaded, and
// rows with it. So a step is not retried after the session has ended.
func (m *Manager) retryAs(ctx context.Context, id Identity, c *principal, step func() error, rows ...record.Reader) error {
	load := m.loadPrincipal
	if c.enrols {
		load = m.loadEnrolling
	}
	reload := func() error {
		now, err := load(ctx, id, rows...)
		if err == nil {
			*c = *now
		}
		return err
	}
	if hasWaited(ctx) { // others have succeeded meanwhile
		if err := reload(); err != nil {
			return err
		}
	}
	return m.records.RetryFrom(ctx, userPartition(c.uid), reload, step)
}

// endOtherSessions returns the operations that write the caller's account and end every
// other session, pending login and trusted device of the user. They require account and session as they
// were read.
func (c *principal) endOtherSessions() []store.Op {
	c.acct.Rec.Epoch++
	c.session.Rec.Epoch = c.acct.Rec.Epoch
	return []store.Op{
		c.acct.Put(),
		c.session.Put().Until(c.session.Rec.Expires),
		store.Delete(tempKey(c.uid)),
	}
}

// reauthenticate returns nil if pw is the account's password or, without pw, if the login of
// the session is fresh. Otherwise it returns ErrInvalidCredentials or
// ErrReauthenticationRequired. The principal and the password record are as they were read at
// one instant.
func (m *Manager) reauthenticate(ctx context.Context, id Identity, c *principal, pass *record.Row[passwordRecord], pw Secret) error {
	if pw == "" {
		if m.fresh(c) {
			return nil
		}
		return m.refuseStale(ctx, id)
	}
	ctx = m.callerContext(ctx, c)
	return m.throttled(ctx, c.uid, m.callerBudgets(ctx, c), func(ctx context.Context) (bool, error) {
		err := m.provePassword(ctx, id, c, pass, pw)
		return err == nil, err
	})
}

// skippedCode reports whether a trusted device stood in for the code that the login of the
// caller's session would need.
func (c *principal) skippedCode() bool { return c.session.Rec.ByDevice && c.acct.Rec.Enrolment != "" }

// fresh reports whether the login of the caller's session is within Config.FreshLogin. While a
// second factor is on, no session is fresh in which a trusted device stood in for the code.
func (m *Manager) fresh(c *principal) bool {
	if c.skippedCode() {
		return false
	}
	return m.cfg.FreshLogin > 0 && isRecent(c.session.Rec.Created, m.now(), m.cfg.FreshLogin+1)
}

// refuseStale refuses a call that needs a fresh login, or the password and code that it does
// not have.
func (m *Manager) refuseStale(ctx context.Context, id Identity) error {
	m.ReportDenied(ctx, id, "reauthentication_required")
	return ErrReauthenticationRequired
}

// factors are the password and the code of a call, and the records that they are compared
// with.
type factors struct {
	password, code Secret
	pass           record.Row[passwordRecord]
	totp           record.Row[totpRecord]
}

// newFactors returns the factors of a call, the code in its form, with rows that are not read
// yet.
func newFactors(id Identity, pw, code Secret) *factors {
	return &factors{
		password: pw, code: tidyCode(code),
		pass: passwordRow(uidOf(id)), totp: totpRow(uidOf(id)),
	}
}

// proveFactors checks the password and an unspent code of the account. If both are right it
// commits the operations of act, which also spend the code. They require account, session and
// factor as read. If act returns an error, nothing is spent. If one is wrong the error is
// ErrInvalidCredentials, whichever it was, and both are charged. A code without the form of one
// has the same error, and nothing is charged. It is ErrTwoFactorNotEnabled if the factor is
// turned off by then. Principal and factors are as they were read at one instant; on success
// they are what was written.
func (m *Manager) proveFactors(ctx context.Context, id Identity, c *principal, f *factors, action string, act func(ctx context.Context) ([]store.Op, error)) error {
	if !wellFormedCode(f.code) { // nothing is compared, so nothing is learned or charged
		m.emit(ctx, id.codeEvent(action, malformed))
		return ErrInvalidCredentials
	}
	_, known, err := m.emailOwner(ctx, c.emailDigest())
	if err != nil {
		return err
	}
	ctx = m.callerContext(ctx, c)
	budgets, prefix := m.callerBudgets(ctx, c), clientPrefix(ctx)
	if isBackupCode(f.code) {
		budgets = hashing(2, budgets) // the password and the code
	}
	budgets = append(budgets, m.codeBudgets(c.uid, prefix, byProgram(ctx) || slices.Contains(known.Rec.Prefixes, prefix))...)
	return m.throttled(ctx, c.uid, budgets, func(ctx context.Context) (bool, error) {
		err := m.spendFactors(ctx, id, c, f, action, act)
		return err == nil, err
	})
}

// spendFactors is proveFactors after its budgets were charged.
func (m *Manager) spendFactors(ctx context.Context, id Identity, c *principal, f *factors, action string, act func(ctx context.Context) ([]store.Op, error)) error {
	wrongPassword := m.provePassword(ctx, id, c, &f.pass, f.password)
	if wrongPassword != nil && !errors.Is(wrongPassword, ErrInvalidCredentials) {
		return wrongPassword
	}
	proven, proof := f.pass.Rec.Hash, codeCheck{}
	if c.acct.Rec.Enrolment != "" {
		if err := m.tagBackupCode(ctx, &f.totp.Rec.Active.Backup, f.code, &proof); err != nil {
			return cmp.Or(wrongPassword, err) // the password was compared, so it stays charged
		}
	}
	return m.retryAs(ctx, id, c, func() error {
		if c.acct.Rec.Enrolment == "" && wrongPassword != nil {
			return ErrTwoFactorNotEnabled // it was compared, so it stays charged
		}
		if c.acct.Rec.Enrolment == "" {
			return overtaken{ErrTwoFactorNotEnabled}
		}
		ok, err := m.spendCode(ctx, c.uid, &c.acct.Rec, &f.totp.Rec, f.code, &proof)
		if err != nil && wrongPassword != nil {
			return wrongPassword // it was compared, so it stays charged whatever the code's error is
		}
		if err != nil {
			return err
		}
		if !ok && wrongPassword == nil {
			m.emit(ctx, id.codeEvent(action, proof.reason))
			method := "pwd"
			if hasNone(&f.pass) && len(c.session.Rec.AMR) > 0 { // the fresh login stood in for the password
				method = c.session.Rec.AMR[0]
			}
			m.notifyWrongCode(ctx, c.uid, &c.acct.Rec, method)
		}
		if !ok || wrongPassword != nil {
			return ErrInvalidCredentials
		}
		if f.pass.Rec.Hash != proven { // changed meanwhile
			return overtaken{ErrInvalidCredentials}
		}
		ops, err := act(ctx)
		if err != nil {
			return err
		}
		return m.records.Commit(ctx, ops...)
	}, &f.totp, &f.pass)
}

// provePassword returns ErrInvalidCredentials if pw is not the password of the record. If the
// account has none and pw is empty, a fresh login stands in for it. Any other pw is wrong then, after
// the same work. It must run inside throttled.
func (m *Manager) provePassword(ctx context.Context, id Identity, c *principal, pass *record.Row[passwordRecord], pw Secret) error {
	if pw == "" && hasNone(pass) {
		if m.fresh(c) {
			return nil
		}
		return overtaken{m.refuseStale(ctx, id)} // nothing was compared
	}
	_, err := m.verifyPassword(ctx, pass.Rec.Hash, pw, !hasNone(pass))
	if errors.Is(err, ErrInvalidCredentials) {
		m.emit(ctx, id.event(EventReauthFailed))
	}
	return err
}

// proveFresh is reauthenticate for a call by which an attacker could keep an account, such as a
// change of the address. If a second factor is on and the login is not fresh, it needs the
// password and a code. Without a password nothing stands in for a fresh login. Action names the call in events.
//
// Allow says whether the call can go on, after the proof and before the code is spent. So nobody
// loses a backup code to an address that is taken. It may be called again, and must not use the
// account's turn.
func (m *Manager) proveFresh(ctx context.Context, id Identity, c *principal, f *factors, action string, allow func(ctx context.Context) error) error {
	if c.acct.Rec.Enrolment == "" || f.code == "" && m.fresh(c) {
		if err := m.reauthenticate(ctx, id, c, &f.pass, f.password); err != nil {
			return err
		}
		return allow(ctx)
	}
	return m.proveBoth(ctx, id, c, f, action, allow)
}

// proveBoth is proveFresh for a call that needs the password and, where a second factor is on, a
// code, however fresh the login is.
func (m *Manager) proveBoth(ctx context.Context, id Identity, c *principal, f *factors, action string, allow func(ctx context.Context) error) error {
	if f.password == "" && !hasNone(&f.pass) || f.code == "" && c.acct.Rec.Enrolment != "" {
		return m.refuseStale(ctx, id)
	}
	if c.acct.Rec.Enrolment == "" {
		if err := m.reauthenticate(ctx, id, c, &f.pass, f.password); err != nil {
			return err
		}
		return allow(ctx)
	}
	err := m.proveFactors(ctx, id, c, f, action, func(ctx context.Context) ([]store.Op, error) {
		if err := allow(ctx); err != nil {
			return nil, overtaken{err} // the proof was right
		}
		return []store.Op{c.acct.Unchanged(), c.session.Unchanged(), f.totp.Put()}, nil
	})
	if errors.Is(err, ErrTwoFactorNotEnabled) { // turned off meanwhile, so no code is right
		return ErrInvalidCredentials
	}
	if isBackupCode(f.code) {
		e := id.event(EventBackupCodeUsed)
		e.Action = action
		m.reportBackupCode(ctx, err, e, &c.acct.Rec, f.totp.Rec.Active.Backup.left())
	}
	return err
}
