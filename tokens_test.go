package auth_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
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

// JW-10, SE-1, F-J12
func TestATokenSaysExactlyTheDocumentedClaims(t *testing.T) {
	h := authtest.With(t, memstore.New(), auth.Config{Issuer: "Example", Audience: "https://api.example.com"})
	alice := h.Register()
	if !strings.HasPrefix(alice.Token(), "eyJhbGciOiJIUzI1NiIs") {
		t.Errorf("it begins %.25s", alice.Token())
	}
	c := payload(t, auth.Secret(alice.Token()))
	want := []string{"amr", "aud", "auth_time", "client_id", "exp", "iat", "iss", "jti", "org", "role", "sid", "sub"}
	if got := slices.Sorted(maps.Keys(c)); !slices.Equal(got, want) {
		t.Errorf("claims %v, want %v", got, want)
	}
	now := float64(h.Clock.Now().Unix())
	if c["iss"] != "Example" || c["aud"] != "https://api.example.com" || c["sub"] != alice.ID || c["sid"] != alice.Identity().SessionID ||
		c["client_id"] != "Example" || c["iat"] != now || c["exp"] != now+3600 || c["auth_time"] != now || c["org"] != alice.OrganizationID || c["role"] != "admin" {
		t.Errorf("%v", c)
	}
	if jti, _ := c["jti"].(string); len(jti) < 22 {
		t.Errorf("jti %q", jti)
	}
	other := alice.Login()
	d := payload(t, auth.Secret(other))
	if c["jti"] == d["jti"] || c["sid"] == d["sid"] {
		t.Error("two logins share an id")
	}
}

// JW-1, F-J6, F-J10
func TestNoMutationOfATokenIsAccepted(t *testing.T) {
	t.Parallel()
	h := authtest.New(t)
	token := h.Register().Token()
	rng := rand.New(rand.NewPCG(1, 2))
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ \n\x00\xff"
	for i := range 10_000 {
		b := []byte(token)
		for range 1 + rng.IntN(3) {
			at := rng.IntN(len(b))
			switch rng.IntN(6) {
			case 0:
				b[at] ^= 1 << rng.IntN(8)
			case 1:
				b[at] = alphabet[rng.IntN(len(alphabet))]
			case 2:
				b = append(slices.Delete(b, at, at+1), byte(0x41))[:max(len(b)-1, 1)]
			case 3:
				b = slices.Insert(b, at, alphabet[rng.IntN(len(alphabet))])
			case 4:
				b = b[:max(at, 1)]
			case 5:
				other := rng.IntN(len(b))
				b[at], b[other] = b[other], b[at]
			}
		}
		if string(b) != token && verify(t, h.Manager, string(b)) {
			t.Fatalf("mutation %d is accepted: %q", i, b)
		}
	}
	if !verify(t, h.Manager, token) {
		t.Error("the token itself is refused")
	}
}

// JW-1, JW-8, F-J8
func TestATokenHasOneTextOnly(t *testing.T) {
	h := authtest.New(t)
	token := h.Register().Token()
	parts, others := strings.Split(token, "."), strings.Split(h.Register().Token(), ".")
	variants := []string{
		parts[0] + "." + others[1] + "." + parts[2], parts[0] + "." + parts[1] + "." + others[2],
		"", ".", "..", "...", token + ".", "." + token, token + "=", token + "\n", "\n" + token, token + " ", " " + token, token + "." + parts[2],
		parts[0] + "." + parts[1], parts[0] + "." + parts[1] + ".", parts[0] + ".." + parts[2], "." + parts[1] + "." + parts[2],
		parts[0] + "." + parts[1] + "\n." + parts[2], parts[0] + "." + parts[1] + "." + parts[2][:10] + "\r\n" + parts[2][10:],
		parts[0] + "=." + parts[1] + "." + parts[2], parts[0] + "." + parts[1] + "=." + parts[2], "Bearer " + token,
		strings.ToUpper(token), strings.ToLower(token), token + token,
	}
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(alphabet, token[len(token)-1])
	for low := range 4 { // 256 bits in 43 digits leave two bits over
		if v := token[:len(token)-1] + string(alphabet[last&^3|low]); v != token {
			variants = append(variants, v)
		}
	}
	for _, v := range variants {
		if verify(t, h.Manager, v) {
			t.Errorf("accepted: %q", v)
		}
		if _, err := h.Manager.Refresh(context.Background(), auth.Secret(v)); err != auth.ErrInvalidToken {
			t.Errorf("refresh %q: %v", v, err)
		}
	}
}

// JW-9, F-J7, Advisory 25 (CVE-2025-30204).
func TestAHugeTokenIsRefusedWithoutBeingRead(t *testing.T) {
	h := authtest.New(t)
	token := h.Register().Token()
	huge := []string{strings.Repeat("a", 900<<10), strings.Repeat(".", 900<<10), token + strings.Repeat("A", 900<<10), strings.Repeat("A", 900<<10) + "." + token}
	for _, v := range huge {
		least := math.Inf(1) // what others allocate meanwhile is counted as well
		for range 10 {
			least = min(least, testing.AllocsPerRun(10, func() {
				if verify(t, h.Manager, v) {
					t.Error("accepted")
				}
			}))
		}
		if least > 5 {
			t.Errorf("%v allocations", least)
		}
	}
}

// JW-7, LO-1: what is not proven names no user, to the log and to the audit. What
// is signed and has expired names its user as the one who was refused.
func TestAForgedTokenNamesNoUserInLogsAndEvents(t *testing.T) {
	log := &lockedBuffer{}
	h := authtest.With(t, memstore.New(), auth.Config{Logger: log.logger()})
	forger := twin(t, h, auth.Config{Secrets: []auth.Secret{goodSecret}})
	alice := h.Register()
	genuine := alice.Token()
	theirs, err := forger.Manager.Login(t.Context(), alice.Email, authtest.Password)
	if err != nil {
		t.Fatal(err)
	}
	present := func(token string) {
		t.Helper()
		if verify(t, h.Manager, token) {
			t.Errorf("accepted: %s", token)
		}
		_, refresh := h.Refresh(t.Context(), auth.Secret(token))
		_, enrol := h.VerifyForEnrollment(t.Context(), auth.Secret(token))
		id, either := h.Authenticate(t.Context(), auth.Secret(token))
		if refresh != auth.ErrInvalidToken || enrol != auth.ErrInvalidToken || either != auth.ErrInvalidToken || id.User.ID != "" {
			t.Errorf("%v, %v, %v, %+v", refresh, enrol, either, id)
		}
	}
	ours, forged := strings.Split(genuine, "."), strings.Split(string(theirs.AccessToken.Token), ".")
	for range 2 { // live, and expired
		for _, token := range []string{
			string(theirs.AccessToken.Token), ours[0] + "." + forged[1] + "." + forged[2], ours[0] + "." + forged[1] + "." + ours[2], ours[0] + "." + ours[1] + ".",
		} {
			present(token)
		}
		h.Clock.Advance(2 * time.Hour)
	}
	present(genuine)
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if w := holds([]byte(log.String()), alice.ID, alice.Email, alice.OrganizationID, payload(t, auth.Secret(genuine))["sid"].(string)); w != "" {
		t.Errorf("the log names %q: %s", w, log)
	}
	named := 0
	for _, e := range h.Events.All() {
		if e.Type != auth.EventTokenRefused {
			continue
		}
		if e.Reason == "expired" && e.UserID == alice.ID && e.Actor == "" {
			named++
		} else if e.Reason != "malformed" || e.UserID+e.OrganizationID+e.SessionID+e.Actor != "" {
			t.Errorf("a forged token is reported as %+v", e)
		}
	}
	if named != 4 {
		t.Errorf("the genuine one is reported %d times, want 4", named)
	}
}

// TT-2, Advisory 2 (GHSA-xg6x-h9c9-2m83).
func TestOtherCredentialsAreNoAccessTokens(t *testing.T) {
	h := authtest.New(t)
	alice := h.Register()
	key, enrolled := alice.APIKey(), h.Register()
	enrolled.EnableTwoFactor()
	r, err := h.Login(context.Background(), enrolled.Email, authtest.Password)
	if err != nil || !r.TwoFactorRequired() {
		t.Fatal(err)
	}
	id := alice.Identity()
	for _, v := range []string{key, string(r.TempToken), id.SessionID, alice.ID, string(authtest.Secret)} {
		if verify(t, h.Manager, v) {
			t.Errorf("accepted: %.12s…", v)
		}
		if _, err := h.Manager.Refresh(context.Background(), auth.Secret(v)); err != auth.ErrInvalidToken {
			t.Errorf("refresh %.12s…: %v", v, err)
		}
	}
	if _, err := h.VerifyAPIKey(context.Background(), auth.Secret(alice.Token())); err != auth.ErrInvalidToken {
		t.Errorf("a token as an API key: %v", err)
	}
}

// JW-4
func TestATokenIsAcceptedForItsOwnIssuerAudienceAndSecretOnly(t *testing.T) {
	s := memstore.New()
	h := authtest.With(t, s, auth.Config{})
	token := h.Register().Token()
	for name, tc := range map[string]struct {
		cfg  auth.Config
		want bool
	}{
		"the same":              {auth.Config{}, true},
		"another issuer":        {auth.Config{Issuer: "other", Audience: "auth"}, false},
		"another audience":      {auth.Config{Audience: "other"}, false},
		"another secret":        {auth.Config{Secrets: []auth.Secret{goodSecret}}, false},
		"a new secret in front": {auth.Config{Secrets: []auth.Secret{goodSecret, authtest.Secret}}, true},
	} {
		if got := verify(t, twin(t, h, tc.cfg).Manager, token); got != tc.want {
			t.Errorf("%s: accepted %v", name, got)
		}
	}
}

// JW-11, RC-25
func TestARotatedSecretSignsAndTheOldOneStillVerifies(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		before := authtest.With(t, s, auth.Config{})
		alice := before.Register()
		old := alice.Token()
		with := func(secrets ...auth.Secret) *auth.Manager {
			return twin(t, before, auth.Config{Secrets: secrets}).Manager
		}
		during, after := with(goodSecret, authtest.Secret), with(goodSecret)
		fresh := refreshed(t, during, old)
		if !verify(t, during, old) || !verify(t, during, fresh) {
			t.Error("in the middle of the rotation a token is refused")
		}
		if verify(t, before.Manager, fresh) {
			t.Error("the fresh token is signed with the old secret")
		}
		if verify(t, after, old) || !verify(t, after, fresh) {
			t.Error("after the rotation the old secret decides")
		}
	})
}

// JW-3.
func TestATokenExpiresByTheManagersClock(t *testing.T) {
	h := authtest.With(t, memstore.New(), auth.Config{AccessTokenTTL: 5 * time.Minute})
	token := h.Register().Token()
	h.Clock.Advance(5*time.Minute - time.Nanosecond)
	if !verify(t, h.Manager, token) {
		t.Error("it expired early")
	}
	h.Clock.Advance(time.Nanosecond)
	if verify(t, h.Manager, token) {
		t.Error("it outlives its expiry")
	}
	if _, err := h.Manager.Refresh(context.Background(), auth.Secret(token)); err != auth.ErrInvalidToken { // SE-2
		t.Errorf("an expired token was refreshed: %v", err)
	}
	if _, err := h.Sessions(context.Background(), "user_x"); !errors.Is(err, auth.ErrNotFound) {
		t.Error(err)
	}
}

// JW-3: another instance's clock may be ahead by half a minute.
func TestATokenFromTheFutureIsRefusedBeyondTheLeeway(t *testing.T) {
	h := authtest.New(t)
	token := h.Register().Token()
	h.Clock.Advance(-30 * time.Second)
	if !verify(t, h.Manager, token) {
		t.Error("30 seconds ahead: refused")
	}
	h.Clock.Advance(-time.Second)
	if verify(t, h.Manager, token) {
		t.Error("31 seconds ahead: accepted")
	}
}

// SE-5, SE-6, Advisory 22 (CVE-2024-45042).
func TestARefreshContinuesTheSessionAndRetiresTheToken(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{})
		other := twin(t, h, auth.Config{})
		alice := h.Register()
		first, id := alice.Token(), alice.Identity()
		h.Clock.Advance(time.Minute)
		got, err := h.Manager.Refresh(context.Background(), auth.Secret(first))
		if err != nil {
			t.Fatal(err)
		}
		if got.ExpiresIn != time.Hour || !got.ExpiresAt.Equal(h.Clock.Now().Add(time.Hour)) {
			t.Errorf("expires in %v, at %v", got.ExpiresIn, got.ExpiresAt)
		}
		second := string(got.Token)
		next, err := h.VerifyAccessToken(context.Background(), auth.Secret(second))
		if err != nil || next.SessionID != id.SessionID || !next.AuthTime.Equal(id.AuthTime) || !slices.Equal(next.AMR, id.AMR) || next.User.ID != id.User.ID {
			t.Errorf("%+v, %v", next, err)
		}
		h.Clock.Advance(10*time.Second - 1)
		if !verify(t, h.Manager, first) {
			t.Error("within its grace the old token is refused")
		}
		if again := refreshed(t, h.Manager, first); again != second {
			t.Error("within its grace the old token has another successor")
		}
		h.Clock.Advance(1)
		if verify(t, h.Manager, first) {
			t.Error("after its grace the old token is accepted")
		}
		if !verify(t, h.Manager, second) {
			t.Error("merely using a superseded token ended the session")
		}
		third := refreshed(t, h.Manager, second) // of however many the copy is behind
		if _, err := other.Refresh(context.Background(), auth.Secret(first)); err != auth.ErrInvalidToken {
			t.Errorf("refresh with a superseded token: %v", err)
		}
		for _, token := range []string{first, second, third} {
			if verify(t, h.Manager, token) {
				t.Error("the session of a copied token goes on")
			}
			if _, err := h.Manager.Refresh(context.Background(), auth.Secret(token)); err != auth.ErrInvalidToken {
				t.Errorf("refresh after that: %v", err)
			}
		}
		if sessions, err := h.Sessions(context.Background(), alice.ID); err != nil || len(sessions) != 0 {
			t.Errorf("%d sessions, %v", len(sessions), err)
		}
	})
}

func TestWithoutGraceARefreshedTokenIsRefusedAtOnce(t *testing.T) {
	h := authtest.With(t, memstore.New(), auth.Config{RefreshGrace: -1})
	first := h.Register().Token()
	second := refreshed(t, h.Manager, first)
	if verify(t, h.Manager, first) || !verify(t, h.Manager, second) {
		t.Error("the old token lives, or the new one does not")
	}
}

func TestNotMoreThanSixteenSupersededTokensAreInGrace(t *testing.T) {
	h := authtest.With(t, memstore.New(), auth.Config{RefreshGrace: time.Minute})
	tokens := []string{h.Register().Token()}
	for range 17 {
		tokens = append(tokens, refreshed(t, h.Manager, tokens[len(tokens)-1]))
	}
	for i, token := range tokens {
		if got, want := verify(t, h.Manager, token), i > 0; got != want {
			t.Errorf("token %d: accepted %v", i, got)
		}
	}
}

// SE-3: who refreshes every ten minutes has 30 days from the login on, with a second
// factor 24 hours; on a disk, where 30 days take long, other lifetimes.
func TestNoRefreshOutlivesTheSession(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		cfg, lifetimes := auth.Config{}, map[bool]time.Duration{false: 30 * 24 * time.Hour, true: 24 * time.Hour}
		if testing.Short() || t.Name() != "TestNoRefreshOutlivesTheSession/memory" {
			cfg.SessionTTL, cfg.MultiFactorSessionTTL = 8*time.Hour, 3*time.Hour
			lifetimes = map[bool]time.Duration{false: 8 * time.Hour, true: 3 * time.Hour}
		}
		h := authtest.With(t, s, cfg)
		for multiFactor, lifetime := range lifetimes {
			alice := h.Register()
			if multiFactor {
				alice.EnableTwoFactor()
				alice.Login()
			}
			token, began := alice.Token(), h.Clock.Now()
			for h.Clock.Now().Sub(began) < lifetime-10*time.Minute {
				h.Clock.Advance(10 * time.Minute)
				token = refreshed(t, h.Manager, token)
				if c := payload(t, auth.Secret(token)); c["exp"].(float64) > float64(began.Add(lifetime).Unix()) {
					t.Fatalf("of %v: a token expires %v after the login", lifetime, time.Unix(int64(c["exp"].(float64)), 0).Sub(began))
				}
			}
			h.Clock.Advance(10*time.Minute - time.Second)
			if !verify(t, h.Manager, token) {
				t.Fatalf("of %v: refused before the end", lifetime)
			}
			h.Clock.Advance(time.Second)
			if verify(t, h.Manager, token) {
				t.Errorf("of %v: it is accepted after the end of its session", lifetime)
			}
			if _, err := h.Manager.Refresh(context.Background(), auth.Secret(token)); err != auth.ErrInvalidToken {
				t.Errorf("of %v: refresh after the end: %v", lifetime, err)
			}
		}
	})
}

// SE-3: only a token that has not expired is refreshed, so a session that nobody refreshes
// for an hour is one that cannot go on, however long it may last.
func TestASessionEndsAfterAnHourWithoutARefresh(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{})
		for _, multiFactor := range []bool{false, true} {
			alice := h.Register()
			if multiFactor {
				alice.EnableTwoFactor()
				alice.Login()
			}
			tokens := []string{alice.Token()}
			for range 3 {
				h.Clock.Advance(time.Hour - time.Second)
				tokens = append(tokens, refreshed(t, h.Manager, tokens[len(tokens)-1]))
			}
			h.Clock.Advance(time.Hour)
			for i, token := range slices.Backward(tokens) {
				if verify(t, h.Manager, token) {
					t.Errorf("two factors %v: token %d is accepted after an idle hour", multiFactor, i)
				}
				if _, err := h.Manager.Refresh(context.Background(), auth.Secret(token)); err != auth.ErrInvalidToken {
					t.Errorf("two factors %v: token %d is refreshed after an idle hour: %v", multiFactor, i, err)
				}
			}
		}
	})
}

// RC-12, Advisory 3 (CVE-2026-53517).
func TestManyRefreshesOfOneTokenContinueOneSession(t *testing.T) {
	everyStore(t, func(t *testing.T, s store.Store) {
		tap := newTapStore(s)
		h := manyProcesses(authtest.With(t, tap, raced()))
		other := manyProcesses(twin(t, h, raced()))
		alice := h.Register()
		var mu sync.Mutex
		got := map[string]bool{}
		errs := tap.abreast(t, 50, "/acct", func(ctx context.Context, i int) error {
			m := []*auth.Manager{h.Manager, other.Manager}[i%2]
			fresh, err := m.Refresh(ctx, auth.Secret(alice.Token()))
			mu.Lock()
			defer mu.Unlock()
			got[string(fresh.Token)] = true
			return err
		})
		if err := errors.Join(errs...); err != nil {
			t.Error(err)
		}
		if len(got) != 1 || got[alice.Token()] {
			t.Errorf("%d successors", len(got))
		}
		for token := range got {
			if !verify(t, other.Manager, token) {
				t.Error("the successor is refused")
			}
		}
	})
}

// RC-13, SE-7, SE-2, Advisory 23 (CVE-2026-35594).
func TestNoTokenOfASessionWorksAfterItsLogout(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{Limits: unlimited()})
		other := twin(t, h, auth.Config{Limits: unlimited()})
		alice := h.Register()
		for range 10 {
			token := alice.Login()
			id := alice.Identity()
			var mu sync.Mutex
			tokens := []string{token}
			errs := atOnce(t, 4, func(i int) error {
				if i == 0 {
					return h.Logout(context.Background(), id)
				}
				mine := token
				for range 2 { // fewer than are kept in grace
					fresh, err := other.Manager.Refresh(context.Background(), auth.Secret(mine))
					if err == auth.ErrInvalidToken {
						return nil
					}
					if err != nil {
						return err
					}
					mine = string(fresh.Token)
					mu.Lock()
					tokens = append(tokens, mine)
					mu.Unlock()
				}
				return nil
			})
			if err := errors.Join(errs...); err != nil {
				t.Error(err)
			}
			for _, token := range tokens {
				if verify(t, other.Manager, token) {
					t.Fatal("a token is accepted after the logout")
				}
			}
		}
	})
}

// RC-14
func TestOfManyLogoutsNoneIsAnError(t *testing.T) {
	everyStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{})
		managers := []*auth.Manager{h.Manager, twin(t, h, auth.Config{}).Manager}
		for name, logout := range map[string]func(m *auth.Manager, u *authtest.User, id auth.Identity) error{
			"Logout": func(m *auth.Manager, _ *authtest.User, id auth.Identity) error {
				return m.Logout(context.Background(), id)
			},
			"LogoutToken": func(m *auth.Manager, u *authtest.User, _ auth.Identity) error {
				return m.LogoutToken(context.Background(), auth.Secret(u.Token()))
			},
		} {
			alice := h.Register()
			id := alice.Identity()
			errs := atOnce(t, 20, func(i int) error { return logout(managers[i%2], alice, id) })
			for _, err := range errs {
				if err != nil && err != auth.ErrInvalidToken {
					t.Errorf("%s: %v", name, err)
				}
			}
			if countIs(errs, nil) == 0 {
				t.Errorf("%s: none of them ended the session", name)
			}
			if verify(t, managers[1], alice.Token()) {
				t.Errorf("%s: the token is accepted", name)
			}
		}
	})
}

// Advisory 23 (CVE-2026-35594).
func TestARoleIsTheAccountsAndNotTheTokens(t *testing.T) {
	h := authtest.New(t)
	alice := h.Register()
	if err := h.SetRole(context.Background(), alice.ID, "reader"); err != nil {
		t.Fatal(err)
	}
	if role := alice.Identity().User.Role; role != "reader" {
		t.Errorf("role %q", role)
	}
	if c := payload(t, auth.Secret(refreshed(t, h.Manager, alice.Token()))); c["role"] != "reader" {
		t.Errorf("claim %v", c["role"])
	}
}

func TestAuthenticateTakesATokenOrAKeyAndNothingElse(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		spy := &spyStore{Store: s}
		h := authtest.With(t, spy, auth.Config{})
		u := h.Register()
		made, key := newKey(t, h.Manager, u.Identity(), auth.NewAPIKey{})
		byToken, err := h.Authenticate(t.Context(), auth.Secret(u.Token()))
		if err != nil || byToken.User.ID != u.ID || byToken.IsAPIKey() || byToken.SessionID == "" {
			t.Errorf("a token: %+v, %v", byToken, err)
		}
		byKey, err := h.Authenticate(t.Context(), auth.Secret(key))
		if err != nil || byKey.User.ID != u.ID || byKey.APIKeyID != made.ID || byKey.SessionID != "" {
			t.Errorf("a key: %+v, %v", byKey, err)
		}
		u.EnableTwoFactor()
		temp := firstStep(t, h, u.Email)
		gets := spy.gets.Load()
		for name, bad := range map[string]string{
			"empty": "", "garbage": "garbage", "dots": "..", "the prefix": "sk_live_", "garbage with the prefix": "sk_live_" + strings.Repeat("a", 65),
			"a token with the prefix": "sk_live_" + u.Token(), "a key without it": strings.TrimPrefix(key, "sk_live_"), "a key in capitals": strings.ToUpper(key),
			"a space before a key": " " + key, "a temp token": string(temp), "a password": authtest.Password, "huge": strings.Repeat("a", 1<<20),
		} {
			if id, err := h.Authenticate(t.Context(), auth.Secret(bad)); err != auth.ErrInvalidToken || id.User.ID != "" {
				t.Errorf("%s: %+v, %v, want ErrInvalidToken", name, id, err)
			}
		}
		if n := spy.gets.Load() - gets; n != 0 {
			t.Errorf("the store was asked %d times", n)
		}
		if err := errors.Join(h.RevokeSessions(t.Context(), u.ID), h.RevokeUserAPIKey(t.Context(), u.ID, made.ID)); err != nil {
			t.Fatal(err)
		}
		for _, revoked := range []string{u.Token(), key} {
			if _, err := h.Authenticate(t.Context(), auth.Secret(revoked)); err != auth.ErrInvalidToken {
				t.Errorf("revoked: %v, want ErrInvalidToken", err)
			}
		}
	})
}

// RC-25: Managers with the new secret take over from those with the old one, while
// every client verifies and refreshes; no live token is refused.
func TestNoTokenIsRefusedWhileSecretsAreRotated(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{})
		with := func(secrets ...auth.Secret) *auth.Manager {
			return twin(t, h, auth.Config{Secrets: secrets}).Manager
		}
		ahead := with(authtest.Secret, goodSecret) // verifies the new one already, signs with the old one
		users := []*authtest.User{h.Register(), h.Register(), h.Register(), h.Register()}
		var serving atomic.Pointer[auth.Manager]
		serving.Store(ahead)
		errs := atOnce(t, 2*len(users)+1, func(i int) error {
			if i == 2*len(users) {
				for range 20 {
					serving.Store(with(goodSecret, authtest.Secret))
				}
				return nil
			}
			u := users[i/2]
			token := auth.Secret(u.Token())
			for n := range 50 {
				m := []*auth.Manager{ahead, serving.Load()}[n%2]
				id, err := m.VerifyAccessToken(t.Context(), token)
				if err != nil || id.User.ID != u.ID {
					return fmt.Errorf("verify %d: %q, %w", n, id.User.ID, err)
				}
				if i%2 == 0 && n%10 == 0 {
					fresh, err := m.Refresh(t.Context(), token)
					if err != nil {
						return fmt.Errorf("refresh %d: %w", n, err)
					}
					token = fresh.Token
				}
			}
			return nil
		})
		if err := errors.Join(errs...); err != nil {
			t.Error(err)
		}
	})
}
