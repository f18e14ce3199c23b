package auth

import (
	"context"
	"errors"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/datixlab/auth/internal/ident"
	"github.com/datixlab/auth/internal/parallel"
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
	case s.Rec.repeats(t.claims.ID) && !m.firstUses.has(t.sid, s.Rec.Token):
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
			m.firstUses.add(t.uid, t.sid, jti)
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

// The first use of a token that a refresh returned shows that the reply has arrived. From then on
// a refresh of its parent means that the parent was copied. Before, it means that the reply was
// lost on the way.
//
// A check notes the use in memory, once for each token. A goroutine writes it. So no check waits
// for a write. Refresh looks in both places: on this Manager a use counts at once, on others
// within Config.UsageInterval.
//
// Close writes what is left. A crash loses uses, and then a token counts as never used until its
// next use. ARCHITECTURE.md says why that side is the safe one.

// maxFirstUses is how many first uses may wait to be written. A use beyond it is not noted; the
// next check of the token tries again.
const maxFirstUses = 64 << 10

// usesAtOnce is how many first uses are written at the same time.
const usesAtOnce = 64

// firstUses are the first uses that are not written yet.
type firstUses struct {
	mu   sync.Mutex
	uses map[string]firstUse // by session
	stop chan struct{}
	done chan struct{}
}

// A firstUse is that of the token with this id.
type firstUse struct{ uid, token string }

// noteUse notes that a token of the session of s was used, if it is the first use. It costs a
// comparison otherwise.
func (m *Manager) noteUse(s *snapshot, tokenID string) {
	if s.ids.Unused != tokenID || s.noted.Load() {
		return
	}
	uid, sid := s.identity.User.ID[len(userPrefix):], s.identity.SessionID[len(sessionPrefix):]
	if m.firstUses.add(uid, sid, tokenID) {
		s.noted.Store(true)
	}
}

// add notes a first use, unless too many wait. It copies the texts, which may be parts of longer
// ones.
func (f *firstUses) add(uid, sid, token string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	old, known := f.uses[sid]
	switch {
	case known && old.token == token:
		return true
	case !known && len(f.uses) >= maxFirstUses:
		return false
	}
	f.uses[strings.Clone(sid)] = firstUse{strings.Clone(uid), strings.Clone(token)}
	return true
}

// has reports whether the use of a token waits to be written.
func (f *firstUses) has(sid, token string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.uses[sid].token == token
}

// all returns a copy of what waits.
func (f *firstUses) all() map[string]firstUse {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.uses)
}

// remove removes a use that was written. The session may have a later one by then, which stays.
func (f *firstUses) remove(sid string, written firstUse) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.uses[sid] == written {
		delete(f.uses, sid)
	}
}

// startFirstUses starts the goroutine that writes first uses every Config.UsageInterval.
func (m *Manager) startFirstUses() {
	m.firstUses = firstUses{uses: map[string]firstUse{}, stop: make(chan struct{}), done: make(chan struct{})}
	go func() {
		defer close(m.firstUses.done)
		tick := time.NewTicker(m.cfg.UsageInterval)
		defer tick.Stop()
		for failed := false; ; {
			select {
			case <-tick.C:
			case <-m.firstUses.stop:
				return
			}
			err := m.writeFirstUses()
			if err != nil && !failed {
				m.cfg.Logger.Warn("auth: the first uses of tokens were not written; the Manager tries again", "err", err)
			}
			failed = err != nil
		}
	}()
}

// closeFirstUses ends the goroutine and writes what is left.
func (m *Manager) closeFirstUses() error {
	close(m.firstUses.stop)
	<-m.firstUses.done
	return m.writeFirstUses()
}

// writeFirstUses writes the first uses that were noted before the call, some at the same time.
// What fails stays noted. The rest is not tried then, since the store does not answer.
func (m *Manager) writeFirstUses() error {
	return withoutPanic(backgroundContext(), func(ctx context.Context) error {
		uses := m.firstUses.all()
		var calls []func() error
		for sid, use := range uses {
			calls = append(calls, func() error {
				err := m.writeFirstUse(ctx, sid, use)
				if err == nil || errors.Is(err, record.ErrDamaged) {
					m.firstUses.remove(sid, use)
				}
				return err
			})
		}
		return parallel.Try(usesAtOnce, calls, func(err error) error { return err })
	})
}

// writeFirstUse writes the use of a session's token, if that is still the current one and the
// session has not ended. It takes no turn: only a refresh changes the record beside it.
func (m *Manager) writeFirstUse(ctx context.Context, sid string, use firstUse) error {
	s := sessionRow(use.uid, sid)
	return m.records.Retry(ctx, "", func() error {
		if err := m.records.Read(ctx, &s); err != nil {
			return err
		}
		if !s.Exists() || s.Rec.Unused != use.token {
			return nil
		}
		s.Rec.Unused = ""
		return m.records.Commit(ctx, s.Put().Until(s.Rec.Expires))
	})
}
