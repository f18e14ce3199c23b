package auth

import (
	"context"
	"time"

	"github.com/datixlab/auth/internal/ident"
	"github.com/datixlab/auth/internal/record"
)

// Refresh returns a new token of the same session, whose end does not move. The old token is
// accepted for Config.RefreshGrace. Refreshing it again within that time returns the same
// new token (with ES256 under another signature), so racing clients continue one session.
// Refreshing it later means that it was copied: the session ends, and the error is
// ErrInvalidToken. The other errors are those of [Manager.VerifyForEnrollment].
func (m *Manager) Refresh(ctx context.Context, token Secret) (AccessToken, error) {
	if err := m.ready(); err != nil {
		return AccessToken{}, err
	}
	var fresh AccessToken
	err := m.records.Retry(ctx, func() error {
		t := new(tokenCheck)
		err := m.openToken(ctx, token, t, m.cache.token(string(token)).entry, m.now())
		if err != nil {
			return err
		}
		if err := m.readToken(ctx, t, new(record.Arena)); err != nil {
			return err
		}
		now, s := t.read, &t.session
		event := Event{
			Type: EventTokenRefreshed, Actor: t.sessionID, UserID: t.user,
			OrganizationID: t.acct.Rec.Org, SessionID: t.sessionID,
		}
		jti, _, ok := s.Rec.accepts(t.claims.ID, now)
		if !ok {
			if err := m.records.Commit(ctx, s.Remove()); err != nil {
				return err
			}
			event.Type = EventTokenReused
			m.emit(ctx, event)
			return ErrInvalidToken
		}
		if jti != s.Rec.Token {
			fresh, err = m.mint(ctx, t.uid, t.sid, &t.acct.Rec, &s.Rec)
			fresh.ExpiresIn = max(time.Second, fresh.ExpiresAt.Sub(now).Truncate(time.Second))
			return err
		}
		s.Rec.supersede(now, m.cfg.RefreshGrace)
		s.Rec.Token, s.Rec.Issued = ident.Random(), now
		if fresh, err = m.mint(ctx, t.uid, t.sid, &t.acct.Rec, &s.Rec); err != nil {
			return err
		}
		if err := m.records.Commit(ctx, t.acct.Unchanged(), s.Put().Until(s.Rec.Expires)); err != nil {
			return err
		}
		m.emit(ctx, event)
		m.cacheSession(ctx, t.uid, t.sid, t.stamp)
		return nil
	})
	if err != nil {
		return AccessToken{}, err
	}
	return fresh, nil
}
