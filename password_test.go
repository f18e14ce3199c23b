package auth_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/memstore"
)

// SE-8, F-J9, Advisory 23 (CVE-2025-65430).
func TestAChangedPasswordEndsEveryOtherSessionAtOnce(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{})
		other := twin(t, h, auth.Config{})
		ctx := context.Background()
		alice, bob := h.Register(), h.Register()
		elsewhere := alice.Token()
		here := alice.Login()
		id := alice.Identity()
		if err := h.ChangePassword(ctx, id, authtest.Password, otherPassword); err != nil {
			t.Fatal(err)
		}
		if verify(t, other.Manager, elsewhere) || !verify(t, other.Manager, here) || !verify(t, other.Manager, bob.Token()) {
			t.Error("the wrong sessions ended")
		}
		if !verify(t, other.Manager, refreshed(t, other.Manager, here)) {
			t.Error("the caller's session does not go on")
		}
		if _, err := other.Manager.Refresh(ctx, auth.Secret(elsewhere)); err != auth.ErrInvalidToken {
			t.Errorf("refresh elsewhere: %v", err)
		}
		if _, err := other.Login(ctx, alice.Email, authtest.Password); !errors.Is(err, auth.ErrInvalidCredentials) {
			t.Errorf("the old password: %v", err)
		}
		if _, err := other.Login(ctx, alice.Email, otherPassword); err != nil {
			t.Errorf("the new password: %v", err)
		}
	})
}

// PW-6
func TestTheAddressAndItsNameAreNoPasswordHoweverTheAddressIsTyped(t *testing.T) {
	h := authtest.New(t)
	for _, email := range []string{"adalovelace@bücher.example", "adalovelace＠bücher.example", " adalovelace@xn--bcher-kva.example\n", "AdaLovelace＠BÜCHER。example"} {
		for _, pw := range []auth.Secret{"adalovelace", "ADALOVELACE", "adalovelace@bücher.example", "adalovelace＠bücher.example", "AdaLovelace@xn--bcher-kva.example"} {
			err := h.CheckRegistration(auth.Registration{Email: email, Password: pw, FullName: "Ada"})
			if got := fieldCodes(err); !slices.Equal(got, []string{"password: blocked"}) {
				t.Errorf("%q for %q: %v", string(pw), email, err)
			}
		}
	}
}

// PR-4, PW-2, PW-6, DO-2
func TestTheNewPasswordIsCheckedBeforeTheCurrentOne(t *testing.T) {
	h := authtest.With(t, memstore.New(), auth.Config{HashSlots: 1, HashQueue: -1, Issuer: "Example Service"})
	id, ctx := member(t, h.Manager, "ada.lovelace@example.com"), context.Background()
	release := h.OccupyHashing()
	for _, current := range []auth.Secret{authtest.Password, "wrong horse battery staple", ""} {
		for pw, code := range map[auth.Secret]string{
			"short": "too_short", auth.Secret(strings.Repeat("kwzb", 64) + "k"): "too_long", "": "required", "a \xff password": "invalid",
			"password123": "blocked", "Ada.Lovelace@example.com": "blocked", "ada.lovelace": "blocked", "example service": "blocked",
		} {
			err := h.ChangePassword(ctx, id, current, pw)
			if !errors.Is(err, auth.ErrWeakPassword) || !slices.Equal(fieldCodes(err), []string{"new_password: " + code}) {
				t.Errorf("%q after %q: %v", string(pw), string(current), err)
			}
		}
	}
	release()
	for range 5 {
		if err := h.ChangePassword(ctx, id, "wrong horse battery staple", otherPassword); !errors.Is(err, auth.ErrInvalidCredentials) {
			t.Fatal(err)
		}
	}
	var retry *auth.RetryError
	if err := h.ChangePassword(ctx, id, authtest.Password, otherPassword); !errors.Is(err, auth.ErrRateLimited) || !errors.As(err, &retry) || retry.After <= 0 {
		t.Errorf("the right password after 5 wrong ones: %v", err)
	}
	h.Clock.Advance(15 * time.Minute)
	if err := h.ChangePassword(ctx, id, authtest.Password, otherPassword); err != nil {
		t.Errorf("a quarter of an hour later: %v", err)
	}
}

func TestAPasswordIsChangedFromALiveSessionOnly(t *testing.T) {
	h := authtest.New(t)
	alice := h.Register()
	id, ctx := alice.Identity(), context.Background()
	if err := h.Logout(ctx, id); err != nil {
		t.Fatal(err)
	}
	for _, id := range []auth.Identity{id, {}} {
		if err := h.ChangePassword(ctx, id, authtest.Password, otherPassword); err != auth.ErrInvalidToken {
			t.Errorf("%v", err)
		}
	}
	if _, err := h.Login(ctx, alice.Email, authtest.Password); err != nil {
		t.Error(err)
	}
}

// RC-9, PR-5
func TestOfManyChangesFromOnePasswordExactlyOneHappens(t *testing.T) {
	everyStore(t, func(t *testing.T, s store.Store) {
		tap := newTapStore(s)
		h := manyProcesses(authtest.With(t, tap, raced()))
		managers := []*auth.Manager{h.Manager, manyProcesses(twin(t, h, raced())).Manager}
		alice := h.Register()
		id := alice.Identity()
		var winner atomic.Value
		errs := tap.abreast(t, 8, "/pass", func(ctx context.Context, i int) error {
			pw := otherPassword + auth.Secret(rune('a'+i))
			err := managers[i%2].ChangePassword(ctx, id, authtest.Password, pw)
			if err == nil {
				winner.Store(pw)
			}
			return err
		})
		if won := countIs(errs, nil); won != 1 || won+countIs(errs, auth.ErrInvalidCredentials) != 8 {
			t.Fatalf("%d changes: %v", won, errs)
		}
		if err := login(t.Context(), h.Manager, alice.Email, winner.Load().(auth.Secret)); err != nil {
			t.Errorf("the winner's password: %v", err)
		}
	})
}

// A new password that is refused is no guess, whatever the current one was.
func TestARefusedNewPasswordCostsNoAttempt(t *testing.T) {
	breached := checkerFunc(func(_ context.Context, pw auth.Secret) (bool, error) { return pw == "a breached password", nil })
	h := authtest.With(t, memstore.New(), auth.Config{PasswordChecker: breached, Limits: auth.Limits{LoginByAddress: store.Limit{Burst: 6, Every: time.Hour}}})
	alice := h.Register()
	id := alice.Identity()
	for range 10 {
		for _, current := range []auth.Secret{authtest.Password, "wrong horse battery staple"} {
			for _, pw := range []auth.Secret{"short", "a breached password"} {
				if err := h.ChangePassword(t.Context(), id, current, pw); !errors.Is(err, auth.ErrWeakPassword) {
					t.Fatalf("%q: %v", string(pw), err)
				}
			}
		}
	}
	if err := h.ChangePassword(t.Context(), id, authtest.Password, otherPassword); err != nil {
		t.Errorf("a good one after that: %v", err)
	}
}

// Passwords that the checker reports cost no attempt, so they have a budget of their own. It is
// one for all instances, and no success refills it.
func TestOneUserHasTheCheckerCalledSixtyTimes(t *testing.T) {
	everyStore(t, func(t *testing.T, s store.Store) {
		var calls atomic.Int64
		cfg := auth.Config{PasswordChecker: checkerFunc(func(_ context.Context, pw auth.Secret) (bool, error) {
			calls.Add(1)
			return pw == "a breached password", nil
		})}
		h := authtest.With(t, s, cfg)
		managers := []*auth.Manager{h.Manager, twin(t, h, cfg).Manager}
		alice, bob := h.Register(), h.Register()
		id := alice.Identity()
		calls.Store(0)
		try := func(i int, current, pw auth.Secret) error {
			return managers[i%2].ChangePassword(clientAt(t, fmt.Sprintf("192.0.2.%d", i%7)), id, current, pw)
		}
		if err := try(0, authtest.Password, otherPassword); err != nil {
			t.Fatal(err)
		}
		for i := range 59 {
			if err := try(i, "wrong horse battery staple", "a breached password"); !errors.Is(err, auth.ErrWeakPassword) {
				t.Fatalf("call %d: %v", i, err)
			}
		}
		for i := range 20 {
			if after := retryAfter(t, try(i, otherPassword, "a breached password")); after > time.Minute {
				t.Errorf("it waits %v", after)
			}
		}
		if n := calls.Load(); n != 60 {
			t.Errorf("%d calls of the checker, want 60", n)
		}
		if err := h.ChangePassword(t.Context(), bob.Identity(), authtest.Password, otherPassword); err != nil {
			t.Errorf("another user: %v", err)
		}
		h.Clock.Advance(time.Minute)
		if err := try(0, otherPassword, authtest.Password); err != nil {
			t.Errorf("a minute later, with the right password: %v", err)
		}
		if e := last(t, h, auth.EventRateLimited); e.Reason != "password_check" {
			t.Errorf("the event has the reason %q", e.Reason)
		}
	})
}
