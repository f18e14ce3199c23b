package auth_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/memstore"
)

// crowd is n accounts, with a session each.
func crowd(t *testing.T, h *authtest.Harness, n int) []*authtest.User {
	t.Helper()
	users := make([]*authtest.User, n)
	for i := range users {
		users[i] = h.Register()
	}
	return users
}

// makeKeys makes n API keys of the user, from where ctx says.
func makeKeys(ctx context.Context, t *testing.T, h *authtest.Harness, u *authtest.User, n int) {
	t.Helper()
	id := u.Identity()
	for range n {
		if _, _, err := h.CreateAPIKey(ctx, id, auth.NewAPIKey{Name: "test"}); err != nil {
			t.Fatal(err)
		}
	}
}

// changePasswords changes the password of the user n times and back.
func changePasswords(ctx context.Context, t *testing.T, m *auth.Manager, id auth.Identity, n int) {
	t.Helper()
	from, to := auth.Secret(authtest.Password), otherPassword
	for range n {
		if err := m.ChangePassword(ctx, id, from, to); err != nil {
			t.Fatal(err)
		}
		from, to = to, from
	}
}

// LO-1, PR-2: whoever takes an account over floods the queue from the same address before.
func TestAFloodOfNoticesDelaysNoNoticeOfSecurityOfAnother(t *testing.T) {
	accounts := 80
	if testing.Short() {
		accounts = 10
	}
	for name, tc := range map[string]struct {
		flood func(ctx context.Context, t *testing.T, h *authtest.Harness, u *authtest.User)
		ahead int // notices of others before each of the victim's, at the most
	}{
		"keys": {func(ctx context.Context, t *testing.T, h *authtest.Harness, u *authtest.User) {
			makeKeys(ctx, t, h, u, 60)
		}, 0},
		"passwords": {func(ctx context.Context, t *testing.T, h *authtest.Harness, u *authtest.User) {
			changePasswords(ctx, t, h.Manager, u.Identity(), 60)
		}, accounts},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var mu sync.Mutex
				var sent []auth.Notice
				s := memstore.New()
				defer s.Close()
				h := authtest.With(t, s, auth.Config{Limits: unlimited(), MaxAPIKeys: 100, Notifier: notifierFunc(func(_ context.Context, n auth.Notice) error {
					time.Sleep(50 * time.Millisecond)
					mu.Lock()
					defer mu.Unlock()
					sent = append(sent, n)
					return nil
				})})
				ctx := clientAt(t, "203.0.113.5")
				victim := h.Register()
				for _, u := range crowd(t, h, accounts) {
					tc.flood(ctx, t, h, u)
				}
				email := "mallory@example.org"
				if _, err := h.UpdateProfile(ctx, victim.Identity(), auth.ProfileChange{Email: &email}); err != nil {
					t.Fatal(err)
				}
				changePasswords(ctx, t, h.Manager, victim.Identity(), 1)
				time.Sleep(time.Minute) // until all are sent
				if err := h.Close(); err != nil {
					t.Fatal(err)
				}
				own := 0
				of := map[string]int{}
				for i, n := range sent {
					if of[n.To+string(n.Type)]++; of[n.To+string(n.Type)] > 5 {
						t.Fatalf("%s got more than 5 of %s", n.To, n.Type)
					}
					if n.UserID != victim.ID {
						continue
					}
					if own++; i > 1+own*(1+tc.ahead) {
						t.Errorf("notice %d of the victim is the %dth", own, i+1)
					}
				}
				if own != 3 || len(sent) != accounts*5+3 {
					t.Errorf("%d of the victim's 3 notices were sent, of %d", own, len(sent))
				}
			})
		})
	}
}

// LO-1, PR-2: a thief who knows the password fills the share of a network, and then the places that
// the victim has beside it, before the act that matters.
func TestAThiefDoesNotSilenceAChangeByChangesBeforeIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		notices, events := map[string]int{}, map[string]int{}
		s := memstore.New()
		defer s.Close()
		h := authtest.With(t, s, auth.Config{
			Limits: unlimited(),
			Notifier: notifierFunc(func(_ context.Context, n auth.Notice) error {
				time.Sleep(5 * time.Millisecond)
				notices[n.UserID+" "+string(n.Type)]++
				return nil
			}),
			Events: handlerFunc(func(_ context.Context, e auth.Event) {
				time.Sleep(5 * time.Millisecond)
				events[e.UserID+" "+string(e.Type)]++
			}),
		})
		ctx := clientAt(t, "203.0.113.5")
		victim := h.Register()
		for _, u := range crowd(t, h, 210) {
			changePasswords(ctx, t, h.Manager, u.Identity(), 5)
		}
		changePasswords(ctx, t, h.Manager, victim.Identity(), 4)
		email := "mallory@example.org"
		if _, err := h.UpdateProfile(ctx, victim.Identity(), auth.ProfileChange{Email: &email}); err != nil {
			t.Fatal(err)
		}
		if err := h.Close(); err != nil {
			t.Fatal(err)
		}
		changed := victim.ID + " email_changed"
		if notices[changed] == 0 || events[changed] != 1 {
			t.Errorf("the victim got %d notices of the new address, and the audit %d events", notices[changed], events[changed])
		}
	})
}

// LO-1: a slow audit hears of a thief beside thousands of successes from the thief's network.
func TestManyAccountsOfOneNetworkDoNotFillTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told, of := map[auth.EventType]int{}, map[string]int{}
		omitted := map[string]int{}
		s := memstore.New()
		defer s.Close()
		h := authtest.With(t, s, auth.Config{Limits: unlimited(), MaxAPIKeys: 100, Events: handlerFunc(func(_ context.Context, e auth.Event) {
			time.Sleep(2 * time.Millisecond)
			if e.Type == auth.EventOmitted {
				omitted[e.Reason] += e.Count
			}
			told[e.Type]++
			of[string(e.Type)+e.UserID]++
		})})
		victim := h.Register()
		users := crowd(t, h, 80)
		for i, u := range users {
			makeKeys(clientAt(t, fmt.Sprintf("2001:db8:1:%x::5", i)), t, h, u, 60)
		}
		email, ctx := "mallory@example.org", clientAt(t, "2001:db8:1:ffff::5")
		if _, err := h.UpdateProfile(ctx, victim.Identity(), auth.ProfileChange{Email: &email}); err != nil {
			t.Fatal(err)
		}
		makeKeys(ctx, t, h, victim, 1)
		changePasswords(ctx, t, h.Manager, victim.Identity(), 1)
		if err := h.Close(); err != nil {
			t.Fatal(err)
		}
		for _, changed := range []auth.EventType{auth.EventEmailChanged, auth.EventAPIKeyCreated, auth.EventPasswordChanged} {
			if n := of[string(changed)+victim.ID]; n != 1 {
				t.Errorf("%s of the victim was told %d times", changed, n)
			}
		}
		if n := told[auth.EventAPIKeyCreated] + omitted["api_key_created"]; n != 80*60+1 {
			t.Errorf("%d keys are told or counted, of %d", n, 80*60+1)
		}
	})
}

// LO-1: a success without a hash can be had without end.
func TestSuccessesThatCostNothingAreSampledAndChangesOfCredentialsAreNot(t *testing.T) {
	h := authtest.With(t, memstore.New(), auth.Config{Limits: unlimited()})
	u := h.Register()
	id := u.Identity()
	const n = 25
	var tokens []string // of sessions of their own, since one is not refreshed every second
	for range n {
		tokens = append(tokens, u.Login())
	}
	h.Clock.Advance(time.Minute)
	for i, token := range tokens {
		ctx := clientAt(t, fmt.Sprintf("2001:db8:1:%x::5", i)) // all of one /48
		if _, err := h.Refresh(ctx, auth.Secret(token)); err != nil {
			t.Fatal(err)
		}
		name := fmt.Sprint("Ada ", i)
		if _, err := h.UpdateProfile(ctx, id, auth.ProfileChange{FullName: &name}); err != nil {
			t.Fatal(err)
		}
	}
	if ended, err := h.LogoutOthers(t.Context(), id); err != nil || ended != n { // which is told, and the others are not
		t.Fatalf("%d, %v", ended, err)
	}
	for range n {
		if _, err := h.LogoutOthers(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	owner := h.Register().Identity() // who has not changed a profile
	made, _ := newKey(t, h.Manager, owner, auth.NewAPIKey{})
	for i := range n {
		name := fmt.Sprint("robot ", i)
		if _, err := h.UpdateAPIKey(t.Context(), owner, made.ID, auth.APIKeyChange{Name: &name}); err != nil {
			t.Fatal(err)
		}
		on := i%2 == 1
		if _, err := h.UpdateAPIKey(t.Context(), owner, made.ID, auth.APIKeyChange{Enabled: &on}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range n {
		email := fmt.Sprintf("ada%d@example.com", i)
		if _, err := h.UpdateProfile(t.Context(), id, auth.ProfileChange{Email: &email}); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	told, omitted := map[auth.EventType]int{}, map[string]int{}
	for _, e := range h.Events.All() {
		told[e.Type]++
		if e.Type == auth.EventOmitted {
			omitted[e.Reason] = e.Count
		}
	}
	for _, sampled := range []auth.EventType{auth.EventTokenRefreshed, auth.EventProfileChanged, auth.EventAPIKeyChanged} {
		if told[sampled] != 20 || omitted[string(sampled)] != n-20 {
			t.Errorf("%d of %s are told and %d counted, want 20 and %d", told[sampled], sampled, omitted[string(sampled)], n-20)
		}
	}
	if told[auth.EventSessionRevoked] != 1+20 || omitted["session_revoked:others"] != n-20 {
		t.Errorf("%d logouts of the others are told and %v counted, want 21 and %d", told[auth.EventSessionRevoked], omitted, n-20)
	}
	if told[auth.EventAPIKeyDisabled]+told[auth.EventAPIKeyEnabled] != n {
		t.Errorf("%d and %d keys disabled and enabled are told, of %d", told[auth.EventAPIKeyDisabled], told[auth.EventAPIKeyEnabled], n)
	}
	if told[auth.EventEmailChanged] != n {
		t.Errorf("%d changes of the address are told, of %d", told[auth.EventEmailChanged], n)
	}
}

// PR-2: nobody has proven that the mailbox is theirs.
func TestAMailboxGetsFiveNoticesOfATypeAndOneMoreAnHour(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		var log lockedBuffer
		cfg, sent := noticesOf(auth.Config{Limits: unlimited(), Logger: log.logger()})
		h := authtest.With(t, s, cfg)
		others := []*authtest.Harness{twin(t, h, cfg), twin(t, h, cfg)}
		const mailbox = "ada@example.com"
		id := member(t, h.Manager, mailbox)
		round := func(h *authtest.Harness, n, want int) {
			t.Helper()
			*sent = nil
			changePasswords(t.Context(), t, h.Manager, id, n)
			if err := h.Close(); err != nil { // all are sent then
				t.Fatal(err)
			}
			if len(*sent) != want {
				t.Errorf("after %d changes of the password %d notices were sent, want %d", n, len(*sent), want)
			}
		}
		round(h, 20, 5)
		round(others[0], 20, 0)
		h.Clock.Advance(time.Hour)
		spelled := "ADA@example.com" // and other types are counted apart
		if _, err := others[1].UpdateProfile(t.Context(), id, auth.ProfileChange{Email: &spelled}); err != nil {
			t.Fatal(err)
		}
		newKey(t, others[1].Manager, id, auth.NewAPIKey{})
		round(others[1], 4, 2)
		if text := log.String(); !strings.Contains(text, "notices were not sent") || !strings.Contains(text, "reason=budget") || strings.Contains(text, "@") {
			t.Errorf("the log says %s", text)
		}
	})
}

// PR-2: a store that fails or hangs neither silences notices nor lets them flood a mailbox,
// and no caller waits for it.
func TestABudgetOfNoticesThatTheStoreCannotCountIsCountedInMemory(t *testing.T) {
	for name, fault := range map[string]func(ctx context.Context) error{
		"fails": func(context.Context) error { return errors.New("no counter today") },
		"hangs": func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
	} {
		synctest.Test(t, func(t *testing.T) {
			s := memstore.New()
			defer s.Close()
			tap := newTapStore(s)
			tap.tap(func(ctx context.Context, c storeCall) error {
				if c.kind == "Hit" && strings.Contains(c.keys[0], "/notice.") {
					return fault(ctx)
				}
				return nil
			}, nil)
			cfg, sent := noticesOf(auth.Config{Limits: unlimited()})
			h := authtest.With(t, tap, cfg)
			id := h.Register().Identity()
			began := time.Now()
			changePasswords(t.Context(), t, h.Manager, id, 20)
			if took := time.Since(began); took != 0 {
				t.Errorf("%s: the calls took %v", name, took)
			}
			time.Sleep(time.Minute)
			changePasswords(t.Context(), t, h.Manager, id, 2)
			if err := h.Close(); err != nil {
				t.Fatal(err)
			}
			if len(*sent) != 5 {
				t.Errorf("%s: %d notices were sent, want 5", name, len(*sent))
			}
		})
	}
}
