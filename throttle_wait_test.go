package auth_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
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

// patient is a Config with the default limits, on a machine that may be busy.
func patient() auth.Config {
	return auth.Config{HashQueue: 500, HashWait: raceTime}
}

// LG-5: sixteen clients log in to one account again and again, in two processes.
func TestManyClientsWithTheRightPasswordAllGetIn(t *testing.T) {
	for name, addr := range map[string]func(i int) string{
		"one address":   func(int) string { return "192.0.2.7" },
		"one /24":       func(i int) string { return fmt.Sprintf("192.0.2.%d", i) },
		"many networks": func(i int) string { return fmt.Sprintf("2001:db8:%x::1", i) },
	} {
		t.Run(name, func(t *testing.T) {
			everyStore(t, func(t *testing.T, s store.Store) {
				h := authtest.With(t, s, patient())
				managers := []*auth.Manager{h.Manager, twin(t, h, patient()).Manager}
				u := h.Register()
				var next atomic.Int64
				errs := atOnce(t, 16, func(i int) error {
					for next.Add(1) <= 60 {
						if err := login(clientAt(t, addr(i)), managers[i%2], u.Email, authtest.Password); err != nil {
							return err
						}
					}
					return nil
				})
				if in := countIs(errs, nil); in != 16 {
					t.Errorf("%d of 16 clients got in each time: %v", in, errs)
				}
				failLogins(clientAt(t, "192.0.2.7"), t, h.Manager, u.Email, 5) // nothing is used up, and nothing is won
				retryAfter(t, login(clientAt(t, "192.0.2.7"), h.Manager, u.Email, authtest.Password))
			})
		})
	}
}

// LG-5: whatever a user does in ten tabs at once, no tab is told to wait, and nothing of the
// budgets is used up. The tabs are served by two processes.
func TestTenTabsAtOnceAreNotRateLimited(t *testing.T) {
	for name, tabs := range map[string]struct {
		most int   // that can succeed
		late error // the error of the others
		open func(t *testing.T, h *authtest.Harness, u *authtest.User) func(m *auth.Manager, i int) error
	}{
		"Login": {10, nil, func(t *testing.T, _ *authtest.Harness, u *authtest.User) func(*auth.Manager, int) error {
			return func(m *auth.Manager, _ int) error {
				return login(clientAt(t, "192.0.2.7"), m, u.Email, authtest.Password)
			}
		}},
		"Login with a backup code": {10, nil, func(t *testing.T, _ *authtest.Harness, u *authtest.User) func(*auth.Manager, int) error {
			codes := u.EnableTwoFactor()
			return func(m *auth.Manager, i int) error {
				ctx := clientAt(t, "192.0.2.7")
				r, err := m.Login(ctx, u.Email, authtest.Password)
				if err != nil {
					return err
				}
				return secondStep(ctx, m, r.TempToken, codes[i])
			}
		}},
		"VerifyTwoFactor, the same again": {1, auth.ErrInvalidToken, func(t *testing.T, h *authtest.Harness, u *authtest.User) func(*auth.Manager, int) error {
			codes := u.EnableTwoFactor()
			temp := firstStep(t, h, u.Email)
			h.Clock.Advance(time.Minute)
			return func(m *auth.Manager, _ int) error { return secondStep(clientAt(t, "192.0.2.7"), m, temp, codes[0]) }
		}},
		"Refresh": {10, nil, func(t *testing.T, _ *authtest.Harness, u *authtest.User) func(*auth.Manager, int) error {
			token := auth.Secret(u.Token())
			return func(m *auth.Manager, _ int) error {
				_, err := m.Refresh(clientAt(t, "192.0.2.7"), token)
				return err
			}
		}},
		"CreateAPIKey with the password": {10, nil, func(t *testing.T, h *authtest.Harness, u *authtest.User) func(*auth.Manager, int) error {
			id := u.Identity()
			h.Clock.Advance(20 * time.Minute)
			return func(m *auth.Manager, _ int) error {
				_, _, err := m.CreateAPIKey(clientAt(t, "192.0.2.7"), id, auth.NewAPIKey{Name: "k", Password: authtest.Password})
				return err
			}
		}},
		"ConfirmTwoFactor": {1, auth.ErrTwoFactorEnabled, func(t *testing.T, h *authtest.Harness, u *authtest.User) func(*auth.Manager, int) error {
			id := u.Identity()
			e := enrol(t, h, id)
			return func(m *auth.Manager, _ int) error {
				return m.ConfirmTwoFactor(clientAt(t, "192.0.2.7"), id, codeAt(e, h.Clock.Now()))
			}
		}},
		"DisableTwoFactor": {1, auth.ErrTwoFactorNotEnabled, func(t *testing.T, _ *authtest.Harness, u *authtest.User) func(*auth.Manager, int) error {
			codes, id := u.EnableTwoFactor(), u.Identity()
			return func(m *auth.Manager, i int) error {
				return m.DisableTwoFactor(clientAt(t, "192.0.2.7"), id, authtest.Password, codes[i])
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			everyStore(t, func(t *testing.T, s store.Store) {
				cfg := patient()
				cfg.APIKeysNeedFreshLogin = true
				h := authtest.With(t, s, cfg)
				managers := []*auth.Manager{h.Manager, twin(t, h, cfg).Manager}
				tab := tabs.open(t, h, h.Register())
				errs := atOnce(t, 10, func(i int) error { return tab(managers[i%2], i) })
				if in := countIs(errs, nil); in != tabs.most || tabs.most < 10 && in+countIs(errs, tabs.late) != 10 {
					t.Errorf("%d of 10 succeeded, want %d: %v", in, tabs.most, errs)
				}
			})
		})
	}
}

// LG-5: of ten changes of the password at once one happens. The others began with the right
// password and came too late, so they are not told to wait, and use nothing up.
func TestAChangeOfThePasswordThatCameTooLateUsesNothingUp(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		tap := newTapStore(s)
		h := authtest.With(t, tap, patient())
		managers := []*auth.Manager{h.Manager, twin(t, h, patient()).Manager}
		u := h.Register()
		id := u.Identity()
		errs := tap.informed(t, 10, "/pass", func(ctx context.Context, i int) error {
			ctx = auth.WithClient(ctx, auth.Client{Addr: netip.MustParseAddr("192.0.2.7")})
			return managers[i%2].ChangePassword(ctx, id, authtest.Password, otherPassword)
		})
		if in := countIs(errs, nil); in != 1 || countIs(errs, auth.ErrInvalidCredentials) != 9 {
			t.Errorf("%d of 10 changes happened: %v", in, errs)
		}
		ctx := clientAt(t, "192.0.2.7")
		failLogins(ctx, t, h.Manager, u.Email, 4)
		if err := login(ctx, h.Manager, u.Email, otherPassword); err != nil {
			t.Errorf("the new password: %v", err)
		}
	})
}

// LG-10: one machine logs its users in, or runs its tests, a thousand times.
func TestAThousandRightLoginsFromOneAddressAreNoEndOfLogins(t *testing.T) {
	everyFastStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{})
		ctx := clientAt(t, "192.0.2.7")
		users := []*authtest.User{h.Register(), h.Register(), h.Register()}
		for i := range 1000 {
			if err := login(ctx, h.Manager, users[i%3].Email, authtest.Password); err != nil {
				t.Fatalf("right password %d: %v", i, err)
			}
		}
		for i := range 30 {
			failLogins(ctx, t, h.Manager, fmt.Sprintf("person%d@example.com", i), 5)
		}
		retryAfter(t, login(ctx, h.Manager, users[0].Email, authtest.Password))
	})
}

// LG-5: an attempt in one process waits for those in another. It is admitted when they were
// right, and refused when they were wrong.
func TestAnAttemptWaitsForThoseOfAnotherProcess(t *testing.T) {
	for _, right := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			cfg := auth.Config{HashSlots: 1}
			h := authtest.With(t, memstore.New(), cfg)
			other := twin(t, h, cfg)
			u := h.Register()
			ctx := clientAt(t, "192.0.2.7")
			release := h.OccupyHashing()
			pw := auth.Secret(authtest.Password)
			if !right {
				pw = "wrong, and long enough"
			}
			first := make(chan error, 5)
			for range cap(first) {
				go func() { first <- login(ctx, h.Manager, u.Email, pw) }()
			}
			synctest.Wait()
			second := make(chan error, 1)
			go func() { second <- login(ctx, other.Manager, u.Email, authtest.Password) }()
			time.Sleep(time.Second)
			synctest.Wait()
			if len(second) != 0 {
				t.Fatalf("right %t: it did not wait: %v", right, <-second)
			}
			began := time.Now()
			release()
			err := <-second
			if took := time.Since(began); took > 100*time.Millisecond {
				t.Errorf("right %t: it waits %v longer than the others take", right, took)
			}
			if right && err != nil {
				t.Errorf("after right passwords: %v", err)
			}
			if !right {
				retryAfter(t, err)
			}
			for range cap(first) {
				<-first
			}
		})
	}
}

// LG-5: nobody waits longer than HashWait, and who leaves while waiting is not charged.
func TestAnAttemptWaitsNoLongerThanHashWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := authtest.With(t, memstore.New(), auth.Config{HashSlots: 1, HashWait: time.Minute})
		impatient := twin(t, h, auth.Config{HashWait: 3 * time.Second})
		u := h.Register()
		ctx := clientAt(t, "192.0.2.7")
		release := h.OccupyHashing()
		answers := make(chan error, 5)
		for range cap(answers) {
			go func() { answers <- login(ctx, h.Manager, u.Email, authtest.Password) }()
		}
		synctest.Wait()
		leaving, leave := context.WithCancel(ctx)
		left := make(chan error, 1)
		go func() { left <- login(leaving, h.Manager, u.Email, authtest.Password) }()
		began := time.Now()
		if after := retryAfter(t, login(ctx, impatient.Manager, u.Email, authtest.Password)); after > time.Minute {
			t.Errorf("it is told to come back after %v, though right ones are under way", after)
		}
		if took := time.Since(began); took != 3*time.Second {
			t.Errorf("it waited %v", took)
		}
		leave()
		if err := <-left; !errors.Is(err, auth.ErrUnavailable) || !errors.Is(err, context.Canceled) {
			t.Errorf("who left: %v", err)
		}
		release()
		for range cap(answers) {
			if err := <-answers; err != nil {
				t.Error(err)
			}
		}
	})
}

// LG-4, LG-5: where nothing is under way, a refusal is immediate, also with what a process has
// left that died.
func TestARefusalWaitsForNothingThatIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tap := newTapStore(memstore.New())
		h := authtest.With(t, tap, auth.Config{StoreTimeout: 2 * time.Second})
		u := h.Register()
		ctx := clientAt(t, "192.0.2.7")
		var down atomic.Bool
		tap.tap(func(context.Context, storeCall) error {
			if down.Load() {
				return errOutage
			}
			return nil
		}, func(_ context.Context, c storeCall) error {
			if c.kind == "Hit" && strings.HasSuffix(c.keys[0], ".underway") { // the process dies after it
				down.Store(true)
			}
			return nil
		})
		for range 5 {
			_ = login(ctx, h.Manager, u.Email, "wrong, and long enough")
			down.Store(false)
		}
		tap.tap(nil, nil)
		refused := func() time.Duration {
			began := time.Now()
			retryAfter(t, login(ctx, h.Manager, u.Email, authtest.Password))
			return time.Since(began)
		}
		if took := refused(); took > 2*time.Second {
			t.Errorf("beside attempts of a process that died it takes %v", took)
		}
		h.Clock.Advance(time.Minute) // still used up
		for range 200 {
			if took := refused(); took != 0 {
				t.Fatalf("with nothing under way it takes %v", took)
			}
		}
	})
}

// Calls of your program meet no budget that strangers can use up.
func TestCallsOfYourProgramMeetNoBudgetOfStrangers(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		few := store.Limit{Burst: 3, Every: time.Hour}
		h := authtest.With(t, s, auth.Config{Limits: auth.Limits{LoginByAddress: few, LoginByAccount: few, RegisterByAddress: few}})
		u := h.Register()
		nowhere := auth.WithClient(t.Context(), auth.Client{UserAgent: "on a Unix socket"})
		for i := range 10 {
			_ = login(nowhere, h.Manager, fmt.Sprintf("person%d@example.com", i), "wrong, and long enough")
			_ = register(nowhere, h.Manager, fmt.Sprintf("new%d@example.com", i))
			_ = login(clientAt(t, fmt.Sprintf("203.0.113.%d", i)), h.Manager, u.Email, "wrong, and long enough")
		}
		retryAfter(t, register(nowhere, h.Manager, "another@example.com"))
		for i := range 20 {
			if err := register(t.Context(), h.Manager, fmt.Sprintf("imported%d@example.com", i)); err != nil {
				t.Fatalf("registration %d: %v", i, err)
			}
			if err := login(t.Context(), h.Manager, u.Email, authtest.Password); err != nil {
				t.Fatalf("login %d: %v", i, err)
			}
			if err := h.SetPassword(t.Context(), u.ID, authtest.Password); err != nil {
				t.Fatal(err)
			}
		}
		failLogins(t.Context(), t, h.Manager, u.Email, 5) // but they guess no more than others
		retryAfter(t, login(t.Context(), h.Manager, u.Email, authtest.Password))
	})
}

// DO-1: a registration that was shed may be tried again. It has shown and hashed nothing.
func TestARegistrationThatWasShedIsNotCounted(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{HashSlots: 1, HashQueue: -1, Limits: auth.Limits{RegisterByAddress: store.Limit{Burst: 2, Every: time.Hour}}})
		ctx := clientAt(t, "192.0.2.7")
		release := h.OccupyHashing()
		for range 20 {
			checkOverloaded(t, register(ctx, h.Manager, "ada@example.com"))
		}
		release()
		for i := range 2 {
			if err := register(ctx, h.Manager, fmt.Sprintf("ada%d@example.com", i)); err != nil {
				t.Fatal(err)
			}
		}
		retryAfter(t, register(ctx, h.Manager, "ada@example.com"))
	})
}
