package auth_test

import (
	"context"
	"errors"
	"os"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/memstore"
)

// SE-9: a logout a second before the token expires is one for the next process, and a
// minute later there is nothing left of it but the account.
func TestALogoutOutlivesTheTokenAndTheProcess(t *testing.T) {
	everyStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{AccessTokenTTL: time.Minute, SessionTTL: time.Minute})
		alice := h.Register()
		token := alice.Token()
		h.Clock.Advance(time.Minute - time.Second)
		if err := h.Logout(t.Context(), alice.Identity()); err != nil {
			t.Fatal(err)
		}
		_ = h.Close()
		next := twin(t, h, auth.Config{AccessTokenTTL: time.Minute, SessionTTL: time.Minute})
		for _, d := range []time.Duration{0, time.Second, time.Minute, -time.Minute} {
			h.Clock.Advance(d)
			if verify(t, next.Manager, token) {
				t.Errorf("%v later the token is accepted", d)
			}
			if _, err := next.Refresh(t.Context(), auth.Secret(token)); err != auth.ErrInvalidToken {
				t.Errorf("%v later: refresh: %v", d, err)
			}
		}
		items, err := s.List(t.Context(), "u."+alice.ID[len("user_"):]+"/s.", "", 10)
		if err != nil || len(items) != 0 {
			t.Errorf("%d records of sessions are left, %v", len(items), err)
		}
	})
}

// TF-9, TF-8, Advisory 12 (CVE-2026-35597), Advisory 21 (CVE-2019-5421): what ten wrong
// codes at once have used up, each of a login that failed, is used up for the next process
// on the store.
func TestWrongCodesOfFailedLoginsAreCountedForTheNextProcess(t *testing.T) {
	everyStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{Limits: noLoginLimits()})
		u, e := withSecondFactor(t, h)
		temps := []auth.Secret{firstStep(t, h, u.Email), firstStep(t, h, u.Email)}
		wrong := wrongFor(e, h.Clock.Now())
		errs := atOnce(t, 10, func(i int) error { return secondStep(t.Context(), h.Manager, temps[i%2], wrong) })
		if n := countIs(errs, auth.ErrInvalidCode); n < 5 || n+countIs(errs, auth.ErrRateLimited) != 10 {
			t.Fatalf("%d of 10 wrong codes were checked: %v", n, errs)
		}
		_ = h.Close()
		next := twin(t, h, auth.Config{Limits: noLoginLimits()})
		retryAfter(t, secondStep(t.Context(), next.Manager, firstStep(t, next, u.Email), codeAt(e, h.Clock.Now())))
	})
}

// TF-15, BC-6: one notice for each thing that happens to the second factor, to its owner,
// and a mail server that takes none changes nothing.
func TestSecondFactorChangesAreNotifiedOnceAndTheNotifierMayFail(t *testing.T) {
	cfg, sent := noticesOf(auth.Config{Limits: noLoginLimits()})
	working := cfg.Notifier
	cfg.Notifier = notifierFunc(func(ctx context.Context, n auth.Notice) error {
		_ = working.Notify(ctx, n)
		return errors.New("no mail today")
	})
	h := authtest.With(t, memstore.New(), cfg)
	u, e := withSecondFactor(t, h)
	temp := firstStep(t, h, u.Email)
	if err := secondStep(t.Context(), h.Manager, temp, wrongFor(e, h.Clock.Now())); !errors.Is(err, auth.ErrInvalidCode) {
		t.Fatal(err)
	}
	if err := secondStep(t.Context(), h.Manager, temp, e.BackupCodes[0]); err != nil {
		t.Fatal(err)
	}
	if err := h.DisableTwoFactor(t.Context(), u.Identity(), authtest.Password, codeAt(e, h.Clock.Now())); err != nil {
		t.Fatal(err)
	}
	if r, err := h.Manager.Login(t.Context(), u.Email, authtest.Password); err != nil || r.TwoFactorRequired() {
		t.Errorf("a login after it is off: %v, %v", r.TwoFactorRequired(), err)
	}
	_ = h.Close()
	var told []auth.EventType
	for _, n := range *sent {
		told = append(told, n.Type)
		if n.To != u.Email || n.UserID != u.ID {
			t.Errorf("%s is sent to %q", n.Type, n.To)
		}
	}
	want := []auth.EventType{auth.EventTwoFactorEnabled, auth.EventSecondFactorFailed, auth.EventBackupCodeUsed, auth.EventTwoFactorDisabled}
	if !slices.Equal(told, want) {
		t.Errorf("sent are %v, want %v", told, want)
	}
}

// TF-6, Advisory 20 (CVE-2019-16109): what is empty is equal to nothing, whatever is
// missing on the other side.
func TestNoEmptyCredentialIsAccepted(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{Limits: unlimited()})
		plain, enrolled := h.Register(), h.Register()
		enrolled.EnableTwoFactor()
		if _, err := h.EnableTwoFactor(t.Context(), plain.Identity(), authtest.Password); err != nil { // pending
			t.Fatal(err)
		}
		temp := firstStep(t, h, enrolled.Email)
		for _, empty := range []auth.Secret{"", " ", "\x00", "000000", "00000000", "null", "0"} {
			_, verify := h.VerifyAccessToken(t.Context(), empty)
			_, refresh := h.Refresh(t.Context(), empty)
			_, key := h.VerifyAPIKey(t.Context(), empty)
			_, either := h.Authenticate(t.Context(), empty)
			for what, err := range map[string]error{
				"VerifyAccessToken": verify, "Refresh": refresh, "VerifyAPIKey": key, "Authenticate": either,
				"Login":              login(t.Context(), h.Manager, plain.Email, empty),
				"Login of nobody":    login(t.Context(), h.Manager, "", empty),
				"VerifyTwoFactor":    secondStep(t.Context(), h.Manager, temp, empty),
				"of no temp token":   secondStep(t.Context(), h.Manager, empty, "000000"),
				"ConfirmTwoFactor":   h.ConfirmTwoFactor(t.Context(), plain.Identity(), empty),
				"DisableTwoFactor":   h.DisableTwoFactor(t.Context(), plain.Identity(), authtest.Password, empty),
				"of the other":       h.DisableTwoFactor(t.Context(), enrolled.Identity(), authtest.Password, empty),
				"ChangePassword":     h.ChangePassword(t.Context(), plain.Identity(), empty, otherPassword),
				"an empty identity":  h.ChangePassword(t.Context(), auth.Identity{}, authtest.Password, otherPassword),
				"RevokeAPIKey":       h.RevokeAPIKey(t.Context(), plain.Identity(), string(empty)),
				"RevokeSession":      h.RevokeSession(t.Context(), plain.ID, string(empty)),
				"Logout of nobody":   h.Logout(t.Context(), auth.Identity{}),
				"a user without one": h.DisableTwoFactor(t.Context(), auth.Identity{}, "", empty),
			} {
				if err == nil || errors.Is(err, auth.ErrUnavailable) {
					t.Errorf("%s with %q: %v", what, string(empty), err)
				}
			}
		}
	})
}

// DO-5, F-R11, Advisory 25 (CVE-2025-30204, CVE-2024-51744), Advisory 36 (CVE-2025-29923).
func TestNoDependencyIsOlderThanTheReleaseThatFixedIt(t *testing.T) {
	mod, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	for path, mended := range map[string][3]int{
		"github.com/golang-jwt/jwt/v5": {5, 2, 2},
		"github.com/redis/go-redis/v9": {9, 7, 3},
		"github.com/wneessen/go-mail":  {0, 7, 1},
		"golang.org/x/crypto":          {0, 35, 0},
		"github.com/pquerna/otp":       {1, 5, 0},
		"github.com/boombuler/barcode": {1, 1, 0},
		"go.etcd.io/bbolt":             {1, 4, 0},
		"golang.org/x/text":            {0, 3, 8},
	} {
		m := regexp.MustCompile(`(?m)^\t` + regexp.QuoteMeta(path) + ` v(\d+)\.(\d+)\.(\d+)$`).FindSubmatch(mod)
		if m == nil {
			t.Errorf("%s is not required by a release", path)
			continue
		}
		var have [3]int
		for i := range have {
			have[i], _ = strconv.Atoi(string(m[i+1]))
		}
		if slices.Compare(have[:], mended[:]) < 0 {
			t.Errorf("%s is %v, want %v or later", path, have, mended)
		}
	}
}
