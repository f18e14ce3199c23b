//go:build !race

package auth_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/memstore"
)

// firstStepAt is firstStep from an address.
func firstStepAt(ctx context.Context, t *testing.T, h *authtest.Harness, email string) auth.Secret {
	t.Helper()
	r, err := h.Login(ctx, email, authtest.Password)
	if err != nil || !r.TwoFactorRequired() {
		t.Fatalf("first step: %v", err)
	}
	return r.TempToken
}

// guess tries wrong codes from addresses that are not known, until a budget refuses one, and
// returns how many were checked. The password is right, as a thief has it.
func guess(t *testing.T, h *authtest.Harness, email string, e auth.TwoFactorEnrollment) (looked int) {
	t.Helper()
	for i := 0; ; i++ {
		ctx := clientAt(t, fmt.Sprintf("203.0.%d.%d", i/256, i%256))
		r, err := h.Login(ctx, email, authtest.Password)
		for err == nil {
			if err = secondStep(ctx, h.Manager, r.TempToken, wrongFor(e, h.Clock.Now())); errors.Is(err, auth.ErrInvalidCode) {
				looked, err = looked+1, nil
			}
		}
		if errors.Is(err, auth.ErrInvalidToken) { // five tries
			continue
		}
		retryAfter(t, err)
		return looked
	}
}

// TF-8, LG-7: a thief of the password guesses codes for a year, as many as the budgets let
// through, beside an owner who logs in every day and so proves a second factor every day.
func TestAYearOfGuessingCodesBesideTheOwnersLoginsHasAChanceBelowOneInAThousand(t *testing.T) {
	t.Parallel()
	for perDay := 1; perDay <= 4; perDay += 3 {
		h := authtest.With(t, memstore.New(), auth.Config{MaxSessions: 5})
		if err := register(clientAt(t, "192.0.2.7"), h.Manager, "ada@example.com"); err != nil {
			t.Fatal(err)
		}
		home := clientAt(t, "192.0.2.7")
		r, err := h.Login(home, "ada@example.com", authtest.Password)
		if err != nil {
			t.Fatal(err)
		}
		id := identityOf(t, h.Manager, r.AccessToken.Token)
		e := enrol(t, h, id)
		if err := h.ConfirmTwoFactor(t.Context(), id, codeAt(e, h.Clock.Now())); err != nil {
			t.Fatal(err)
		}
		looked, logins, refused := 0, 0, 0
		for hour := 0; hour < 365*24; hour += 3 {
			h.Clock.Advance(3 * time.Hour)
			looked += guess(t, h, "ada@example.com", e)
			if hour%(24/perDay) > 0 {
				continue
			}
			h.Clock.Advance(step)
			logins++
			r, err := h.Login(home, "ada@example.com", authtest.Password)
			if err == nil {
				err = secondStep(home, h.Manager, r.TempToken, codeAt(e, h.Clock.Now()))
			}
			if err != nil {
				refused++
			}
		}
		if refused > 0 {
			t.Errorf("%d a day: the owner was refused in %d of %d logins from the known network", perDay, refused, logins)
		}
		if looked > 222 || looked < 200 {
			t.Errorf("%d a day: %d wrong codes were checked in a year, want 100 and one every 3 days", perDay, looked)
		}
		if chance := 3e-6 * float64(looked); chance > 0.001 {
			t.Errorf("%d a day: a chance of %.2f %%, want at most 0.1 %%", perDay, 100*chance)
		}
		t.Logf("%d a day: %d guesses, %d logins, %d refused", perDay, looked, logins, refused)
	}
}

// TF-8, LG-7: 100 wrong codes from elsewhere are counted on every store, whatever succeeds meanwhile.
// What refills them is a decision of the host, or of the owner in a session.
func TestOnlyAnUnlockOrAChangeOfPasswordRefillsTheCodesFromElsewhere(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		limits := noLoginLimits()
		limits.CodeByAccount = plenty
		h := authtest.With(t, s, auth.Config{Limits: limits, MaxSessions: 5})
		u, e := withSecondFactor(t, h)
		if n := guess(t, h, u.Email, e); n != 100 {
			t.Fatalf("%d wrong codes were checked, want 100", n)
		}
		away := clientAt(t, "198.51.100.9")
		for name, want := range map[string]error{"away": auth.ErrRateLimited, "known": nil} {
			ctx := map[string]context.Context{"away": away, "known": t.Context()}[name]
			h.Clock.Advance(step)
			if err := secondStep(ctx, h.Manager, firstStepAt(ctx, t, h, u.Email), codeAt(e, h.Clock.Now())); !errors.Is(err, want) {
				t.Errorf("the right code, %s: %v, want %v", name, err, want)
			}
		}
		if n := guess(t, h, u.Email, e); n != 0 {
			t.Errorf("a success from the known network refilled %d", n)
		}
		session := func() auth.Identity {
			h.Clock.Advance(step)
			r, err := h.VerifyTwoFactor(t.Context(), firstStepAt(t.Context(), t, h, u.Email), codeAt(e, h.Clock.Now()))
			if err != nil {
				t.Fatal(err)
			}
			return identityOf(t, h.Manager, r.AccessToken.Token)
		}
		for i, want := range []int{100, 0} { // once in 30 days, so that a thief with a session cannot go on
			if err := h.ChangePassword(t.Context(), session(), authtest.Password, authtest.Password); err != nil {
				t.Fatal(err)
			}
			if n := guess(t, h, u.Email, e); n != want {
				t.Errorf("change %d of the password refilled %d, want %d", i, n, want)
			}
		}
		if err := h.UnlockUser(t.Context(), u.ID); err != nil {
			t.Fatal(err)
		}
		if n := guess(t, h, u.Email, e); n != 100 {
			t.Errorf("UnlockUser refilled %d, want 100", n)
		}
		h.Clock.Advance(30 * 24 * time.Hour)
		if n := guess(t, h, u.Email, e); n != 10 {
			t.Errorf("30 days refilled %d, want 10", n)
		}
		if err := h.ChangePassword(t.Context(), session(), authtest.Password, authtest.Password); err != nil {
			t.Fatal(err)
		}
		if n := guess(t, h, u.Email, e); n != 100 {
			t.Errorf("a change of the password 30 days later refilled %d, want 100", n)
		}
		for guess(t, h, u.Email, e) > 0 { // used up again
		}
		if err := h.SetPassword(t.Context(), u.ID, authtest.Password); err != nil {
			t.Fatal(err)
		}
		if n := guess(t, h, u.Email, e); n != 0 {
			t.Errorf("SetPassword refilled %d", n)
		}
	})
}

// LG-6: a right code from elsewhere gives back its own attempt alone.
func TestARightCodeFromElsewhereGivesBackItsOwnAttemptOnly(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		limits := noLoginLimits()
		limits.CodeByAccount = plenty
		h := authtest.With(t, s, auth.Config{Limits: limits, MaxSessions: 5})
		u, e := withSecondFactor(t, h)
		var looked, right int
		for i := range 60 { // each of another network, so each success is one from elsewhere
			ctx := clientAt(t, fmt.Sprintf("198.51.%d.9", i))
			temp := firstStepAt(ctx, t, h, u.Email)
			for range 3 {
				if err := secondStep(ctx, h.Manager, temp, wrongFor(e, h.Clock.Now())); errors.Is(err, auth.ErrInvalidCode) {
					looked++
				}
			}
			h.Clock.Advance(step)
			if secondStep(ctx, h.Manager, temp, codeAt(e, h.Clock.Now())) == nil {
				right++
			}
		}
		if looked != 100 || right != 33 {
			t.Errorf("%d wrong codes and %d right ones were checked, want 100 and 33", looked, right)
		}
	})
}

// TF-8: codes that confirm a second factor are no guesses. So nobody who confirms uses up the
// codes of the factor that is on later, or of one that was before.
func TestConfirmationsDoNotCountAsGuesses(t *testing.T) {
	h := authtest.New(t)
	u := h.Register()
	id := u.Identity()
	e := enrol(t, h, id)
	for range 7 {
		if err := h.ConfirmTwoFactor(t.Context(), id, wrongFor(e, h.Clock.Now())); !errors.Is(err, auth.ErrInvalidCode) {
			t.Fatal(err)
		}
	}
	if err := h.ConfirmTwoFactor(t.Context(), id, codeAt(e, h.Clock.Now())); err != nil {
		t.Fatal(err)
	}
	temp := firstStep(t, h, u.Email)
	for i := range 5 {
		if err := secondStep(t.Context(), h.Manager, temp, wrongFor(e, h.Clock.Now())); !errors.Is(err, auth.ErrInvalidCode) {
			t.Fatalf("wrong code %d: %v", i, err)
		}
	}
}

// TF-8: a network that a thief made known, before the second factor was on, has 100 wrong codes
// in a row of its own, whatever the owner does from theirs.
func TestASuccessFromOneKnownNetworkDoesNotClearTheCodesOfAnother(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		limits := noLoginLimits()
		limits.CodeByAccount = plenty
		h := authtest.With(t, s, auth.Config{Limits: limits, MaxSessions: 5})
		u := h.Register()
		thief := clientAt(t, "203.0.113.9")
		if err := login(thief, h.Manager, u.Email, authtest.Password); err != nil {
			t.Fatal(err)
		}
		e := confirmed(t, h, u)
		looked := 0
		for range 40 {
			temp := firstStepAt(thief, t, h, u.Email)
			for range 5 {
				if err := secondStep(thief, h.Manager, temp, wrongFor(e, h.Clock.Now())); errors.Is(err, auth.ErrInvalidCode) {
					looked++
				}
			}
			h.Clock.Advance(step)
			if err := secondStep(t.Context(), h.Manager, firstStep(t, h, u.Email), codeAt(e, h.Clock.Now())); err != nil {
				t.Fatalf("the owner: %v", err)
			}
		}
		if looked != 100 {
			t.Errorf("%d wrong codes were checked, want 100", looked)
		}
	})
}

// LG-7: what was used up from a known network stays used up while the network is not known, and
// after it is known again.
func TestANetworkThatIsKnownAgainHasNoMoreCodes(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		limits := noLoginLimits()
		limits.CodeByAccount = store.Limit{Burst: 3, Every: 30 * 24 * time.Hour}
		h := authtest.With(t, s, auth.Config{Limits: limits})
		u := h.Register()
		u.EnableTwoFactor()
		complete := func(addr string) error {
			h.Clock.Advance(time.Minute) // another code
			ctx := clientAt(t, addr)
			r, err := h.Login(ctx, u.Email, authtest.Password)
			if err != nil {
				return err
			}
			return secondStep(ctx, h.Manager, r.TempToken, auth.Secret(u.Code()))
		}
		const home = "192.0.2.7"
		if err := complete(home); err != nil {
			t.Fatal(err)
		}
		wrong := func() error {
			r, err := h.Login(clientAt(t, home), u.Email, authtest.Password)
			if err != nil {
				t.Fatal(err)
			}
			return secondStep(clientAt(t, home), h.Manager, r.TempToken, wrongCode(u.Code()))
		}
		for range 3 {
			if err := wrong(); !errors.Is(err, auth.ErrInvalidCode) {
				t.Fatal(err)
			}
		}
		for i := range 8 { // home is pushed out
			if err := complete(fmt.Sprintf("198.51.100.%d", i)); err != nil {
				t.Fatal(err)
			}
		}
		if err := wrong(); !errors.Is(err, auth.ErrInvalidCode) {
			t.Errorf("a wrong code from a network that is not known: %v", err)
		}
		if err := complete(home); err != nil {
			t.Fatalf("the owner at home, which is known again: %v", err)
		}
		retryAfter(t, wrong())
	})
}
