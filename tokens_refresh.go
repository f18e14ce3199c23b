package auth

import (
	"context"
	"time"

	"github.com/datixlab/auth/internal/ident"
	"github.com/datixlab/auth/internal/record"
)

// Refresh returns a new token of the same session, whose end does not move. The old token is
// accepted for Config.RefreshGrace. Refreshing it again within that time returns the same
// new token (with ES256 under another signature), so racing clients continue one session. A
// token that a refresh returned less than 5 seconds ago is returned again, and nothing is
// written. Refreshing a superseded token later means that it was copied: the session ends, and
// the error is ErrInvalidToken. The other errors are those of [Manager.VerifyForEnrollment].
func (m *Manager) Refresh(ctx context.Context, token Secret) (AccessToken, error) {
	defer m.calls.begin()()
	if err := m.ready(); err != nil {
		return AccessToken{}, err
	}
	var fresh AccessToken
	var t *tokenCheck
	open := func() error {
		t = new(tokenCheck)
		return m.openToken(ctx, token, t, m.cache.token(string(token)).entry, m.now())
	}
	if err := open(); err != nil {
		return AccessToken{}, err
	}
	again := false
	// Without a turn: of racers one writes, and the others return its token after one conflict.
	// So a client that has a token alone cannot make the changes of its account wait.
	err := m.records.Retry(ctx, "", func() error {
		if again {
			if err := open(); err != nil {
				return err
			}
		}
		again = true
		if err := m.readToken(ctx, t, new(record.Arena)); err != nil {
			return err
		}
		now, s := t.read, &t.session
		event := t.event(EventTokenRefreshed)
		jti, _, ok := s.Rec.accepts(t.claims.ID, now)
		if !ok {
			err := m.records.Commit(ctx, s.Remove())
			event.Type = EventTokenReused
			m.report(ctx, err, event)
			if err != nil {
				return err
			}
			return ErrInvalidToken
		}
		if jti != s.Rec.Token || s.Rec.justRefreshed(now) {
			var err error
			fresh, err = m.mint(ctx, t.uid, t.sid, &t.acct.Rec, &s.Rec)
			fresh.ExpiresIn = max(time.Second, fresh.ExpiresAt.Sub(now).Truncate(time.Second))
			return err
		}
		s.Rec.supersede(now, m.cfg.RefreshGrace)
		s.Rec.Token, s.Rec.Issued = ident.Random(), now
		var err error
		if fresh, err = m.mint(ctx, t.uid, t.sid, &t.acct.Rec, &s.Rec); err != nil {
			return err
		}
		err = m.records.Commit(ctx, t.acct.Unchanged(), s.Put().Until(s.Rec.Expires))
		m.report(ctx, err, event)
		if err != nil {
			return err
		}
		m.cacheSession(ctx, t.uid, t.sid, t.stamp)
		return nil
	})
	if err != nil {
		return AccessToken{}, err
	}
	return fresh, nil
}
