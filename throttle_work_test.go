//go:build !race

package auth_test

import (
	"context"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/memstore"
)

const (
	hashBytes = 2 << 20  // of a hash in these tests: more than the 1.5 MB of the first QR code
	noWork    = 64 << 10 // a call that hashes and draws nothing allocates less
)

// A workMeter is a store that measures what was allocated before each budget was charged.
type workMeter struct {
	store.Store
	mu      sync.Mutex
	refuse  bool           // every budget is used up
	last    int            // charges that are admitted before one is refused, if above 0
	spent   string         // the key of the budget that was refused so
	began   uint64         // TotalAlloc at the begin of the call
	unpaid  uint64         // bytes until the first charge
	paid    bool           // a budget was charged
	charged map[string]int // and not given back
}

func (s *workMeter) Hit(ctx context.Context, key string, l store.Limit, n int, now time.Time) (store.Decision, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n > 0 && !s.paid {
		s.paid, s.unpaid = true, totalAlloc()-s.began
	}
	if n > 0 {
		s.last--
	}
	if s.last == 0 && n > 0 {
		s.spent = key
	}
	if n > 0 && (s.refuse || key == s.spent) {
		return store.Decision{RetryAfter: time.Hour}, nil
	}
	s.charged[key] += n
	return s.Store.Hit(ctx, key, l, n, now)
}

// measure returns the bytes that a call allocated in all and before its first charge, the
// attempts that were charged to the client's address, and the call's error.
func (s *workMeter) measure(refuse bool, call func() error) (all, unpaid uint64, toAddress int, err error) {
	s.mu.Lock()
	s.refuse, s.spent, s.paid, s.charged, s.began = refuse, "", false, map[string]int{}, totalAlloc()
	s.mu.Unlock()
	err = call()
	s.mu.Lock()
	defer s.mu.Unlock()
	all = totalAlloc() - s.began
	if !s.paid {
		s.unpaid = all
	}
	for key, n := range s.charged {
		if strings.HasPrefix(key, "a.") {
			toAddress += n
		}
	}
	s.refuse, s.last, s.spent = false, 0, ""
	return all, s.unpaid, toAddress, err
}

func totalAlloc() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

// hostCalls are the calls of your program that hash a password, for which nobody is charged.
var hostCalls = []string{"CreateUser", "SetPassword"}

// DO-2: every method of a Manager, also one that is added later, since everyCall has them all.
func TestNothingIsHashedOrDrawnBeforeABudgetIsCharged(t *testing.T) {
	if testing.Short() {
		t.Skip("not with -short: it measures for seconds")
	}
	calls := workCalls()
	for name := range everyCall(authtest.New(t).Register(), auth.Identity{}, "") {
		if slices.Contains(hostCalls, name) {
			continue
		}
		calls[name] = func(w *workWorld) error {
			return everyCall(w.plain, w.plain.Identity(), w.key)[name](w.Manager)
		}
	}
	world := workWorlds(t, costly)
	for name, call := range calls {
		for _, refuse := range []bool{true, false} {
			w := world()
			all, unpaid, toAddress, err := w.meter.measure(refuse, func() error { return call(w) })
			if unpaid > noWork {
				t.Errorf("%s: %d bytes of work before a budget is charged: %v", name, unpaid, err)
			}
			if refuse && all > noWork {
				t.Errorf("%s: %d bytes of work with every budget used up: %v", name, all, err)
			}
			if hashes := int(all / hashBytes); hashes > toAddress {
				t.Errorf("%s: %d hashes, and %d are charged to the address", name, hashes, toAddress)
			}
			if !refuse && strings.Contains(name, ": ") && !strings.Contains(name, "wrong") && err != nil {
				t.Errorf("%s: %v", name, err)
			}
			_ = w.Close()
		}
	}
}

// workCalls are the calls that hash or draw, each with what it needs to succeed, and those that
// do so although they fail.
func workCalls() map[string]func(w *workWorld) error {
	return map[string]func(w *workWorld) error{
		"Register: new":   func(w *workWorld) error { return register(w.ctx, w.Manager, "new@example.com") },
		"Login: password": func(w *workWorld) error { return login(w.ctx, w.Manager, w.plain.Email, authtest.Password) },
		"ChangePassword: password": func(w *workWorld) error {
			return w.ChangePassword(w.ctx, w.plain.Identity(), authtest.Password, otherPassword)
		},
		"VerifyTwoFactor: backup code": func(w *workWorld) error { return secondStep(w.ctx, w.Manager, w.temp, w.codes[0]) },
		"VerifyTwoFactor: wrong code":  func(w *workWorld) error { return secondStep(w.ctx, w.Manager, w.temp, "00000000") },
		"ConfirmTwoFactor: right code": func(w *workWorld) error {
			return w.ConfirmTwoFactor(w.ctx, w.plain.Identity(), codeAt(w.pending, w.Clock.Now()))
		},
		"ConfirmTwoFactor: wrong code": func(w *workWorld) error {
			return w.ConfirmTwoFactor(w.ctx, w.plain.Identity(), wrongFor(w.pending, w.Clock.Now()))
		},
		"EnableTwoFactor: password": func(w *workWorld) error {
			_, err := w.EnableTwoFactor(w.ctx, w.plain.Identity(), authtest.Password)
			return err
		},
		"DisableTwoFactor: backup code": func(w *workWorld) error {
			return w.DisableTwoFactor(w.ctx, w.u.Identity(), authtest.Password, w.codes[0])
		},
		"ReplaceBackupCodes: TOTP code": func(w *workWorld) error {
			_, err := w.ReplaceBackupCodes(w.ctx, w.u.Identity(), authtest.Password, auth.Secret(w.u.Code()))
			return err
		},
		"ReplaceBackupCodes: backup code": func(w *workWorld) error {
			_, err := w.ReplaceBackupCodes(w.ctx, w.u.Identity(), authtest.Password, w.codes[0])
			return err
		},
		"UpdateProfile: password and code": func(w *workWorld) error {
			return moveWith(w.ctx, w.Manager, w.u.Identity(), "moved@example.com", authtest.Password, w.codes[0])
		},
		"CreateAPIKey: password": func(w *workWorld) error {
			_, _, err := w.CreateAPIKey(w.ctx, w.plain.Identity(), auth.NewAPIKey{Name: "k", Password: authtest.Password})
			return err
		},
		"CreateAPIKey: password and code": func(w *workWorld) error {
			_, _, err := w.CreateAPIKey(w.ctx, w.u.Identity(), auth.NewAPIKey{Name: "k", Password: authtest.Password, Code: w.codes[0]})
			return err
		},
	}
}

// costly is a configuration with which a hash can be seen by its memory.
var costly = auth.Config{
	PasswordHash: auth.HashParams{Memory: hashBytes >> 10, Time: 1, Threads: 1}, InsecureCheapHashing: true,
	APIKeysNeedFreshLogin: true,
}

// A leaving client goes away once a call has hashed so often.
type leaving struct {
	context.Context
	meter  *workMeter
	hashes uint64
}

func (l leaving) Err() error {
	if (totalAlloc()-l.meter.began)/hashBytes >= l.hashes {
		return context.Canceled
	}
	return l.Context.Err()
}

// DO-2: a client that leaves between two hashes of a call has paid for the first.
func TestWhoLeavesAfterAHashHasPaidForIt(t *testing.T) {
	if testing.Short() {
		t.Skip("not with -short: it measures for seconds")
	}
	world := workWorlds(t, costly)
	for name, call := range workCalls() {
		for after := 1; after <= 12; after += 1 + after/2 {
			w := world()
			w.ctx = leaving{w.ctx, w.meter, uint64(after)}
			all, _, toAddress, _ := w.meter.measure(false, func() error { return call(w) })
			hashes := int(all / hashBytes)
			if hashes > toAddress {
				t.Errorf("%s: %d hashes before the client left, and %d stay charged to the address", name, hashes, toAddress)
			}
			_ = w.Close()
			if hashes < after { // it never got so far
				break
			}
		}
	}
}

// DO-2: whichever budget of a call refuses, what was hashed by then is paid.
func TestWhatWasHashedBeforeABudgetRefusesIsPaid(t *testing.T) {
	if testing.Short() {
		t.Skip("not with -short: it measures for seconds")
	}
	world := workWorlds(t, costly)
	for name, call := range workCalls() {
		for last := 2; last < 8; last++ {
			w := world()
			w.meter.last = last
			all, _, toAddress, _ := w.meter.measure(false, func() error { return call(w) })
			if hashes := int(all / hashBytes); hashes > toAddress {
				t.Errorf("%s: %d hashes before budget %d refused, and %d stay charged to the address", name, hashes, last, toAddress)
			}
			_ = w.Close()
		}
	}
}

// A workWorld has a user without a second factor, that has begun to set one up, and a user
// with one, of which a login waits.
type workWorld struct {
	*authtest.Harness
	ctx      context.Context
	meter    *workMeter
	plain, u *authtest.User
	key      string
	pending  auth.TwoFactorEnrollment
	codes    []auth.Secret
	temp     auth.Secret
}

// workWorlds returns a function that returns copies of one workWorld, each on a store of its own.
func workWorlds(t *testing.T, cfg auth.Config) func() *workWorld {
	t.Helper()
	first := workWorld{ctx: clientAt(t, "192.0.2.1")}
	first.Harness = authtest.With(t, memstore.New(), cfg)
	first.plain, first.u = first.Register(), first.Register()
	first.key = first.plain.APIKey()
	first.pending = enrol(t, first.Harness, first.plain.Identity())
	first.codes = first.u.EnableTwoFactor()
	first.temp = firstStep(t, first.Harness, first.u.Email)
	return func() *workWorld {
		w := first
		w.meter = &workMeter{Store: copied(t, first.Store.(store.Walker), memstore.New()), charged: map[string]int{}}
		w.Harness = twinOn(t, first.Harness, w.meter, cfg)
		return &w
	}
}

// DO-2: of many confirmations at once, one hashes the ten codes, and the others find the factor
// on.
func TestConfirmationsAtOnceHashTenCodesOnce(t *testing.T) {
	w := workWorlds(t, auth.Config{
		PasswordHash: auth.HashParams{Memory: hashBytes >> 10, Time: 1, Threads: 1}, InsecureCheapHashing: true,
		HashQueue: 500, HashWait: time.Minute,
	})()
	id, code := w.plain.Identity(), codeAt(w.pending, w.Clock.Now())
	var errs []error
	all, _, toAddress, _ := w.meter.measure(false, func() error {
		errs = atOnce(t, 20, func(int) error { return w.ConfirmTwoFactor(w.ctx, id, code) })
		return nil
	})
	if won := countIs(errs, nil); won != 1 || won+countIs(errs, auth.ErrTwoFactorEnabled)+countIs(errs, auth.ErrRateLimited) != 20 {
		t.Errorf("%d won: %v", won, errs)
	}
	if hashes := int(all / hashBytes); hashes != 10 || hashes > toAddress {
		t.Errorf("%d hashes, and %d are charged to the address", hashes, toAddress)
	}
}

// F-B3: a client with a fresh login cannot have more pictures drawn than the budget of one user
// admits, and a picture never takes the slot of a login.
func TestEnrolmentsAreLimitedAndTakeNoHashingSlot(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{HashSlots: 1, HashQueue: -1})
		id := h.Register().Identity()
		release := h.OccupyHashing()
		for i := range 10 {
			if _, err := h.EnableTwoFactor(t.Context(), id, ""); err != nil {
				t.Fatalf("enrolment %d with no hashing slot: %v", i, err)
			}
		}
		release()
		for range 3 {
			_, err := h.EnableTwoFactor(t.Context(), id, "")
			if after := retryAfter(t, err); after > 10*time.Minute {
				t.Errorf("it waits %v", after)
			}
			_, err = h.EnableTwoFactor(t.Context(), id, authtest.Password)
			retryAfter(t, err)
		}
		if err := login(t.Context(), h.Manager, userOf(t, h, id.User.ID).Email, authtest.Password); err != nil {
			t.Errorf("a login beside it: %v", err)
		}
		h.Clock.Advance(10 * time.Minute)
		if _, err := h.EnableTwoFactor(t.Context(), id, authtest.Password); err != nil {
			t.Errorf("after 10 minutes: %v", err)
		}
		if e := last(t, h, auth.EventRateLimited); e.Reason != "new_factor" {
			t.Errorf("the event has the reason %q", e.Reason)
		}
	})
}

// F-B3: an enrolment that finds no place in the queue of pictures costs its user nothing.
func TestAnEnrolmentThatIsShedCostsNothing(t *testing.T) {
	h := authtest.With(t, memstore.New(), auth.Config{HashWait: time.Millisecond})
	id := h.Register().Identity()
	release := h.OccupyPictures()
	for range 30 {
		_, err := h.EnableTwoFactor(t.Context(), id, "")
		checkOverloaded(t, err)
	}
	release()
	for range 10 {
		if _, err := h.EnableTwoFactor(t.Context(), id, ""); err != nil {
			t.Fatalf("after it: %v", err)
		}
	}
}
