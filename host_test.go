package auth_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/memstore"
)

func TestADisabledUserHasNothingThatOpens(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{})
		other := authtest.With(t, s, auth.Config{Now: h.Clock.Now})
		ctx := context.Background()
		alice := h.Register()
		token, key := alice.Token(), alice.APIKey()
		if err := h.DisableUser(ctx, alice.ID); err != nil {
			t.Fatal(err)
		}
		check := func(when string) {
			t.Helper()
			if opens(t, other.Manager, token) {
				t.Errorf("%s: the token opens", when)
			}
			if _, err := other.Manager.Refresh(ctx, auth.Secret(token)); err != auth.ErrInvalidToken {
				t.Errorf("%s: refresh: %v", when, err)
			}
		}
		check("disabled")
		if _, err := other.VerifyAPIKey(ctx, auth.Secret(key)); err != auth.ErrInvalidToken {
			t.Errorf("the API key: %v", err)
		}
		if _, err := other.Login(ctx, alice.Email, authtest.Password); !errors.Is(err, auth.ErrInvalidCredentials) {
			t.Errorf("log in: %v", err)
		}
		if u, err := other.User(ctx, alice.ID); err != nil || !u.Disabled {
			t.Errorf("%+v, %v", u, err)
		}
		if _, err := signUp(other.Manager, alice.Email); !errors.Is(err, auth.ErrEmailTaken) {
			t.Errorf("register the address of a disabled user: %v", err)
		}
		if err := h.EnableUser(ctx, alice.ID); err != nil {
			t.Fatal(err)
		}
		check("enabled again")
		if _, err := other.VerifyAPIKey(ctx, auth.Secret(key)); err != nil {
			t.Errorf("the API key of an enabled user: %v", err)
		}
		if !opens(t, other.Manager, alice.Login()) {
			t.Error("an enabled user cannot log in")
		}
	})
}

func TestADeletedUserIsGoneAndTheAddressFreeAtOnce(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		tap := newTapStore(s)
		h := authtest.With(t, tap, auth.Config{})
		other := authtest.With(t, tap, auth.Config{Now: h.Clock.Now})
		ctx := context.Background()
		alice := h.Register()
		token, key, id := alice.Token(), alice.APIKey(), alice.Identity()
		if err := h.DeleteUser(ctx, alice.ID); err != nil {
			t.Fatal(err)
		}
		if opens(t, other.Manager, token) {
			t.Error("the token opens")
		}
		if _, err := other.VerifyAPIKey(ctx, auth.Secret(key)); err != auth.ErrInvalidToken {
			t.Errorf("the API key: %v", err)
		}
		for what, err := range map[string]error{
			"User":              func() error { _, err := other.User(ctx, alice.ID); return err }(),
			"UserByEmail":       func() error { _, err := other.UserByEmail(ctx, alice.Email); return err }(),
			"Sessions":          func() error { _, err := other.Sessions(ctx, alice.ID); return err }(),
			"SetRole":           other.SetRole(ctx, alice.ID, "admin"),
			"EnableUser":        other.EnableUser(ctx, alice.ID),
			"DisableUser":       other.DisableUser(ctx, alice.ID),
			"RevokeSessions":    other.RevokeSessions(ctx, alice.ID),
			"RevokeSession":     other.RevokeSession(ctx, alice.ID, id.SessionID),
			"UnlockUser":        other.UnlockUser(ctx, alice.ID),
			"ResetTwoFactor":    other.ResetTwoFactor(ctx, alice.ID),
			"SetAssignedAgents": other.SetAssignedAgents(ctx, alice.ID, nil),
		} {
			if !errors.Is(err, auth.ErrNotFound) {
				t.Errorf("%s: %v", what, err)
			}
		}
		// Nothing is left but the tombstone.
		items, err := s.List(ctx, "u."+strings.TrimPrefix(alice.ID, "user_")+"/", "", 100)
		if err != nil || len(items) != 1 || strings.Contains(string(items[0].Value), "example.com") {
			t.Errorf("%d records are left, %v", len(items), err)
		}
		again, err := signUp(other.Manager, alice.Email)
		if err != nil || again.ID == alice.ID {
			t.Errorf("register the address again: %v", err)
		}
		tap.checkOwners(t, other.Manager)
	})
}

// RC-21
func TestNothingBesideADeletionSucceedsAfterItOrBringsTheUserBack(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{Limits: unlimited()})
		other := authtest.With(t, s, auth.Config{Limits: unlimited(), Now: h.Clock.Now})
		ctx := context.Background()
		for round := range 5 {
			alice := h.Register()
			token, id, key := alice.Token(), alice.Identity(), alice.APIKey()
			name, email := "Ada King", emailOf("new", round)
			calls := []func(m *auth.Manager) error{
				func(m *auth.Manager) error { _, err := m.Login(ctx, alice.Email, authtest.Password); return err },
				func(m *auth.Manager) error { _, err := m.Refresh(ctx, auth.Secret(token)); return err },
				func(m *auth.Manager) error { _, err := m.VerifyAccessToken(ctx, auth.Secret(token)); return err },
				func(m *auth.Manager) error { _, err := m.VerifyAPIKey(ctx, auth.Secret(key)); return err },
				func(m *auth.Manager) error {
					_, err := m.UpdateProfile(ctx, id, auth.ProfileChange{FullName: &name})
					return err
				},
				func(m *auth.Manager) error { return moveTo(m, id, email) },
				func(m *auth.Manager) error { return m.SetRole(ctx, alice.ID, "reader") },
				func(m *auth.Manager) error { return m.EnableUser(ctx, alice.ID) },
			}
			var deleted atomic.Bool
			allAtOnce(t, len(calls)+1, func(i int) {
				if i == len(calls) {
					if err := h.DeleteUser(ctx, alice.ID); err != nil {
						t.Error(err)
					}
					deleted.Store(true)
					return
				}
				for range 50 {
					after := deleted.Load()
					err := calls[i](other.Manager)
					if errors.Is(err, auth.ErrUnavailable) || (after && err == nil) {
						t.Errorf("call %d, after the deletion %v: %v", i, after, err)
					}
					if err != nil {
						return
					}
				}
			})
			if _, err := h.User(ctx, alice.ID); !errors.Is(err, auth.ErrNotFound) {
				t.Errorf("the user is back: %v", err)
			}
			for _, email := range []string{alice.Email, email} {
				if _, err := signUp(other.Manager, email); err != nil {
					t.Errorf("register %s: %v", email, err)
				}
			}
		}
	})
}

func TestASetRoleAndAgentsAreSeenByLiveTokensAtOnce(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{})
		other := authtest.With(t, s, auth.Config{Now: h.Clock.Now})
		ctx := context.Background()
		alice := h.Register()
		agents := []string{"billing", "Ünïcode agent"}
		if err := h.SetRole(ctx, alice.ID, "reader"); err != nil {
			t.Fatal(err)
		}
		if err := h.SetAssignedAgents(ctx, alice.ID, agents); err != nil {
			t.Fatal(err)
		}
		agents[0] = "changed"
		id, err := other.VerifyAccessToken(ctx, auth.Secret(alice.Token()))
		if err != nil || id.User.Role != "reader" || !slices.Equal(id.User.AssignedAgents, []string{"billing", "Ünïcode agent"}) {
			t.Errorf("%+v, %v", id.User, err)
		}
		if err := h.SetAssignedAgents(ctx, alice.ID, nil); err != nil || len(alice.Identity().User.AssignedAgents) != 0 {
			t.Errorf("no agents: %v", err)
		}
	})
}

func TestRolesAndAgentsOutOfRangeAreRefused(t *testing.T) {
	h := authtest.New(t)
	ctx := context.Background()
	alice := h.Register()
	for _, role := range []string{"", "a b", "a\n", "é", strings.Repeat("r", 65)} {
		if err := h.SetRole(ctx, alice.ID, role); !slices.Equal(fieldCodes(err), []string{"role: invalid_characters"}) {
			t.Errorf("%q: %v", role, err)
		}
	}
	for what, agents := range map[string][]string{
		"too many": make([]string, 1001), "empty": {""}, "long": {strings.Repeat("a", 101)}, "bidi": {"\u202ea"},
	} {
		if err := h.SetAssignedAgents(ctx, alice.ID, agents); !errors.Is(err, auth.ErrInvalidInput) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := h.SetRole(ctx, "user_"+strings.Repeat("0", 29), "admin"); !errors.Is(err, auth.ErrNotFound) {
		t.Errorf("nobody: %v", err)
	}
	if u := alice.Identity().User; !sameUser(u, alice.User) {
		t.Errorf("%+v", u)
	}
}

func TestAsManyAndAsLongAgentsAsAreAllowedCanBeAssigned(t *testing.T) {
	h := authtest.New(t)
	alice := h.Register()
	for _, letter := range []string{"a", "é", "😀"} {
		agents := make([]string, 1000)
		for i := range agents {
			agents[i] = fmt.Sprintf("%04d", i) + strings.Repeat(letter, 96)
		}
		err := h.SetAssignedAgents(context.Background(), alice.ID, agents)
		if errors.Is(err, auth.ErrUnavailable) {
			t.Errorf("%s: %v", letter, err)
		}
	}
}

func TestUnlockGivesAttemptsBack(t *testing.T) {
	h := authtest.With(t, memstore.New(), auth.Config{})
	ctx := context.Background()
	alice := h.Register()
	for range 5 {
		if _, err := h.Login(ctx, alice.Email, "wrong horse battery staple"); !errors.Is(err, auth.ErrInvalidCredentials) {
			t.Fatal(err)
		}
	}
	if _, err := h.Login(ctx, alice.Email, authtest.Password); !errors.Is(err, auth.ErrRateLimited) {
		t.Fatal(err)
	}
	if err := h.UnlockUser(ctx, alice.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Login(ctx, alice.Email, authtest.Password); err != nil {
		t.Errorf("unlocked: %v", err)
	}
}

func TestAResetOfTheSecondFactorEndsItAndEverySession(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{})
		ctx := context.Background()
		alice := h.Register()
		alice.EnableTwoFactor()
		token := alice.Login()
		waiting, err := h.Login(ctx, alice.Email, authtest.Password)
		if err != nil || !waiting.TwoFactorRequired() {
			t.Fatal(err)
		}
		h.Clock.Advance(30e9)
		code := alice.Code()
		if err := h.ResetTwoFactor(ctx, alice.ID); err != nil {
			t.Fatal(err)
		}
		if opens(t, h.Manager, token) {
			t.Error("a session goes on")
		}
		if _, err := h.VerifyTwoFactor(ctx, waiting.TempToken, auth.Secret(code)); err != auth.ErrInvalidToken {
			t.Errorf("a login that waited: %v", err)
		}
		if r, err := h.Login(ctx, alice.Email, authtest.Password); err != nil || r.TwoFactorRequired() || r.User.TwoFactorEnabled {
			t.Errorf("%+v, %v", r, err)
		}
	})
}
