package auth

import (
	"context"
	"errors"

	"github.com/datixlab/auth/internal/record"
	"github.com/datixlab/auth/store"
)

// Logout ends the identity's session. From its return on every token of the session is
// rejected everywhere.
func (m *Manager) Logout(ctx context.Context, id Identity) error {
	defer m.calls.Begin()()
	uid, sid, err := m.sessionOf(ctx, id)
	if err != nil {
		return err
	}
	err = m.endSession(ctx, uid, sid)
	if errors.Is(err, ErrInvalidToken) {
		m.emit(ctx, id.ended())
	}
	m.report(ctx, err, id.event(EventLoggedOut))
	return err
}

// LogoutSession ends one session of the caller's user. From its return on every token of that
// session is rejected everywhere. The caller's own session may be the one: then it is
// [Manager.Logout]. If two sessions end each other at the same time, both may end.
//
// The error is ErrNotFound for a session that is unknown, over or another user's.
func (m *Manager) LogoutSession(ctx context.Context, id Identity, sessionID string) error {
	if sessionID == id.SessionID {
		return m.Logout(ctx, id)
	}
	defer m.calls.Begin()()
	sid, ok := parseSession(sessionID)
	s := sessionRow(uidOf(id), sid)
	var more []record.Reader
	if ok {
		more = append(more, &s)
	}
	c, err := m.loadPrincipal(ctx, id, more...)
	damaged := errors.Is(err, record.ErrDamaged)
	if damaged { // the damaged record may be the session, which can be ended too
		c, err = m.loadPrincipal(ctx, id)
	}
	if err != nil {
		return err
	}
	e := id.event(EventSessionRevoked)
	e.SessionID = ""
	if ok {
		e.SessionID = sessionID
	}
	if !damaged && !m.goesOn(&s.Rec, &c.acct, m.now()) {
		e.Type, e.Reason = EventAccessDenied, "not_found"
		m.emit(ctx, e)
		return ErrNotFound
	}
	// Without a condition, and a damaged record too: see endSession.
	err = m.records.Commit(ctx, store.Delete(s.Key))
	m.report(ctx, err, e)
	return err
}

// others is the Reason of the event of LogoutOthers.
const others = "others"

// LogoutOthers ends every session of the caller's user but the caller's, every login that waits
// for its second factor and the trust in every device. From its return on every token of them is
// rejected everywhere.
// Ended is how many of them a token opened or could refresh when the call looked.
//
// All of it is one Commit, whatever their number. A session that begins during the call is
// either ended, and not counted, or begins after that Commit and goes on. A refresh brings no
// ended session back. A refresh of the caller's session makes the call look again, and both
// succeed.
//
// The error is ErrInvalidToken if the caller's session has ended. So of two sessions that end
// the others at the same time one goes on.
func (m *Manager) LogoutOthers(ctx context.Context, id Identity) (ended int, err error) {
	defer m.calls.Begin()()
	var c *principal
	var rows []record.Row[sessionRecord]
	look := func() (err error) {
		if c, err = m.loadPrincipal(ctx, id); err != nil {
			return err
		}
		rows, err = m.sessionRows(ctx, c.uid)
		return err
	}
	if err := look(); err != nil {
		return 0, err
	}
	err = m.records.RetryAnywayFrom(ctx, userPartition(c.uid), look, func() error {
		ended = 0
		for _, s := range rows {
			if s.Key != c.session.Key && m.goesOn(&s.Rec, &c.acct, m.now()) {
				ended++
			}
		}
		return m.records.Commit(ctx, c.endOtherSessions()...)
	})
	e := id.event(EventSessionRevoked)
	e.Reason, e.Count = others, ended
	m.report(ctx, err, e)
	if err != nil {
		return 0, err
	}
	return ended, nil
}

// LogoutToken is [Manager.Logout] with any access token that the session ever had. One that has
// expired or was superseded proves no identity, and still says which session its holder wants to
// end. Signature, issuer and audience are checked as always.
//
// The error is ErrInvalidToken for a token of another Manager, for a session that has ended and
// for a disabled user, and nothing is changed then. It is ErrUnavailable if the store did not
// answer.
//
// So a stranger that finds an old token, in a log for instance, can end its session with it, and
// nothing else.
func (m *Manager) LogoutToken(ctx context.Context, token Secret) error {
	defer m.calls.Begin()()
	if err := m.ready(); err != nil {
		return err
	}
	t := new(tokenCheck)
	if err := m.readClaims(ctx, token, t, m.cache.token(string(token)).entry); err != nil {
		return err
	}
	err := m.readToken(ctx, t, new(record.Arena))
	if err != nil && !errors.Is(err, record.ErrDamaged) {
		return err
	}
	// Without a condition, and a damaged record too: see endSession.
	err = m.records.Commit(ctx, store.Delete(t.session.Key))
	event := t.event(EventLoggedOut)
	_, _, live := t.session.Rec.accepts(t.claims.ID, t.read)
	switch {
	case t.claims.Expires <= t.read.Unix():
		event.Reason = "expired"
	case !live:
		event.Reason = "superseded"
	}
	m.report(ctx, err, event)
	return err
}

// SessionEnded reports whether the session of an access token is over, so that no refresh makes a
// token of it again. It is true for a token that no Manager on the store has made. It is false for one
// that has expired or was superseded, as long as its session goes on. It is for a program that keeps the
// token for a client, such as in a cookie, and discards it when it is good for nothing. It emits no
// event. The error is ErrUnavailable or ErrClosed.
func (m *Manager) SessionEnded(ctx context.Context, token Secret) (bool, error) {
	defer m.calls.Begin()()
	t, err := m.goingOn(ctx, token)
	return err == nil && t == nil, err
}

// replaced is the Reason of the event of what another of its kind took the place of.
const replaced = "replaced"

// EndReplacedSession is [Manager.LogoutToken] for a program that keeps one token for a client, such as
// in a cookie, and has put the token of a new login in its place. Nobody else holds the old token, so
// its session would stay in the list until it expires. Call it after the login: if it fails, both
// sessions go on. The Reason of its event is "replaced".
//
// A token whose session is over is no error here, and emits nothing. The error is ErrUnavailable or
// ErrClosed.
func (m *Manager) EndReplacedSession(ctx context.Context, token Secret) error {
	defer m.calls.Begin()()
	t, err := m.goingOn(ctx, token)
	if err != nil || t == nil {
		return err
	}
	event := t.event(EventLoggedOut)
	event.Reason = replaced
	err = m.records.Commit(ctx, store.Delete(t.session.Key)) // without a condition: see endSession
	m.report(ctx, err, event)
	return err
}

// goingOn returns what is known about an access token whose session goes on, and nil for any other.
func (m *Manager) goingOn(ctx context.Context, token Secret) (*tokenCheck, error) {
	if err := m.ready(); err != nil {
		return nil, err
	}
	t := new(tokenCheck)
	c := &t.claims
	if !m.tokenKeys.Verify(string(token), m.format, c) || !c.WellFormed || c.Issuer != m.cfg.Issuer || c.Audience != m.cfg.Audience {
		return nil, nil
	}
	if err := m.readRecords(ctx, m.records, t, new(record.Arena)); err != nil {
		return nil, err
	}
	if !m.goesOn(&t.session.Rec, &t.acct, t.read) {
		return nil, nil
	}
	return t, nil
}
