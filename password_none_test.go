package auth_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/store"
)

// Nothing but a fresh login stands in for the password of an account without one.
func TestWithoutAPasswordAFreshLoginStandsInForIt(t *testing.T) {
	email := "moved@example.com"
	eachStore(t, func(t *testing.T, s store.Store) {
		log := &lockedBuffer{}
		h := authtest.With(t, s, auth.Config{Limits: unlimited(), APIKeysNeedFreshLogin: true, Logger: log.logger()})
		u, id := withoutPassword(t, h)
		ctx := t.Context()
		if has, err := h.HasPassword(ctx, u.ID); err != nil || has {
			t.Errorf("%v, %v", has, err)
		}
		e, err := h.EnableTwoFactor(ctx, id, "")
		if err != nil {
			t.Fatal(err)
		}
		if err := h.ConfirmTwoFactor(ctx, id, codeAt(e, h.Clock.Now())); err != nil {
			t.Fatal(err)
		}
		code := func() auth.Secret { h.Clock.Advance(step); return codeAt(e, h.Clock.Now()) }
		login := func() auth.Identity {
			r, err := h.LoginAs(ctx, u.ID, byOAuth)
			if err == nil {
				r, err = h.VerifyTwoFactor(ctx, r.TempToken, code())
			}
			if err != nil {
				t.Fatal(err)
			}
			return identityOf(t, h.Manager, r.AccessToken.Token)
		}
		for _, c := range []struct {
			what string
			call func(id auth.Identity, pw, code auth.Secret) error
		}{
			{"new backup codes", func(id auth.Identity, pw, code auth.Secret) error {
				_, err := h.ReplaceBackupCodes(ctx, id, pw, code)
				return err
			}},
			{"new key", func(id auth.Identity, pw, code auth.Secret) error {
				_, _, err := h.CreateAPIKey(ctx, id, auth.NewAPIKey{Name: "ci", Password: pw, Code: code})
				return err
			}},
			{"new address", func(id auth.Identity, pw, code auth.Secret) error {
				_, err := h.UpdateProfile(ctx, id, auth.ProfileChange{Email: &email, CurrentPassword: pw, Code: code})
				return err
			}},
			{"second factor off", func(id auth.Identity, pw, code auth.Secret) error {
				return h.DisableTwoFactor(ctx, id, pw, code)
			}},
		} {
			for _, pw := range []auth.Secret{authtest.Password, " ", "x"} {
				if err := c.call(login(), pw, code()); !errors.Is(err, auth.ErrInvalidCredentials) {
					t.Errorf("%s, with a password: %v", c.what, err)
				}
			}
			if err := c.call(login(), "", wrongCode(string(code()))); !errors.Is(err, auth.ErrInvalidCredentials) {
				t.Errorf("%s, with a wrong code: %v", c.what, err)
			}
			old := login()
			h.Clock.Advance(11 * time.Minute)
			if err := c.call(old, "", code()); !errors.Is(err, auth.ErrReauthenticationRequired) {
				t.Errorf("%s, from an old login: %v", c.what, err)
			}
			if err := c.call(old, authtest.Password, code()); !errors.Is(err, auth.ErrInvalidCredentials) {
				t.Errorf("%s, from an old login with a password: %v", c.what, err)
			}
			if err := c.call(login(), "", code()); err != nil {
				t.Errorf("%s: %v", c.what, err)
			}
		}
		if _, err := h.Login(ctx, email, authtest.Password); !errors.Is(err, auth.ErrInvalidCredentials) {
			t.Errorf("a login: %v", err)
		}
		if strings.Contains(log.String(), "malformed") {
			t.Errorf("an account without a password is no fault: %s", log)
		}
	})
}

// PR-4, PR-5: the first password is set as a new one is, from a fresh login.
func TestTheFirstPasswordIsSetFromAFreshLogin(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		tap := newTapStore(s)
		h := manyProcesses(authtest.With(t, tap, raced()))
		u, id := withoutPassword(t, h)
		other := loggedInAs(t, h, u.ID, byOAuth)
		ctx := t.Context()
		const first, second = auth.Secret("the first of all passwords"), auth.Secret("the second of all passwords")
		if err := h.ChangePassword(ctx, id, "", "short"); !errors.Is(err, auth.ErrWeakPassword) {
			t.Errorf("a weak one: %v", err)
		}
		if err := h.ChangePassword(ctx, id, authtest.Password, first); !errors.Is(err, auth.ErrInvalidCredentials) {
			t.Errorf("with a current one: %v", err)
		}
		h.Clock.Advance(11 * time.Minute)
		if err := h.ChangePassword(ctx, id, "", first); !errors.Is(err, auth.ErrReauthenticationRequired) {
			t.Errorf("from an old login: %v", err)
		}
		if err := login(ctx, h.Manager, u.Email, first); !errors.Is(err, auth.ErrInvalidCredentials) {
			t.Errorf("a password that was refused: %v", err)
		}
		id = loggedInAs(t, h, u.ID, byOAuth)
		errs := tap.abreast(t, 8, "/pass", func(ctx context.Context, _ int) error { return h.ChangePassword(ctx, id, "", first) })
		if won, late := countIs(errs, nil), countIs(errs, auth.ErrInvalidCredentials); won != 1 || late != 7 {
			t.Errorf("of 8 at once %d set the first, %d were late: %v", won, late, errs)
		}
		if err := login(ctx, h.Manager, u.Email, first); err != nil {
			t.Errorf("the first password: %v", err)
		}
		if has, err := h.HasPassword(ctx, u.ID); err != nil || !has {
			t.Errorf("%v, %v", has, err)
		}
		if _, err := h.APIKeys(ctx, other); !errors.Is(err, auth.ErrInvalidToken) {
			t.Errorf("another session: %v", err)
		}
		if err := h.ChangePassword(ctx, id, "", second); !errors.Is(err, auth.ErrInvalidCredentials) {
			t.Errorf("the second without the first: %v", err)
		}
		if err := h.ChangePassword(ctx, id, first, second); err != nil {
			t.Errorf("the second: %v", err)
		}
	})
}

// The host sets the first password as it sets any.
func TestSetPasswordSetsTheFirst(t *testing.T) {
	h := authtest.New(t)
	u, id := withoutPassword(t, h)
	if err := h.SetPassword(t.Context(), u.ID, otherPassword); err != nil {
		t.Fatal(err)
	}
	if err := login(t.Context(), h.Manager, u.Email, otherPassword); err != nil {
		t.Error(err)
	}
	if _, err := h.APIKeys(t.Context(), id); !errors.Is(err, auth.ErrInvalidToken) {
		t.Errorf("a session from before: %v", err)
	}
}

// Only the program makes an account without a password.
func TestRegisterDemandsAPassword(t *testing.T) {
	h := authtest.New(t)
	r := registration("new@example.com")
	r.Password = ""
	if _, err := h.Manager.Register(t.Context(), r); !errors.Is(err, auth.ErrWeakPassword) {
		t.Error(err)
	}
	if err := h.CheckRegistration(r); !errors.Is(err, auth.ErrWeakPassword) {
		t.Error(err)
	}
}

// A record that was lost opens nothing, and is not that of an account without a password.
func TestALostPasswordIsNoAccountWithoutOne(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{})
		u := h.Register()
		id := u.Identity()
		if err := s.Commit(t.Context(), store.Delete("u."+strings.TrimPrefix(u.ID, "user_")+"/pass")); err != nil {
			t.Fatal(err)
		}
		if err := h.ChangePassword(t.Context(), id, "", otherPassword); !errors.Is(err, auth.ErrInvalidCredentials) {
			t.Error(err)
		}
		if has, err := h.HasPassword(t.Context(), u.ID); err != nil || !has {
			t.Errorf("%v, %v", has, err)
		}
	})
}
