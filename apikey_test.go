package auth_test

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"log/slog"
	"reflect"
	"regexp"
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

// AK-1, AK-2, Advisory 19 (CVE-2024-8796).
func TestAnAPIKeyIsWellFormedAndShownOnce(t *testing.T) {
	const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	for _, prefix := range []string{"", "acme_live_"} {
		h := authtest.With(t, memstore.New(), auth.Config{APIKeyPrefix: prefix})
		if prefix == "" {
			prefix = "sk_live_"
		}
		u := h.Register()
		id := u.Identity()
		form := regexp.MustCompile("^" + prefix + "[0-9A-Za-z]{65}$")
		seen := map[string]bool{}
		for range 20 {
			made, key := newKey(t, h.Manager, id, auth.NewAPIKey{Description: "for the robot"})
			if !form.MatchString(key) || seen[key[:len(prefix)+30]] || !h.IsAPIKey(auth.Secret(key)) {
				t.Fatalf("the key %s", key)
			}
			seen[key[:len(prefix)+30]] = true
			body, sum := key[:len(key)-6], crc32.ChecksumIEEE([]byte(key[:len(key)-6]))
			check := ""
			for range 6 {
				check, sum = digits[sum%62:sum%62+1]+check, sum/62
			}
			if body+check != key {
				t.Errorf("%s does not end in its checksum %s", key, check)
			}
			if made.Prefix != key[:len(prefix)+3]+"..." || made.Description != "for the robot" || !strings.HasPrefix(made.ID, "key_") {
				t.Errorf("the key %s is reported as %+v", key, made)
			}
			if secret := key[len(prefix)+3 : len(prefix)+30]; strings.Contains(fmt.Sprintf("%+v", made), secret) {
				t.Errorf("%+v says the key", made)
			}
		}
		keys, err := h.APIKeys(t.Context(), id)
		if err != nil || len(keys) != 20 {
			t.Fatalf("%d keys, %v", len(keys), err)
		}
		for key := range seen {
			if strings.Contains(fmt.Sprintf("%+v %v", keys, slog.AnyValue(keys)), key[len(prefix)+3:]) {
				t.Error("the list says a key")
			}
		}
	}
}

func TestAnAPIKeySpeaksForItsOwner(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{})
		u := h.Register()
		made, key := newKey(t, h.Manager, u.Identity(), auth.NewAPIKey{})
		id, err := h.VerifyAPIKey(t.Context(), auth.Secret(key))
		if err != nil {
			t.Fatal(err)
		}
		if id.User.ID != u.ID || id.User.OrganizationID != u.OrganizationID || id.User.Role != "admin" ||
			!id.IsAPIKey() || id.APIKeyID != made.ID || id.SessionID != "" || id.AMR != nil || !id.AuthTime.IsZero() ||
			!id.ExpiresAt.Equal(made.ExpiresAt) {
			t.Errorf("the identity is %+v", id)
		}
		if err := h.SetRole(t.Context(), u.ID, "reader"); err != nil {
			t.Fatal(err)
		}
		if id, err := h.VerifyAPIKey(t.Context(), auth.Secret(key)); err != nil || id.User.Role != "reader" {
			t.Errorf("after a change of role: %s, %v", id.User.Role, err)
		}
	})
}

// AK-4, DO-2.
func TestAMistypedAPIKeyIsRefusedWithoutAskingTheStore(t *testing.T) {
	spy := &spyStore{Store: memstore.New()}
	h := authtest.With(t, spy, auth.Config{})
	key := h.Register().APIKey()
	before := spy.gets.Load()
	for name, bad := range map[string]string{
		"empty": "", "the prefix": "sk_live_", "one digit": key[:20] + string('0'+(key[20]-'0'+1)%2) + key[21:],
		"cut": key[:len(key)-1], "longer": key + "0", "a space": key + " ", "a line": "\n" + key, "capitals": strings.ToUpper(key),
		"another prefix": "sk_test_" + key[8:], "NUL": key[:30] + "\x00" + key[31:], "not ASCII": key[:30] + "é" + key[32:],
		"long": "sk_live_" + strings.Repeat("A", 1<<20), "quoted": `"` + key + `"`,
	} {
		if bad == key {
			continue
		}
		if err := verifyKey(h.Manager, bad); !errors.Is(err, auth.ErrInvalidToken) {
			t.Errorf("%s: %v, want ErrInvalidToken", name, err)
		}
	}
	if n := spy.gets.Load() - before; n != 0 {
		t.Errorf("the store was asked %d times", n)
	}
	if err := verifyKey(h.Manager, key); err != nil || spy.gets.Load() != before+1 {
		t.Errorf("the key itself: %d reads, %v", spy.gets.Load()-before, err)
	}
}

// AK-4: a well-formed key with a right checksum that was never made.
func TestAnUnknownAPIKeyIsRefusedLikeARevokedOne(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{})
		elsewhere := authtest.New(t)
		u := h.Register()
		id := u.Identity()
		made, revoked := newKey(t, h.Manager, id, auth.NewAPIKey{})
		if err := h.RevokeAPIKey(t.Context(), id, made.ID); err != nil {
			t.Fatal(err)
		}
		_, expired := newKey(t, h.Manager, id, auth.NewAPIKey{ExpiresIn: time.Hour})
		h.Clock.Advance(time.Hour)
		want := verifyKey(h.Manager, revoked)
		for name, key := range map[string]string{"unknown": elsewhere.Register().APIKey(), "expired": expired, "malformed": "sk_live_x"} {
			if err := verifyKey(h.Manager, key); !errors.Is(err, auth.ErrInvalidToken) || err.Error() != want.Error() {
				t.Errorf("%s: %v, revoked: %v", name, err, want)
			}
		}
	})
}

// AK-11.
func TestAnAPIKeyExpiresWhenItSaid(t *testing.T) {
	everyStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, keeper{s}, auth.Config{})
		forever := twin(t, h, auth.Config{APIKeyTTL: -1})
		u := h.Register()
		id := u.Identity()
		short, key := newKey(t, h.Manager, id, auth.NewAPIKey{ExpiresIn: 24 * time.Hour})
		usual, _ := newKey(t, h.Manager, id, auth.NewAPIKey{})
		never, neverKey := newKey(t, forever.Manager, id, auth.NewAPIKey{})
		begin := h.Clock.Now()
		if !short.ExpiresAt.Equal(begin.Add(24*time.Hour)) || !usual.ExpiresAt.Equal(begin.Add(365*24*time.Hour)) || !never.ExpiresAt.IsZero() {
			t.Errorf("the keys expire at %v, %v, %v", short.ExpiresAt, usual.ExpiresAt, never.ExpiresAt)
		}
		h.Clock.Advance(24*time.Hour - 1)
		if err := verifyKey(h.Manager, key); err != nil {
			t.Errorf("just before its end: %v", err)
		}
		h.Clock.Advance(1)
		if err := verifyKey(h.Manager, key); !errors.Is(err, auth.ErrInvalidToken) {
			t.Errorf("at its end: %v, want ErrInvalidToken", err)
		}
		h.Clock.Advance(100 * 365 * 24 * time.Hour)
		if err := verifyKey(h.Manager, neverKey); err != nil {
			t.Errorf("a key without an end, a century later: %v", err)
		}
	})
}

// AK-9, Advisory 35 (CVE-2025-48495).
func TestAKeysNameIsTextThatCanBeShown(t *testing.T) {
	h := authtest.New(t)
	id := h.Register().Identity()
	for name, k := range map[string]auth.NewAPIKey{
		"no name": {}, "blank": {Name: "  "}, "a line": {Name: "a\nb"}, "a NUL": {Name: "a\x00"}, "an escape": {Name: "\x1b[31m"},
		"bidi override": {Name: "a\u202eb"}, "bidi isolate": {Name: "a\u2066b"}, "zero width": {Name: "a\u200bb"}, "byte order": {Name: "a\ufeffb"}, "nothing seen": {Name: "\u3164"},
		"line separator": {Name: "a\u2028b"}, "not UTF-8": {Name: "a\xff"}, "long": {Name: strings.Repeat("é", 101)}, "too long with its space": {Name: strings.Repeat("é", 101) + " "},
		"description": {Name: "a", Description: "a\u202eb"}, "long description": {Name: "a", Description: strings.Repeat("x", 501)},
		"negative": {Name: "a", ExpiresIn: -1}, "too long a life": {Name: "a", ExpiresIn: 3650*24*time.Hour + 1},
	} {
		_, _, err := h.CreateAPIKey(t.Context(), id, k)
		var in *auth.InputError
		if !errors.As(err, &in) || !errors.Is(err, auth.ErrInvalidInput) || len(in.Fields) != 1 {
			t.Errorf("%s: %v, want ErrInvalidInput with a field", name, err)
		}
	}
	for _, k := range []auth.NewAPIKey{
		{Name: "<script>alert(1)</script>"}, {Name: strings.Repeat("é", 100), Description: strings.Repeat("ü", 500)},
		{Name: "日本語 'quoted' \"twice\"", ExpiresIn: 3650 * 24 * time.Hour},
	} {
		made, _, err := h.CreateAPIKey(t.Context(), id, k)
		if err != nil || made.Name != k.Name || made.Description != k.Description {
			t.Errorf("%q became %q, %v", k.Name, made.Name, err)
		}
	}
	if keys, err := h.APIKeys(t.Context(), id); err != nil || len(keys) != 3 {
		t.Errorf("%d keys, %v", len(keys), err)
	}
}

// RC-11, AK-8, Advisory 3 (GHSA-392p-2q2v-4372).
func TestOfSixtyKeysMadeAtOnceFiftyAreMade(t *testing.T) {
	everyStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{})
		managers := []*auth.Manager{h.Manager, twin(t, h, auth.Config{}).Manager}
		u := h.Register()
		id := u.Identity()
		errs := atOnce(t, 60, func(i int) error {
			_, _, err := managers[i%2].CreateAPIKey(t.Context(), id, auth.NewAPIKey{Name: fmt.Sprint("key ", i)})
			return err
		})
		if made := countIs(errs, nil); made != 50 || made+countIs(errs, auth.ErrAPIKeyLimit) != 60 {
			t.Errorf("%d were made: %v", made, errs)
		}
		keys, err := h.APIKeys(t.Context(), id)
		if err != nil || len(keys) != 50 {
			t.Fatalf("%d keys, %v", len(keys), err)
		}
		h.Clock.Advance(time.Hour - time.Minute)
		errs = atOnce(t, 10, func(i int) error { return managers[i%2].RevokeAPIKey(t.Context(), id, keys[i/2].ID) })
		if n := countIs(errs, nil); n != 5 || n+countIs(errs, auth.ErrNotFound) != 10 {
			t.Errorf("5 keys were revoked %d times: %v", n, errs)
		}
		errs = atOnce(t, 10, func(i int) error {
			_, _, err := managers[i%2].CreateAPIKey(t.Context(), id, auth.NewAPIKey{Name: "again"})
			return err
		})
		if made := countIs(errs, nil); made != 5 {
			t.Errorf("%d were made in the place of 5: %v", made, errs)
		}
	})
}

func TestExpiredKeysMakeRoomForNewOnes(t *testing.T) {
	everyStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{MaxAPIKeys: 3})
		u := h.Register()
		id := u.Identity()
		_, kept := newKey(t, h.Manager, id, auth.NewAPIKey{})
		_, old := newKey(t, h.Manager, id, auth.NewAPIKey{ExpiresIn: time.Minute})
		use(t, h.Manager, old, "192.0.2.7")
		newKey(t, h.Manager, id, auth.NewAPIKey{ExpiresIn: time.Minute})
		if _, _, err := h.CreateAPIKey(t.Context(), id, auth.NewAPIKey{Name: "fourth"}); !errors.Is(err, auth.ErrAPIKeyLimit) {
			t.Fatalf("the fourth key: %v, want ErrAPIKeyLimit", err)
		}
		h.Clock.Advance(time.Minute)
		if keys, err := h.APIKeys(t.Context(), id); err != nil || len(keys) != 3 {
			t.Errorf("%d keys are listed after two expired, %v", len(keys), err)
		}
		for range 2 {
			newKey(t, h.Manager, id, auth.NewAPIKey{})
		}
		if _, _, err := h.CreateAPIKey(t.Context(), id, auth.NewAPIKey{Name: "another"}); !errors.Is(err, auth.ErrAPIKeyLimit) {
			t.Errorf("one too many again: %v, want ErrAPIKeyLimit", err)
		}
		if err := verifyKey(h.Manager, kept); err != nil {
			t.Errorf("the key that had not expired: %v", err)
		}
	})
}

// AK-8: making keys has a budget, however it is done.
func TestMakingRotatingAndEnablingKeysShareABudget(t *testing.T) {
	h := authtest.With(t, memstore.New(), auth.Config{Limits: auth.Limits{APIKeyByAccount: store.Limit{Burst: 4, Every: time.Minute}}})
	id := h.Register().Identity()
	made, _ := newKey(t, h.Manager, id, auth.NewAPIKey{})
	off, on := false, true
	if _, err := h.UpdateAPIKey(t.Context(), id, made.ID, auth.APIKeyChange{Enabled: &off}); err != nil { // which has none
		t.Fatal(err)
	}
	if _, err := h.UpdateAPIKey(t.Context(), id, made.ID, auth.APIKeyChange{Enabled: &on}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		next, _, err := h.RotateAPIKey(t.Context(), id, made.ID, time.Hour, "", "")
		if err != nil {
			t.Fatal(err)
		}
		made = next
	}
	_, _, err := h.RotateAPIKey(t.Context(), id, made.ID, time.Hour, "", "")
	retryAfter(t, err)
	_, err = h.UpdateAPIKey(t.Context(), id, made.ID, auth.APIKeyChange{Enabled: &on})
	retryAfter(t, err)
	for range 3 {
		if _, err := h.UpdateAPIKey(t.Context(), id, made.ID, auth.APIKeyChange{Enabled: &off}); err != nil {
			t.Fatal(err)
		}
	}
	_, _, err = h.CreateAPIKey(t.Context(), id, auth.NewAPIKey{Name: "fifth"})
	h.Clock.Advance(retryAfter(t, err))
	newKey(t, h.Manager, id, auth.NewAPIKey{})
}

// AK-8: who has as many keys as Config.MaxAPIKeys keeps the code.
func TestNoCodeIsSpentOnAKeyBeyondTheLimit(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{APIKeysNeedFreshLogin: true, MaxAPIKeys: 1, Limits: auth.Limits{
			LoginByAddress: plenty, APIKeyByAccount: store.Limit{Burst: 2, Every: 24 * time.Hour},
		}})
		u := h.Register()
		code := u.EnableTwoFactor()[0]
		u.Login()
		id := u.Identity()
		create := func() (auth.APIKey, error) {
			key, _, err := h.CreateAPIKey(t.Context(), id, auth.NewAPIKey{Name: "k", Password: authtest.Password, Code: code})
			return key, err
		}
		first, _, err := h.CreateAPIKey(t.Context(), id, auth.NewAPIKey{Name: "first"}) // the login is fresh
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if _, err := create(); err != auth.ErrAPIKeyLimit {
				t.Fatalf("a second key: %v, want ErrAPIKeyLimit", err)
			}
			if _, _, err := h.RotateAPIKey(t.Context(), id, first.ID, time.Hour, authtest.Password, code); err != auth.ErrAPIKeyLimit {
				t.Fatalf("a rotation beyond the limit: %v, want ErrAPIKeyLimit", err)
			}
		}
		if err := h.RevokeAPIKey(t.Context(), id, first.ID); err != nil {
			t.Fatal(err)
		}
		if _, err := create(); err != nil {
			t.Errorf("the same code, once there is room: %v", err)
		}
		if _, err := create(); err != auth.ErrInvalidCredentials {
			t.Errorf("the code once more: %v, want ErrInvalidCredentials", err)
		}
	})
}

// AK-8: a live token alone is not enough where Config.APIKeysNeedFreshLogin is set.
func TestMakingAKeyNeedsAFreshLoginOrThePasswordWhereThatIsAskedFor(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{APIKeysNeedFreshLogin: true})
		usual := twin(t, h, auth.Config{})
		u := h.Register()
		h.Clock.Advance(10 * time.Minute)
		made, key := newKey(t, h.Manager, u.Identity(), auth.NewAPIKey{})
		on := true
		h.Clock.Advance(time.Nanosecond)
		id := identityOf(t, h.Manager, auth.Secret(refreshed(t, h.Manager, u.Token())))
		id.AuthTime = h.Clock.Now() // an identity is not believed
		making := map[string]func(m *auth.Manager, pw auth.Secret) error{
			"making": func(m *auth.Manager, pw auth.Secret) error {
				_, _, err := m.CreateAPIKey(t.Context(), id, auth.NewAPIKey{Name: "k", Password: pw})
				return err
			},
			"rotating": func(m *auth.Manager, pw auth.Secret) error {
				next, _, err := m.RotateAPIKey(t.Context(), id, made.ID, time.Hour, pw, "")
				if err == nil {
					made = next
				}
				return err
			},
			"enabling": func(m *auth.Manager, pw auth.Secret) error {
				_, err := m.UpdateAPIKey(t.Context(), id, made.ID, auth.APIKeyChange{Enabled: &on, Password: pw})
				return err
			},
		}
		for name, make := range making {
			if err := make(h.Manager, ""); !errors.Is(err, auth.ErrReauthenticationRequired) {
				t.Errorf("%s without the password: %v, want ErrReauthenticationRequired", name, err)
			}
			if err := make(h.Manager, "wrong, and long enough"); !errors.Is(err, auth.ErrInvalidCredentials) {
				t.Errorf("%s with a wrong password: %v, want ErrInvalidCredentials", name, err)
			}
		}
		if keys, err := h.APIKeys(t.Context(), id); err != nil || len(keys) != 1 || verifyKey(h.Manager, key) != nil {
			t.Fatalf("after the refusals there are %+v, %v", keys, err)
		}
		for name, make := range making {
			if err := errors.Join(make(h.Manager, authtest.Password), make(usual.Manager, ""), make(usual.Manager, "not checked")); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

// AK-8: where the second factor is on, the password alone is weaker than the login that a fresh
// session had.
func TestMakingAKeyNeedsACodeBesideThePasswordWhereTheFactorIsOn(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{APIKeysNeedFreshLogin: true, Limits: noLoginLimits()})
		u := h.Register()
		backup := u.EnableTwoFactor()
		made, _ := newKey(t, h.Manager, u.Identity(), auth.NewAPIKey{Name: "fresh"})
		h.Clock.Advance(11 * time.Minute)
		id := u.Identity()
		making := map[string]func(pw, code auth.Secret) error{
			"making": func(pw, code auth.Secret) error {
				_, _, err := h.CreateAPIKey(t.Context(), id, auth.NewAPIKey{Name: "k", Password: pw, Code: code})
				return err
			},
			"rotating": func(pw, code auth.Secret) error {
				_, _, err := h.RotateAPIKey(t.Context(), id, made.ID, time.Hour, pw, code)
				return err
			},
		}
		for name, make := range making {
			for what, tc := range map[string]struct {
				pw, code auth.Secret
				want     error
			}{
				"nothing":              {"", "", auth.ErrReauthenticationRequired},
				"the password alone":   {authtest.Password, "", auth.ErrReauthenticationRequired},
				"the code alone":       {"", auth.Secret(u.Code()), auth.ErrReauthenticationRequired},
				"a wrong code":         {authtest.Password, wrongCode(u.Code()), auth.ErrInvalidCredentials},
				"a wrong password":     {"wrong, and long enough", auth.Secret(u.Code()), auth.ErrInvalidCredentials},
				"no code in its form":  {authtest.Password, "12345", auth.ErrInvalidCredentials},
				"a code of no account": {authtest.Password, "00000000", auth.ErrInvalidCredentials},
			} {
				if err := make(tc.pw, tc.code); !errors.Is(err, tc.want) {
					t.Errorf("%s with %s: %v, want %v", name, what, err, tc.want)
				}
				if err := h.UnlockUser(t.Context(), u.ID); err != nil {
					t.Fatal(err)
				}
			}
		}
		if keys, err := h.APIKeys(t.Context(), id); err != nil || len(keys) != 1 {
			t.Fatalf("after the refusals there are %+v, %v", keys, err)
		}
		if err := making["making"](authtest.Password, auth.Secret(u.Code())); err != nil {
			t.Errorf("making with both: %v", err)
		}
		if err := making["making"](authtest.Password, auth.Secret(u.Code())); !errors.Is(err, auth.ErrInvalidCredentials) {
			t.Errorf("making with the same code: %v, want ErrInvalidCredentials", err)
		}
		if err := making["rotating"](authtest.Password, backup[0]); err != nil {
			t.Errorf("rotating with a backup code: %v", err)
		}
		if n := codesLeft(t, h, u); n != 9 {
			t.Errorf("%d backup codes are left, want 9", n)
		}
	})
}

// AK-8, PR-4: a stolen token is no way around the budget of the password, and what is
// refused uses up nothing of the budget of keys.
func TestWrongPasswordsForKeysCountLikeThoseOfLogins(t *testing.T) {
	h := authtest.With(t, memstore.New(), auth.Config{
		APIKeysNeedFreshLogin: true, FreshLogin: -1,
		Limits: auth.Limits{APIKeyByAccount: store.Limit{Burst: 2, Every: time.Hour}},
	})
	u := h.Register()
	id := u.Identity()
	made, _ := newKey(t, h.Manager, id, auth.NewAPIKey{Password: authtest.Password})
	if _, _, err := h.CreateAPIKey(t.Context(), id, auth.NewAPIKey{Password: "wrong, and long enough"}); !errors.Is(err, auth.ErrInvalidInput) {
		t.Errorf("without a name: %v, want ErrInvalidInput", err) // and it is no guess
	}
	wrong := []func() error{
		func() error {
			_, _, err := h.CreateAPIKey(t.Context(), id, auth.NewAPIKey{Name: "k", Password: "wrong, and long enough"})
			return err
		},
		func() error {
			_, _, err := h.RotateAPIKey(t.Context(), id, made.ID, 0, "wrong, and long enough", "")
			return err
		},
		func() error { return login(t.Context(), h.Manager, u.Email, "wrong, and long enough") },
	}
	for i := range 5 {
		if err := wrong[i%3](); !errors.Is(err, auth.ErrInvalidCredentials) {
			t.Fatalf("attempt %d: %v", i, err)
		}
	}
	_, _, err := h.CreateAPIKey(t.Context(), id, auth.NewAPIKey{Name: "k", Password: authtest.Password})
	retryAfter(t, err)
	_, _, err = h.RotateAPIKey(t.Context(), id, made.ID, 0, authtest.Password, "")
	retryAfter(t, err)
	retryAfter(t, login(t.Context(), h.Manager, u.Email, authtest.Password))
	h.Clock.Advance(10 * time.Minute)
	newKey(t, h.Manager, id, auth.NewAPIKey{Password: authtest.Password}) // the second of two
}

// RC-10, AK-5: what begins after a revocation returned finds the key revoked.
func TestARevokedKeyIsRevokedEverywhereAtOnce(t *testing.T) {
	everyStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{})
		managers := []*auth.Manager{h.Manager, twin(t, h, auth.Config{}).Manager}
		u := h.Register()
		id := u.Identity()
		for range 5 {
			made, key := newKey(t, h.Manager, id, auth.NewAPIKey{})
			var revoked atomic.Bool
			var used atomic.Int64
			errs := atOnce(t, 5, func(i int) error {
				if i == 0 {
					for used.Load() < 20 {
						if err := verifyKey(managers[0], key); err != nil {
							return err
						}
					}
					defer revoked.Store(true)
					return managers[0].RevokeAPIKey(t.Context(), id, made.ID)
				}
				for {
					before := revoked.Load()
					err := verifyKey(managers[i%2], key)
					switch {
					case before && err == nil:
						return errors.New("a revoked key opened")
					case err != nil && !errors.Is(err, auth.ErrInvalidToken):
						return err
					case before:
						return nil
					case err == nil:
						used.Add(1)
					}
				}
			})
			if err := errors.Join(errs...); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// AK-6, Advisory 1 (CVE-2025-61928).
func TestTheKeyOfAnotherUserIsNotFound(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{})
		ann, bob := h.Register(), h.Register()
		made, key := newKey(t, h.Manager, ann.Identity(), auth.NewAPIKey{})
		unknown := "key_" + strings.Repeat("0", 32)
		for _, id := range []string{
			made.ID, unknown, "", "key_", made.ID[4:], made.ID + "0", strings.ToUpper(made.ID), "key_../acct", "key_" + strings.Repeat("0", 31) + "/",
			"user_" + made.ID[4:], "key_" + strings.Repeat("é", 16),
		} {
			if err := h.RevokeAPIKey(t.Context(), bob.Identity(), id); !errors.Is(err, auth.ErrNotFound) || err.Error() != auth.ErrNotFound.Error() {
				t.Errorf("revoke %q: %v, want ErrNotFound", id, err)
			}
			if _, _, err := h.RotateAPIKey(t.Context(), bob.Identity(), id, 0, "", ""); !errors.Is(err, auth.ErrNotFound) || err.Error() != auth.ErrNotFound.Error() {
				t.Errorf("rotate %q: %v, want ErrNotFound", id, err)
			}
		}
		if keys, err := h.APIKeys(t.Context(), bob.Identity()); err != nil || len(keys) != 0 {
			t.Errorf("bob sees %d keys, %v", len(keys), err)
		}
		if err := verifyKey(h.Manager, key); err != nil {
			t.Errorf("ann's key afterwards: %v", err)
		}
	})
}

// AK-7, Advisory 24 (CVE-2026-21621, CVE-2026-56216). Every method that takes an identity
// is called with a key's: a new one is covered the day it is written.
func TestAnAPIKeyManagesNoCredential(t *testing.T) {
	spy := &spyStore{Store: memstore.New()}
	h := authtest.With(t, spy, auth.Config{})
	u := h.Register()
	made, key := newKey(t, h.Manager, u.Identity(), auth.NewAPIKey{})
	id, err := h.VerifyAPIKey(t.Context(), auth.Secret(key))
	if err != nil {
		t.Fatal(err)
	}
	scoped, err := h.VerifyAPIKey(t.Context(), auth.Secret(u.ScopedAPIKey("*", "admin", "api-keys")))
	if err != nil {
		t.Fatal(err)
	}
	forged := id
	forged.SessionID = u.Identity().SessionID // a key's identity stays one
	before := spy.commits.Load() + spy.hits.Load()
	called := 0
	m := reflect.ValueOf(h.Manager)
	for i := range m.NumMethod() {
		method, name := m.Method(i), m.Type().Method(i).Name
		for _, id := range []auth.Identity{id, forged, scoped} {
			args, takesIdentity := []reflect.Value{}, false
			for j := range method.Type().NumIn() {
				switch in := method.Type().In(j); in {
				case reflect.TypeFor[context.Context]():
					args = append(args, reflect.ValueOf(t.Context()))
				case reflect.TypeFor[auth.Identity]():
					args, takesIdentity = append(args, reflect.ValueOf(id)), true
				case reflect.TypeFor[auth.Secret]():
					args = append(args, reflect.ValueOf(auth.Secret(authtest.Password)))
				case reflect.TypeFor[string]():
					args = append(args, reflect.ValueOf(made.ID))
				case reflect.TypeFor[auth.NewAPIKey]():
					args = append(args, reflect.ValueOf(auth.NewAPIKey{Name: "child"}))
				default:
					args = append(args, reflect.Zero(in))
				}
			}
			if !takesIdentity || method.Type().NumOut() == 0 { // which does nothing
				continue
			}
			called++
			out := method.Call(args)
			if err, _ := out[len(out)-1].Interface().(error); !errors.Is(err, auth.ErrForbidden) {
				t.Errorf("%s with a key: %v, want ErrForbidden", name, err)
			}
		}
	}
	if called < 3*10 {
		t.Errorf("%d calls: the methods were not found", called)
	}
	if n := spy.commits.Load() + spy.hits.Load() - before; n != 0 {
		t.Errorf("they wrote to the store %d times", n)
	}
	if err := verifyKey(h.Manager, key); err != nil {
		t.Errorf("the key afterwards: %v", err)
	}
}

// RC-21, Advisory 10 (CVE-2026-9798).
func TestAKeyIsRefusedOnceItsOwnerIsDisabledOrDeleted(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{})
		other := twin(t, h, auth.Config{})
		u := h.Register()
		key := u.APIKey()
		if err := h.DisableUser(t.Context(), u.ID); err != nil {
			t.Fatal(err)
		}
		if err := verifyKey(other.Manager, key); !errors.Is(err, auth.ErrInvalidToken) {
			t.Errorf("disabled: %v, want ErrInvalidToken", err)
		}
		if err := h.EnableUser(t.Context(), u.ID); err != nil {
			t.Fatal(err)
		}
		if err := verifyKey(other.Manager, key); err != nil {
			t.Errorf("enabled again: %v", err)
		}
		if err := h.RevokeSessions(t.Context(), u.ID); err != nil {
			t.Fatal(err)
		}
		if err := verifyKey(other.Manager, key); err != nil {
			t.Errorf("after the end of every session: %v", err)
		}
		if err := h.DeleteUser(t.Context(), u.ID); err != nil {
			t.Fatal(err)
		}
		if err := verifyKey(other.Manager, key); !errors.Is(err, auth.ErrInvalidToken) {
			t.Errorf("deleted: %v, want ErrInvalidToken", err)
		}
	})
}

func TestARotatedKeyOverlapsWithItsSuccessor(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{})
		other := twin(t, h, auth.Config{})
		u := h.Register()
		id := u.Identity()
		old, oldKey := newKey(t, h.Manager, id, auth.NewAPIKey{Name: "robot", Description: "of the yard", ExpiresIn: 30 * 24 * time.Hour})
		h.Clock.Advance(30 * time.Minute)
		next, nextKey, err := h.RotateAPIKey(t.Context(), id, old.ID, 15*time.Minute, "", "")
		if err != nil {
			t.Fatal(err)
		}
		if next.ID == old.ID || next.Name != "robot" || next.Description != "of the yard" || !next.CreatedAt.Equal(h.Clock.Now()) ||
			!next.ExpiresAt.Equal(h.Clock.Now().Add(30*24*time.Hour)) {
			t.Errorf("the successor is %+v", next)
		}
		h.Clock.Advance(15*time.Minute - 1)
		if err := errors.Join(verifyKey(other.Manager, oldKey), verifyKey(other.Manager, string(nextKey))); err != nil {
			t.Errorf("during the overlap: %v", err)
		}
		h.Clock.Advance(1)
		if err := verifyKey(other.Manager, oldKey); !errors.Is(err, auth.ErrInvalidToken) {
			t.Errorf("the old key after the overlap: %v, want ErrInvalidToken", err)
		}
		if err := verifyKey(other.Manager, string(nextKey)); err != nil {
			t.Errorf("the successor after the overlap: %v", err)
		}
		if _, _, err := h.RotateAPIKey(t.Context(), id, old.ID, 0, "", ""); err != auth.ErrAPIKeyNotActive {
			t.Errorf("rotating what has expired: %v, want ErrAPIKeyNotActive", err)
		}
		last, lastKey, err := h.RotateAPIKey(t.Context(), id, next.ID, 0, "", "")
		if err != nil {
			t.Fatal(err)
		}
		if err := verifyKey(other.Manager, string(nextKey)); !errors.Is(err, auth.ErrInvalidToken) {
			t.Errorf("rotated without an overlap: %v, want ErrInvalidToken", err)
		}
		if err := h.RevokeAPIKey(t.Context(), id, last.ID); err != nil {
			t.Fatal(err)
		}
		if err := verifyKey(other.Manager, string(lastKey)); !errors.Is(err, auth.ErrInvalidToken) {
			t.Errorf("the last one, revoked: %v", err)
		}
		for _, overlap := range []time.Duration{-1, 30*24*time.Hour + 1} {
			if _, _, err := h.RotateAPIKey(t.Context(), id, next.ID, overlap, "", ""); !errors.Is(err, auth.ErrInvalidInput) {
				t.Errorf("an overlap of %v: %v, want ErrInvalidInput", overlap, err)
			}
		}
	})
}

// An overlap is a deadline, never an extension.
func TestRotatingDoesNotLengthenTheLifeOfTheOldKey(t *testing.T) {
	h := authtest.New(t)
	id := h.Register().Identity()
	old, oldKey := newKey(t, h.Manager, id, auth.NewAPIKey{ExpiresIn: 10 * time.Minute})
	if _, _, err := h.RotateAPIKey(t.Context(), id, old.ID, time.Hour, "", ""); err != nil {
		t.Fatal(err)
	}
	h.Clock.Advance(10 * time.Minute)
	if err := verifyKey(h.Manager, oldKey); !errors.Is(err, auth.ErrInvalidToken) {
		t.Errorf("the old key after its own end: %v, want ErrInvalidToken", err)
	}
}

// The revocation comes in between the rotation's look at the key and its Commit.
func TestARotationNeverBringsBackAKeyRevokedDuringIt(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		spy := &spyStore{Store: s}
		h := authtest.With(t, spy, auth.Config{})
		u := h.Register()
		id := u.Identity()
		made, key := newKey(t, h.Manager, id, auth.NewAPIKey{})
		spy.afterHit = func(key string) {
			spy.afterHit = nil
			if err := h.RevokeAPIKey(t.Context(), id, made.ID); err != nil {
				t.Error(err)
			}
		}
		if _, _, err := h.RotateAPIKey(t.Context(), id, made.ID, time.Hour, "", ""); !errors.Is(err, auth.ErrNotFound) {
			t.Errorf("%v, want ErrNotFound", err)
		}
		if err := verifyKey(h.Manager, key); !errors.Is(err, auth.ErrInvalidToken) {
			t.Errorf("the revoked key: %v, want ErrInvalidToken", err)
		}
		if keys, err := h.APIKeys(t.Context(), id); err != nil || len(keys) != 0 {
			t.Errorf("%d keys are left, %v", len(keys), err)
		}
	})
}

// A rotation during a revocation never leaves a successor of a key that was revoked
// first.
func TestOfARotationAndARevocationAtOnceEitherIsSeenByTheOther(t *testing.T) {
	everyStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{})
		other := twin(t, h, auth.Config{})
		u := h.Register()
		id := u.Identity()
		for range 8 {
			made, key := newKey(t, h.Manager, id, auth.NewAPIKey{})
			var next auth.Secret
			errs := atOnce(t, 2, func(i int) (err error) {
				if i == 0 {
					_, next, err = h.RotateAPIKey(t.Context(), id, made.ID, time.Hour, "", "")
					return err
				}
				return other.RevokeAPIKey(t.Context(), id, made.ID)
			})
			if errs[1] != nil || errs[0] != nil && !errors.Is(errs[0], auth.ErrNotFound) {
				t.Fatalf("%v", errs)
			}
			if err := verifyKey(other.Manager, key); !errors.Is(err, auth.ErrInvalidToken) {
				t.Errorf("the revoked key: %v", err)
			}
			if errs[0] == nil {
				if err := verifyKey(other.Manager, string(next)); err != nil {
					t.Errorf("the successor: %v", err)
				}
			}
		}
	})
}

// A store that does not answer is neither yes nor no.
func TestAKeyThatCannotBeLookedUpIsUnavailableAndNotInvalid(t *testing.T) {
	s := memstore.New()
	h := authtest.With(t, s, auth.Config{})
	key := h.Register().APIKey()
	_ = s.Close()
	if err := verifyKey(h.Manager, key); !errors.Is(err, auth.ErrUnavailable) || errors.Is(err, auth.ErrInvalidToken) {
		t.Errorf("%v, want ErrUnavailable", err)
	}
}

// Taking a key away needs nothing but the key: not what else is known of the user's
// keys, nor that its own record can be read.
func TestAKeyIsRevokedWhateverRecordOfItIsDamaged(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{UsageInterval: rarely})
		u := h.Register()
		id := u.Identity()
		partition := "u." + strings.TrimPrefix(u.ID, "user_")
		revokes := map[string]func(keyID string) error{
			"its owner":   func(keyID string) error { return h.RevokeAPIKey(t.Context(), id, keyID) },
			"the program": func(keyID string) error { return h.RevokeUserAPIKey(t.Context(), u.ID, keyID) },
		}
		for who, revoke := range revokes {
			ids, keys := usedKeys(t, h, u, 3)
			damage(t, s, partition+"/l."+strings.TrimPrefix(ids[0], "key_"))
			damage(t, s, partition+"/k."+strings.TrimPrefix(ids[1], "key_"))
			sound, err := s.Get(t.Context(), partition+"/keys")
			if err != nil {
				t.Fatal(err)
			}
			damage(t, s, partition+"/keys")
			if _, _, err := h.CreateAPIKey(t.Context(), id, auth.NewAPIKey{Name: "one more"}); !errors.Is(err, auth.ErrUnavailable) {
				t.Errorf("a new key beside a damaged record: %v, want ErrUnavailable", err)
			}
			for i, key := range keys {
				if err := revoke(ids[i]); err != nil {
					t.Errorf("%s, key %d: %v", who, i, err)
				}
				if err := verifyKey(h.Manager, key); !errors.Is(err, auth.ErrInvalidToken) {
					t.Errorf("%s, key %d afterwards: %v, want ErrInvalidToken", who, i, err)
				}
			}
			if err := s.Commit(t.Context(), store.Put(partition+"/keys", sound[0])); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// The key expires in between the rotation's look at it and its Commit.
func TestAKeyThatExpiresDuringItsRotationIsNotRotated(t *testing.T) {
	spy := &spyStore{Store: memstore.New()}
	h := authtest.With(t, spy, auth.Config{})
	id := h.Register().Identity()
	made, key := newKey(t, h.Manager, id, auth.NewAPIKey{ExpiresIn: time.Minute})
	spy.afterHit = func(string) { h.Clock.Advance(time.Minute) }
	if _, _, err := h.RotateAPIKey(t.Context(), id, made.ID, time.Hour, "", ""); err != auth.ErrAPIKeyNotActive {
		t.Errorf("as it expires: %v, want ErrAPIKeyNotActive", err)
	}
	spy.afterHit = nil
	hits := spy.hits.Load()
	if _, _, err := h.RotateAPIKey(t.Context(), id, made.ID, time.Hour, "", ""); err != auth.ErrAPIKeyNotActive || spy.hits.Load() != hits {
		t.Errorf("after it expired: %v, charged %d times, want ErrAPIKeyNotActive and no charge", err, spy.hits.Load()-hits)
	}
	if err := verifyKey(h.Manager, key); !errors.Is(err, auth.ErrInvalidToken) {
		t.Errorf("the expired key: %v", err)
	}
	if keys, err := h.APIKeys(t.Context(), id); err != nil || len(keys) != 1 {
		t.Errorf("%d keys, %v", len(keys), err)
	}
}

// LO-1: a client with an account's session can make keys that outlive it, so its owner is notified.
func TestANewKeyIsNotifiedAndARotationIsAudited(t *testing.T) {
	cfg, sent := noticesOf(auth.Config{})
	h := authtest.With(t, memstore.New(), cfg)
	u := h.Register()
	id := u.Identity()
	made, _ := newKey(t, h.Manager, id, auth.NewAPIKey{})
	next, _, err := h.RotateAPIKey(t.Context(), id, made.ID, time.Hour, "", "")
	if err != nil {
		t.Fatal(err)
	}
	if err := h.RevokeAPIKey(t.Context(), id, made.ID); err != nil {
		t.Fatal(err)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	var reported []string
	for _, e := range h.Events.All() {
		if e.APIKeyID != "" {
			reported = append(reported, string(e.Type)+" "+e.APIKeyID)
			if e.UserID != u.ID || e.OrganizationID != u.OrganizationID || e.SessionID != id.SessionID {
				t.Errorf("the event is %+v", e)
			}
		}
	}
	want := []string{"api_key_created " + made.ID, "api_key_created " + next.ID, "api_key_rotated " + made.ID, "api_key_revoked " + made.ID}
	if !slices.Equal(reported, want) {
		t.Errorf("%q, want %q", reported, want)
	}
	for _, n := range *sent {
		if n.Type != auth.EventAPIKeyCreated || n.To != u.Email || n.UserID != u.ID || n.Name != u.FullName {
			t.Errorf("the notice is %+v", n)
		}
	}
	if len(*sent) != 2 {
		t.Errorf("%d notices, want 2", len(*sent))
	}
}

// A key that is made, and another that is revoked, by a process that stops anywhere in
// between: what was acknowledged is so, and the rest is done or not, and can be done.
func TestMakingAndRevokingKeysCutOffAnywhereIsDoneOrNot(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		ctx := context.Background()
		var id auth.Identity
		var old auth.APIKey
		var oldKey, madeKey string
		var isRevoked bool
		afterEveryStop(t, s,
			func(h *authtest.Harness, round int) func(*auth.Manager) error {
				id = member(t, h.Manager, emailOf("ada", round))
				old, oldKey = newKey(t, h.Manager, id, auth.NewAPIKey{})
				madeKey, isRevoked = "", false
				return func(m *auth.Manager) error {
					_, key, err := m.CreateAPIKey(ctx, id, auth.NewAPIKey{Name: "made"})
					if err != nil {
						return err
					}
					madeKey = string(key)
					err = m.RevokeAPIKey(ctx, id, old.ID)
					isRevoked = err == nil
					return err
				}
			},
			func(h *authtest.Harness, _ *tapStore, round int, err error) {
				if err != nil && !errors.Is(err, auth.ErrUnavailable) {
					t.Errorf("round %d: %v", round, err)
				}
				keys, listErr := h.APIKeys(ctx, id)
				if listErr != nil || len(keys) > 2 {
					t.Errorf("round %d: %d keys, %v", round, len(keys), listErr)
				}
				if madeKey != "" {
					if err := verifyKey(h.Manager, madeKey); err != nil {
						t.Errorf("round %d: a key that was given out: %v", round, err)
					}
				}
				switch err := verifyKey(h.Manager, oldKey); {
				case isRevoked && !errors.Is(err, auth.ErrInvalidToken):
					t.Errorf("round %d: a key that was revoked: %v", round, err)
				case err != nil && !errors.Is(err, auth.ErrInvalidToken):
					t.Errorf("round %d: a key whose end is unknown: %v", round, err)
				}
				for _, k := range keys {
					if err := h.RevokeAPIKey(ctx, id, k.ID); err != nil {
						t.Errorf("round %d: revoke what is listed: %v", round, err)
					}
				}
				for _, key := range []string{oldKey, madeKey} {
					if err := verifyKey(h.Manager, key); !errors.Is(err, auth.ErrInvalidToken) {
						t.Errorf("round %d: all are revoked: %v", round, err)
					}
				}
			})
	})
}
