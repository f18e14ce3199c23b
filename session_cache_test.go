package auth_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/internal/servertest"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/memstore"
)

// eachPair runs a test on every store with two Managers of one clock, and at every place with
// two stores, as of two processes: once where nothing is known of what the other does,
// and once where it is known with a lag.
func eachPair(t *testing.T, cfg auth.Config, test func(t *testing.T, a, b *authtest.Harness, lag time.Duration)) {
	t.Helper()
	pair := func(t *testing.T, sa, sb store.Store, lag time.Duration) {
		a := authtest.With(t, sa, cfg)
		test(t, a, twinOn(t, a, sb, cfg), lag)
	}
	everyStore(t, func(t *testing.T, s store.Store) { pair(t, s, s, 0) })
	for name, lag := range map[string]time.Duration{"two": 0, "two with a lag": 50 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			eachPlace(t, func(t *testing.T, p place) {
				t.Parallel()
				open := func() store.Store {
					s := p.open(t, lag)
					if lag > 0 {
						awaitStamps(t, s) // else nothing would be remembered at first
					}
					return s
				}
				pair(t, open(), open(), lag)
			})
		})
	}
}

// awaitStamps returns when the store knows what others have changed.
func awaitStamps(t *testing.T, s store.Store) {
	t.Helper()
	servertest.Within(t, raceTime, func() error {
		if _, known := s.(store.Stamper).Stamp("any"); !known {
			return errors.New("no stamp is known")
		}
		return nil
	})
}

// check returns what b makes of a credential, which it remembers as well as it can.
func check(b *authtest.Harness, credential string) (auth.Identity, error) {
	return b.Authenticate(context.Background(), auth.Secret(credential))
}

// remember has b check a credential until it must remember it.
func remember(t *testing.T, b *authtest.Harness, credential string) {
	t.Helper()
	for range 5 {
		if _, err := check(b, credential); err != nil {
			t.Fatalf("before: %v", err)
		}
	}
}

// What one Manager ends or changes, another does not answer from memory, nor does the
// one itself: not of a token that it has seen, and not of one that is new to it, whose
// session it knows. RC-10, RC-13, SE-7, AK-5, Advisory 23 (CVE-2026-35594).
func TestTheCacheIsNeverStale(t *testing.T) {
	ctx := context.Background()
	type act struct {
		name string
		key  bool // the credential is an API key, else a token
		do   func(t *testing.T, a *authtest.Harness, u *authtest.User, credential string) error
		want func(id auth.Identity, err error) bool
	}
	refused := func(_ auth.Identity, err error) bool { return errors.Is(err, auth.ErrInvalidToken) }
	keyID := func(t *testing.T, a *authtest.Harness, credential string) string {
		id, err := check(a, credential)
		if err != nil {
			t.Fatal(err)
		}
		return id.APIKeyID
	}
	acts := []act{
		{"logout", false, func(_ *testing.T, a *authtest.Harness, u *authtest.User, token string) error {
			id, err := check(a, token)
			return errors.Join(err, a.Logout(ctx, id))
		}, refused},
		{"the session revoked", false, func(_ *testing.T, a *authtest.Harness, u *authtest.User, token string) error {
			id, err := check(a, token)
			return errors.Join(err, a.RevokeSession(ctx, u.ID, id.SessionID))
		}, refused},
		{"all sessions revoked", false, func(_ *testing.T, a *authtest.Harness, u *authtest.User, _ string) error {
			return a.RevokeSessions(ctx, u.ID)
		}, refused},
		{"the password changed elsewhere", false, func(_ *testing.T, a *authtest.Harness, u *authtest.User, _ string) error {
			other, err := check(a, u.Login())
			return errors.Join(err, a.ChangePassword(ctx, other, authtest.Password, "another long passphrase"))
		}, refused},
		{"the password set by the program", false, func(_ *testing.T, a *authtest.Harness, u *authtest.User, _ string) error {
			return a.SetPassword(ctx, u.ID, "another long passphrase")
		}, refused},
		{"refreshed, and the grace over", false, func(_ *testing.T, a *authtest.Harness, _ *authtest.User, token string) error {
			_, err := a.Refresh(ctx, auth.Secret(token))
			a.Clock.Advance(11 * time.Second)
			return err
		}, refused},
		{"refreshed, within the grace", false, func(_ *testing.T, a *authtest.Harness, _ *authtest.User, token string) error {
			_, err := a.Refresh(ctx, auth.Secret(token))
			a.Clock.Advance(9 * time.Second)
			return err
		}, func(_ auth.Identity, err error) bool { return err == nil }},
		{"the user disabled", false, func(_ *testing.T, a *authtest.Harness, u *authtest.User, _ string) error {
			return a.DisableUser(ctx, u.ID)
		}, refused},
		{"the user deleted", false, func(_ *testing.T, a *authtest.Harness, u *authtest.User, _ string) error {
			return a.DeleteUser(ctx, u.ID)
		}, refused},
		{"another role", false, func(_ *testing.T, a *authtest.Harness, u *authtest.User, _ string) error {
			return a.SetRole(ctx, u.ID, "member")
		}, func(id auth.Identity, err error) bool { return err == nil && id.User.Role == "member" }},
		{"other agents", false, func(_ *testing.T, a *authtest.Harness, u *authtest.User, _ string) error {
			return a.SetAssignedAgents(ctx, u.ID, []string{"agent_1"})
		}, func(id auth.Identity, err error) bool {
			return err == nil && len(id.User.AssignedAgents) == 1 && id.User.AssignedAgents[0] == "agent_1"
		}},
		{"the token's time over", false, func(_ *testing.T, a *authtest.Harness, _ *authtest.User, _ string) error {
			a.Clock.Advance(time.Hour)
			return nil
		}, refused},
		{"the clock set back to before it was issued", false, func(_ *testing.T, a *authtest.Harness, _ *authtest.User, _ string) error {
			a.Clock.Advance(-time.Minute)
			return nil
		}, refused},

		{"the key revoked", true, func(t *testing.T, a *authtest.Harness, u *authtest.User, key string) error {
			return a.RevokeUserAPIKey(ctx, u.ID, keyID(t, a, key))
		}, refused},
		{"the key rotated", true, func(t *testing.T, a *authtest.Harness, u *authtest.User, key string) error {
			_, _, err := a.RotateAPIKey(ctx, u.Identity(), keyID(t, a, key), 0, "", "")
			return err
		}, refused},
		{"the key rotated, within the overlap", true, func(t *testing.T, a *authtest.Harness, u *authtest.User, key string) error {
			_, _, err := a.RotateAPIKey(ctx, u.Identity(), keyID(t, a, key), time.Hour, "", "")
			return err
		}, func(id auth.Identity, err error) bool {
			return err == nil && !id.ReplacedAt.IsZero() && id.ExpiresAt.Equal(id.ReplacedAt.Add(time.Hour))
		}},
		{"the key disabled", true, func(t *testing.T, a *authtest.Harness, u *authtest.User, key string) error {
			_, err := a.UpdateAPIKey(ctx, u.Identity(), keyID(t, a, key), auth.APIKeyChange{Enabled: new(bool)})
			return err
		}, refused},
		{"the owner disabled", true, func(_ *testing.T, a *authtest.Harness, u *authtest.User, _ string) error {
			return a.DisableUser(ctx, u.ID)
		}, refused},
		{"the owner deleted", true, func(_ *testing.T, a *authtest.Harness, u *authtest.User, _ string) error {
			return a.DeleteUser(ctx, u.ID)
		}, refused},
		{"the owner of another role", true, func(_ *testing.T, a *authtest.Harness, u *authtest.User, _ string) error {
			return a.SetRole(ctx, u.ID, "member")
		}, func(id auth.Identity, err error) bool { return err == nil && id.User.Role == "member" }},
		{"the key's time over", true, func(_ *testing.T, a *authtest.Harness, _ *authtest.User, _ string) error {
			a.Clock.Advance(366 * 24 * time.Hour)
			return nil
		}, refused},
	}
	eachPair(t, auth.Config{}, func(t *testing.T, a, b *authtest.Harness, lag time.Duration) {
		for _, act := range acts {
			u := a.Register()
			credential, unseen := u.Token(), ""
			if act.key {
				credential = u.APIKey()
			} else if fresh, err := a.Refresh(ctx, auth.Secret(credential)); err != nil {
				t.Fatal(err)
			} else {
				credential, unseen = string(fresh.Token), credential // both are good, and the first will be seen alone
			}
			remember(t, a, credential)
			remember(t, b, credential)
			if err := act.do(t, a, u, credential); err != nil {
				t.Errorf("%s: %v", act.name, err)
				continue
			}
			look := func(by string, m *authtest.Harness) {
				if id, err := check(m, credential); !act.want(id, err) {
					t.Errorf("%s: by %s %+v, %v", act.name, by, id, err)
				}
				if unseen == "" {
					return
				}
				if id, err := check(m, unseen); !act.want(id, err) {
					t.Errorf("%s: of a new token by %s %+v, %v", act.name, by, id, err)
				}
			}
			look("itself", a)
			for late := time.Now().Add(lag); !time.Now().After(late); { // what b may not have heard of until then
				_, _ = check(b, credential)
			}
			look("the other", b)
		}
	})
}

// A laggingStore is a store that hears of what others write only when the test says so, as a Redis
// within MaxLag.
type laggingStore struct {
	store.Store
	stamp atomic.Uint64
}

func (s *laggingStore) Stamp(string) (uint64, bool) { return s.stamp.Load(), true }

// A client may bring a new token at once to a process that has not heard of its refresh.
func TestANewTokenIsAcceptedBeforeItsRefreshIsHeardOf(t *testing.T) {
	s := memstore.New()
	far := &laggingStore{Store: s}
	near := authtest.With(t, s, auth.Config{})
	other := twinOn(t, near, far, auth.Config{})
	first := near.Register().Token()
	remember(t, other, first)
	near.Clock.Advance(time.Minute)
	second := refreshed(t, near.Manager, first)
	if !verify(t, other.Manager, second) {
		t.Error("the new token is refused")
	}
	if !verify(t, other.Manager, first) {
		t.Error("within its grace the old token is refused")
	}
}

// No check that begins once an end is acknowledged, and the lag is over, succeeds,
// however many are under way. RC-10, RC-13.
func TestNoCheckThatBeginsAfterAnEndSucceeds(t *testing.T) {
	ctx := context.Background()
	eachPair(t, auth.Config{}, func(t *testing.T, a, b *authtest.Harness, lag time.Duration) {
		for round := range 20 {
			u := a.Register()
			credential, end := u.Token(), func() error { return a.RevokeSessions(ctx, u.ID) }
			if round%2 == 1 {
				credential = u.APIKey()
				end = func() error { return a.DisableUser(ctx, u.ID) }
			}
			remember(t, b, credential)
			var over atomic.Int64 // when the end was acknowledged, Unix nanoseconds
			var wrong atomic.Int64
			var checks sync.WaitGroup
			for range 4 {
				checks.Go(func() {
					for refusals := 0; refusals < 3; {
						begun := time.Now()
						_, err := check(b, credential)
						if err != nil {
							refusals++
						} else if at := over.Load(); at != 0 && begun.Sub(time.Unix(0, at)) > lag {
							wrong.Add(1)
							return
						}
					}
				})
			}
			if err := end(); err != nil {
				t.Fatal(err)
			}
			over.Store(time.Now().UnixNano())
			checks.Wait()
			if wrong.Load() > 0 {
				t.Fatalf("round %d: accepted by a check that began after the end", round)
			}
		}
	})
}

// What is remembered is one text: no other is taken for it, nor a token for a key.
func TestWhatIsRememberedIsOneText(t *testing.T) {
	a := authtest.New(t)
	u := a.Register()
	token, key := u.Token(), u.APIKey()
	remember(t, a, token)
	remember(t, a, key)
	for _, credential := range []string{token, key} {
		for i := range credential {
			for _, c := range []string{"", "A", "B", ".", "=", credential[i:i+1] + credential[i:i+1]} {
				if other := credential[:i] + c + credential[i+1:]; other != credential {
					if _, err := check(a, other); err == nil {
						t.Fatalf("accepted for %q: %q", credential, other)
					}
				}
			}
		}
		if _, err := check(a, strings.ToUpper(credential)); err == nil {
			t.Errorf("accepted in capitals: %q", credential)
		}
	}
	if _, err := a.VerifyAPIKey(context.Background(), auth.Secret(token)); err == nil {
		t.Error("a token that is remembered passes for a key")
	}
	if _, err := a.VerifyAccessToken(context.Background(), auth.Secret(key)); err == nil {
		t.Error("a key that is remembered passes for a token")
	}
}

// A Manager knows the sessions that it has just begun or renewed: their tokens are
// checked without reading, and not once they have ended.
func TestASessionIsKnownFromItsFirstTokenOn(t *testing.T) {
	ctx := context.Background()
	everyStore(t, func(t *testing.T, s store.Store) {
		if _, stamps := s.(store.Stamper).Stamp("any"); !stamps {
			return // it is read each time
		}
		var gets atomic.Int64
		tap := newTapStore(s)
		tap.tap(func(_ context.Context, c storeCall) error {
			if c.kind == "Get" {
				gets.Add(1)
			}
			return nil
		}, nil)
		h := authtest.With(t, tap, auth.Config{})
		u := h.Register()
		known := func(how, token string) {
			t.Helper()
			before := gets.Load()
			if _, err := check(h, token); err != nil || gets.Load() != before {
				t.Errorf("%s: %v, with %d reads", how, err, gets.Load()-before)
			}
		}
		token := u.Token()
		known("a login", token)
		fresh, err := h.Refresh(ctx, auth.Secret(token))
		if err != nil {
			t.Fatal(err)
		}
		known("a refresh", string(fresh.Token))
		if err := h.RevokeSessions(ctx, u.ID); err != nil {
			t.Fatal(err)
		}
		for _, token := range []string{token, string(fresh.Token)} {
			if _, err := check(h, token); !errors.Is(err, auth.ErrInvalidToken) {
				t.Errorf("ended: %v", err)
			}
		}
	})
}

// deafStore is notified of no change: its stamps stay what they are.
type deafStore struct{ *tapStore }

// Stamp implements store.Stamper.
func (deafStore) Stamp(string) (uint64, bool) { return 1, true }

// Where nothing would come of it a session that was written is not read again, and where
// that fails or hangs it was written all the same.
func TestASessionIsReadAfterItIsWrittenOnlyIfItCanBeCached(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		for name, c := range map[string]struct {
			wrap  func(*tapStore) store.Store
			most  int
			reads int64 // after the last Commit
		}{
			"as a rule":                    {func(s *tapStore) store.Store { return s }, 0, 1},
			"the store hears of no change": {func(s *tapStore) store.Store { return deafStore{s} }, 0, 0},
			"the store has no stamps":      {func(s *tapStore) store.Store { return struct{ store.Store }{s} }, 0, 0},
			"nothing is to be remembered":  {func(s *tapStore) store.Store { return s }, -1, 0},
		} {
			for _, hangs := range []bool{false, true} {
				var told []auth.EventType
				var reads atomic.Int64
				tap := newTapStore(memstore.New())
				h := authtest.With(t, c.wrap(tap), auth.Config{MaxRemembered: c.most, Events: handlerFunc(func(_ context.Context, e auth.Event) { told = append(told, e.Type) })})
				u := h.Register()
				var written atomic.Bool
				tap.tap(func(ctx context.Context, call storeCall) error {
					if call.kind == "Get" && written.Load() {
						if reads.Add(1); hangs {
							<-ctx.Done()
							return ctx.Err()
						}
					}
					return nil
				}, func(_ context.Context, call storeCall) error {
					written.Store(written.Load() || call.kind == "Commit")
					return nil
				})
				began := time.Now()
				r, err := h.Login(ctx, u.Email, authtest.Password)
				if err != nil || reads.Load() != c.reads || time.Since(began) > 50*time.Millisecond {
					t.Errorf("%s, hangs %v: Login %v after %v, with %d reads", name, hangs, err, time.Since(began), reads.Load())
				}
				written.Store(false)
				reads.Store(0)
				began = time.Now()
				if _, err := h.Refresh(ctx, r.AccessToken.Token); err != nil || reads.Load() != c.reads || time.Since(began) > 50*time.Millisecond {
					t.Errorf("%s, hangs %v: Refresh %v after %v, with %d reads", name, hangs, err, time.Since(began), reads.Load())
				}
				_ = h.Close()
				if slices.Contains(told, auth.EventStoreFailed) || !slices.Contains(told, auth.EventTokenRefreshed) {
					t.Errorf("%s, hangs %v: events %v", name, hangs, told)
				}
			}
		}
	})
}

// A Manager that is closed, or whose store is, answers nothing from memory.
func TestNothingIsCachedBeyondTheEnd(t *testing.T) {
	everyStore(t, func(t *testing.T, s store.Store) {
		a, b := authtest.With(t, s, auth.Config{}), authtest.With(t, s, auth.Config{})
		u := a.Register()
		remember(t, a, u.Token())
		remember(t, b, u.Token())
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := check(a, u.Token()); !errors.Is(err, auth.ErrClosed) {
			t.Errorf("a Manager that is closed: %v, want ErrClosed", err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := check(b, u.Token()); !errors.Is(err, auth.ErrUnavailable) {
			t.Errorf("a store that is closed: %v, want ErrUnavailable", err)
		}
	})
}

// What a store has dropped is not remembered either, though the clock that dropped it
// was wrong: there would be nothing left to revoke.
func TestWhatTheStoreHasDroppedIsNotRemembered(t *testing.T) {
	ctx := context.Background()
	clock, s := authtest.NewClock(), memstore.New()
	s.Now = clock.Now
	h := authtest.With(t, s, auth.Config{Now: clock.Now})
	token := h.Register().Token()
	remember(t, h, token)
	clock.Advance(31 * 24 * time.Hour)
	for i := range 200 { // each collects from one more part of the store
		if err := s.Commit(ctx, store.Put(fmt.Sprintf("x%d/k", i), nil)); err != nil {
			t.Fatal(err)
		}
	}
	clock.Advance(-31 * 24 * time.Hour)
	if _, err := check(h, token); !errors.Is(err, auth.ErrInvalidToken) {
		t.Errorf("a session that the store has dropped: %v, want ErrInvalidToken", err)
	}
}

// What one caller does to its Identity no other sees.
func TestAnIdentityIsItsCallersOwn(t *testing.T) {
	h := authtest.New(t)
	u := h.Register()
	agents := make([]string, 17) // whose copy has room for more
	for i := range agents {
		agents[i] = fmt.Sprintf("agent_%d", i)
	}
	if err := h.SetAssignedAgents(context.Background(), u.ID, agents); err != nil {
		t.Fatal(err)
	}
	for name, credential := range map[string]string{"a token": u.Token(), "a key": u.APIKey()} {
		remember(t, h, credential)
		a, _ := check(h, credential)
		b, _ := check(h, credential)
		mine, methods := append(a.User.AssignedAgents, "mine"), append(a.AMR, "mine")
		_, _ = append(b.User.AssignedAgents, "yours"), append(b.AMR, "yours")
		a.User.AssignedAgents[0] = "mine"
		if c, _ := check(h, credential); mine[17] != "mine" || methods[len(methods)-1] != "mine" || c.User.AssignedAgents[0] != "agent_0" {
			t.Errorf("%s: %q, %q, and another caller's first is %q", name, mine[17], methods, c.User.AssignedAgents[0])
		}
	}
}
