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
