package auth_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/store"
)

// AK-5: a disabled key is refused at once, everywhere, as a revoked one. Enabled again, it is as
// before.
func TestADisabledKeyIsRefusedEverywhereUntilItIsEnabled(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{UsageInterval: rarely})
		other := twin(t, h, auth.Config{UsageInterval: rarely})
		u := h.Register()
		id := u.Identity()
		for _, scopes := range []*[]string{nil, {"b", "a"}} {
			made, key := newKey(t, h.Manager, id, auth.NewAPIKey{Name: "robot", Description: "of the yard", Scopes: scopes})
			for range 2 { // which remembers it
				use(t, other.Manager, key, "192.0.2.7")
				use(t, h.Manager, key, "192.0.2.7")
			}
			off, err := h.UpdateAPIKey(t.Context(), id, made.ID, auth.APIKeyChange{Enabled: new(bool)})
			if err != nil {
				t.Fatal(err)
			}
			if off.Enabled || !made.Enabled || off.ID != made.ID || off.Name != "robot" || off.Description != "of the yard" || off.Uses != 2 ||
				!off.ExpiresAt.Equal(made.ExpiresAt) || !slices.Equal(off.Scopes, made.Scopes) {
				t.Errorf("the disabled key is %+v, was %+v", off, made)
			}
			for range 2 { // and of it nothing is remembered
				for _, m := range []*auth.Manager{h.Manager, other.Manager} {
					if err := verifyKey(m, key); !errors.Is(err, auth.ErrInvalidToken) {
						t.Errorf("disabled: %v, want ErrInvalidToken", err)
					}
				}
			}
			if _, _, err := h.RotateAPIKey(t.Context(), id, made.ID, time.Hour, "", ""); err != auth.ErrAPIKeyNotActive {
				t.Errorf("its rotation: %v, want ErrAPIKeyNotActive", err)
			}
			on, err := other.UpdateAPIKey(t.Context(), id, made.ID, auth.APIKeyChange{Enabled: enabled()})
			if err != nil || !on.Enabled {
				t.Fatalf("enabled: %+v, %v", on, err)
			}
			for _, m := range []*auth.Manager{h.Manager, other.Manager} {
				got, err := m.VerifyAPIKey(t.Context(), auth.Secret(key))
				if err != nil || got.HasScope("a") != true || got.HasScope("c") != (scopes == nil) || !got.ExpiresAt.Equal(made.ExpiresAt) {
					t.Errorf("enabled again: %+v, %v", got, err)
				}
			}
		}
	})
}

func TestAKeysNameAndDescriptionChangeAndNothingElse(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{})
		ann, bob := h.Register(), h.Register()
		id := ann.Identity()
		made, key := newKey(t, h.Manager, id, auth.NewAPIKey{Name: "robot", Description: "of the yard"})
		h.Clock.Advance(time.Hour - time.Minute) // a login that is not fresh is enough
		name, none := "  gardener ", ""
		changed, err := h.UpdateAPIKey(t.Context(), id, made.ID, auth.APIKeyChange{Name: &name})
		if err != nil || changed.Name != "gardener" || changed.Description != "of the yard" {
			t.Errorf("%+v, %v", changed, err)
		}
		changed, err = h.UpdateAPIKey(t.Context(), id, made.ID, auth.APIKeyChange{Description: &none})
		if err != nil || changed.Name != "gardener" || changed.Description != "" || !changed.ExpiresAt.Equal(made.ExpiresAt) || !changed.CreatedAt.Equal(made.CreatedAt) {
			t.Errorf("%+v, %v", changed, err)
		}
		if keys, err := h.APIKeys(t.Context(), id); err != nil || fmt.Sprintf("%+v", keys) != fmt.Sprintf("%+v", []auth.APIKey{changed}) {
			t.Errorf("listed are %+v, %v", keys, err)
		}
		bad, long := "a\nb", strings.Repeat("n", 501)
		for _, change := range []auth.APIKeyChange{
			{}, {Password: authtest.Password}, {Name: &none}, {Name: &bad}, {Description: &bad}, {Name: &long}, {Description: &long, Enabled: new(bool)},
		} {
			var input *auth.InputError
			if _, err := h.UpdateAPIKey(t.Context(), id, made.ID, change); !errors.As(err, &input) || h.CheckAPIKeyChange(change) == nil {
				t.Errorf("%+v: %v, want an InputError", change, err)
			}
		}
		for _, keyID := range []string{made.ID, "", "key_", "key_" + strings.Repeat("0", 32), "key_\xff", "key_" + strings.Repeat("é", 16), strings.ToUpper(made.ID)} {
			if _, err := h.UpdateAPIKey(t.Context(), bob.Identity(), keyID, auth.APIKeyChange{Enabled: new(bool)}); err != auth.ErrNotFound {
				t.Errorf("%q of another: %v, want ErrNotFound", keyID, err)
			}
			if _, err := h.APIKeyUsage(t.Context(), bob.Identity(), keyID); err != auth.ErrNotFound {
				t.Errorf("use of %q of another: %v, want ErrNotFound", keyID, err)
			}
		}
		if err := verifyKey(h.Manager, key); err != nil {
			t.Errorf("the key afterwards: %v", err)
		}
	})
}

// AK-8: a code is spent on enabling a key as on making one, and no key is enabled without one.
func TestEnablingAKeyNeedsACodeBesideThePasswordWhereTheFactorIsOn(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{APIKeysNeedFreshLogin: true, MaxAPIKeys: 1, Limits: unlimited()})
		u := h.Register()
		codes := u.EnableTwoFactor()
		u.Login()
		id := u.Identity()
		made, key := newKey(t, h.Manager, id, auth.NewAPIKey{})
		h.Clock.Advance(time.Hour - time.Minute)
		change := func(on bool, pw, code auth.Secret) error {
			_, err := h.UpdateAPIKey(t.Context(), id, made.ID, auth.APIKeyChange{Enabled: &on, Password: pw, Code: code})
			return err
		}
		if err := change(false, "", ""); err != nil {
			t.Fatalf("disabling: %v", err)
		}
		for _, tc := range []struct {
			pw, code auth.Secret
			want     error
		}{
			{"", "", auth.ErrReauthenticationRequired},
			{authtest.Password, "", auth.ErrReauthenticationRequired},
			{"", codes[0], auth.ErrReauthenticationRequired},
			{"wrong, and long enough", codes[0], auth.ErrInvalidCredentials},
			{authtest.Password, "00000000", auth.ErrInvalidCredentials},
		} {
			if err := change(true, tc.pw, tc.code); !errors.Is(err, tc.want) || verifyKey(h.Manager, key) == nil {
				t.Errorf("%q, %q: %v, want %v", string(tc.pw), string(tc.code), err, tc.want)
			}
		}
		if err := change(true, authtest.Password, codes[0]); err != nil || verifyKey(h.Manager, key) != nil {
			t.Errorf("with both, and as many keys as there may be: %v", err)
		}
		if err := change(true, authtest.Password, codes[0]); !errors.Is(err, auth.ErrInvalidCredentials) {
			t.Errorf("with a code that was spent: %v", err)
		}
	})
}

// A client that disables a key and one that changes its name do not undo each other, and the
// owner's revocation is the end of it.
func TestChangesOfAKeyAtOnceUndoNothing(t *testing.T) {
	everyStore(t, func(t *testing.T, s store.Store) {
		h := manyProcesses(authtest.With(t, s, auth.Config{Limits: unlimited()}))
		other := manyProcesses(twin(t, h, auth.Config{Limits: unlimited()}))
		id := h.Register().Identity()
		name, description := "gardener", "of the park"
		changes := []auth.APIKeyChange{{Enabled: new(bool)}, {Name: &name}, {Description: &description}}
		for range 4 {
			made, key := newKey(t, h.Manager, id, auth.NewAPIKey{Name: "robot"})
			errs := atOnce(t, len(changes), func(i int) error {
				_, err := []*auth.Manager{h.Manager, other.Manager}[i%2].UpdateAPIKey(t.Context(), id, made.ID, changes[i])
				return err
			})
			if err := errors.Join(errs...); err != nil {
				t.Fatal(err)
			}
			if k := theKey(t, h.Manager, id); k.Enabled || k.Name != name || k.Description != description {
				t.Errorf("the key is %+v", k)
			}
			errs = atOnce(t, 2, func(i int) error {
				if i == 0 {
					_, err := h.UpdateAPIKey(t.Context(), id, made.ID, auth.APIKeyChange{Enabled: enabled()})
					return err
				}
				return other.RevokeAPIKey(t.Context(), id, made.ID)
			})
			if errs[1] != nil || errs[0] != nil && errs[0] != auth.ErrNotFound {
				t.Fatal(errs)
			}
			if err := verifyKey(h.Manager, key); !errors.Is(err, auth.ErrInvalidToken) {
				t.Errorf("the revoked key: %v", err)
			}
		}
	})
}

// Of many rotations of one key one makes a key.
func TestOfManyRotationsOfOneKeyOneIsMade(t *testing.T) {
	everyStore(t, func(t *testing.T, s store.Store) {
		h := manyProcesses(authtest.With(t, s, auth.Config{Limits: unlimited()}))
		other := manyProcesses(twin(t, h, auth.Config{Limits: unlimited()}))
		id := h.Register().Identity()
		made, key := newKey(t, h.Manager, id, auth.NewAPIKey{})
		const n = 8
		successors := make([]auth.APIKey, n)
		errs := atOnce(t, n, func(i int) (err error) {
			successors[i], _, err = []*auth.Manager{h.Manager, other.Manager}[i%2].RotateAPIKey(t.Context(), id, made.ID, time.Hour, "", "")
			return err
		})
		won := -1
		for i, err := range errs {
			switch {
			case err == nil && won < 0:
				won = i
			case err != auth.ErrAPIKeyNotActive:
				t.Errorf("%v, want ErrAPIKeyNotActive", err)
			}
		}
		keys, err := h.APIKeys(t.Context(), id)
		if err != nil || won < 0 || len(keys) != 2 {
			t.Fatalf("%d keys, %v, %v", len(keys), errs, err)
		}
		for _, k := range keys {
			if k.ID == made.ID && k.ReplacedBy != successors[won].ID || k.ID != made.ID && k.ID != successors[won].ID {
				t.Errorf("%+v, and the one that was made is %s", k, successors[won].ID)
			}
		}
		if err := verifyKey(h.Manager, key); err != nil {
			t.Errorf("the old key within the overlap: %v", err)
		}
	})
}

// AK-11: an overlap ends at its nanosecond, or at the key's own end, and until then the identity
// says when the key was replaced.
func TestAReplacedKeySaysSoUntilTheExactEndOfItsOverlap(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{})
		other := twin(t, h, auth.Config{})
		u := h.Register()
		id := u.Identity()
		for _, tc := range []struct{ life, overlap, left time.Duration }{
			{24 * time.Hour, 15 * time.Minute, 15 * time.Minute},
			{10 * time.Minute, 15 * time.Minute, 10 * time.Minute}, // never longer than its own life
			{24 * time.Hour, 1, 1},
			{24 * time.Hour, 0, 0},
		} {
			old, key := newKey(t, h.Manager, id, auth.NewAPIKey{ExpiresIn: tc.life})
			if got, err := other.VerifyAPIKey(t.Context(), auth.Secret(key)); err != nil || !got.ReplacedAt.IsZero() {
				t.Errorf("before: %+v, %v", got, err)
			}
			next, nextKey, err := h.RotateAPIKey(t.Context(), id, old.ID, tc.overlap, "", "")
			if err != nil {
				t.Fatal(err)
			}
			at := h.Clock.Now()
			listed, err := h.APIKeys(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			i := slices.IndexFunc(listed, func(k auth.APIKey) bool { return k.ID == old.ID })
			if k := listed[i]; k.ReplacedBy != next.ID || !k.ReplacedAt.Equal(at) || !k.ExpiresAt.Equal(at.Add(tc.left)) || !k.Enabled {
				t.Errorf("listed as %+v", k)
			}
			if _, _, err := h.RotateAPIKey(t.Context(), id, old.ID, time.Hour, "", ""); err != auth.ErrAPIKeyNotActive {
				t.Errorf("again: %v, want ErrAPIKeyNotActive", err)
			}
			if tc.left > 0 {
				h.Clock.Advance(tc.left - 1)
				for _, m := range []*auth.Manager{h.Manager, other.Manager} {
					if got, err := m.VerifyAPIKey(t.Context(), auth.Secret(key)); err != nil || !got.ReplacedAt.Equal(at) || !got.ExpiresAt.Equal(at.Add(tc.left)) {
						t.Errorf("at the last instant of %+v: %+v, %v", tc, got, err)
					}
				}
				h.Clock.Advance(1)
			}
			for _, m := range []*auth.Manager{h.Manager, other.Manager} {
				if err := verifyKey(m, key); !errors.Is(err, auth.ErrInvalidToken) {
					t.Errorf("at the end of %+v: %v, want ErrInvalidToken", tc, err)
				}
			}
			if got, err := other.VerifyAPIKey(t.Context(), nextKey); tc.left < tc.life && (err != nil || !got.ReplacedAt.IsZero()) {
				t.Errorf("the new key: %+v, %v", got, err)
			}
		}
	})
}

// The reply to a rotation was lost, and with it the new key: its id is in the list, and it can be
// rotated in turn.
func TestAfterALostReplyTheNewKeyCanBeRotated(t *testing.T) {
	h := authtest.New(t)
	id := h.Register().Identity()
	old, oldKey := newKey(t, h.Manager, id, auth.NewAPIKey{})
	if _, _, err := h.RotateAPIKey(t.Context(), id, old.ID, time.Hour, "", ""); err != nil {
		t.Fatal(err)
	}
	keys, err := h.APIKeys(t.Context(), id)
	if err != nil || len(keys) != 2 {
		t.Fatal(keys, err)
	}
	i := slices.IndexFunc(keys, func(k auth.APIKey) bool { return k.ReplacedBy != "" })
	_, key, err := h.RotateAPIKey(t.Context(), id, keys[i].ReplacedBy, 0, "", "")
	if err := errors.Join(err, verifyKey(h.Manager, oldKey), verifyKey(h.Manager, string(key))); err != nil {
		t.Error(err)
	}
}

// A key is disabled although what is known of its use is damaged.
func TestAKeyIsDisabledWhoseUseCannotBeRead(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{UsageInterval: rarely})
		u := h.Register()
		ids, keys := usedKeys(t, h, u, 1)
		damage(t, s, "u."+strings.TrimPrefix(u.ID, "user_")+"/l."+strings.TrimPrefix(ids[0], "key_"))
		k, err := h.UpdateAPIKey(t.Context(), u.Identity(), ids[0], auth.APIKeyChange{Enabled: new(bool)})
		if err != nil || k.Enabled || verifyKey(h.Manager, keys[0]) == nil {
			t.Errorf("%+v, %v", k, err)
		}
		if _, err := h.APIKeyUsage(t.Context(), u.Identity(), ids[0]); !errors.Is(err, auth.ErrUnavailable) {
			t.Errorf("its use: %v, want ErrUnavailable", err)
		}
	})
}

// RC-9: another change, and then the end of the session, come between the look at the key and the
// Commit.
func TestAChangeOfAKeyDuringTheEndOfItsSessionIsNotMade(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := manyProcesses(authtest.With(t, newTapStore(s), auth.Config{}))
		other := manyProcesses(twin(t, h, auth.Config{}))
		u := h.Register()
		id := u.Identity()
		made, key := newKey(t, h.Manager, id, auth.NewAPIKey{Name: "robot"})
		name := "gardener"
		overtaken := h.Store.(*tapStore).overtaken(t, "/k."+strings.TrimPrefix(made.ID, "key_"), // by another change, which it does not undo
			func() error {
				_, err := other.UpdateAPIKey(t.Context(), id, made.ID, auth.APIKeyChange{Description: &name})
				return err
			},
			func() error {
				_, err := h.UpdateAPIKey(t.Context(), id, made.ID, auth.APIKeyChange{Enabled: new(bool)})
				return err
			})
		if k := theKey(t, h.Manager, id); overtaken != nil || k.Enabled || k.Description != name {
			t.Errorf("%v, the key is %+v", overtaken, k)
		}
		if _, err := h.UpdateAPIKey(t.Context(), id, made.ID, auth.APIKeyChange{Enabled: enabled()}); err != nil {
			t.Fatal(err)
		}
		err := h.Store.(*tapStore).overtaken(t, "/k."+strings.TrimPrefix(made.ID, "key_"),
			func() error {
				_, err := other.UpdateAPIKey(t.Context(), id, made.ID, auth.APIKeyChange{Name: &name, Enabled: new(bool)})
				return err
			},
			func() error { return h.Logout(t.Context(), id) })
		if err != auth.ErrInvalidToken {
			t.Errorf("%v, want ErrInvalidToken", err)
		}
		u.Login()
		if k := theKey(t, h.Manager, u.Identity()); k.Name != "robot" || verifyKey(h.Manager, key) != nil {
			t.Errorf("the key is %+v", k)
		}
	})
}
