package auth_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/netip"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/memstore"
)

const goodSecret auth.Secret = "0123456789abcdef0123456789ABCDEF"

// cheap returns cfg with a secret, hashing that costs nothing, and no log.
func cheap(cfg auth.Config) auth.Config {
	cfg.Secrets = []auth.Secret{goodSecret}
	cfg.PasswordHash, cfg.InsecureCheapHashing = auth.HashParams{Memory: 8, Time: 1, Threads: 1}, true
	cfg.Logger = slog.New(slog.DiscardHandler)
	return cfg
}

// JW-2, JW-4, F-J2, F-J4, F-O9.
func TestEveryFieldOutsideItsRangeIsRefusedByName(t *testing.T) {
	const day = 24 * time.Hour
	bad := map[string][]func(*auth.Config){
		"Secrets": {func(c *auth.Config) { c.Secrets = nil }, func(c *auth.Config) { c.Secrets = []auth.Secret{goodSecret, goodSecret} }},
		"Secrets[0]": { // JW-2
			func(c *auth.Config) { c.Secrets[0] = "" },
			func(c *auth.Config) { c.Secrets[0] = "secret" },
			func(c *auth.Config) { c.Secrets[0] = goodSecret[:31] },
			func(c *auth.Config) {
				c.Secrets[0] = auth.Secret(strings.Repeat("changeme", 8)[:7] + strings.Repeat("a", 40))
			},
			func(c *auth.Config) { c.Secrets[0] = auth.Secret(make([]byte, 64)) },
		},
		"Secrets[1]": {func(c *auth.Config) { c.Secrets = append(c.Secrets, "short") }},
		"TwoFactorPolicy.Of": {
			func(c *auth.Config) { c.TwoFactorPolicy.From = time.Now() }, func(c *auth.Config) { c.TwoFactorPolicy.ReportOnly = true },
		},
		"Issuer": {
			func(c *auth.Config) { c.Issuer = "Acme: staging" }, func(c *auth.Config) { c.Issuer = " a" }, func(c *auth.Config) { c.Issuer = ":a" },
			func(c *auth.Config) { c.Issuer = "a\n" }, func(c *auth.Config) { c.Issuer = strings.Repeat("a", 201) }, func(c *auth.Config) { c.Issuer = "https://auth.\u00e9xample.com" },
			func(c *auth.Config) { c.Issuer = "https://auth.example.com/\u200b" }, func(c *auth.Config) { c.Issuer = "https://%zz" },
		},
		"TOTPIssuer": {
			func(c *auth.Config) { c.TOTPIssuer = "a:b" }, func(c *auth.Config) { c.TOTPIssuer = "a " }, func(c *auth.Config) { c.TOTPIssuer = strings.Repeat("a", 101) },
			func(c *auth.Config) { c.Issuer = strings.Repeat("a", 101) }, func(c *auth.Config) { c.TOTPIssuer = "https://auth.example.com" },
		},
		"ClientID":  {func(c *auth.Config) { c.ClientID = "\u202ea" }, func(c *auth.Config) { c.ClientID = strings.Repeat("a", 201) }},
		"TokenType": {func(c *auth.Config) { c.TokenType = "jwt" }, func(c *auth.Config) { c.TokenType = "AT+JWT" }, func(c *auth.Config) { c.TokenType = "application/at+jwt" }},
		"Audience":  {func(c *auth.Config) { c.Audience = "\u202ea" }, func(c *auth.Config) { c.Audience = strings.Repeat("a", 201) }},
		"APIKeyPrefix": {
			func(c *auth.Config) { c.APIKeyPrefix = "sk" }, func(c *auth.Config) { c.APIKeyPrefix = "_" },
			func(c *auth.Config) { c.APIKeyPrefix = "s-k_" }, func(c *auth.Config) { c.APIKeyPrefix = strings.Repeat("a", 32) + "_" },
		},
		"FirstRole": {
			func(c *auth.Config) { c.FirstRole = "member" }, func(c *auth.Config) { c.FirstRole = "an owner" },
			func(c *auth.Config) { c.FirstRole, c.Roles = "owner", []string{"admin"} }, func(c *auth.Config) { c.FirstRole, c.Roles = "guest", []string{"guest", "admin"} },
			func(c *auth.Config) { c.FirstRole = "größter" }, func(c *auth.Config) { c.FirstRole = strings.Repeat("a", 65) },
		},
		"Roles": {
			func(c *auth.Config) { c.Roles = []string{"member", "owner"}; c.FirstRole = "owner" }, func(c *auth.Config) { c.Roles = []string{"admin", "a b"} },
			func(c *auth.Config) { c.Roles = []string{"member", "admin", "member"} }, func(c *auth.Config) { c.Roles = []string{"", "admin"} },
			func(c *auth.Config) { c.Roles = append(make([]string, 50), "admin") },
		},
		"AccessTokenTTL":        {func(c *auth.Config) { c.AccessTokenTTL = time.Minute - 1 }, func(c *auth.Config) { c.AccessTokenTTL = day + 1 }, func(c *auth.Config) { c.AccessTokenTTL = -1 }},
		"SessionTTL":            {func(c *auth.Config) { c.SessionTTL = time.Minute - 1 }, func(c *auth.Config) { c.SessionTTL = 400*day + 1 }, func(c *auth.Config) { c.SessionTTL = -1 }},
		"MultiFactorSessionTTL": {func(c *auth.Config) { c.MultiFactorSessionTTL = time.Minute - 1 }, func(c *auth.Config) { c.MultiFactorSessionTTL = 400*day + 1 }},
		"RefreshAfterExpiry":    {func(c *auth.Config) { c.RefreshAfterExpiry = -1 }, func(c *auth.Config) { c.RefreshAfterExpiry = 400*day + 1 }},
		"RefreshGrace":          {func(c *auth.Config) { c.RefreshGrace = time.Minute + 1 }},
		"FreshLogin":            {func(c *auth.Config) { c.FreshLogin = time.Hour + 1 }},
		"TempTokenTTL":          {func(c *auth.Config) { c.TempTokenTTL = 10*time.Minute + 1 }, func(c *auth.Config) { c.TempTokenTTL = -time.Minute }},
		"APIKeyTTL":             {func(c *auth.Config) { c.APIKeyTTL = 3650*day + 1 }},
		"TrustedDevices.TTL": {
			func(c *auth.Config) { c.TrustedDevices.Max = 3 }, func(c *auth.Config) { c.TrustedDevices.TTL = -1 },
			func(c *auth.Config) { c.TrustedDevices.TTL = time.Minute - 1 }, func(c *auth.Config) { c.TrustedDevices.TTL = 400*day + 1 },
		},
		"TrustedDevices.Max": {
			func(c *auth.Config) { c.TrustedDevices = auth.DeviceTrust{TTL: day, Max: -1} },
			func(c *auth.Config) { c.TrustedDevices = auth.DeviceTrust{TTL: day, Max: 51} },
		},
		"MaxSessions":       {func(c *auth.Config) { c.MaxSessions = -1 }, func(c *auth.Config) { c.MaxSessions = 501 }},
		"MaxAPIKeys":        {func(c *auth.Config) { c.MaxAPIKeys = -1 }, func(c *auth.Config) { c.MaxAPIKeys = 501 }},
		"UsageInterval":     {func(c *auth.Config) { c.UsageInterval = -1 }, func(c *auth.Config) { c.UsageInterval = time.Minute + 1 }},
		"PasswordMinLength": {func(c *auth.Config) { c.PasswordMinLength = 7 }, func(c *auth.Config) { c.PasswordMinLength = 65 }},
		"BackupCodeLength":  {func(c *auth.Config) { c.BackupCodeLength = 7 }, func(c *auth.Config) { c.BackupCodeLength = 33 }, func(c *auth.Config) { c.BackupCodeLength = -1 }},
		"PasswordHashBefore": {
			func(c *auth.Config) { c.PasswordHashBefore = make([]auth.HashParams, 5) },
		},
		"PasswordHashBefore[0]": {
			func(c *auth.Config) { c.PasswordHashBefore = []auth.HashParams{{}} },
			func(c *auth.Config) { c.PasswordHashBefore = []auth.HashParams{{Memory: 1 << 30, Time: 1, Threads: 1}} },
			func(c *auth.Config) { c.PasswordHashBefore = []auth.HashParams{{Memory: 19456, Time: 2, Threads: 1}} },
		},
		"PasswordHashBefore[1]": {
			func(c *auth.Config) {
				c.PasswordHashBefore = []auth.HashParams{{Memory: 8, Time: 1, Threads: 1}, {Memory: 8, Time: 1, Threads: 1}}
			},
		},
		"PasswordHash": {
			func(c *auth.Config) { c.PasswordHash = auth.HashParams{Memory: 19455, Time: 2, Threads: 1} },
			func(c *auth.Config) { c.PasswordHash = auth.HashParams{Memory: 8, Time: 1, Threads: 1} },
			func(c *auth.Config) { c.PasswordHash = auth.HashParams{Memory: 1 << 20, Time: 2, Threads: 1} },
			func(c *auth.Config) { c.PasswordHash = auth.HashParams{Memory: 1 << 30} },
		},
		"FirebaseHashes.SignerKey":     {func(c *auth.Config) { c.FirebaseHashes.Rounds = 8 }},
		"FirebaseHashes.SaltSeparator": {func(c *auth.Config) { c.FirebaseHashes.SaltSeparator = "!" }},
		"FirebaseHashes.Rounds":        {func(c *auth.Config) { c.FirebaseHashes = auth.FirebaseHashes{SignerKey: "a", Rounds: 9} }},
		"FirebaseHashes.MemoryCost":    {func(c *auth.Config) { c.FirebaseHashes = auth.FirebaseHashes{SignerKey: "a", MemoryCost: 15} }},
		"HashSlots":                    {func(c *auth.Config) { c.HashSlots = -1 }, func(c *auth.Config) { c.HashSlots = 1025 }},
		"HashQueue":                    {func(c *auth.Config) { c.HashQueue = 10_001 }},
		"HashWait":                     {func(c *auth.Config) { c.HashWait = -1 }, func(c *auth.Config) { c.HashWait = time.Minute + 1 }},
		"StoreTimeout":                 {func(c *auth.Config) { c.StoreTimeout = -1 }, func(c *auth.Config) { c.StoreTimeout = time.Minute + 1 }},
		"Limits.LoginByAddress":        {func(c *auth.Config) { c.Limits.LoginByAddress = store.Limit{Burst: 1} }},
		"Limits.LoginByAccountAddress": {func(c *auth.Config) { c.Limits.LoginByAccountAddress = store.Limit{Every: time.Second} }},
		"Limits.LoginByAccount":        {func(c *auth.Config) { c.Limits.LoginByAccount = store.Limit{Burst: -1, Every: time.Second} }},
		"Limits.RegisterByAddress":     {func(c *auth.Config) { c.Limits.RegisterByAddress = store.Limit{Burst: 1, Every: -1} }},
		"Limits.CodeByAccount":         {func(c *auth.Config) { c.Limits.CodeByAccount = store.Limit{Burst: 1 << 30, Every: time.Hour} }},
		"Limits.APIKeyByAccount":       {func(c *auth.Config) { c.Limits.APIKeyByAccount = store.Limit{Burst: 1} }},
	}
	for field, edits := range bad {
		for i, edit := range edits {
			cfg := auth.Config{Secrets: []auth.Secret{goodSecret}}
			edit(&cfg)
			m, err := auth.New(memstore.New(), cfg)
			if err == nil {
				_ = m.Close()
				t.Errorf("%s, case %d: accepted", field, i)
				continue
			}
			if !strings.Contains(err.Error(), "Config."+field+": ") {
				t.Errorf("%s, case %d: the error does not name it: %v", field, i, err)
			}
			if w := holds([]byte(err.Error()), string(goodSecret), "changeme", "short\""); w != "" {
				t.Errorf("%s, case %d: the error tells %q", field, i, w)
			}
		}
	}
}

func TestAllFieldsAtFaultAreNamedAtOnce(t *testing.T) {
	_, err := auth.New(memstore.New(), auth.Config{Issuer: ":b", SessionTTL: 1, HashSlots: -1})
	for _, field := range []string{"Secrets", "Issuer", "SessionTTL", "HashSlots"} {
		if err == nil || !strings.Contains(err.Error(), "Config."+field) {
			t.Errorf("%s is not named in %v", field, err)
		}
	}
}

func TestAManagerNeedsAStore(t *testing.T) {
	if _, err := auth.New(nil, auth.Config{Secrets: []auth.Secret{goodSecret}}); err == nil {
		t.Fatal("New without a store")
	}
}

func TestTheEndsOfEveryRangeAreAccepted(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	for name, cfg := range map[string]auth.Config{
		"defaults": {},
		"least": {
			Issuer: "a", Audience: "b", APIKeyPrefix: "k_", AccessTokenTTL: time.Minute, SessionTTL: time.Minute,
			MultiFactorSessionTTL: time.Minute, RefreshAfterExpiry: 1, RefreshGrace: -1, FreshLogin: -1, TempTokenTTL: 10 * time.Second, APIKeyTTL: -1,
			TrustedDevices: auth.DeviceTrust{TTL: time.Minute, Max: 1}, MaxSessions: 1, MaxAPIKeys: 1, UsageInterval: time.Millisecond, PasswordMinLength: 8, BackupCodeLength: 8,
			PasswordHash: auth.HashParams{Memory: 7168, Time: 5, Threads: 1}, HashSlots: 1, HashQueue: -1,
			HashWait: time.Millisecond, StoreTimeout: time.Millisecond,
		},
		"most": {
			Issuer: "https://" + strings.Repeat("i", 192), TOTPIssuer: strings.Repeat("é", 100), Audience: strings.Repeat("b", 200), ClientID: strings.Repeat("é", 200), APIKeyPrefix: strings.Repeat("k", 31) + "_",
			AccessTokenTTL: day, SessionTTL: 400 * day, MultiFactorSessionTTL: 400 * day, RefreshAfterExpiry: 400 * day, RefreshGrace: time.Minute,
			FreshLogin: time.Hour, TempTokenTTL: 10 * time.Minute, APIKeyTTL: 3650 * day, MaxSessions: 500, MaxAPIKeys: 500, TrustedDevices: auth.DeviceTrust{TTL: 400 * day, Max: 50},
			UsageInterval: time.Minute, PasswordMinLength: 64, BackupCodeLength: 32, HashSlots: 1024, HashQueue: 10_000,
			PasswordHashBefore: []auth.HashParams{{Memory: 8, Time: 1, Threads: 1}, {Memory: 262144, Time: 10, Threads: 16}, {Memory: 16, Time: 1, Threads: 2}, {Memory: 16, Time: 1, Threads: 1}},
			HashWait:           time.Minute, StoreTimeout: time.Minute,
		},
	} {
		cfg.Secrets = []auth.Secret{goodSecret}
		m, err := auth.New(memstore.New(), cfg)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		_ = m.Close()
	}
}

// SE-1, SE-3.
// The defaults that the documentation names, as a user meets them.
func TestDefaultsAreWhatTheDocumentationSays(t *testing.T) {
	h := authtest.New(t)
	ctx := context.Background()
	alice := h.Register()
	r, err := h.Login(ctx, alice.Email, authtest.Password)
	if err != nil {
		t.Fatal(err)
	}
	if r.AccessToken.ExpiresIn != time.Hour {
		t.Errorf("an access token lives %v", r.AccessToken.ExpiresIn)
	}
	c := payload(t, r.AccessToken.Token)
	if c["iss"] != "auth" || c["aud"] != "auth" {
		t.Errorf("iss %v, aud %v", c["iss"], c["aud"])
	}
	sessions, err := h.Sessions(ctx, alice.ID)
	if err != nil {
		t.Fatal(err)
	}
	if got := sessions[0].ExpiresAt.Sub(sessions[0].CreatedAt); got != time.Hour {
		t.Errorf("a session lives %v without a refresh", got)
	}
	if key := alice.APIKey(); !strings.HasPrefix(key, "sk_live_") {
		t.Errorf("an API key begins %.8s", key)
	}
	h.Clock.Advance(10 * time.Minute)
	if err := reauthenticated(h, alice); err != nil {
		t.Errorf("10 minutes after the login: %v", err)
	}
	h.Clock.Advance(time.Second)
	if err := reauthenticated(h, alice); err == nil {
		t.Error("a login of 10 minutes and a second ago is fresh")
	}
}

// reauthenticated makes a call that needs a fresh login.
func reauthenticated(h *authtest.Harness, u *authtest.User) error {
	_, err := h.Manager.EnableTwoFactor(context.Background(), u.Identity(), "")
	return err
}

func TestTheCallersConfigIsCopied(t *testing.T) {
	cfg := cheap(auth.Config{PasswordBlocklist: []string{"turnips-forever"}})
	s := memstore.New()
	m, err := auth.New(s, cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	cfg.Secrets[0], cfg.PasswordBlocklist[0] = "another secret, of the same length or more", "other"
	if _, err := signUp(m, "ada@example.com"); err != nil {
		t.Fatal(err)
	}
	_, err = m.Register(context.Background(), auth.Registration{Email: "eve@example.com", Password: "Turnips-Forever", FullName: "Eve"})
	if got := fieldCodes(err); len(got) != 1 || got[0] != "password: blocked" {
		t.Errorf("a word of the blocklist: %v", err)
	}
	r, err := m.Login(context.Background(), "ada@example.com", authtest.Password)
	if err != nil {
		t.Fatal(err)
	}
	same, err := auth.New(s, cheap(auth.Config{}))
	if err != nil {
		t.Fatal(err)
	}
	defer same.Close()
	if _, err := same.VerifyAccessToken(context.Background(), r.AccessToken.Token); err != nil {
		t.Errorf("the Manager signs with what the caller's slice became: %v", err)
	}
}

func TestNewDoesNotTouchTheStore(t *testing.T) {
	s := newTapStore(memstore.New())
	s.tap(func(context.Context, storeCall) error { t.Error("the store was called"); return errOutage }, nil)
	authtest.With(t, s, auth.Config{})
}

// DO-4
func TestCloseIsIdempotentAndLeavesNoGoroutine(t *testing.T) {
	before := runtime.NumGoroutine()
	s := memstore.New()
	for range 10 {
		m, err := auth.New(s, cheap(auth.Config{}))
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(atOnce(t, 4, func(int) error { return m.Close() })...); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	for deadline := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before; runtime.Gosched() {
		if time.Now().After(deadline) {
			buf := make([]byte, 1<<16)
			t.Fatalf("%d goroutines more than before:\n%s", runtime.NumGoroutine()-before, buf[:runtime.Stack(buf, true)])
		}
	}
}

// DO-4
func TestEveryCallAfterCloseReturnsErrClosed(t *testing.T) {
	tap := newTapStore(memstore.New())
	h := authtest.With(t, tap, auth.Config{})
	alice := h.Register()
	id, key := alice.Identity(), alice.APIKey()
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	tap.tap(func(_ context.Context, c storeCall) error {
		t.Errorf("%s of %v after Close", c.kind, c.keys)
		return errOutage
	}, nil)
	calls := everyCall(alice, id, key)
	for m := range reflect.TypeFor[*auth.Manager]().Methods() {
		fails := m.Type.NumOut() > 0 && m.Type.Out(m.Type.NumOut()-1) == reflect.TypeFor[error]()
		if fails && calls[m.Name] == nil && m.Name != "Close" {
			t.Errorf("%s is not called", m.Name)
		}
	}
	for name, call := range calls {
		if err := call(h.Manager); err != auth.ErrClosed {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// everyCall is each method of a Manager that may ask the store, as alice would call it.
func everyCall(alice *authtest.User, id auth.Identity, key string) map[string]func(*auth.Manager) error {
	ctx := auth.WithClient(context.Background(), auth.Client{Addr: netip.MustParseAddr("192.0.2.1")})
	name := "Ada King"
	return map[string]func(*auth.Manager) error{
		"Register": func(m *auth.Manager) error { return register(ctx, m, "new@example.com") },
		"CreateUser": func(m *auth.Manager) error {
			_, err := m.CreateUser(ctx, auth.NewUser{Email: "new@example.com", Password: authtest.Password, FullName: "New", OrganizationID: alice.OrganizationID, Role: "user"})
			return err
		},
		"ImportUser": func(m *auth.Manager) error {
			_, err := m.ImportUser(ctx, auth.ImportedUser{Email: "new@example.com", OrganizationID: alice.OrganizationID})
			return err
		},
		"CheckImport": func(m *auth.Manager) error {
			_, err := m.CheckImport(ctx, auth.ImportedUser{Email: "new@example.com", OrganizationID: alice.OrganizationID})
			return err
		},
		"CheckRegistration":  func(m *auth.Manager) error { return m.CheckRegistration(auth.Registration{}) },
		"CheckProfileChange": func(m *auth.Manager) error { return m.CheckProfileChange(auth.ProfileChange{}, alice.Email) },
		"CheckNewPassword":   func(m *auth.Manager) error { return m.CheckNewPassword("x", alice.Email) },
		"CheckNewAPIKey":     func(m *auth.Manager) error { return m.CheckNewAPIKey(auth.NewAPIKey{}) },
		"Ready":              func(m *auth.Manager) error { return m.Ready(ctx) },
		"CreateOrganization": func(m *auth.Manager) error { _, err := m.CreateOrganization(ctx, "Engines"); return err },
		"DeleteOrganization": func(m *auth.Manager) error { return m.DeleteOrganization(ctx, alice.OrganizationID) },
		"Organization":       func(m *auth.Manager) error { _, err := m.Organization(ctx, alice.OrganizationID); return err },
		"Login":              func(m *auth.Manager) error { _, err := m.Login(ctx, alice.Email, authtest.Password); return err },
		"VerifyTwoFactor":    func(m *auth.Manager) error { _, err := m.VerifyTwoFactor(ctx, "temp_x", "123456"); return err },
		"VerifyTwoFactorAndTrust": func(m *auth.Manager) error {
			_, err := m.VerifyTwoFactorAndTrust(ctx, "temp_x", "123456")
			return err
		},
		"LoginWithDevice": func(m *auth.Manager) error {
			_, err := m.LoginWithDevice(ctx, alice.Email, authtest.Password, "dev_x")
			return err
		},
		"TrustedDevices": func(m *auth.Manager) error { _, err := m.TrustedDevices(ctx, alice.ID); return err },
		"RemoveTrustedDevice": func(m *auth.Manager) error {
			return m.RemoveTrustedDevice(ctx, id, "device_"+strings.Repeat("0", 22))
		},
		"VerifyAccessToken": func(m *auth.Manager) error {
			_, err := m.VerifyAccessToken(ctx, auth.Secret(alice.Token()))
			return err
		},
		"VerifyForEnrollment": func(m *auth.Manager) error {
			_, err := m.VerifyForEnrollment(ctx, auth.Secret(alice.Token()))
			return err
		},
		"Authenticate": func(m *auth.Manager) error { _, err := m.Authenticate(ctx, auth.Secret(key)); return err },
		"VerifyAPIKey": func(m *auth.Manager) error { _, err := m.VerifyAPIKey(ctx, auth.Secret(key)); return err },
		"Refresh":      func(m *auth.Manager) error { _, err := m.Refresh(ctx, auth.Secret(alice.Token())); return err },
		"Logout":       func(m *auth.Manager) error { return m.Logout(ctx, id) },
		"LogoutToken":  func(m *auth.Manager) error { return m.LogoutToken(ctx, auth.Secret(alice.Token())) },
		"LogoutSession": func(m *auth.Manager) error {
			return m.LogoutSession(ctx, id, "ses_"+strings.Repeat("0", 22))
		},
		"SessionEnded":       func(m *auth.Manager) error { _, err := m.SessionEnded(ctx, auth.Secret(alice.Token())); return err },
		"EndReplacedSession": func(m *auth.Manager) error { return m.EndReplacedSession(ctx, auth.Secret(alice.Token())) },
		"LogoutOthers":       func(m *auth.Manager) error { _, err := m.LogoutOthers(ctx, id); return err },
		"ChangePassword": func(m *auth.Manager) error {
			return m.ChangePassword(ctx, id, authtest.Password, "another long password")
		},
		"UpdateProfile": func(m *auth.Manager) error {
			_, err := m.UpdateProfile(ctx, id, auth.ProfileChange{FullName: &name})
			return err
		},
		"DeleteAccount": func(m *auth.Manager) error { return m.DeleteAccount(ctx, id, authtest.Password, "") },
		"Members":       func(m *auth.Manager) error { _, err := m.Members(ctx, id, auth.MemberQuery{}); return err },
		"MemberCount":   func(m *auth.Manager) error { _, err := m.MemberCount(ctx, alice.OrganizationID); return err },
		"SetMemberRole": func(m *auth.Manager) error {
			_, err := m.SetMemberRole(ctx, id, id.User.ID, "member", "", "")
			return err
		},
		"RemoveMember":      func(m *auth.Manager) error { return m.RemoveMember(ctx, id, id.User.ID, "", "") },
		"LeaveOrganization": func(m *auth.Manager) error { return m.LeaveOrganization(ctx, id, "", "") },
		"Invite": func(m *auth.Manager) error {
			_, _, err := m.Invite(ctx, id, auth.NewInvitation{Email: "guest@example.com", Role: "member"})
			return err
		},
		"Invitations":        func(m *auth.Manager) error { _, err := m.Invitations(ctx, id); return err },
		"RevokeInvitation":   func(m *auth.Manager) error { return m.RevokeInvitation(ctx, id, "invitation_x") },
		"AcceptInvitation":   func(m *auth.Manager) error { _, err := m.AcceptInvitation(ctx, id, "inv_x", "", ""); return err },
		"RenameOrganization": func(m *auth.Manager) error { _, err := m.RenameOrganization(ctx, id, "Looms"); return err },
		"ExportAccount":      func(m *auth.Manager) error { _, err := m.ExportAccount(ctx, id, "", ""); return err },
		"ForgotPassword":     func(m *auth.Manager) error { return m.ForgotPassword(ctx, alice.Email) },
		"ResendVerification": func(m *auth.Manager) error { return m.ResendVerification(ctx, alice.Email) },
		"ResetPassword":      func(m *auth.Manager) error { return m.ResetPassword(ctx, "rst_x", "another long password") },
		"VerifyEmail":        func(m *auth.Manager) error { return m.VerifyEmail(ctx, "vrf_x") },
		"ConfirmEmail":       func(m *auth.Manager) error { return m.ConfirmEmail(ctx, id, "chg_x") },
		"CancelEmailChange":  func(m *auth.Manager) error { return m.CancelEmailChange(ctx, id) },
		"OrganizationName": func(m *auth.Manager) error {
			_, err := m.OrganizationName(ctx, alice.OrganizationID)
			return err
		},
		"LoginAs":     func(m *auth.Manager) error { _, err := m.LoginAs(ctx, alice.ID, byOAuth); return err },
		"HasPassword": func(m *auth.Manager) error { _, err := m.HasPassword(ctx, alice.ID); return err },
		"User":        func(m *auth.Manager) error { _, err := m.User(ctx, alice.ID); return err },
		"Users":       func(m *auth.Manager) error { _, err := m.Users(ctx, auth.UserQuery{}); return err },
		"Organizations": func(m *auth.Manager) error {
			_, err := m.Organizations(ctx, auth.OrganizationQuery{})
			return err
		},
		"UpdateUser": func(m *auth.Manager) error {
			_, err := m.UpdateUser(ctx, alice.ID, auth.UserChange{FullName: &name})
			return err
		},
		"UserLocks":         func(m *auth.Manager) error { _, err := m.UserLocks(ctx, alice.ID); return err },
		"SendPasswordReset": func(m *auth.Manager) error { return m.SendPasswordReset(ctx, alice.ID) },
		"Backup":            func(m *auth.Manager) error { return m.Backup(ctx, io.Discard) },
		"Doctor":            func(m *auth.Manager) error { _, err := m.Doctor(ctx); return err },
		"UserByEmail":       func(m *auth.Manager) error { _, err := m.UserByEmail(ctx, alice.Email); return err },
		"Sessions":          func(m *auth.Manager) error { _, err := m.Sessions(ctx, alice.ID); return err },
		"RevokeSession":     func(m *auth.Manager) error { return m.RevokeSession(ctx, alice.ID, id.SessionID) },
		"RevokeSessions":    func(m *auth.Manager) error { return m.RevokeSessions(ctx, alice.ID) },
		"RevokeAll":         func(m *auth.Manager) error { _, err := m.RevokeAll(ctx, auth.Revocation{}); return err },
		"EnableTwoFactor":   func(m *auth.Manager) error { _, err := m.EnableTwoFactor(ctx, id, ""); return err },
		"ConfirmTwoFactor":  func(m *auth.Manager) error { return m.ConfirmTwoFactor(ctx, id, "123456") },
		"DisableTwoFactor":  func(m *auth.Manager) error { return m.DisableTwoFactor(ctx, id, authtest.Password, "123456") },
		"ReplaceBackupCodes": func(m *auth.Manager) error {
			_, err := m.ReplaceBackupCodes(ctx, id, authtest.Password, "123456")
			return err
		},
		"TwoFactorStatus": func(m *auth.Manager) error { _, err := m.TwoFactorStatus(ctx, alice.ID); return err },
		"CreateAPIKey": func(m *auth.Manager) error {
			_, _, err := m.CreateAPIKey(ctx, id, auth.NewAPIKey{Name: "k"})
			return err
		},
		"APIKeys":      func(m *auth.Manager) error { _, err := m.APIKeys(ctx, id); return err },
		"RevokeAPIKey": func(m *auth.Manager) error { return m.RevokeAPIKey(ctx, id, "key_"+strings.Repeat("0", 32)) },
		"RotateAPIKey": func(m *auth.Manager) error {
			_, _, err := m.RotateAPIKey(ctx, id, "key_"+strings.Repeat("0", 32), 0, "", "")
			return err
		},
		"UpdateAPIKey": func(m *auth.Manager) error {
			name := "k"
			_, err := m.UpdateAPIKey(ctx, id, "key_"+strings.Repeat("0", 32), auth.APIKeyChange{Name: &name})
			return err
		},
		"APIKeyUsage": func(m *auth.Manager) error {
			_, err := m.APIKeyUsage(ctx, id, "key_"+strings.Repeat("0", 32))
			return err
		},
		"CheckAPIKeyChange": func(m *auth.Manager) error { return m.CheckAPIKeyChange(auth.APIKeyChange{}) },
		"UserAPIKeys":       func(m *auth.Manager) error { _, err := m.UserAPIKeys(ctx, alice.ID); return err },
		"RevokeUserAPIKey": func(m *auth.Manager) error {
			return m.RevokeUserAPIKey(ctx, alice.ID, "key_"+strings.Repeat("0", 32))
		},
		"SetPassword":       func(m *auth.Manager) error { return m.SetPassword(ctx, alice.ID, "another long password") },
		"SetRole":           func(m *auth.Manager) error { return m.SetRole(ctx, alice.ID, "user") },
		"SetAssignedAgents": func(m *auth.Manager) error { return m.SetAssignedAgents(ctx, alice.ID, []string{"a"}) },
		"DisableUser":       func(m *auth.Manager) error { return m.DisableUser(ctx, alice.ID) },
		"EnableUser":        func(m *auth.Manager) error { return m.EnableUser(ctx, alice.ID) },
		"DeleteUser":        func(m *auth.Manager) error { return m.DeleteUser(ctx, alice.ID) },
		"UnlockUser":        func(m *auth.Manager) error { return m.UnlockUser(ctx, alice.ID) },
		"ResetTwoFactor":    func(m *auth.Manager) error { return m.ResetTwoFactor(ctx, alice.ID) },
	}
}
