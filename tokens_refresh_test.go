package auth_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/memstore"
)

// slowUses is a Config whose first uses are written when the test says so, or at Close.
func slowUses() auth.Config { return auth.Config{UsageInterval: time.Minute} }

func writeFirstUses(t *testing.T, m *auth.Manager) {
	t.Helper()
	if err := auth.WriteFirstUses(m); err != nil {
		t.Fatal(err)
	}
}

// wantReuse refreshes a token, which must end the session that the others are of.
func wantReuse(t *testing.T, m *auth.Manager, token string, others ...string) {
	t.Helper()
	if _, err := m.Refresh(t.Context(), auth.Secret(token)); err != auth.ErrInvalidToken {
		t.Errorf("the refresh of a copied token: %v", err)
	}
	for i, other := range append(others, token) {
		if verify(t, m, other) {
			t.Errorf("token %d of the session goes on", i)
		}
	}
}

// SE-6: the reply may be lost on the way.
func TestARefreshWhoseReplyIsLostIsAnsweredAgain(t *testing.T) {
	for _, wait := range []time.Duration{10 * time.Second, 11 * time.Second, time.Minute, 20 * time.Minute, 54*time.Minute + 59*time.Second} {
		t.Run(wait.String(), func(t *testing.T) {
			eachPair(t, slowUses(), func(t *testing.T, a, b *authtest.Harness, _ time.Duration) {
				alice := a.Register()
				first := alice.Token()
				b.Clock = a.Clock
				a.Clock.Advance(5 * time.Minute)
				lost := refreshed(t, a.Manager, first)
				a.Clock.Advance(wait)
				for _, m := range []*auth.Manager{a.Manager, b.Manager, a.Manager} {
					if verify(t, m, first) {
						t.Error("the superseded token opens something")
					}
					if again := refreshed(t, m, first); again != lost {
						t.Error("the reply is another one")
					}
				}
				if !verify(t, a.Manager, lost) || !verify(t, b.Manager, lost) {
					t.Error("the token of the reply is refused")
				}
				if next := refreshed(t, b.Manager, lost); !verify(t, a.Manager, next) || next == lost {
					t.Error("the session does not go on")
				}
			})
		})
	}
}

// SE-6: the first check of the parent has read its session before the parent was refreshed, and
// ends after the new token was used.
func TestACheckOfTheParentThatEndsLateDoesNotHideTheUseOfTheNewToken(t *testing.T) {
	s, cfg := newTapStore(memstore.New()), slowUses()
	cfg.MaxRemembered = -1 // each check reads
	h := authtest.With(t, s, cfg)
	refresh := func(token auth.Secret) auth.Secret {
		h.Clock.Advance(time.Minute)
		next, err := h.Refresh(t.Context(), token)
		if err != nil {
			t.Fatal(err)
		}
		return next.Token
	}
	parent := refresh(auth.Secret(h.Register().Token()))
	var current auth.Secret
	s.tap(nil, func(context.Context, storeCall) error {
		s.tap(nil, nil)
		current = refresh(parent)
		_, err := h.VerifyAccessToken(t.Context(), current)
		return err
	})
	if _, err := h.VerifyAccessToken(t.Context(), parent); err != nil {
		t.Fatal(err)
	}
	h.Clock.Advance(time.Minute)
	if _, err := h.Refresh(t.Context(), parent); !errors.Is(err, auth.ErrInvalidToken) {
		t.Errorf("the parent was refreshed: %v", err)
	}
	if _, err := h.VerifyAccessToken(t.Context(), current); !errors.Is(err, auth.ErrInvalidToken) {
		t.Errorf("the session goes on: %v", err)
	}
}

// SE-6: whatever shows that the reply has arrived.
func TestAParentIsNotRefreshedOnceTheNewTokenWasUsed(t *testing.T) {
	for name, use := range map[string]func(t *testing.T, m *auth.Manager, token auth.Secret) error{
		"a check": func(t *testing.T, m *auth.Manager, token auth.Secret) error {
			_, err := m.VerifyAccessToken(t.Context(), token)
			return err
		},
		"a check for enrolment": func(t *testing.T, m *auth.Manager, token auth.Secret) error {
			_, err := m.VerifyForEnrollment(t.Context(), token)
			return err
		},
		"many checks": func(t *testing.T, m *auth.Manager, token auth.Secret) (err error) {
			for range 10 {
				_, one := m.Authenticate(t.Context(), token)
				err = errors.Join(err, one)
			}
			return err
		},
		"a refresh that returns it again": func(t *testing.T, m *auth.Manager, token auth.Secret) error {
			same, err := m.Refresh(t.Context(), token)
			if same.Token != token {
				t.Error("it is not returned again")
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			eachPair(t, slowUses(), func(t *testing.T, a, b *authtest.Harness, _ time.Duration) {
				for _, by := range []struct {
					used, refreshed *auth.Manager
					written         bool
				}{{a.Manager, a.Manager, false}, {a.Manager, a.Manager, true}, {a.Manager, b.Manager, true}} {
					first := a.Register().Token()
					a.Clock.Advance(time.Second)
					second := refreshed(t, a.Manager, first)
					if err := use(t, by.used, auth.Secret(second)); err != nil {
						t.Fatal(err)
					}
					if by.written {
						writeFirstUses(t, by.used)
					}
					a.Clock.Advance(10*time.Second - 1)
					if again := refreshed(t, by.refreshed, first); again != second {
						t.Error("within the grace there is another token") // of two tabs
					}
					a.Clock.Advance(1)
					wantReuse(t, by.refreshed, first, second)
				}
			})
		})
	}
}

// SE-6: a use is seen by the others once it is written.
func TestAThiefOneGenerationBehindIsFoundOnEveryManager(t *testing.T) {
	eachPair(t, slowUses(), func(t *testing.T, a, b *authtest.Harness, _ time.Duration) {
		stolen := a.Register().Token()
		second := refreshed(t, a.Manager, stolen)
		a.Clock.Advance(time.Minute)
		if !verify(t, a.Manager, second) {
			t.Fatal("the new token is refused")
		}
		if again := refreshed(t, b.Manager, stolen); again != second {
			t.Error("before the write the other one knows of the use")
		}
		writeFirstUses(t, a.Manager)
		wantReuse(t, b.Manager, stolen, second)
	})
}

// SE-6: also while the current token was never used.
func TestATokenOlderThanTheParentEndsItsSession(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, slowUses())
		first := h.Register().Token()
		h.Clock.Advance(time.Minute)
		second := refreshed(t, h.Manager, first)
		h.Clock.Advance(time.Minute)
		third := refreshed(t, h.Manager, second)
		h.Clock.Advance(time.Minute)
		if again := refreshed(t, h.Manager, second); again != third {
			t.Error("the parent has another token")
		}
		wantReuse(t, h.Manager, first, second, third)
	})
}

// SE-2
func TestAParentIsRefreshedUntilItExpires(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, slowUses())
		first := h.Register().Token()
		h.Clock.Advance(30 * time.Minute)
		second := refreshed(t, h.Manager, first)
		h.Clock.Advance(30*time.Minute - 1)
		if again := refreshed(t, h.Manager, first); again != second {
			t.Error("there is another token")
		}
		h.Clock.Advance(1)
		if _, err := h.Refresh(t.Context(), auth.Secret(first)); err != auth.ErrInvalidToken {
			t.Errorf("an expired parent: %v", err)
		}
		if !verify(t, h.Manager, second) {
			t.Error("an expired parent ended the session")
		}
	})
}

// A crash loses a use: then the reply may have been lost as well. The next use counts.
func TestAUseThatACrashLosesEndsNoSessionAndTheNextCounts(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, slowUses())
		next := twin(t, h, slowUses())
		first := h.Register().Token()
		second := refreshed(t, h.Manager, first)
		h.Clock.Advance(time.Minute)
		if !verify(t, h.Manager, second) {
			t.Fatal("the new token is refused")
		}
		auth.Crash(h.Manager)
		if again := refreshed(t, next.Manager, first); again != second {
			t.Error("there is another token")
		}
		if !verify(t, next.Manager, second) {
			t.Fatal("the new token is refused")
		}
		wantReuse(t, next.Manager, first, second)
	})
}

func TestAManagerThatIsClosedWritesTheFirstUses(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, slowUses())
		next := twin(t, h, slowUses())
		first := h.Register().Token()
		second := refreshed(t, h.Manager, first)
		h.Clock.Advance(time.Minute)
		if !verify(t, h.Manager, second) {
			t.Fatal("the new token is refused")
		}
		if err := h.Close(); err != nil {
			t.Fatal(err)
		}
		wantReuse(t, next.Manager, first, second)
	})
}

// A commitCount counts every Commit, those of the background too.
type commitCount struct {
	store.Store
	n atomic.Int64
}

func (s *commitCount) Commit(ctx context.Context, ops ...store.Op) error {
	s.n.Add(1)
	return s.Store.Commit(ctx, ops...)
}

func (s *commitCount) Stamp(partition string) (uint64, bool) {
	if of, ok := s.Store.(store.Stamper); ok {
		return of.Stamp(partition)
	}
	return 0, false
}

func TestTheFirstUseOfATokenIsWrittenOnce(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		count := &commitCount{Store: s}
		h := authtest.With(t, count, slowUses())
		auth.AwaitBackground(h.Manager)
		token := h.Register().Token()
		for generation := range 3 {
			before := count.n.Load()
			for range 3 {
				for range 50 {
					if !verify(t, h.Manager, token) {
						t.Fatal("it is refused")
					}
				}
				if n := count.n.Load() - before; n > 1 || generation == 0 && n > 0 {
					t.Errorf("generation %d: checks made %d Commits", generation, n)
				}
				writeFirstUses(t, h.Manager)
			}
			want := int64(1)
			if generation == 0 { // of a login: it has no parent
				want = 0
			}
			if n := count.n.Load() - before; n != want {
				t.Errorf("generation %d: 150 checks made %d Commits, want %d", generation, n, want)
			}
			h.Clock.Advance(time.Minute)
			token = refreshed(t, h.Manager, token)
		}
	})
}

// RC-13, SE-6: what is written late changes nothing that happened since.
func TestAFirstUseThatIsWrittenLateUndoesNothing(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, slowUses())
		other := twin(t, h, slowUses())
		used := func() (alice *authtest.User, first, second string) {
			alice = h.Register()
			first = alice.Token()
			h.Clock.Advance(time.Minute)
			second = refreshed(t, other.Manager, first)
			if !verify(t, h.Manager, second) {
				t.Fatal("the new token is refused")
			}
			return alice, first, second
		}
		alice, _, second := used()
		if err := other.LogoutToken(t.Context(), auth.Secret(second)); err != nil {
			t.Fatal(err)
		}
		_, _, refreshedSince := used()
		h.Clock.Advance(time.Minute)
		third := refreshed(t, other.Manager, refreshedSince)
		writeFirstUses(t, h.Manager)
		if verify(t, h.Manager, second) {
			t.Error("a session is back after its logout")
		}
		if sessions, err := h.Sessions(t.Context(), alice.ID); err != nil || len(sessions) != 0 {
			t.Errorf("%d sessions, %v", len(sessions), err)
		}
		h.Clock.Advance(time.Minute)
		if again := refreshed(t, other.Manager, refreshedSince); again != third {
			t.Error("the use of a token counts for its successor")
		}
	})
}

// DO-3: a store that takes no writes keeps no token from being checked, and what waits is written
// later.
func TestChecksDoNotWaitForTheWriteOfAFirstUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tap := newTapStore(memstore.New())
		tap.background = true
		log := &lockedBuffer{}
		h := authtest.With(t, tap, auth.Config{Logger: log.logger(), StoreTimeout: 2 * time.Second})
		first := h.Register().Token()
		second := refreshed(t, h.Manager, first)
		h.Clock.Advance(time.Minute)
		tap.tap(func(ctx context.Context, c storeCall) error {
			if c.kind == "Commit" {
				<-ctx.Done()
				return ctx.Err()
			}
			return nil
		}, nil)
		began := time.Now()
		for range 100 {
			if !verify(t, h.Manager, second) {
				t.Fatal("it is refused")
			}
			time.Sleep(time.Second)
		}
		if d := time.Since(began); d != 100*time.Second {
			t.Errorf("100 checks waited for %v", d-100*time.Second)
		}
		if n := strings.Count(log.String(), "first uses"); n != 1 {
			t.Errorf("the failure is logged %d times", n)
		}
		for _, e := range h.Events.All() {
			if e.Type == auth.EventStoreFailed {
				t.Error("what the background fails is an event")
			}
		}
		tap.tap(nil, nil)
		time.Sleep(5 * time.Second) // an interval, and a call that still hangs
		other := twin(t, h, slowUses())
		wantReuse(t, other.Manager, first, second)
	})
}

// RC-12: tabs that wake up at the same time have all lost the reply.
func TestManyRefreshesAfterALostReplyContinueOneSession(t *testing.T) {
	everyStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, slowUses())
		other := twin(t, h, slowUses())
		first := h.Register().Token()
		lost := refreshed(t, h.Manager, first)
		h.Clock.Advance(10 * time.Minute)
		errs := atOnce(t, 50, func(i int) error {
			fresh, err := []*auth.Manager{h.Manager, other.Manager}[i%2].Refresh(context.Background(), auth.Secret(first))
			if err == nil && string(fresh.Token) != lost {
				err = fmt.Errorf("racer %d has another token", i)
			}
			return err
		})
		if err := errors.Join(errs...); err != nil {
			t.Error(err)
		}
	})
}

func TestARefreshRightAfterAnotherWritesNothing(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		tap := newTapStore(s)
		h := authtest.With(t, tap, auth.Config{})
		alice := h.Register()
		var commits atomic.Int64
		tap.tap(func(_ context.Context, c storeCall) error {
			if c.kind == "Commit" {
				commits.Add(1)
			}
			return nil
		}, nil)
		refresh := func(token auth.Secret) auth.Secret {
			t.Helper()
			fresh, err := h.Refresh(t.Context(), token)
			if err != nil {
				t.Fatal(err)
			}
			return fresh.Token
		}
		first := auth.Secret(alice.Token())
		h.Clock.Advance(time.Millisecond)
		second := refresh(first) // right after the login, which a client may do
		if second == first {
			t.Error("the first refresh returned the old token")
		}
		for range 1000 {
			if again := refresh(second); again != second {
				t.Fatal("a refresh right after another made a token")
			}
		}
		if n := commits.Load(); n != 1 {
			t.Errorf("1001 refreshes made %d Commits, want 1", n)
		}
		h.Clock.Advance(5 * time.Second)
		if third := refresh(second); third == second || commits.Load() != 2 {
			t.Errorf("5 seconds later there is no new token, %d Commits", commits.Load())
		}
	})
}
