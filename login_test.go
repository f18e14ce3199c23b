package auth_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"reflect"
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

// A lockedBuffer is a log that the Manager's goroutines may write to.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *lockedBuffer) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func checkOverloaded(t *testing.T, err error) {
	t.Helper()
	var retry *auth.RetryError
	if !errors.Is(err, auth.ErrOverloaded) || !errors.As(err, &retry) || retry.After <= 0 {
		t.Errorf("not overloaded: %v", err)
	}
}

func TestLoginReturnsATokenAndTheUser(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{})
		u, err := signUp(h.Manager, "ada@example.com")
		if err != nil {
			t.Fatal(err)
		}
		ctx := auth.WithClient(context.Background(), auth.Client{Addr: netip.MustParseAddr("::ffff:192.0.2.7"), UserAgent: "curl\n/8"})
		r, err := h.Login(ctx, "ada@example.com", authtest.Password)
		if err != nil {
			t.Fatal(err)
		}
		if r.TwoFactorRequired() || r.TempToken != "" || !sameUser(r.User, u) {
			t.Errorf("%+v", r)
		}
		if !r.AccessToken.ExpiresAt.Equal(h.Clock.Now().Add(r.AccessToken.ExpiresIn)) {
			t.Errorf("expires in %v, at %v", r.AccessToken.ExpiresIn, r.AccessToken.ExpiresAt)
		}
		id, err := h.VerifyAccessToken(ctx, r.AccessToken.Token)
		if err != nil {
			t.Fatal(err)
		}
		if !sameUser(id.User, u) || id.IsAPIKey() || id.MultiFactor() || !reflect.DeepEqual(id.AMR, []string{"pwd"}) ||
			!id.AuthTime.Equal(h.Clock.Now()) || !id.ExpiresAt.Equal(r.AccessToken.ExpiresAt) || !strings.HasPrefix(id.SessionID, "ses_") {
			t.Errorf("%+v", id)
		}
		sessions, err := h.Sessions(ctx, u.ID)
		if err != nil || len(sessions) != 1 || sessions[0].ID != id.SessionID ||
			sessions[0].Client.Addr.String() != "192.0.2.7" || sessions[0].Client.UserAgent != "curl?/8" {
			t.Errorf("%+v, %v", sessions, err)
		}
	})
}

// LG-1, Advisory 16 (CVE-2025-22234, CVE-2024-41952, CVE-2023-44399), Advisory 10 (CVE-2026-9798).
func TestEveryRefusedLoginHasTheSameAnswer(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{Limits: unlimited()})
		ctx := context.Background()
		wrong := h.Register()
		disabled, deleted := disabledAndDeleted(t, h)
		none, _ := withoutPassword(t, h)
		for name, try := range map[string][2]string{
			"an unknown address":  {"nobody@example.com", authtest.Password},
			"no address":          {"not an address", authtest.Password},
			"no address at all":   {"", authtest.Password},
			"a wrong password":    {wrong.Email, "wrong horse battery staple"},
			"no password":         {wrong.Email, ""},
			"not a text":          {wrong.Email, "\xff"},
			"a disabled user":     {disabled.Email, authtest.Password},
			"a deleted user":      {deleted.Email, authtest.Password},
			"without a password":  {none.Email, authtest.Password},
			"none, and none sent": {none.Email, ""},
		} {
			r, err := h.Login(ctx, try[0], auth.Secret(try[1]))
			if err != auth.ErrInvalidCredentials {
				t.Errorf("%s: %v", name, err)
			}
			if !reflect.DeepEqual(r, auth.LoginResult{}) {
				t.Errorf("%s: %+v", name, r)
			}
		}
	})
}

// LG-2, Advisory 16 (CVE-2025-6011): a hash is computed, whatever the address.
func TestEveryLoginAttemptHashesThePassword(t *testing.T) {
	h := authtest.With(t, memstore.New(), auth.Config{HashSlots: 1, HashQueue: -1, Limits: unlimited()})
	ctx := context.Background()
	alice := h.Register()
	disabled, deleted := disabledAndDeleted(t, h)
	none, _ := withoutPassword(t, h)
	release := h.OccupyHashing()
	for _, email := range []string{alice.Email, disabled.Email, deleted.Email, none.Email, "nobody@example.com", "not an address"} {
		_, err := h.Login(ctx, email, authtest.Password)
		checkOverloaded(t, err)
	}
	release()
	if _, err := h.Login(ctx, alice.Email, authtest.Password); err != nil {
		t.Errorf("after the overload: %v", err)
	}
}

// LG-2: the memory of one Argon2id is what shows that it was computed.
func TestEveryLoginAttemptUsesTheSameMemory(t *testing.T) {
	const cost = 4 << 20
	h := authtest.With(t, memstore.New(), auth.Config{PasswordHash: auth.HashParams{Memory: cost >> 10, Time: 1, Threads: 1}, InsecureCheapHashing: true, Limits: unlimited()})
	ctx := context.Background()
	alice := h.Register()
	disabled, deleted := disabledAndDeleted(t, h)
	none, _ := withoutPassword(t, h)
	for _, email := range []string{alice.Email, disabled.Email, deleted.Email, none.Email, "nobody@example.com", "not an address"} {
		n := allocatedBy(func() {
			if _, err := h.Login(ctx, email, "wrong horse battery staple"); !errors.Is(err, auth.ErrInvalidCredentials) {
				t.Error(err)
			}
		})
		if n < cost || n > 2*cost {
			t.Errorf("%s: %d bytes, one hash is %d", email, n, cost)
		}
	}
}

// LG-2: a wrong password for a hash of any configured cost, and for no hash, does the work of
// all of them. A hash of another cost is never cheaper.
func TestAChangeOfTheHashingCostDoesNotTellWhoHasAnAccount(t *testing.T) {
	const mib = 1 << 20
	cost := func(n uint32) auth.HashParams { return auth.HashParams{Memory: n << 10, Time: 1, Threads: 1} }
	first := authtest.With(t, memstore.New(), auth.Config{PasswordHash: cost(2), InsecureCheapHashing: true, Limits: unlimited()})
	then := func(p auth.HashParams, before ...auth.HashParams) *authtest.Harness {
		return twin(t, first, auth.Config{PasswordHash: p, PasswordHashBefore: before, InsecureCheapHashing: true, Limits: unlimited()})
	}
	now := then(cost(4), cost(3), cost(2))
	const forgotten, older, old, renewed = "forgotten@example.com", "older@example.com", "old@example.com", "renewed@example.com"
	for email, h := range map[string]*authtest.Harness{forgotten: then(cost(1)), older: first, old: then(cost(3)), renewed: now} {
		if _, err := signUp(h.Manager, email); err != nil {
			t.Fatal(err)
		}
	}
	hashed := func(email string) uint64 { // MiB
		return allocatedBy(func() {
			if err := login(t.Context(), now.Manager, email, "wrong horse battery staple"); !errors.Is(err, auth.ErrInvalidCredentials) {
				t.Error(err)
			}
		}) / mib
	}
	for _, email := range []string{renewed, old, older, "nobody@example.com", "not an address"} {
		if n := hashed(email); n != 4+3+2 {
			t.Errorf("%s: %d MiB are hashed, want 9", email, n)
		}
	}
	if n := hashed(forgotten); n != 4+3+2+1 {
		t.Errorf("a cost that is not configured: %d MiB are hashed, want 10", n)
	}
	for _, email := range []string{renewed, old, older, forgotten} {
		if err := login(t.Context(), now.Manager, email, authtest.Password); err != nil {
			t.Errorf("the right password of %s: %v", email, err)
		}
		if n := hashed(email); n != 4+3+2 {
			t.Errorf("%s, whose hash is renewed: %d MiB are hashed, want 9", email, n)
		}
	}
}

func TestALoginThatWasShedIsNotCounted(t *testing.T) {
	h := authtest.With(t, memstore.New(), auth.Config{HashSlots: 1, HashQueue: -1})
	alice := h.Register()
	release := h.OccupyHashing()
	for range 30 {
		_, err := h.Login(context.Background(), alice.Email, authtest.Password)
		checkOverloaded(t, err)
	}
	release()
	if _, err := h.Login(context.Background(), alice.Email, authtest.Password); err != nil {
		t.Errorf("after the overload: %v", err)
	}
}

// DO-1.
func TestTokensAreCheckedWhilePasswordHashingIsOverloaded(t *testing.T) {
	h := authtest.With(t, memstore.New(), auth.Config{HashSlots: 1, HashQueue: -1})
	alice := h.Register()
	defer h.OccupyHashing()()
	if _, err := h.VerifyAccessToken(context.Background(), auth.Secret(alice.Token())); err != nil {
		t.Error(err)
	}
	if _, err := h.Refresh(context.Background(), auth.Secret(alice.Token())); err != nil {
		t.Error(err)
	}
}

// PW-2, PW-3, PW-4, F-X1, Advisory 17 (CVE-2025-22228).
func TestAPasswordIsUsedWholeAndInNFC(t *testing.T) {
	h := authtest.With(t, memstore.New(), auth.Config{Limits: unlimited()})
	longest := auth.Secret(strings.Repeat("😀", 256)) // 1024 bytes
	for i, tc := range []struct {
		set  auth.Secret
		good []auth.Secret
		bad  []auth.Secret
	}{
		{" my password is long ", []auth.Secret{" my password is long "}, []auth.Secret{"my password is long", " my password is long", " My password is long ", " my password is long  "}},
		{"cafe\u0301 au lait", []auth.Secret{"caf\u00e9 au lait", "cafe\u0301 au lait"}, []auth.Secret{"cafe au lait"}},
		{"\ufb01ve fine fish", []auth.Secret{"\ufb01ve fine fish"}, []auth.Secret{"five fine fish"}},
		{auth.Secret(strings.Repeat("a", 72) + "X"), []auth.Secret{auth.Secret(strings.Repeat("a", 72) + "X")}, []auth.Secret{auth.Secret(strings.Repeat("a", 72) + "Y"), auth.Secret(strings.Repeat("a", 72))}},
		{longest, []auth.Secret{longest}, []auth.Secret{longest[:len(longest)-len("😀")], longest[:len(longest)-len("😀")] + "😁", longest + "😀"}},
	} {
		email := fmt.Sprintf("user%d@example.com", i)
		if _, err := h.Manager.Register(context.Background(), auth.Registration{Email: email, Password: tc.set, FullName: "A"}); err != nil {
			t.Fatal(err)
		}
		for _, pw := range tc.good {
			if _, err := h.Login(context.Background(), email, pw); err != nil {
				t.Errorf("%q for %q: %v", string(pw), string(tc.set), err)
			}
		}
		for _, pw := range tc.bad {
			if _, err := h.Login(context.Background(), email, pw); !errors.Is(err, auth.ErrInvalidCredentials) {
				t.Errorf("%q for %q: %v", string(pw), string(tc.set), err)
			}
		}
	}
}

// passwordHash returns the hash that the store has for the user.
func passwordHash(t *testing.T, s store.Store, userID string) string {
	t.Helper()
	key := "u." + strings.TrimPrefix(userID, "user_") + "/pass"
	v, err := s.Get(context.Background(), key)
	if err != nil || v[0] == nil {
		t.Fatalf("%s: %v", key, err)
	}
	at := bytes.Index(v[0], []byte("$argon2id$"))
	if at < 0 {
		t.Fatalf("%s holds no Argon2id hash", key)
	}
	hash, _, _ := bytes.Cut(v[0][at:], []byte{0})
	return string(hash)
}

var higherCost = auth.HashParams{Memory: 16, Time: 2, Threads: 1}

// PW-8, PW-10
func TestALoginRenewsAHashThatIsCheaperThanConfigured(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{})
		alice, bob := h.Register(), h.Register()
		before := passwordHash(t, s, alice.ID)
		if !strings.HasPrefix(before, "$argon2id$v=19$m=8,t=1,p=1$") {
			t.Fatalf("%q", before)
		}
		if passwordHash(t, s, bob.ID) == before {
			t.Error("two users with one password have one hash")
		}
		now := twin(t, h, auth.Config{PasswordHash: higherCost, InsecureCheapHashing: true})
		ctx := context.Background()
		if _, err := now.Login(ctx, alice.Email, "wrong horse battery staple"); !errors.Is(err, auth.ErrInvalidCredentials) {
			t.Fatal(err)
		}
		if passwordHash(t, s, alice.ID) != before {
			t.Error("a wrong password renewed the hash")
		}
		for range 2 {
			if _, err := now.Login(ctx, alice.Email, authtest.Password); err != nil {
				t.Fatal(err)
			}
			if after := passwordHash(t, s, alice.ID); !strings.HasPrefix(after, "$argon2id$v=19$m=16,t=2,p=1$") {
				t.Errorf("%q", after)
			}
		}
		if after := passwordHash(t, s, bob.ID); !strings.HasPrefix(after, "$argon2id$v=19$m=8,") {
			t.Errorf("one who did not log in: %q", after)
		}
	})
}

// PW-10, RC-9: the renewal is held up until after the password was changed.
func TestARenewedHashNeverUndoesAChangeOfPassword(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		old := authtest.With(t, s, auth.Config{})
		alice := old.Register()
		ctx, id := context.Background(), alice.Identity()
		tap := newTapStore(s)
		now := twinOn(t, old, tap, auth.Config{PasswordHash: higherCost, InsecureCheapHashing: true})
		held, release := stall(t, tap, func(c storeCall) bool { return c.kind == "Commit" && c.names("/pass") })
		done := make(chan error)
		go func() { _, err := now.Login(ctx, alice.Email, authtest.Password); done <- err }()
		held()
		if err := old.ChangePassword(ctx, id, authtest.Password, "another long password"); err != nil {
			t.Fatal(err)
		}
		release()
		if err := <-done; err != nil {
			t.Errorf("the login that renews: %v", err)
		}
		if _, err := old.Login(ctx, alice.Email, authtest.Password); !errors.Is(err, auth.ErrInvalidCredentials) {
			t.Errorf("the old password: %v", err)
		}
		if _, err := old.Login(ctx, alice.Email, "another long password"); err != nil {
			t.Errorf("the new password: %v", err)
		}
	})
}

// RC-15, RC-21: no login outlives a call that ends sessions during it.
func TestNoLoginOutlivesACallThatEndsSessionsDuringIt(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(m *auth.Manager, u *authtest.User, id auth.Identity) error{
		"change of password": func(m *auth.Manager, _ *authtest.User, id auth.Identity) error {
			return m.ChangePassword(context.Background(), id, authtest.Password, "another long password")
		},
		"revoke all": func(m *auth.Manager, u *authtest.User, _ auth.Identity) error {
			return m.RevokeSessions(context.Background(), u.ID)
		},
		"disable": func(m *auth.Manager, u *authtest.User, _ auth.Identity) error {
			return m.DisableUser(context.Background(), u.ID)
		},
		"delete": func(m *auth.Manager, u *authtest.User, _ auth.Identity) error {
			return m.DeleteUser(context.Background(), u.ID)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := memstore.New()
			h := authtest.With(t, s, auth.Config{Limits: unlimited(), MaxSessions: 500})
			other := twin(t, h, auth.Config{Limits: unlimited(), MaxSessions: 500})
			for range 10 {
				alice := h.Register()
				id := alice.Identity()
				var ended atomic.Bool
				var mu sync.Mutex
				var tokens []string // of logins that began before the end was known
				errs := atOnce(t, 6, func(i int) error {
					m := []*auth.Manager{h.Manager, other.Manager}[i%2]
					if i == 0 {
						defer ended.Store(true)
						return end(m, alice, id)
					}
					for n := 0; n < 90 && !ended.Load(); n++ { // so that no session has to make room
						r, err := m.Login(context.Background(), alice.Email, authtest.Password)
						if errors.Is(err, auth.ErrInvalidCredentials) {
							return nil
						}
						if err != nil {
							return err
						}
						token := string(r.AccessToken.Token)
						if fresh, err := m.Refresh(context.Background(), auth.Secret(token)); err == nil {
							token = string(fresh.Token)
						}
						mu.Lock()
						tokens = append(tokens, token)
						mu.Unlock()
					}
					return nil
				})
				if err := errors.Join(errs...); err != nil {
					t.Error(err)
				}
				sessions, err := h.Sessions(context.Background(), alice.ID)
				if err != nil && !errors.Is(err, auth.ErrNotFound) {
					t.Fatal(err)
				}
				alive := map[string]bool{}
				for _, s := range sessions {
					alive[s.ID] = true
				}
				for _, token := range tokens {
					got, err := other.VerifyAccessToken(context.Background(), auth.Secret(token))
					if err == nil && (!alive[got.SessionID] || name != "revoke all") {
						t.Fatalf("a token of a login during it is of session %s", got.SessionID)
					}
				}
				if name == "change of password" && (len(sessions) != 1 || sessions[0].ID != id.SessionID) {
					t.Fatalf("%d sessions are left", len(sessions))
				}
			}
		})
	}
}

// TF-10.
// The password alone names no user: that comes with the second factor.
func TestALoginThatAwaitsItsSecondFactorNamesNoUser(t *testing.T) {
	h := authtest.New(t)
	u := h.Register()
	u.EnableTwoFactor()
	r, err := h.Login(t.Context(), u.Email, authtest.Password)
	if err != nil || !r.TwoFactorRequired() {
		t.Fatalf("%+v, %v", r, err)
	}
	if !reflect.DeepEqual(r, auth.LoginResult{TempToken: r.TempToken, TempTokenExpiresAt: h.Clock.Now().Add(5 * time.Minute).UTC()}) {
		t.Errorf("it tells more than a temp token: %+v", r)
	}
	r, err = h.VerifyTwoFactor(t.Context(), r.TempToken, auth.Secret(u.Code()))
	if err != nil || r.User.ID != u.ID || r.TwoFactorRequired() {
		t.Errorf("the second step: %+v, %v", r, err)
	}
}
