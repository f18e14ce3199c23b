package auth_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/memstore"
)

// RC-4, LG-5, DO-2, Advisory 9 (CVE-2024-4629), Advisory 21 (CVE-2019-5421): an attempt
// is counted before it is checked.
func TestOf200WrongPasswordsAtOnceOnlyTheBudgetIsChecked(t *testing.T) {
	everyStore(t, func(t *testing.T, s store.Store) {
		cfg := auth.Config{HashQueue: 500}
		h := authtest.With(t, s, cfg)
		other := twin(t, h, cfg)
		u := h.Register()
		ctx := clientAt(t, "192.0.2.7")
		errs := atOnce(t, 200, func(i int) error {
			return login(ctx, []*auth.Manager{h.Manager, other.Manager}[i%2], u.Email, "wrong, and long enough")
		})
		if looked, shed := countIs(errs, auth.ErrInvalidCredentials), countIs(errs, auth.ErrRateLimited); looked != 5 || looked+shed != 200 {
			t.Errorf("%d were checked and %d refused, want 5 and 195", looked, shed)
		}
		full := twin(t, h, auth.Config{HashSlots: 1, HashQueue: -1})
		release := full.OccupyHashing() // so that who is refused was not hashed for
		retryAfter(t, login(ctx, full.Manager, u.Email, "wrong, and long enough"))
		release()
		_, _ = h.Close(), other.Close()
		failed := 0
		for _, e := range append(h.Events.All(), other.Events.All()...) {
			if e.Type == auth.EventLoginFailed {
				failed++
			}
		}
		if failed != 5 {
			t.Errorf("%d failed logins were reported, want 5", failed)
		}
	})
}

// LG-5: nor is more than the budget hashed. The others wait for as long as those are under way,
// and are refused as soon as the last of them is found wrong.
func TestOf200WrongPasswordsAtOnceOnlyTheBudgetIsHashed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := authtest.With(t, memstore.New(), auth.Config{HashSlots: 1, HashQueue: 500})
		u := h.Register()
		release := h.OccupyHashing()
		answers := make(chan error, 200)
		for range cap(answers) {
			go func() { answers <- login(t.Context(), h.Manager, u.Email, "wrong, and long enough") }()
		}
		synctest.Wait()
		if preferred, other := h.WaitingToHash(); preferred+other != 5 || len(answers) != 0 {
			t.Errorf("%d wait for a slot and %d are answered, want 5 and none", preferred+other, len(answers))
		}
		began := time.Now()
		release()
		wrong := 0
		for range cap(answers) {
			if err := <-answers; errors.Is(err, auth.ErrInvalidCredentials) {
				wrong++
			} else {
				retryAfter(t, err)
			}
		}
		if took := time.Since(began); wrong != 5 || took > 10*time.Millisecond {
			t.Errorf("%d were compared, and the others refused after %v; want 5, at once", wrong, took)
		}
	})
}

// HT-11: what RetryError says is true to the microsecond, in which some stores count.
func TestTheTimeToWaitIsExact(t *testing.T) {
	everyStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{})
		u := h.Register()
		failLogins(t.Context(), t, h.Manager, u.Email, 5)
		wait := retryAfter(t, login(t.Context(), h.Manager, u.Email, authtest.Password))
		h.Clock.Advance(wait - time.Microsecond)
		if left := retryAfter(t, login(t.Context(), h.Manager, u.Email, authtest.Password)); left != time.Microsecond {
			t.Errorf("a microsecond before, %v are left", left)
		}
		h.Clock.Advance(time.Microsecond)
		if err := login(t.Context(), h.Manager, u.Email, authtest.Password); err != nil {
			t.Errorf("after the time to wait: %v", err)
		}
	})
}

// LG-3.
func TestAnUnknownAddressIsLimitedLikeAKnownOne(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{})
		u := h.Register()
		off := h.Register()
		if err := h.DisableUser(t.Context(), off.ID); err != nil {
			t.Fatal(err)
		}
		outcomes := func(email string) (all []string) {
			for i := range 30 {
				ctx := clientAt(t, fmt.Sprintf("192.0.2.%d", i/6))
				err := login(ctx, h.Manager, email, "wrong, and long enough")
				var e *auth.RetryError
				after := time.Duration(0)
				if errors.As(err, &e) {
					after = e.After
				}
				all = append(all, fmt.Sprint(err, " ", after))
			}
			return all
		}
		known := outcomes(u.Email)
		for name, email := range map[string]string{
			"unknown": "nobody@example.com", "disabled": off.Email, "not an address": "nobody", "empty": "",
			"unknown in capitals": "NOBODY2@EXAMPLE.COM",
		} {
			if got := outcomes(email); !slices.Equal(got, known) {
				t.Errorf("%s:\n%q\nknown:\n%q", name, got, known)
			}
		}
		if !strings.Contains(known[29], auth.ErrRateLimited.Error()) || !strings.Contains(known[4], auth.ErrInvalidCredentials.Error()) {
			t.Errorf("the outcomes are %q", known)
		}
	})
}

// LG-3, LG-13, Advisory 15 (CVE-2025-6004): the spelling of an address is no way around its budget.
func TestSpellingsOfAnAddressShareItsBudget(t *testing.T) {
	h := authtest.New(t)
	u := h.Register()
	for i := range 5 {
		if err := login(t.Context(), h.Manager, []string{u.Email, strings.ToUpper(u.Email)}[i%2], "wrong, and long enough"); !errors.Is(err, auth.ErrInvalidCredentials) {
			t.Fatal(err)
		}
	}
	retryAfter(t, login(t.Context(), h.Manager, "U"+u.Email[1:], authtest.Password))
}

// LG-6, Advisory 26: the attacker's own logins in between wash nothing clean.
func TestASuccessOfOneAccountClearsNoCounterOfAnother(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{Limits: auth.Limits{LoginByAddress: store.Limit{Burst: 14, Every: time.Hour}}})
		victim, attacker := h.Register(), h.Register()
		ctx := clientAt(t, "192.0.2.7")
		for i := range 5 {
			if err := login(ctx, h.Manager, victim.Email, "wrong, and long enough"); !errors.Is(err, auth.ErrInvalidCredentials) {
				t.Fatalf("wrong password %d: %v", i, err)
			}
			if err := login(ctx, h.Manager, attacker.Email, authtest.Password); err != nil {
				t.Fatalf("own login %d: %v", i, err)
			}
		}
		retryAfter(t, login(ctx, h.Manager, victim.Email, authtest.Password))
		// Of 14 the address has had five wrong ones and one that was refused. The five right
		// ones count as a quarter of one.
		failLogins(ctx, t, h.Manager, "nobody@example.com", 5)
		failLogins(ctx, t, h.Manager, "nobody2@example.com", 2)
		retryAfter(t, login(ctx, h.Manager, attacker.Email, authtest.Password))
	})
}

// LG-6: nor is the password step of a login with two steps a success yet. It gives back its own
// attempt while few logins wait from the network, and no other.
func TestThePasswordStepAloneDoesNotClearTheCounters(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{})
		u := h.Register()
		u.EnableTwoFactor()
		ctx := t.Context()
		for i := range 5 {
			failLogins(ctx, t, h.Manager, u.Email, 1)
			if i < 4 {
				if err := login(ctx, h.Manager, u.Email, authtest.Password); err != nil {
					t.Fatalf("right password %d: %v", i, err)
				}
			}
		}
		h.Clock.Advance(retryAfter(t, login(ctx, h.Manager, u.Email, authtest.Password)))
		u.Login() // both steps: now they are cleared
		failLogins(ctx, t, h.Manager, u.Email, 5)
	})
}

// LG-6, TT-4: logins that wait for their code use the budget up once there are five from a
// network. So who has the password cannot push the owner's out.
func TestLoginsThatWaitForTheirCodeAreLimited(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{})
		u := h.Register()
		u.EnableTwoFactor()
		owner := firstStep(t, h, u.Email)
		for i := range 9 {
			if err := login(t.Context(), h.Manager, u.Email, authtest.Password); err != nil {
				t.Fatalf("right password %d: %v", i, err)
			}
		}
		for range 5 {
			retryAfter(t, login(t.Context(), h.Manager, u.Email, authtest.Password))
		}
		if err := secondStep(t.Context(), h.Manager, owner, auth.Secret(u.Code())); err != nil {
			t.Errorf("the owner's login: %v", err)
		}
	})
}

// LG-6, Advisory 26.
func TestAFullLoginClearsTheBudgetOfItsOwnAddress(t *testing.T) {
	h := authtest.New(t)
	u := h.Register()
	for range 10 {
		failLogins(clientAt(t, "192.0.2.7"), t, h.Manager, u.Email, 4)
		if err := login(clientAt(t, "192.0.2.7"), h.Manager, u.Email, authtest.Password); err != nil {
			t.Fatal(err)
		}
		h.Clock.Advance(time.Hour) // for the budget of the account, which stays charged
	}
}

// LG-8: a client that uses up a budget from one network locks out that network only.
func TestAnAttackFromElsewhereDoesNotLockOutTheOwner(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{})
		u := h.Register()
		attack := func(addr string) (looked int) {
			for range 50 {
				if err := login(clientAt(t, addr), h.Manager, u.Email, "wrong, and long enough"); errors.Is(err, auth.ErrInvalidCredentials) {
					looked++
				}
			}
			return looked
		}
		for i := range 3 {
			if n := attack(fmt.Sprintf("203.0.113.%d", i)); n != 5 {
				t.Errorf("%d wrong passwords from one address were checked, want 5", n)
			}
		}
		if err := login(clientAt(t, "192.0.2.7"), h.Manager, u.Email, authtest.Password); err != nil {
			t.Errorf("the owner, from another address: %v", err)
		}
		total := 15
		for i := range 10 {
			total += attack(fmt.Sprintf("203.0.113.%d", 100+i))
		}
		if total != 20+1 { // one more for the /24, which has not failed beyond the budget today
			t.Errorf("%d wrong passwords from one /24 were checked, want 21", total)
		}
		if err := h.UnlockUser(t.Context(), u.ID); err != nil {
			t.Fatal(err)
		}
		if err := login(clientAt(t, "192.0.2.7"), h.Manager, u.Email, authtest.Password); err != nil {
			t.Errorf("the owner, after Unlock: %v", err)
		}
		if n := attack("203.0.113.200"); n != 5 {
			t.Errorf("%d more wrong passwords were checked after UnlockUser, want 5: the whole budget is back", n)
		}
	})
}

// LG-9, Advisory 4 (CVE-2026-45364).
func TestAddressesOfOneNetworkShareABudget(t *testing.T) {
	for name, addrs := range map[string][]string{
		"IPv4 and its mapped forms": {"192.0.2.7", "::ffff:192.0.2.7", "::ffff:c000:207"},
		"an IPv6 /64":               {"2001:db8:1:2::1", "2001:db8:1:2:ffff::", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::2", "2001:db8:1:2::3", "2001:db8:1:2::4"},
		"IPv4 behind a translator":  {"192.0.2.7", "64:ff9b::192.0.2.7", "2002:c000:207::1", "2002:c000:207:1::1"},
	} {
		h := authtest.New(t)
		u := h.Register()
		for i := range 5 {
			if err := login(clientAt(t, addrs[i%len(addrs)]), h.Manager, u.Email, "wrong, and long enough"); !errors.Is(err, auth.ErrInvalidCredentials) {
				t.Fatalf("%s, attempt %d: %v", name, i, err)
			}
		}
		for _, addr := range addrs {
			retryAfter(t, login(clientAt(t, addr), h.Manager, u.Email, authtest.Password))
		}
		for _, addr := range []string{"192.0.2.8", "2001:db8:1:3::1", "64:ff9b::192.0.2.9"} {
			if err := login(clientAt(t, addr), h.Manager, u.Email, authtest.Password); err != nil {
				t.Errorf("%s: the neighbour %s: %v", name, addr, err)
			}
		}
	}
}

// LG-10.
func TestOneAddressCannotTryOnePasswordOnManyAccounts(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{})
		u := h.Register()
		looked := 0
		for i := range 300 {
			err := login(clientAt(t, "203.0.113.9"), h.Manager, fmt.Sprintf("person%d@example.com", i), "Winter2030!")
			switch {
			case errors.Is(err, auth.ErrInvalidCredentials):
				looked++
			default:
				retryAfter(t, err)
			}
		}
		if looked != 200 {
			t.Errorf("%d accounts were tried, want 200", looked)
		}
		retryAfter(t, login(clientAt(t, "203.0.113.9"), h.Manager, u.Email, authtest.Password))
		if err := login(clientAt(t, "192.0.2.7"), h.Manager, u.Email, authtest.Password); err != nil {
			t.Errorf("from another address: %v", err)
		}
	})
}

// LG-10: second steps are charged to the address as well.
func TestSecondStepsCountOnTheAddressTheyComeFrom(t *testing.T) {
	h := authtest.With(t, memstore.New(), auth.Config{Limits: auth.Limits{
		LoginByAddress: store.Limit{Burst: 4, Every: time.Hour}, LoginByAccountAddress: plenty, LoginByAccount: plenty,
	}})
	u := h.Register()
	u.EnableTwoFactor()
	h.Clock.Advance(4 * time.Hour) // what that cost
	temp := firstStep(t, h, u.Email)
	for range 4 {
		if _, err := h.VerifyTwoFactor(clientAt(t, "203.0.113.9"), temp, wrongCode(u.Code())); !errors.Is(err, auth.ErrInvalidCode) {
			t.Fatal(err)
		}
	}
	_, err := h.VerifyTwoFactor(clientAt(t, "203.0.113.9"), temp, auth.Secret(u.Code()))
	retryAfter(t, err)
	if _, err := h.VerifyTwoFactor(clientAt(t, "192.0.2.7"), temp, auth.Secret(u.Code())); err != nil {
		t.Errorf("from another address: %v", err)
	}
}

// RC-22: the budget is one for all instances, at every instant.
func TestNoSpanHoldsMoreWrongPasswordsThanTheBudgetOverTwoInstances(t *testing.T) {
	everyStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{})
		managers := []*auth.Manager{h.Manager, twin(t, h, auth.Config{}).Manager}
		u := h.Register()
		begin := h.Clock.Now()
		var looked []time.Duration
		for i := range 120 {
			if err := login(t.Context(), managers[i%2], u.Email, "wrong, and long enough"); errors.Is(err, auth.ErrInvalidCredentials) {
				looked = append(looked, h.Clock.Now().Sub(begin))
			}
			h.Clock.Advance(29 * time.Second)
		}
		for i := range looked {
			for j := i; j < len(looked); j++ {
				if most := 5 + int((looked[j]-looked[i])/(3*time.Minute)); j-i+1 > most {
					t.Fatalf("%d wrong passwords were checked in %v, want at most %d", j-i+1, looked[j]-looked[i], most)
				}
			}
		}
		if len(looked) < 20 {
			t.Errorf("%d were checked in an hour: the budget does not refill", len(looked))
		}
	})
}

// LG-8: the budget of the address is the first of every door. Where it is used up, an
// attempt touches no other counter, so the owner has all of theirs.
func TestAnAddressOutOfBudgetUsesUpNoOtherBudget(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		tap := newTapStore(s)
		h := authtest.With(t, tap, auth.Config{Limits: auth.Limits{
			LoginByAddress: store.Limit{Burst: 20, Every: time.Hour}, RegisterByAddress: store.Limit{Burst: 20, Every: time.Hour},
			LoginByAccountAddress: plenty,
		}})
		plain, u := h.Register(), h.Register()
		pending := enrol(t, h, plain.Identity())
		u.EnableTwoFactor()
		plainID, id, temp := plain.Identity(), u.Identity(), firstStep(t, h, u.Email)
		attacker, owner := clientAt(t, "203.0.113.9"), clientAt(t, "192.0.2.7")
		email := "new@example.com"
		for i := range 20 {
			if err := login(attacker, h.Manager, fmt.Sprintf("nobody%d@example.com", i), "wrong, and long enough"); !errors.Is(err, auth.ErrInvalidCredentials) {
				t.Fatal(err)
			}
			if err := register(attacker, h.Manager, fmt.Sprintf("taken%d@example.com", i)); err != nil {
				t.Fatal(err)
			}
		}
		for name, try := range map[string]func() error{
			"Login":           func() error { return login(attacker, h.Manager, plain.Email, "wrong, and long enough") },
			"VerifyTwoFactor": func() error { return secondStep(attacker, h.Manager, temp, wrongCode(u.Code())) },
			"ConfirmTwoFactor": func() error {
				return h.ConfirmTwoFactor(attacker, plainID, wrongFor(pending, h.Clock.Now()))
			},
			"DisableTwoFactor": func() error {
				return h.DisableTwoFactor(attacker, id, "wrong, and long enough", wrongCode(u.Code()))
			},
			"ChangePassword": func() error {
				return h.ChangePassword(attacker, plainID, "wrong, and long enough", otherPassword)
			},
			"ReplaceBackupCodes": func() error {
				_, err := h.ReplaceBackupCodes(attacker, id, "wrong, and long enough", wrongCode(u.Code()))
				return err
			},
			"EnableTwoFactor": func() error {
				_, err := h.EnableTwoFactor(attacker, plainID, "")
				return err
			},
			"UpdateProfile": func() error {
				_, err := h.UpdateProfile(attacker, plainID, auth.ProfileChange{Email: &email})
				return err
			},
			"Register": func() error { return register(attacker, h.Manager, "another@example.com") },
		} {
			tap.tap(func(_ context.Context, c storeCall) error {
				if c.kind == "Hit" && !strings.HasPrefix(c.keys[0], "a.203.0.113.9/") {
					t.Errorf("%s: %s is charged", name, c.keys[0])
				}
				return nil
			}, nil)
			for range 300 {
				retryAfter(t, try())
			}
			tap.tap(nil, nil)
		}
		if err := login(owner, h.Manager, plain.Email, authtest.Password); err != nil {
			t.Errorf("the owner, from elsewhere: %v", err)
		}
		if err := secondStep(owner, h.Manager, temp, auth.Secret(u.Code())); err != nil {
			t.Errorf("the owner's second step, from elsewhere: %v", err)
		}
	})
}

// LG-6: a right password is given back where it is about guessing. On the address it counts as
// a twentieth of a wrong one, for the hash that it has cost.
func TestASuccessStaysCountedOnTheAddressAndOnNothingElse(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		few := store.Limit{Burst: 3, Every: time.Hour}
		h := authtest.With(t, s, auth.Config{Limits: auth.Limits{LoginByAddress: store.Limit{Burst: 4, Every: time.Hour}, LoginByAccountAddress: few, LoginByAccount: few, CodeByAccount: few}})
		u := h.Register()
		for i := range 12 { // more strangers than an account remembers
			if err := login(clientAt(t, fmt.Sprintf("192.0.%d.1", i)), h.Manager, u.Email, authtest.Password); err != nil {
				t.Fatalf("right password %d: %v", i, err)
			}
		}
		home := clientAt(t, "198.51.100.1")
		for i := range 61 { // 4 × 20, and one needs room for a wrong one
			if err := login(home, h.Manager, u.Email, authtest.Password); err != nil {
				t.Fatalf("right password %d from one address: %v", i, err)
			}
		}
		if after := retryAfter(t, login(home, h.Manager, u.Email, authtest.Password)); after > 3*time.Minute {
			t.Errorf("one more waits %v, want a twentieth of an hour", after)
		}

		u.EnableTwoFactor()
		for i := range 12 {
			ctx := clientAt(t, fmt.Sprintf("192.0.%d.1", 100+i))
			r, err := h.Login(ctx, u.Email, authtest.Password)
			if err == nil {
				err = secondStep(ctx, h.Manager, r.TempToken, auth.Secret(u.Code()))
			}
			if err != nil {
				t.Fatalf("both steps, round %d: %v", i, err)
			}
			h.Clock.Advance(30 * time.Second)
		}
	})
}

// A caller that gives up in the queue for hashing has had no password checked.
func TestACallerThatStopsWaitingForHashingIsNotCharged(t *testing.T) {
	for name, try := range map[string]func(ctx context.Context, h *authtest.Harness, u *authtest.User, id auth.Identity) error{
		"Login": func(ctx context.Context, h *authtest.Harness, u *authtest.User, _ auth.Identity) error {
			return login(ctx, h.Manager, u.Email, authtest.Password)
		},
		"ChangePassword": func(ctx context.Context, h *authtest.Harness, _ *authtest.User, id auth.Identity) error {
			return h.ChangePassword(ctx, id, authtest.Password, otherPassword)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := authtest.With(t, memstore.New(), auth.Config{HashSlots: 1, Limits: auth.Limits{LoginByAddress: store.Limit{Burst: 6, Every: time.Hour}}})
				u := h.Register()
				id := u.Identity()
				release := h.OccupyHashing()
				for i := range 5 {
					ctx, giveUp := context.WithCancel(t.Context())
					result := make(chan error, 1)
					go func() { result <- try(ctx, h, u, id) }()
					synctest.Wait()
					giveUp()
					if err := <-result; !errors.Is(err, auth.ErrUnavailable) || !errors.Is(err, context.Canceled) {
						t.Fatalf("given up %d: %v", i, err)
					}
				}
				release()
				if err := try(t.Context(), h, u, id); err != nil {
					t.Errorf("the right password after that: %v", err)
				}
			})
		})
	}
}
