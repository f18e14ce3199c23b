package auth_test

import (
	"context"
	"encoding/base32"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/boltstore"
	"github.com/datixlab/auth/store/memstore"
)

const step = 30 * time.Second

// TF-2, F-O8, F-O10, Advisory 19 (CVE-2024-8796).
func TestAnEnrolmentHasASecretOf160BitsAndTenBackupCodes(t *testing.T) {
	h := authtest.With(t, memstore.New(), auth.Config{Issuer: "Acme & Co"})
	id := h.Register().Identity()
	seen := map[auth.Secret]bool{}
	for range 10 {
		e := enrol(t, h, id)
		raw, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(string(e.Secret))
		if err != nil || len(raw) != 20 || seen[e.Secret] {
			t.Fatalf("a secret of %d bytes, seen before: %v, %v", len(raw), seen[e.Secret], err)
		}
		seen[e.Secret] = true
		want := "otpauth://totp/Acme%20%26%20Co:user1%40example.com?secret=" + string(e.Secret) +
			"&issuer=Acme%20%26%20Co&algorithm=SHA1&digits=6&period=30"
		if string(e.URI) != want {
			t.Errorf("%s\nwant %s", string(e.URI), want)
		}
		codes := map[auth.Secret]bool{}
		for _, code := range e.BackupCodes {
			if len(code) != 8 || strings.Trim(string(code), "0123456789") != "" || codes[code] {
				t.Errorf("the backup code %q", string(code))
			}
			codes[code] = true
		}
		if len(codes) != 10 {
			t.Errorf("%d backup codes", len(codes))
		}
		for _, s := range []string{fmt.Sprintf("%v", e), fmt.Sprintf("%+v", e), fmt.Sprintf("%#v", e), fmt.Sprint(slog.AnyValue(e))} {
			if strings.Contains(s, string(e.Secret)) || strings.Contains(s, string(e.BackupCodes[0])) {
				t.Errorf("an enrolment prints its secrets: %.200s", s)
			}
		}
	}
}

// TF-3, BC-1: what is not confirmed changes nothing.
func TestAPendingFactorIsNotRequiredAndNotAccepted(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{})
		u := h.Register()
		id := u.Identity()
		e := enrol(t, h, id)
		r, err := h.Login(t.Context(), u.Email, authtest.Password)
		if err != nil || r.TwoFactorRequired() || r.User.TwoFactorEnabled {
			t.Fatalf("a login while it is pending: %+v, %v", r, err)
		}
		if status, err := h.TwoFactorStatus(t.Context(), u.ID); err != nil || status != (auth.TwoFactorStatus{}) {
			t.Errorf("the status is %+v, %v", status, err)
		}
		for _, code := range []auth.Secret{e.BackupCodes[0], codeAt(e, h.Clock.Now())} {
			if err := h.DisableTwoFactor(t.Context(), id, authtest.Password, code); !errors.Is(err, auth.ErrTwoFactorNotEnabled) {
				t.Errorf("disabling what is pending: %v", err)
			}
		}
		if err := h.ConfirmTwoFactor(t.Context(), id, e.BackupCodes[0]); !errors.Is(err, auth.ErrInvalidCode) {
			t.Errorf("a backup code as proof of the authenticator: %v, want ErrInvalidCode", err)
		}
		if err := h.ConfirmTwoFactor(t.Context(), id, wrongFor(e, h.Clock.Now())); !errors.Is(err, auth.ErrInvalidCode) {
			t.Errorf("a wrong code: %v, want ErrInvalidCode", err)
		}
		if err := h.ConfirmTwoFactor(t.Context(), id, codeAt(e, h.Clock.Now())); err != nil {
			t.Errorf("the right one after them: %v", err)
		}
		if status, err := h.TwoFactorStatus(t.Context(), u.ID); err != nil || !status.Enabled || status.BackupCodesLeft != 10 || !status.EnabledAt.Equal(h.Clock.Now()) {
			t.Errorf("the status is %+v, %v", status, err)
		}
	})
}

func TestConfirmingWithNothingPendingSaysSo(t *testing.T) {
	h := authtest.New(t)
	id := h.Register().Identity()
	if err := h.ConfirmTwoFactor(t.Context(), id, "123456"); !errors.Is(err, auth.ErrTwoFactorNotEnabled) {
		t.Errorf("%v, want ErrTwoFactorNotEnabled", err)
	}
}

// RC-18, TF-3 in order: the code of a secret that was replaced is a wrong code.
func TestANewEnrolmentReplacesThePendingOne(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{Limits: noLoginLimits()})
		u := h.Register()
		id := u.Identity()
		first, second := enrol(t, h, id), enrol(t, h, id)
		if err := h.ConfirmTwoFactor(t.Context(), id, codeAt(first, h.Clock.Now())); !errors.Is(err, auth.ErrInvalidCode) {
			t.Errorf("the first secret's code: %v, want ErrInvalidCode", err)
		}
		if err := h.ConfirmTwoFactor(t.Context(), id, codeAt(second, h.Clock.Now())); err != nil {
			t.Fatalf("the second secret's code: %v", err)
		}
		temp := firstStep(t, h, u.Email)
		if err := secondStep(t.Context(), h.Manager, temp, first.BackupCodes[0]); !errors.Is(err, auth.ErrInvalidCode) {
			t.Errorf("a backup code of the first: %v, want ErrInvalidCode", err)
		}
		if err := secondStep(t.Context(), h.Manager, temp, second.BackupCodes[0]); err != nil {
			t.Errorf("a backup code of the second: %v", err)
		}
	})
}

// TF-3.
func TestAnEnrolmentThatIsNotConfirmedLapsesAfterTenMinutes(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{})
		id := h.Register().Identity()
		e := enrol(t, h, id)
		h.Clock.Advance(10 * time.Minute)
		if err := h.ConfirmTwoFactor(t.Context(), id, codeAt(e, h.Clock.Now())); !errors.Is(err, auth.ErrTwoFactorNotEnabled) {
			t.Errorf("after ten minutes: %v, want ErrTwoFactorNotEnabled", err)
		}
		h.Clock.Advance(-time.Nanosecond)
		if err := h.ConfirmTwoFactor(t.Context(), id, codeAt(e, h.Clock.Now())); err != nil {
			t.Errorf("just before: %v", err)
		}
	})
}

// TF-3.
func TestEnablingWhatIsOnIsRefusedAndLeavesItOn(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{})
		u := h.Register()
		backup := u.EnableTwoFactor()
		id := u.Identity()
		if _, err := h.EnableTwoFactor(t.Context(), id, authtest.Password); !errors.Is(err, auth.ErrTwoFactorEnabled) {
			t.Errorf("enable: %v, want ErrTwoFactorEnabled", err)
		}
		if err := h.ConfirmTwoFactor(t.Context(), id, auth.Secret(u.Code())); !errors.Is(err, auth.ErrTwoFactorEnabled) {
			t.Errorf("confirm: %v, want ErrTwoFactorEnabled", err)
		}
		u.Login()
		if err := secondStep(t.Context(), h.Manager, firstStep(t, h, u.Email), backup[0]); err != nil {
			t.Errorf("a backup code: %v", err)
		}
	})
}

// TF-1: a live token alone is not enough.
func TestEnablingNeedsAFreshLoginOrThePassword(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{})
		u := h.Register()
		h.Clock.Advance(10 * time.Minute)
		if _, err := h.EnableTwoFactor(t.Context(), u.Identity(), ""); err != nil {
			t.Errorf("ten minutes after the login: %v", err)
		}
		h.Clock.Advance(time.Nanosecond)
		if _, err := h.EnableTwoFactor(t.Context(), u.Identity(), ""); !errors.Is(err, auth.ErrReauthenticationRequired) {
			t.Errorf("later: %v, want ErrReauthenticationRequired", err)
		}
		id := identityOf(t, h.Manager, auth.Secret(refreshed(t, h.Manager, u.Token())))
		id.AuthTime = h.Clock.Now() // an identity is not believed
		if _, err := h.EnableTwoFactor(t.Context(), id, ""); !errors.Is(err, auth.ErrReauthenticationRequired) {
			t.Errorf("refreshed: %v, want ErrReauthenticationRequired", err)
		}
		if _, err := h.EnableTwoFactor(t.Context(), id, "wrong, and long enough"); !errors.Is(err, auth.ErrInvalidCredentials) {
			t.Errorf("a wrong password: %v, want ErrInvalidCredentials", err)
		}
		if _, err := h.EnableTwoFactor(t.Context(), id, authtest.Password); err != nil {
			t.Errorf("the password: %v", err)
		}
	})
}

// PR-4, TF-11.
// A stolen token is no way around the budget of the password.
func TestWrongPasswordsOfSensitiveCallsCountLikeThoseOfLogins(t *testing.T) {
	h := authtest.New(t)
	u := h.Register()
	id := u.Identity()
	for i := range 5 {
		var err error
		if i%2 == 0 {
			_, err = h.EnableTwoFactor(t.Context(), id, "wrong, and long enough")
		} else {
			err = login(t.Context(), h.Manager, u.Email, "wrong, and long enough")
		}
		if !errors.Is(err, auth.ErrInvalidCredentials) {
			t.Fatalf("attempt %d: %v", i, err)
		}
	}
	_, err := h.EnableTwoFactor(t.Context(), id, authtest.Password)
	retryAfter(t, err)
	retryAfter(t, login(t.Context(), h.Manager, u.Email, authtest.Password))
}

// SE-8, Advisory 23 (CVE-2025-65430): at once, on every instance, and the caller's own
// session goes on.
func TestTurningTheFactorOnOrOffEndsTheOtherSessions(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{Limits: noLoginLimits()})
		other := twin(t, h, auth.Config{Limits: noLoginLimits()})
		u := h.Register()
		alive := func(m *auth.Manager, token string) bool {
			_, err := m.VerifyAccessToken(t.Context(), auth.Secret(token))
			if err != nil && !errors.Is(err, auth.ErrInvalidToken) {
				t.Fatal(err)
			}
			return err == nil
		}
		elsewhere, err := other.Login(t.Context(), u.Email, authtest.Password)
		if err != nil {
			t.Fatal(err)
		}
		e := confirmed(t, h, u)
		if token := string(elsewhere.AccessToken.Token); alive(other.Manager, token) || alive(h.Manager, token) {
			t.Error("another session outlives the confirmation")
		}
		if !alive(h.Manager, u.Token()) || !alive(other.Manager, u.Token()) {
			t.Error("the caller's session did not outlive the confirmation")
		}
		id := u.Identity()
		if id.MultiFactor() {
			t.Error("the confirmation made the session one of two factors") // SE-5
		}
		h.Clock.Advance(step)
		r, err := other.VerifyTwoFactor(t.Context(), firstStep(t, other, u.Email), codeAt(e, h.Clock.Now()))
		if err != nil {
			t.Fatal(err)
		}
		fresh := refreshed(t, h.Manager, u.Token())
		if c := payload(t, auth.Secret(fresh)); !reflect.DeepEqual(c["amr"], []any{"pwd"}) || c["sid"] != id.SessionID || c["auth_time"] != float64(id.AuthTime.Unix()) { // SE-5
			t.Errorf("the refresh made the session one of two factors: %v", c)
		}
		h.Clock.Advance(step)
		if err := h.DisableTwoFactor(t.Context(), id, authtest.Password, codeAt(e, h.Clock.Now())); err != nil {
			t.Fatal(err)
		}
		if alive(other.Manager, string(r.AccessToken.Token)) || !alive(other.Manager, fresh) {
			t.Error("after disabling, not the caller's session alone is alive")
		}
	})
}

// TF-5, F-O1, F-O7, Advisory 13 (CVE-2025-55000, CVE-2026-33473,
// CVE-2026-27855): once, wherever.
func TestACodeWorksOnceWhereverItIsUsed(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		limits := noLoginLimits()
		limits.CodeByAccount = plenty
		h := authtest.With(t, s, auth.Config{Limits: limits})
		other := twin(t, h, auth.Config{Limits: limits})
		u := h.Register()
		e := confirmed(t, h, u)
		id := u.Identity()
		refused := func(when string, code auth.Secret) {
			t.Helper()
			for _, m := range []*authtest.Harness{h, other} {
				if err := secondStep(t.Context(), m.Manager, firstStep(t, m, u.Email), code); !errors.Is(err, auth.ErrInvalidCode) {
					t.Errorf("%s, at a login: %v, want ErrInvalidCode", when, err)
				}
			}
			if err := h.DisableTwoFactor(t.Context(), id, authtest.Password, code); !errors.Is(err, auth.ErrInvalidCredentials) {
				t.Errorf("%s, to disable: %v, want ErrInvalidCredentials", when, err)
			}
		}
		used := codeAt(e, h.Clock.Now())
		refused("the code that confirmed", used)
		h.Clock.Advance(step)
		refused("the code that confirmed, a step later", used)
		ahead := codeAt(e, h.Clock.Now().Add(step))
		if err := secondStep(t.Context(), other.Manager, firstStep(t, h, u.Email), ahead); err != nil {
			t.Fatalf("the code of the next step: %v", err)
		}
		refused("a code that was used", ahead)
		refused("the code before one that was used", codeAt(e, h.Clock.Now()))
		h.Clock.Advance(step)
		refused("a used code in its own step", ahead)
		h.Clock.Advance(-4 * step)
		refused("a new code after the clock went back", codeAt(e, h.Clock.Now()))
		h.Clock.Advance(5 * step)
		if err := h.DisableTwoFactor(t.Context(), id, authtest.Password, codeAt(e, h.Clock.Now())); err != nil {
			t.Errorf("a new code once the clock has caught up: %v", err)
		}
	})
}

// TF-5 as a property: whatever the times and drifts, a code is accepted if and only if
// its step is one of the three around now and later than every one accepted before.
func TestAcceptedStepsOnlyEverGrow(t *testing.T) {
	for seed := range uint64(4) {
		rnd := rand.New(rand.NewPCG(seed, 6238))
		limits := noLoginLimits()
		limits.CodeByAccount = plenty
		h := authtest.With(t, memstore.New(), auth.Config{Limits: limits, MaxSessions: 5})
		u := h.Register()
		e := confirmed(t, h, u)
		last := h.Clock.Now().Unix() / 30
		accepted := 0
		for range 100 {
			h.Clock.Advance(time.Duration(rnd.IntN(50)-5) * time.Second)
			now := h.Clock.Now()
			drift := int64(rnd.IntN(7) - 3)
			s := now.Unix()/30 + drift
			err := secondStep(t.Context(), h.Manager, firstStep(t, h, u.Email), codeAt(e, time.Unix(s*30, 0)))
			if want := -1 <= drift && drift <= 1 && s > last; (err == nil) != want {
				t.Fatalf("seed %d: a code of step %+d, last %+d: %v", seed, drift, last-now.Unix()/30, err)
			}
			if err == nil {
				last = s
				accepted++
			}
		}
		if accepted < 10 {
			t.Errorf("seed %d: %d codes were accepted", seed, accepted)
		}
	}
}

// RC-5, Advisory 3 (CVE-2026-20779): one code, fifty racers, logins, changes of address
// and at last disablings, two instances.
func TestOneCodeAtOnceInManyPlacesWorksInOne(t *testing.T) {
	everyStore(t, func(t *testing.T, s store.Store) {
		tap := newTapStore(s)
		h := manyProcesses(authtest.With(t, tap, raced()))
		managers := []*auth.Manager{h.Manager, manyProcesses(twin(t, h, raced())).Manager}
		u := h.Register()
		e := confirmed(t, h, u)
		id := u.Identity()
		for round := range 4 {
			h.Clock.Advance(step)
			code := codeAt(e, h.Clock.Now())
			var temps []auth.Secret
			for range 10 {
				temps = append(temps, firstStep(t, h, u.Email))
			}
			// The losers of one round and all of the next are fewer than the hundred
			// wrong codes in a row that end guessing.
			const n, disabling = 50, 10
			errs := tap.abreast(t, n, "/totp", func(ctx context.Context, i int) error {
				switch {
				case round == 3 && i >= n-disabling:
					return managers[i%2].DisableTwoFactor(ctx, id, authtest.Password, code)
				case round == 2 && i >= n-disabling:
					return moveWith(ctx, managers[i%2], id, fmt.Sprintf("new%d@example.com", i), authtest.Password, code)
				}
				return secondStep(ctx, managers[i%2], temps[i%10], code)
			})
			if won := countIs(errs, nil); won != 1 {
				t.Fatalf("round %d: %d won: %v", round, won, errs)
			}
			u.User = userOf(t, h, u.ID) // the address may be another
			for _, err := range errs {
				if err != nil && !errors.Is(err, auth.ErrInvalidCode) && !errors.Is(err, auth.ErrInvalidToken) &&
					!errors.Is(err, auth.ErrInvalidCredentials) && !errors.Is(err, auth.ErrTwoFactorNotEnabled) {
					t.Errorf("round %d: a loser got %v", round, err)
				}
			}
		}
	})
}

// TF-1: an enrolment belongs to the session that proved the password or a fresh login for it.
// Another session of the user, with the right code even, does not confirm it.
func TestOnlyTheSessionThatBeganAnEnrolmentConfirmsIt(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{})
		u := h.Register()
		old := u.Identity()
		u.Login()
		fresh := u.Identity()
		e := enrol(t, h, fresh)
		if err := h.Logout(t.Context(), fresh); err != nil {
			t.Fatal(err)
		}
		if err := h.ConfirmTwoFactor(t.Context(), old, codeAt(e, h.Clock.Now())); !errors.Is(err, auth.ErrTwoFactorNotEnabled) {
			t.Errorf("another session: %v, want ErrTwoFactorNotEnabled", err)
		}
		if userOf(t, h, u.ID).TwoFactorEnabled {
			t.Error("the factor is on")
		}
		e = enrol(t, h, old)
		if err := h.ConfirmTwoFactor(t.Context(), old, codeAt(e, h.Clock.Now())); err != nil {
			t.Errorf("the session that began it: %v", err)
		}
	})
}

// RC-16: of ten enrolments at once the last one confirms, and no other.
func TestOfManyEnrolmentsAtOnceOneConfirms(t *testing.T) {
	everyStore(t, func(t *testing.T, s store.Store) {
		h := manyProcesses(authtest.With(t, s, raced()))
		managers := []*auth.Manager{h.Manager, manyProcesses(twin(t, h, raced())).Manager}
		u := h.Register()
		id := u.Identity()
		made := make([]auth.TwoFactorEnrollment, 10) // the budget of one user
		errs := atOnce(t, len(made), func(i int) (err error) {
			made[i], err = managers[i%2].EnableTwoFactor(t.Context(), id, "")
			return err
		})
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
		winner := -1
		for i, e := range made {
			switch err := h.ConfirmTwoFactor(t.Context(), id, codeAt(e, h.Clock.Now())); {
			case err == nil && winner < 0:
				winner = i
			case err == nil:
				t.Fatalf("enrolments %d and %d both confirm", winner, i)
			}
		}
		if winner < 0 {
			t.Fatal("none confirms")
		}
		temp := firstStep(t, h, u.Email)
		loser := made[(winner+1)%len(made)].BackupCodes[0]
		if err := secondStep(t.Context(), h.Manager, temp, loser); !errors.Is(err, auth.ErrInvalidCode) {
			t.Errorf("a backup code of a loser: %v, want ErrInvalidCode", err)
		}
		if err := secondStep(t.Context(), h.Manager, temp, made[winner].BackupCodes[0]); err != nil {
			t.Errorf("a backup code of the winner: %v", err)
		}
	})
}

// RC-17.
func TestOfManyConfirmationsAtOnceOneWins(t *testing.T) {
	everyStore(t, func(t *testing.T, s store.Store) {
		tap := newTapStore(s)
		h := manyProcesses(authtest.With(t, tap, raced()))
		managers := []*auth.Manager{h.Manager, manyProcesses(twin(t, h, raced())).Manager}
		u := h.Register()
		id := u.Identity()
		e := enrol(t, h, id)
		errs := tap.abreast(t, 20, "/totp", func(ctx context.Context, i int) error {
			return managers[i%2].ConfirmTwoFactor(ctx, id, codeAt(e, h.Clock.Now()))
		})
		if won := countIs(errs, nil); won != 1 || won+countIs(errs, auth.ErrTwoFactorEnabled) != 20 {
			t.Errorf("%d won: %v", won, errs)
		}
		for i, code := range e.BackupCodes {
			if err := secondStep(t.Context(), h.Manager, firstStep(t, h, u.Email), code); err != nil {
				t.Errorf("backup code %d: %v", i, err)
			}
		}
	})
}

// RC-18 at once: either the old secret is on, or the new one is pending.
func TestAConfirmationDuringANewEnrolmentConfirmsTheOldOneOrNone(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{Limits: noLoginLimits()})
		other := twin(t, h, auth.Config{Limits: noLoginLimits()})
		for range 8 {
			u := h.Register()
			id := u.Identity()
			first := enrol(t, h, id)
			var second auth.TwoFactorEnrollment
			errs := atOnce(t, 2, func(i int) (err error) {
				if i == 0 {
					return h.ConfirmTwoFactor(t.Context(), id, codeAt(first, h.Clock.Now()))
				}
				second, err = other.EnableTwoFactor(t.Context(), id, "")
				return err
			})
			switch {
			case errs[0] == nil && errors.Is(errs[1], auth.ErrTwoFactorEnabled):
				if err := secondStep(t.Context(), h.Manager, firstStep(t, h, u.Email), first.BackupCodes[0]); err != nil {
					t.Errorf("the confirmed enrolment: %v", err)
				}
			case errs[1] == nil && errors.Is(errs[0], auth.ErrInvalidCode):
				if err := h.ConfirmTwoFactor(t.Context(), id, codeAt(second, h.Clock.Now())); err != nil {
					t.Errorf("the new enrolment: %v", err)
				}
			default:
				t.Errorf("both at once: %v", errs)
			}
		}
	})
}

// RC-19: no login that began during the confirmation keeps a session of one factor.
func TestNoSessionOfOneFactorOutlivesTheConfirmation(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{Limits: noLoginLimits(), HashQueue: 500})
		other := twin(t, h, auth.Config{Limits: noLoginLimits(), HashQueue: 500})
		for range 4 {
			u := h.Register()
			id := u.Identity()
			e := enrol(t, h, id)
			results := make([]auth.LoginResult, 12)
			errs := atOnce(t, len(results)+1, func(i int) (err error) {
				if i == len(results) {
					return h.ConfirmTwoFactor(t.Context(), id, codeAt(e, h.Clock.Now()))
				}
				results[i], err = other.Login(t.Context(), u.Email, authtest.Password)
				return err
			})
			if err := errors.Join(errs...); err != nil {
				t.Fatal(err)
			}
			for _, r := range results {
				if r.TwoFactorRequired() {
					continue
				}
				if _, err := other.VerifyAccessToken(t.Context(), r.AccessToken.Token); !errors.Is(err, auth.ErrInvalidToken) {
					t.Errorf("a session of before the confirmation: %v, want ErrInvalidToken", err)
				}
			}
		}
	})
}

// TF-11.
func TestDisablingNeedsThePasswordAndACodeAndWipesEverything(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{Limits: noLoginLimits()})
		u, first := withSecondFactor(t, h)
		id, right := u.Identity(), codeAt(first, h.Clock.Now())
		for name, try := range map[string][2]auth.Secret{
			"wrong code":        {authtest.Password, wrongFor(first, h.Clock.Now())},
			"no code":           {authtest.Password, ""},
			"malformed code":    {authtest.Password, "+" + right},
			"wrong password":    {"wrong, and long enough", right},
			"no password":       {"", right},
			"both wrong":        {"wrong, and long enough", wrongFor(first, h.Clock.Now())},
			"backup, wrong pw":  {"wrong, and long enough", first.BackupCodes[0]},
			"code for password": {right, right},
		} {
			if err := h.DisableTwoFactor(t.Context(), id, try[0], try[1]); !errors.Is(err, auth.ErrInvalidCredentials) {
				t.Errorf("%s: %v, want ErrInvalidCredentials", name, err)
			}
			if err := h.UnlockUser(t.Context(), u.ID); err != nil {
				t.Fatal(err)
			}
		}
		if status, err := h.TwoFactorStatus(t.Context(), u.ID); err != nil || !status.Enabled || status.BackupCodesLeft != 10 {
			t.Fatalf("after them: %+v, %v", status, err)
		}
		if err := h.DisableTwoFactor(t.Context(), id, authtest.Password, first.BackupCodes[0]); err != nil {
			t.Fatalf("with a backup code: %v", err)
		}
		if err := h.DisableTwoFactor(t.Context(), id, authtest.Password, right); !errors.Is(err, auth.ErrTwoFactorNotEnabled) {
			t.Errorf("again: %v, want ErrTwoFactorNotEnabled", err)
		}
		if raw, err := s.Get(t.Context(), "u."+strings.TrimPrefix(u.ID, "user_")+"/totp"); err != nil || raw[0] != nil {
			t.Errorf("a record of %d bytes is left, %v", len(raw[0]), err)
		}
		if r, err := h.Login(t.Context(), u.Email, authtest.Password); err != nil || r.TwoFactorRequired() {
			t.Errorf("a login afterwards: %v, %v", r.TwoFactorRequired(), err)
		}
		second := confirmed(t, h, u)
		for name, code := range map[string]auth.Secret{"backup code": first.BackupCodes[1], "TOTP code": right} {
			if err := secondStep(t.Context(), h.Manager, firstStep(t, h, u.Email), code); !errors.Is(err, auth.ErrInvalidCode) {
				t.Errorf("a %s of the first enrolment in the second: %v", name, err)
			}
		}
		if err := secondStep(t.Context(), h.Manager, firstStep(t, h, u.Email), second.BackupCodes[0]); err != nil {
			t.Errorf("a backup code of the second: %v", err)
		}
	})
}

// TF-8, TT-4, Advisory 18 (CVE-2024-0227, CVE-2026-27801): five tries for each temp token,
// whatever came before.
func TestATempTokenTakesFiveWrongCodes(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{Limits: noLoginLimits()})
		u, e := withSecondFactor(t, h)
		right := codeAt(e, h.Clock.Now())
		temp := firstStep(t, h, u.Email)
		for i := range 5 {
			if err := secondStep(t.Context(), h.Manager, temp, wrongFor(e, h.Clock.Now())); !errors.Is(err, auth.ErrInvalidCode) {
				t.Fatalf("wrong code %d: %v", i, err)
			}
		}
		if err := secondStep(t.Context(), h.Manager, temp, right); !errors.Is(err, auth.ErrInvalidToken) {
			t.Errorf("the right code after five wrong ones: %v, want ErrInvalidToken", err)
		}
		if err := secondStep(t.Context(), h.Manager, firstStep(t, h, u.Email), right); err != nil {
			t.Errorf("the right code in a new login: %v", err)
		}
	})
}

// RC-8: a try is taken before the code is compared.
func TestOfManyWrongCodesAtOnceFiveAreCompared(t *testing.T) {
	everyStore(t, func(t *testing.T, s store.Store) {
		tap := newTapStore(s)
		h := manyProcesses(authtest.With(t, tap, raced()))
		managers := []*auth.Manager{h.Manager, manyProcesses(twin(t, h, raced())).Manager}
		u := h.Register()
		u.EnableTwoFactor()
		temp := firstStep(t, h, u.Email)
		errs := tap.abreast(t, 40, "/temp", func(ctx context.Context, i int) error {
			return secondStep(ctx, managers[i%2], temp, wrongCode(u.Code()))
		})
		if compared := countIs(errs, auth.ErrInvalidCode); compared != 5 || compared+countIs(errs, auth.ErrInvalidToken) != 40 {
			t.Errorf("%d were compared: %v", compared, errs)
		}
	})
}

// TF-8, Advisory 14 (CVE-2025-6015, CVE-2025-55003), Advisory 18 (CVE-2024-32868,
// CVE-2025-64102): a new login brings no new budget, and neither does another door or
// address.
func TestWrongCodesOfAllCallsShareABudgetOfTenInFifteenMinutes(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{Limits: noLoginLimits()})
		other := twin(t, h, auth.Config{Limits: noLoginLimits()})
		for _, name := range []string{"known", "other"} {
			u := h.Register()
			home := clientAt(t, "192.0.2.1")
			if err := login(home, h.Manager, u.Email, authtest.Password); err != nil {
				t.Fatal(err)
			}
			e := confirmed(t, h, u)
			id := u.Identity()
			first := func(ctx context.Context) auth.Secret {
				r, err := h.Login(ctx, u.Email, authtest.Password)
				if err != nil {
					t.Fatal(err)
				}
				return r.TempToken
			}
			end := h.Clock.Now().Add(15 * time.Minute)
			looked := 0
			for i := 0; h.Clock.Now().Before(end); i++ {
				h.Clock.Advance(10 * time.Second)
				wrong := wrongFor(e, h.Clock.Now())
				ctx := home
				if name == "other" {
					ctx = clientAt(t, fmt.Sprintf("198.51.100.%d", i))
				}
				var err error
				switch i % 4 {
				case 0:
					err = other.DisableTwoFactor(ctx, id, authtest.Password, wrong)
				case 1:
					err = moveWith(ctx, h.Manager, id, "new@example.com", authtest.Password, wrong)
				case 2:
					err = secondStep(ctx, h.Manager, first(ctx), wrong)
				default: // a temp token counts where it was made, wherever it is used
					err = secondStep(home, h.Manager, first(ctx), wrong)
				}
				switch {
				case errors.Is(err, auth.ErrInvalidCode), errors.Is(err, auth.ErrInvalidCredentials):
					looked++
				default:
					retryAfter(t, err)
				}
			}
			if looked > 10 || looked < 9 {
				t.Errorf("%s networks: %d wrong codes were checked in 15 minutes, want at most 10", name, looked)
			}
			ctx := home
			if name == "other" {
				ctx = clientAt(t, "198.51.100.250")
			}
			temp := first(ctx)
			err := secondStep(ctx, h.Manager, temp, codeAt(e, h.Clock.Now()))
			if err != nil {
				h.Clock.Advance(retryAfter(t, err) - 1)
				temp = first(ctx)
				retryAfter(t, secondStep(ctx, h.Manager, temp, codeAt(e, h.Clock.Now())))
				h.Clock.Advance(1)
				err = secondStep(ctx, h.Manager, temp, codeAt(e, h.Clock.Now()))
			}
			if err != nil {
				t.Errorf("%s networks: the right code once the time to wait is over: %v", name, err)
			}
		}
	})
}

// TF-8, Advisory 18 (CVE-2024-0227).
// Wrong codes while confirming count as well.
func TestWrongCodesOfAConfirmationCount(t *testing.T) {
	h := authtest.New(t)
	u := h.Register()
	id := u.Identity()
	e := enrol(t, h, id)
	right := codeAt(e, h.Clock.Now())
	for i := range 8 {
		if err := h.ConfirmTwoFactor(t.Context(), id, wrongFor(e, h.Clock.Now())); !errors.Is(err, auth.ErrInvalidCode) {
			t.Fatalf("wrong code %d: %v", i, err)
		}
	}
	retryAfter(t, h.ConfirmTwoFactor(t.Context(), id, right))
}

// hammer tries n wrong codes as fast as the budgets let it, and returns the refusal
// that did not end within a day, if there was one.
func hammer(t *testing.T, h *authtest.Harness, u *authtest.User, e auth.TwoFactorEnrollment, n int) (looked int, stopped error) {
	t.Helper()
	for looked < n {
		err := secondStep(t.Context(), h.Manager, firstStep(t, h, u.Email), wrongFor(e, h.Clock.Now()))
		if errors.Is(err, auth.ErrInvalidCode) {
			looked++
			continue
		}
		wait := retryAfter(t, err)
		if wait > 24*time.Hour {
			return looked, err
		}
		h.Clock.Advance(wait)
	}
	return looked, nil
}

// TF-8, LG-7, Advisory 18 (CVE-2026-56450): guessing has an end, which your program alone undoes.
func TestNoCodeIsCheckedAfterAHundredWrongOnesInARow(t *testing.T) {
	t.Parallel()
	for name, recover := range map[string]func(h *authtest.Harness, userID string) error{
		"UnlockUser":     func(h *authtest.Harness, id string) error { return h.UnlockUser(context.Background(), id) },
		"ResetTwoFactor": func(h *authtest.Harness, id string) error { return h.ResetTwoFactor(context.Background(), id) },
	} {
		t.Run(name, func(t *testing.T) {
			h := authtest.With(t, memstore.New(), auth.Config{Limits: noLoginLimits(), MaxSessions: 5})
			u := h.Register()
			e := confirmed(t, h, u)
			if n, err := hammer(t, h, u, e, 99); n != 99 || err != nil {
				t.Fatalf("%d wrong codes, %v", n, err)
			}
			h.Clock.Advance(time.Hour)
			if err := secondStep(t.Context(), h.Manager, firstStep(t, h, u.Email), codeAt(e, h.Clock.Now())); err != nil {
				t.Fatalf("the right code after 99 wrong ones: %v", err)
			}
			h.Clock.Advance(time.Hour)
			if n, err := hammer(t, h, u, e, 1000); n != 100 || err == nil {
				t.Fatalf("%d wrong codes in a row were checked, %v", n, err)
			}
			for range 3 { // neither time nor a new login helps, nor another address
				h.Clock.Advance(7 * 24 * time.Hour)
				temp := firstStep(t, h, u.Email)
				retryAfter(t, secondStep(t.Context(), h.Manager, temp, codeAt(e, h.Clock.Now())))
				retryAfter(t, secondStep(clientAt(t, "192.0.2.7"), h.Manager, temp, e.BackupCodes[0]))
			}
			if err := recover(h, u.ID); err != nil {
				t.Fatal(err)
			}
			status, err := h.TwoFactorStatus(t.Context(), u.ID)
			if err != nil || status.Enabled != (name == "UnlockUser") {
				t.Fatalf("afterwards: %+v, %v", status, err)
			}
			if !status.Enabled {
				u.Login()
				e = confirmed(t, h, u)
				h.Clock.Advance(step)
			}
			if n, err := hammer(t, h, u, e, 50); n != 50 || err != nil { // the whole budget is back
				t.Errorf("%d wrong codes afterwards, %v", n, err)
			}
			h.Clock.Advance(time.Hour)
			if err := secondStep(t.Context(), h.Manager, firstStep(t, h, u.Email), codeAt(e, h.Clock.Now())); err != nil {
				t.Errorf("the right code afterwards: %v", err)
			}
		})
	}
}

// TF-8, LG-7: every store counts as far, and for the next process: 20 logins with 5 wrong
// codes each are the last that are checked, over two months.
func TestTheHundredWrongCodesAreCountedOnEveryStore(t *testing.T) {
	everyStore(t, func(t *testing.T, s store.Store) {
		limits := noLoginLimits()
		limits.CodeByAccount = plenty
		h := authtest.With(t, s, auth.Config{Limits: limits})
		next := twin(t, h, auth.Config{Limits: limits})
		u := h.Register()
		e := confirmed(t, h, u)
		for i := range 20 {
			h.Clock.Advance(3 * 24 * time.Hour)
			temp := firstStep(t, h, u.Email)
			for j := range 5 {
				ctx := clientAt(t, fmt.Sprintf("192.0.2.%d", i))
				if err := secondStep(ctx, []*auth.Manager{h.Manager, next.Manager}[j%2], temp, wrongFor(e, h.Clock.Now())); !errors.Is(err, auth.ErrInvalidCode) {
					t.Fatalf("wrong code %d: %v", 5*i+j, err)
				}
			}
		}
		for _, m := range []*authtest.Harness{h, next, twin(t, h, auth.Config{Limits: limits})} {
			temp := firstStep(t, m, u.Email)
			for _, code := range []auth.Secret{wrongFor(e, h.Clock.Now()), codeAt(e, h.Clock.Now()), e.BackupCodes[0]} {
				if wait := retryAfter(t, secondStep(t.Context(), m.Manager, temp, code)); wait < 300*24*time.Hour {
					t.Errorf("the next code is checked in %v", wait)
				}
			}
		}
	})
}

func TestAResetOfTheFactorEndsEverySession(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{Limits: noLoginLimits()})
		other := twin(t, h, auth.Config{})
		u := h.Register()
		u.EnableTwoFactor()
		if err := h.ResetTwoFactor(t.Context(), u.ID); err != nil {
			t.Fatal(err)
		}
		if _, err := other.VerifyAccessToken(t.Context(), auth.Secret(u.Token())); !errors.Is(err, auth.ErrInvalidToken) {
			t.Errorf("a session of before the reset: %v, want ErrInvalidToken", err)
		}
		if r, err := other.Login(t.Context(), u.Email, authtest.Password); err != nil || r.TwoFactorRequired() {
			t.Errorf("a login after it: %v, %v", r.TwoFactorRequired(), err)
		}
	})
}

// TF-9, F-D3, Advisory 12 (CVE-2026-35597), Advisory 18 (CVE-2026-27801): what was
// counted for an operation that failed is counted, also after a restart.
func TestWrongCodesAreStillCountedAfterARestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "auth.db")
	open := func() *boltstore.Store {
		s, err := boltstore.OpenOrCreate(path, boltstore.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := open()
	h := authtest.With(t, s, auth.Config{Limits: noLoginLimits()})
	u, e := withSecondFactor(t, h)
	temp := firstStep(t, h, u.Email)
	for i := range 8 {
		if i == 3 || i == 6 {
			_ = h.Close()
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = open()
			h = twinOn(t, h, s, auth.Config{Limits: noLoginLimits()})
		}
		if i == 5 { // those five tries of the temp token outlived a restart
			if err := secondStep(t.Context(), h.Manager, temp, codeAt(e, h.Clock.Now())); !errors.Is(err, auth.ErrInvalidToken) {
				t.Fatalf("the sixth try: %v, want ErrInvalidToken", err)
			}
			temp = firstStep(t, h, u.Email)
		}
		if err := secondStep(t.Context(), h.Manager, temp, wrongFor(e, h.Clock.Now())); !errors.Is(err, auth.ErrInvalidCode) {
			t.Fatalf("wrong code %d: %v", i, err)
		}
	}
	retryAfter(t, secondStep(t.Context(), h.Manager, temp, codeAt(e, h.Clock.Now())))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// RC-26: a store that is closed during the calls is an error, not a crash.
func TestAStoreClosedDuringCallsIsUnavailable(t *testing.T) {
	everyStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{Limits: noLoginLimits(), HashQueue: 500})
		managers := []*auth.Manager{h.Manager, twin(t, h, auth.Config{Limits: noLoginLimits(), HashQueue: 500}).Manager}
		u := h.Register()
		key := u.APIKey()
		u.EnableTwoFactor()
		errs := atOnce(t, 40, func(i int) error {
			m := managers[i%2]
			for range 20 {
				var err error
				switch {
				case i == 39:
					return s.Close()
				case i%3 == 0:
					_, err = m.VerifyAPIKey(t.Context(), auth.Secret(key))
				case i%3 == 1:
					_, err = m.VerifyAccessToken(t.Context(), auth.Secret(u.Token()))
				default:
					_, err = m.Login(t.Context(), u.Email, authtest.Password)
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
		for _, err := range errs {
			if err != nil && !errors.Is(err, auth.ErrUnavailable) {
				t.Errorf("%v, want ErrUnavailable", err)
			}
		}
		if _, err := h.VerifyAPIKey(t.Context(), auth.Secret(key)); !errors.Is(err, auth.ErrUnavailable) || errors.Is(err, auth.ErrInvalidToken) {
			t.Errorf("afterwards: %v, want ErrUnavailable", err)
		}
	})
}
