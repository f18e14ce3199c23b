package auth

import (
	"context"
	"time"

	"github.com/datixlab/auth/internal/ident"
	"github.com/datixlab/auth/internal/record"
)

// Refresh returns a new token of the same session, whose end does not move. The old token is
// accepted for Config.RefreshGrace.
//
// Refreshing the old token again returns the same new token (with ES256 under another signature):
// within that time always, so racing clients continue one session. Later it does for as long as the
// new token was never used, since the reply may have been lost on the way. Refreshing any other
// token of the session that was superseded means that it was copied: the session ends, and the
// error is ErrInvalidToken.
//
// A use is a check of the token, or its refresh. This Manager knows of it at once, and others within
// Config.UsageInterval. A [Verifier] reports none. The use is lost if the process crashes before it
// is written.
//
// The old token must not have expired more than Config.RefreshAfterExpiry ago. If the new token has
// expired, its time begins again.
//
// A token that a refresh returned less than 5 seconds ago is returned again, and nothing is
// written. The other errors are those of [Manager.VerifyForEnrollment].
func (m *Manager) Refresh(ctx context.Context, token Secret) (AccessToken, error) {
	defer m.calls.Begin()()
	if err := m.ready(); err != nil {
		return AccessToken{}, err
	}
	var fresh AccessToken
	var t *tokenCheck
	open := func() error {
		t = new(tokenCheck)
		if err := m.readClaims(ctx, token, t, m.cache.token(string(token)).entry); err != nil {
			return err
		}
		late := t.claims.Validity
		late.Expires += int64(m.cfg.RefreshAfterExpiry / time.Second)
		if !late.Current(m.now()) {
			return m.refuseExpired(ctx, t)
		}
		return nil
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
		var err error
		fresh, err = m.refreshOnce(ctx, t)
		return err
	})
	if err != nil {
		return AccessToken{}, err
	}
	return fresh, nil
}

// refreshOnce refreshes a token whose session and account were just read. It returns
// store.ErrConflict if they have changed since.
func (m *Manager) refreshOnce(ctx context.Context, t *tokenCheck) (AccessToken, error) {
	now, s := t.read, &t.session
	event := t.event(EventTokenRefreshed)
	jti, _, ok := s.Rec.accepts(t.claims.ID, now)
	switch {
	case ok:
	case s.Rec.repeats(t.claims.ID) && !m.firstUses.has(firstUse{t.uid, t.sid, s.Rec.Token}):
		event.Reason = "again"
	default:
		event.Type = EventTokenReused
		err := m.records.Commit(ctx, s.Remove())
		m.report(ctx, err, event)
		if err != nil {
			return AccessToken{}, err
		}
		return AccessToken{}, ErrInvalidToken
	}
	switch {
	case jti == s.Rec.Token && !s.Rec.justRefreshed(now):
		s.Rec.rotate(ident.Random(), now, m.cfg.AccessTokenTTL, m.cfg.RefreshGrace)
	case !now.Before(s.Rec.tokenExpires(m.cfg.AccessTokenTTL)):
		s.Rec.Issued, s.Rec.Lifetime = now, m.cfg.AccessTokenTTL // the same token, with a new time
	default:
		if ok && jti == s.Rec.Unused { // the reply has arrived
			m.firstUses.add(firstUse{t.uid, t.sid, jti})
		}
		if event.Reason != "" {
			m.emit(ctx, event)
		}
		fresh, err := m.mint(ctx, t.uid, t.sid, &t.acct.Rec, &s.Rec)
		fresh.ExpiresIn = max(time.Second, fresh.ExpiresAt.Sub(now).Truncate(time.Second))
		return fresh, err
	}
	fresh, err := m.mint(ctx, t.uid, t.sid, &t.acct.Rec, &s.Rec)
	if err != nil {
		return AccessToken{}, err
	}
	err = m.records.Commit(ctx, t.acct.Unchanged(), s.Put().Until(s.Rec.Expires))
	m.report(ctx, err, event)
	if err != nil {
		return AccessToken{}, err
	}
	m.cacheSession(ctx, t.uid, t.sid, t.stamp)
	return fresh, nil
}
