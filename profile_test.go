package auth_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/memstore"
)

func TestANameIsChangedAlone(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{FreshLogin: -1})
		alice := h.Register()
		name := "Ada King"
		u, err := h.UpdateProfile(context.Background(), alice.Identity(), auth.ProfileChange{FullName: &name})
		if err != nil {
			t.Fatal(err)
		}
		want := alice.User
		want.FullName = name
		if got, err := h.User(context.Background(), alice.ID); err != nil || !sameUser(got, want) || !sameUser(u, want) {
			t.Errorf("%+v, %+v, %v", u, got, err)
		}
	})
}

// PR-2, PR-3, Advisory 8 (CVE-2026-53514).
func TestAChangedAddressMovesTheLoginAndFreesTheOldOneAtOnce(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{})
		ctx := context.Background()
		id := member(t, h.Manager, "old@example.com")
		name, email := "Ada King", "New@Example.com"
		u, err := h.UpdateProfile(ctx, id, auth.ProfileChange{FullName: &name, Email: &email})
		if err != nil || u.Email != email || u.FullName != name || u.ID != id.User.ID {
			t.Fatalf("%+v, %v", u, err)
		}
		if _, err := h.Login(ctx, "old@example.com", authtest.Password); !errors.Is(err, auth.ErrInvalidCredentials) {
			t.Errorf("the old address: %v", err)
		}
		if r, err := h.Login(ctx, "new@example.com", authtest.Password); err != nil || r.User.ID != id.User.ID {
			t.Errorf("the new address: %v", err)
		}
		if _, err := h.UserByEmail(ctx, "old@example.com"); !errors.Is(err, auth.ErrNotFound) {
			t.Errorf("the old address: %v", err)
		}
		if other, err := signUp(h.Manager, "OLD@example.com"); err != nil || other.ID == u.ID {
			t.Errorf("register the old address: %v", err)
		}
		if err := moveTo(h.Manager, id, "old@example.com"); err != auth.ErrEmailTaken {
			t.Errorf("back to an address that is another's now: %v", err)
		}
	})
}

func TestAnotherSpellingOfOnesAddressNeedsNoFreshLogin(t *testing.T) {
	h := authtest.With(t, memstore.New(), auth.Config{FreshLogin: -1})
	id := member(t, h.Manager, "ada@example.com")
	if err := moveTo(h.Manager, id, "Ada@Example.com"); err != nil {
		t.Fatal(err)
	}
	if u, err := h.UserByEmail(context.Background(), "ada@example.com"); err != nil || u.Email != "Ada@Example.com" {
		t.Errorf("%+v, %v", u, err)
	}
}

// PR-2
func TestAnAddressIsChangedAfterAFreshLoginOrWithThePassword(t *testing.T) {
	h := authtest.With(t, memstore.New(), auth.Config{FreshLogin: 5 * time.Minute})
	ctx := context.Background()
	id := member(t, h.Manager, "ada@example.com")
	change := func(email string, pw auth.Secret) error {
		_, err := h.UpdateProfile(ctx, id, auth.ProfileChange{Email: &email, CurrentPassword: pw})
		return err
	}
	if err := change("a@example.com", "wrong horse battery staple"); !errors.Is(err, auth.ErrInvalidCredentials) {
		t.Errorf("fresh, but a wrong password: %v", err)
	}
	h.Clock.Advance(5 * time.Minute)
	if err := change("b@example.com", ""); err != nil {
		t.Errorf("fresh: %v", err)
	}
	h.Clock.Advance(time.Second)
	if err := change("c@example.com", ""); err != auth.ErrReauthenticationRequired {
		t.Errorf("not fresh: %v", err)
	}
	if err := change("c@example.com", "wrong horse battery staple"); !errors.Is(err, auth.ErrInvalidCredentials) {
		t.Errorf("not fresh, a wrong password: %v", err)
	}
	if err := change("c@example.com", authtest.Password); err != nil {
		t.Errorf("not fresh, the right password: %v", err)
	}
	if u, err := h.User(ctx, id.User.ID); err != nil || u.Email != "c@example.com" {
		t.Errorf("%s, %v", u.Email, err)
	}
}

func TestARefusedChangeOfProfileChangesNothing(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{})
		ctx := context.Background()
		member(t, h.Manager, "bob@example.com")
		id := member(t, h.Manager, "ada@example.com")
		name, taken, bad, blank, long := "Ada King", "BOB@example.com", "x", " ", strings.Repeat("n", 101)
		for what, tc := range map[string]struct {
			change auth.ProfileChange
			is     error
			fields []string
		}{
			"a taken address": {auth.ProfileChange{FullName: &name, Email: &taken}, auth.ErrEmailTaken, nil},
			"no address":      {auth.ProfileChange{FullName: &name, Email: &bad}, auth.ErrInvalidInput, []string{"email: invalid_email"}},
			"no name":         {auth.ProfileChange{FullName: &blank, Email: &bad}, auth.ErrInvalidInput, []string{"full_name: required", "email: invalid_email"}},
			"a long name":     {auth.ProfileChange{FullName: &long}, auth.ErrInvalidInput, []string{"full_name: too_long"}},
			"nothing":         {auth.ProfileChange{CurrentPassword: authtest.Password}, auth.ErrInvalidInput, []string{"full_name: required"}},
		} {
			_, err := h.UpdateProfile(ctx, id, tc.change)
			if !errors.Is(err, tc.is) || !slices.Equal(fieldCodes(err), tc.fields) {
				t.Errorf("%s: %v", what, err)
			}
		}
		if u, err := h.User(ctx, id.User.ID); err != nil || !sameUser(u, id.User) {
			t.Errorf("%+v, %v", u, err)
		}
		if _, err := h.Login(ctx, "bob@example.com", authtest.Password); err != nil {
			t.Error(err)
		}
	})
}

func TestAProfileIsChangedFromALiveSessionOnly(t *testing.T) {
	h := authtest.New(t)
	ctx := context.Background()
	name := "Eve"
	for what, end := range map[string]func(auth.Identity) error{
		"logout":  func(id auth.Identity) error { return h.Logout(ctx, id) },
		"disable": func(id auth.Identity) error { return h.DisableUser(ctx, id.User.ID) },
		"delete":  func(id auth.Identity) error { return h.DeleteUser(ctx, id.User.ID) },
	} {
		id := h.Register().Identity()
		if err := end(id); err != nil {
			t.Fatal(err)
		}
		if _, err := h.UpdateProfile(ctx, id, auth.ProfileChange{FullName: &name}); err != auth.ErrInvalidToken {
			t.Errorf("after %s: %v", what, err)
		}
	}
}
