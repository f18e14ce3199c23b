package auth_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/memstore"
)

// SE-8, RC-21, Advisory 10 (CVE-2026-33668, CVE-2026-33315, CVE-2024-47000,
// CVE-2026-34727), Advisory 23 (CVE-2026-35594, CVE-2024-22513, CVE-2025-65430).
func TestNoCredentialOfADisabledUserIsAccepted(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{})
		other := twin(t, h, auth.Config{})
		ctx := context.Background()
		alice := h.Register()
		token, key := alice.Token(), alice.APIKey()
		if err := h.DisableUser(ctx, alice.ID); err != nil {
			t.Fatal(err)
		}
		check := func(when string) {
			t.Helper()
			if verify(t, other.Manager, token) {
				t.Errorf("%s: the token is accepted", when)
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
		if !verify(t, other.Manager, alice.Login()) {
			t.Error("an enabled user cannot log in")
		}
	})
}

// JW-7, SE-8.
func TestADeletedUserIsNotFoundAndTheAddressIsFreeAtOnce(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		tap := newTapStore(s)
		h := authtest.With(t, tap, auth.Config{})
		other := twinOn(t, h, tap, auth.Config{})
		ctx := context.Background()
		alice := h.Register()
		token, key, id := alice.Token(), alice.APIKey(), alice.Identity()
		if err := h.DeleteUser(ctx, alice.ID); err != nil {
			t.Fatal(err)
		}
		if verify(t, other.Manager, token) {
			t.Error("the token is accepted")
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
func TestNoCallDuringADeletionSucceedsAfterItOrBringsTheUserBack(t *testing.T) {
	everyStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{Limits: unlimited()})
		other := twin(t, h, auth.Config{Limits: unlimited()})
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
			errs := atOnce(t, len(calls)+1, func(i int) error {
				if i == len(calls) {
					defer deleted.Store(true)
					return h.DeleteUser(ctx, alice.ID)
				}
				for range 50 {
					after := deleted.Load()
					err := calls[i](other.Manager)
					if errors.Is(err, auth.ErrUnavailable) || (after && err == nil) {
						return fmt.Errorf("call %d, after the deletion %v: %v", i, after, err)
					}
					if err != nil {
						break
					}
				}
				return nil
			})
			if err := errors.Join(errs...); err != nil {
				t.Error(err)
			}
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

// Advisory 23 (CVE-2026-35594).
func TestASetRoleAndAgentsAreSeenByLiveTokensAtOnce(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{})
		other := twin(t, h, auth.Config{})
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
	for _, role := range []string{" ", "a b", "a\n", "é", strings.Repeat("r", 65)} {
		if err := h.SetRole(ctx, alice.ID, role); !slices.Equal(fieldCodes(err), []string{"role: invalid_characters"}) {
			t.Errorf("%q: %v", role, err)
		}
	}
	if err := h.SetRole(ctx, alice.ID, ""); !slices.Equal(fieldCodes(err), []string{"role: required"}) {
		t.Errorf("no role: %v", err)
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

func TestUnlockRestoresAttempts(t *testing.T) {
	h := authtest.With(t, memstore.New(), auth.Config{})
	ctx := context.Background()
	alice := h.Register()
	failLogins(ctx, t, h.Manager, alice.Email, 5)
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

// SE-8.
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
		if verify(t, h.Manager, token) {
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

// noticesOf makes cfg keep the notices that it sends; read them after Close.
func noticesOf(cfg auth.Config) (auth.Config, *[]auth.Notice) {
	var mu sync.Mutex
	sent := &[]auth.Notice{}
	cfg.Notifier = notifierFunc(func(_ context.Context, n auth.Notice) error {
		mu.Lock()
		defer mu.Unlock()
		*sent = append(*sent, n)
		return nil
	})
	return cfg, sent
}

// SE-8, TT-5, Advisory 11 (CVE-2026-28268).
func TestSetPasswordEndsEverySessionAndPendingLogin(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		cfg, sent := noticesOf(auth.Config{})
		h := authtest.With(t, s, cfg)
		other := twin(t, h, auth.Config{})
		alice, bob := h.Register(), h.Register()
		alice.EnableTwoFactor()
		token, key, waiting := alice.Token(), alice.APIKey(), firstStep(t, other, alice.Email)
		if err := h.SetPassword(t.Context(), alice.ID, otherPassword); err != nil {
			t.Fatal(err)
		}
		if verify(t, other.Manager, token) || !verify(t, other.Manager, bob.Token()) {
			t.Error("the wrong sessions ended")
		}
		if err := verifyKey(other.Manager, key); err != nil {
			t.Errorf("the API key: %v", err)
		}
		if err := secondStep(t.Context(), other.Manager, waiting, auth.Secret(alice.Code())); !errors.Is(err, auth.ErrInvalidToken) {
			t.Errorf("the login that waited: %v, want ErrInvalidToken", err)
		}
		if err := login(t.Context(), other.Manager, alice.Email, authtest.Password); !errors.Is(err, auth.ErrInvalidCredentials) {
			t.Errorf("the old password: %v", err)
		}
		r, err := other.Manager.Login(t.Context(), alice.Email, otherPassword)
		if err != nil || !r.TwoFactorRequired() {
			t.Fatalf("the new password, of a user with a second factor: %+v, %v", r, err)
		}
		if err := secondStep(t.Context(), other.Manager, r.TempToken, auth.Secret(alice.Code())); err != nil {
			t.Errorf("its second factor: %v", err)
		}
		e := last(t, h, auth.EventPasswordChanged)
		if e.UserID != alice.ID || e.OrganizationID != alice.OrganizationID || e.Reason != "host" {
			t.Errorf("the event is %+v", e)
		}
		i := slices.IndexFunc(*sent, func(n auth.Notice) bool { return n.Type == auth.EventPasswordChanged })
		if i < 0 {
			t.Fatalf("no notice of the password in %+v", *sent)
		}
		n := (*sent)[i] // not the last: notices of keys wait behind it
		if n.To != alice.Email || n.UserID != alice.ID || n.Name != alice.FullName {
			t.Errorf("the notice is %+v", n)
		}
	})
}

// Advisory 8 (CVE-2026-53514, CVE-2026-44166, CVE-2024-38351): a stranger has registered
// somebody's address and set up all that there is. Being asked for an account at the
// address, your program gives the stranger nothing; and once its owner has proven the mailbox,
// there are two ways to leave the stranger nothing at all.
func TestAStrangerWhoRegisteredAnAddressKeepsNoAccessToIt(t *testing.T) {
	const email = "ada@example.com"
	for name, handOver := range map[string]func(t *testing.T, h *authtest.Harness, strangers string, owners auth.NewUser) error{
		"deleted and made anew": func(t *testing.T, h *authtest.Harness, strangers string, owners auth.NewUser) error {
			if err := h.DeleteUser(t.Context(), strangers); err != nil {
				return err
			}
			u, err := h.CreateUser(t.Context(), owners)
			if u.ID == strangers || u.OrganizationID != owners.OrganizationID {
				t.Errorf("the new account is %+v", u)
			}
			return err
		},
		"taken over": func(t *testing.T, h *authtest.Harness, strangers string, owners auth.NewUser) error {
			err := errors.Join(h.SetPassword(t.Context(), strangers, owners.Password), h.ResetTwoFactor(t.Context(), strangers))
			keys, listing := h.UserAPIKeys(t.Context(), strangers)
			for _, k := range keys {
				err = errors.Join(err, h.RevokeUserAPIKey(t.Context(), strangers, k.ID))
			}
			return errors.Join(err, listing)
		},
	} {
		t.Run(name, func(t *testing.T) {
			eachStore(t, func(t *testing.T, s store.Store) {
				h := authtest.With(t, s, auth.Config{Limits: noLoginLimits()})
				admin := h.Register()
				id := member(t, h.Manager, email)
				_, key, err := h.CreateAPIKey(t.Context(), id, auth.NewAPIKey{Name: "x"})
				if err != nil {
					t.Fatal(err)
				}
				e := enrol(t, h, id)
				if err := h.ConfirmTwoFactor(t.Context(), id, codeAt(e, h.Clock.Now())); err != nil {
					t.Fatal(err)
				}
				r, err := h.VerifyTwoFactor(t.Context(), firstStep(t, h, email), e.BackupCodes[0])
				if err != nil {
					t.Fatal(err)
				}
				token, waiting := r.AccessToken.Token, firstStep(t, h, email)

				owners := auth.NewUser{Email: "Ada@Example.com", Password: otherPassword, FullName: "Ada", OrganizationID: admin.OrganizationID, Role: "admin"}
				if _, err := h.CreateUser(t.Context(), owners); err != auth.ErrEmailTaken {
					t.Errorf("an account at an address that has one: %v, want ErrEmailTaken", err)
				}
				if u, err := h.UserByEmail(t.Context(), email); err != nil || !u.TwoFactorEnabled || u.ID != id.User.ID || u.OrganizationID != id.User.OrganizationID {
					t.Errorf("the stranger became %+v, %v", u, err)
				}

				if err := handOver(t, h, id.User.ID, owners); err != nil {
					t.Fatal(err)
				}
				if verify(t, h.Manager, string(token)) {
					t.Error("the stranger's token is accepted")
				}
				_, refresh := h.Refresh(t.Context(), token)
				for what, err := range map[string]error{
					"refresh": refresh, "key": verifyKey(h.Manager, string(key)),
					"temp token":    secondStep(t.Context(), h.Manager, waiting, e.BackupCodes[1]),
					"password":      login(t.Context(), h.Manager, email, authtest.Password),
					"new key":       func() error { _, _, err := h.CreateAPIKey(t.Context(), id, auth.NewAPIKey{Name: "y"}); return err }(),
					"another place": moveTo(h.Manager, id, "elsewhere@example.com"),
				} {
					if !errors.Is(err, auth.ErrInvalidToken) && !errors.Is(err, auth.ErrInvalidCredentials) {
						t.Errorf("the stranger's %s: %v", what, err)
					}
				}
				r, err = h.Login(t.Context(), email, otherPassword)
				if err != nil || r.TwoFactorRequired() {
					t.Fatalf("the owner: %+v, %v", r, err)
				}
				if sessions, err := h.Sessions(t.Context(), r.User.ID); err != nil || len(sessions) != 1 {
					t.Errorf("%d sessions, %v", len(sessions), err)
				}
				if keys, err := h.UserAPIKeys(t.Context(), r.User.ID); err != nil || len(keys) != 0 {
					t.Errorf("%d keys, %v", len(keys), err)
				}
			})
		})
	}
}

func TestARefusedSetPasswordChangesNothing(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		tap := newTapStore(s)
		h := authtest.With(t, tap, auth.Config{})
		alice, gone := h.Register(), h.Register()
		if err := h.DeleteUser(t.Context(), gone.ID); err != nil {
			t.Fatal(err)
		}
		before := tap.commits.Load()
		for pw, code := range map[auth.Secret]string{"": "required", "short": "too_short", "password123": "blocked", auth.Secret(alice.Email): "blocked"} {
			err := h.SetPassword(t.Context(), alice.ID, pw)
			if !errors.Is(err, auth.ErrWeakPassword) || !slices.Equal(fieldCodes(err), []string{"password: " + code}) {
				t.Errorf("%q: %v", string(pw), err)
			}
		}
		for _, id := range []string{gone.ID, "user_" + strings.Repeat("0", 29), "user_", ""} {
			if err := h.SetPassword(t.Context(), id, otherPassword); !errors.Is(err, auth.ErrNotFound) {
				t.Errorf("%q: %v, want ErrNotFound", id, err)
			}
		}
		if n := tap.commits.Load() - before; n != 0 {
			t.Errorf("%d Commits", n)
		}
		if !verify(t, h.Manager, alice.Token()) {
			t.Error("the session ended")
		}
	})
}

func TestAnAdministratorListsAndRevokesAUsersKeys(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{})
		other := twin(t, h, auth.Config{})
		alice, bob := h.Register(), h.Register()
		made, key := newKey(t, h.Manager, alice.Identity(), auth.NewAPIKey{Name: "leaked"})
		h.Clock.Advance(time.Second)
		_, kept := newKey(t, h.Manager, alice.Identity(), auth.NewAPIKey{Name: "kept"})
		_, bobs := newKey(t, h.Manager, bob.Identity(), auth.NewAPIKey{})
		keys, err := other.UserAPIKeys(t.Context(), alice.ID)
		if err != nil || len(keys) != 2 || keys[0].Name != "kept" || !reflect.DeepEqual(keys[1], made) {
			t.Fatalf("%+v, %v", keys, err)
		}
		for _, foreign := range [][2]string{{bob.ID, made.ID}, {alice.ID, "key_" + strings.Repeat("0", 32)}, {alice.ID, ""}, {"user_" + strings.Repeat("0", 29), made.ID}} {
			if err := h.RevokeUserAPIKey(t.Context(), foreign[0], foreign[1]); !errors.Is(err, auth.ErrNotFound) {
				t.Errorf("revoke %q of %q: %v, want ErrNotFound", foreign[1], foreign[0], err)
			}
		}
		if err := verifyKey(other.Manager, key); err != nil {
			t.Fatalf("before it is revoked: %v", err)
		}
		if err := h.RevokeUserAPIKey(t.Context(), alice.ID, made.ID); err != nil {
			t.Fatal(err)
		}
		if err := verifyKey(other.Manager, key); !errors.Is(err, auth.ErrInvalidToken) {
			t.Errorf("the revoked key elsewhere: %v, want ErrInvalidToken", err)
		}
		if err := errors.Join(verifyKey(other.Manager, kept), verifyKey(other.Manager, bobs)); err != nil {
			t.Errorf("the other keys: %v", err)
		}
		if keys, err := other.UserAPIKeys(t.Context(), alice.ID); err != nil || len(keys) != 1 {
			t.Errorf("%d keys are left, %v", len(keys), err)
		}
		if err := h.RevokeUserAPIKey(t.Context(), alice.ID, made.ID); !errors.Is(err, auth.ErrNotFound) {
			t.Errorf("revoke it again: %v", err)
		}
		if _, err := h.UserAPIKeys(t.Context(), "user_"+strings.Repeat("0", 29)); !errors.Is(err, auth.ErrNotFound) {
			t.Errorf("the keys of nobody: %v", err)
		}
		if e := last(t, h, auth.EventAPIKeyRevoked); e.UserID != alice.ID || e.OrganizationID != alice.OrganizationID || e.APIKeyID != made.ID || e.Reason != "host" {
			t.Errorf("the event is %+v", e)
		}
	})
}

// The owner's own addresses have budgets of their own, which an unlock must not forget.
func TestUnlockRestoresTheBudgetsOfKnownAddressesOnly(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{})
		alice := h.Register()
		home, office, stranger := clientAt(t, "192.0.2.7"), clientAt(t, "2001:db8:1:2::1"), clientAt(t, "203.0.113.9")
		for _, known := range []context.Context{home, office} {
			if err := login(known, h.Manager, alice.Email, authtest.Password); err != nil {
				t.Fatal(err)
			}
		}
		for _, ctx := range []context.Context{home, office, stranger} {
			failLogins(ctx, t, h.Manager, alice.Email, 5)
			retryAfter(t, login(ctx, h.Manager, alice.Email, authtest.Password))
		}
		if err := h.UnlockUser(t.Context(), alice.ID); err != nil {
			t.Fatal(err)
		}
		for name, ctx := range map[string]context.Context{"home": home, "office": office} {
			if err := login(ctx, h.Manager, alice.Email, authtest.Password); err != nil {
				t.Errorf("from %s: %v", name, err)
			}
		}
		retryAfter(t, login(stranger, h.Manager, alice.Email, authtest.Password))
	})
}

// TF-15.
func TestAResetOfTheSecondFactorIsAuditedAndNotified(t *testing.T) {
	cfg, sent := noticesOf(auth.Config{})
	h := authtest.With(t, memstore.New(), cfg)
	alice := h.Register()
	alice.EnableTwoFactor()
	if err := h.ResetTwoFactor(t.Context(), alice.ID); err != nil {
		t.Fatal(err)
	}
	if e := last(t, h, auth.EventTwoFactorReset); e.UserID != alice.ID || e.OrganizationID != alice.OrganizationID {
		t.Errorf("the event is %+v", e)
	}
	n := (*sent)[len(*sent)-1]
	if n.Type != auth.EventTwoFactorReset || n.To != alice.Email || n.UserID != alice.ID || n.Name != alice.FullName {
		t.Errorf("the notice is %+v", n)
	}
}
