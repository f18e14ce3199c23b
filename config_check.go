package auth

import (
	"cmp"
	"crypto"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/datixlab/auth/internal/jose"
	"github.com/datixlab/auth/internal/password"
	"github.com/datixlab/auth/internal/printable"
	"github.com/datixlab/auth/store"
)

// withDefaults returns a copy in which every zero field has its default and every negative
// one that means "none" is 0.
func (c Config) withDefaults() Config {
	def := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	num := func(n *int, v int) {
		if *n == 0 {
			*n = v
		}
	}
	lim := func(l *store.Limit, burst int, every time.Duration) {
		if *l == (store.Limit{}) {
			*l = store.Limit{Burst: burst, Every: every}
		}
	}
	c.Secrets = append([]Secret(nil), c.Secrets...)
	c.PasswordBlocklist = append([]string(nil), c.PasswordBlocklist...)
	c.PasswordHashBefore = append([]HashParams(nil), c.PasswordHashBefore...)
	c.Issuer = cmp.Or(c.Issuer, "auth")
	c.Audience = cmp.Or(c.Audience, c.Issuer)
	c.ClientID = cmp.Or(c.ClientID, c.Issuer)
	c.TOTPIssuer = cmp.Or(c.TOTPIssuer, labelOf(c.Issuer))
	c.TokenType = cmp.Or(c.TokenType, string(jose.AccessToken))
	c.FirstRole = cmp.Or(c.FirstRole, roleAdmin)
	c.Roles = rolesOrDefault(c.Roles, c.FirstRole)
	if c.APIKeyPrefix == "" {
		c.APIKeyPrefix = "sk_live_"
	}
	if c.PasswordHash == (HashParams{}) {
		c.PasswordHash = HashParams(password.Default)
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	def(&c.AccessTokenTTL, time.Hour)
	def(&c.SessionTTL, 30*24*time.Hour)
	def(&c.MultiFactorSessionTTL, 24*time.Hour)
	def(&c.RefreshGrace, 10*time.Second)
	def(&c.FreshLogin, 10*time.Minute)
	def(&c.TempTokenTTL, 5*time.Minute)
	def(&c.APIKeyTTL, 365*24*time.Hour)
	def(&c.UsageInterval, 2*time.Second)
	def(&c.HashWait, 2*time.Second)
	def(&c.StoreTimeout, 2*time.Second)
	num(&c.MaxSessions, 100)
	num(&c.MaxAPIKeys, 50)
	if c.TrustedDevices.TTL != 0 {
		num(&c.TrustedDevices.Max, 10)
	}
	num(&c.MaxRemembered, 8192)
	num(&c.PasswordMinLength, password.MinFloor)
	num(&c.BackupCodeLength, minBackupDigits)
	num(&c.HashQueue, 64)
	num(&c.HashSlots, runtime.GOMAXPROCS(0))
	none := func(d *time.Duration) { *d = max(*d, 0) } // what negative means
	none(&c.RefreshGrace)
	none(&c.FreshLogin)
	none(&c.APIKeyTTL)
	c.HashQueue = max(c.HashQueue, 0)
	c.MaxRemembered = max(c.MaxRemembered, 0)
	lim(&c.Limits.LoginByAddress, 200, 2*time.Second)
	lim(&c.Limits.LoginByAccountAddress, 5, 3*time.Minute)
	lim(&c.Limits.LoginByAccount, 20, 3*time.Minute)
	lim(&c.Limits.RegisterByAddress, 200, 10*time.Second)
	lim(&c.Limits.MailByAddress, 100, 10*time.Second)
	lim(&c.Limits.CodeByAccount, 8, 450*time.Second)
	lim(&c.Limits.APIKeyByAccount, 60, time.Minute)
	return c
}

// publicKeys returns the public key of SigningKey, if there is one, and then VerifyKeys.
func (c Config) publicKeys() ([]*jose.PublicKey, error) {
	if c.SigningKey.Signer == nil {
		return jose.ParseKeys(c.VerifyKeys, func(i int) string { return fmt.Sprintf("Config.VerifyKeys[%d]", i) })
	}
	keys := append([]crypto.PublicKey{c.SigningKey.public()}, c.VerifyKeys...)
	return jose.ParseKeys(keys, func(i int) string {
		if i == 0 {
			return "Config.SigningKey"
		}
		return fmt.Sprintf("Config.VerifyKeys[%d]", i-1)
	})
}

// maxHashesBefore is how many costs Config.PasswordHashBefore may have.
const maxHashesBefore = 4

// passwordComparer returns the Comparer for PasswordHash, PasswordHashBefore and FirebaseHashes.
func (c Config) passwordComparer() (*password.Comparer, error) {
	var before []password.Params
	for _, p := range c.PasswordHashBefore {
		before = append(before, password.Params(p))
	}
	comparer, err := password.NewComparer(password.Params(c.PasswordHash), before...)
	if err != nil || c.FirebaseHashes == (FirebaseHashes{}) {
		return comparer, err
	}
	firebase, err := c.FirebaseHashes.parse()
	return comparer.WithFirebase(firebase), err
}

// parse returns f as package password has it.
func (f FirebaseHashes) parse() (*password.Firebase, error) {
	return password.NewFirebase(string(f.SignerKey), f.SaltSeparator, f.Rounds, f.MemoryCost)
}

// validate returns an error that names every field that is unsafe after withDefaults.
func (c Config) validate() error {
	var errs []error
	bad := func(field, why string) { errs = append(errs, fmt.Errorf("auth: Config.%s: %s", field, why)) }
	within := func(field string, d, lo, hi time.Duration) {
		if d < lo || d > hi {
			bad(field, fmt.Sprintf("%v is not within %v and %v", d, lo, hi))
		}
	}
	count := func(field string, n, lo, hi int) {
		if n < lo || n > hi {
			bad(field, fmt.Sprintf("%d is not within %d and %d", n, lo, hi))
		}
	}
	const day = 24 * time.Hour

	if len(c.Secrets) == 0 {
		bad("Secrets", "at least one is required")
	}
	for i, s := range c.Secrets {
		if why := weakSecret(s); why != "" {
			bad(fmt.Sprintf("Secrets[%d]", i), why)
		}
	}
	if !printable.Line(c.Issuer, 200) || strings.Contains(c.Issuer, ":") && !isURI(c.Issuer) {
		bad("Issuer", "1 to 200 printable characters are needed, and text with a ':' must be a URI")
	}
	if strings.Contains(c.TOTPIssuer, ":") || !printable.Line(c.TOTPIssuer, 100) {
		bad("TOTPIssuer", "a name of 1 to 100 printable characters without ':' is needed")
	}
	line := func(field, value string) {
		if !printable.Line(value, 200) {
			bad(field, "1 to 200 printable characters are needed")
		}
	}
	line("Audience", c.Audience)
	line("ClientID", c.ClientID)
	if !jose.Type(c.TokenType).Valid() {
		bad("TokenType", badTokenType)
	}
	if !validKeyPrefix(c.APIKeyPrefix) {
		bad("APIKeyPrefix", "2 to 32 letters, digits and '_' are needed, ending in '_'")
	}
	if why := c.badRoles(); why != "" {
		bad("Roles", why)
	}
	if !validRole(c.FirstRole) || !c.isAdmin(c.FirstRole) {
		bad("FirstRole", "1 to 64 letters, digits, '_', '-', '.' or ':' are needed, and one of Roles, \"admin\" or above")
	}
	if c.ConfirmEmailChange && c.Mailer == nil {
		bad("ConfirmEmailChange", "it needs a Mailer")
	}
	if c.RequireVerifiedEmail && (c.Mailer == nil || !c.ConfirmEmailChange) {
		bad("RequireVerifiedEmail", "it needs a Mailer and ConfirmEmailChange")
	}
	within("AccessTokenTTL", c.AccessTokenTTL, time.Minute, day)
	within("SessionTTL", c.SessionTTL, time.Minute, 400*day)
	within("MultiFactorSessionTTL", c.MultiFactorSessionTTL, time.Minute, 400*day)
	within("RefreshAfterExpiry", c.RefreshAfterExpiry, 0, 400*day)
	within("RefreshGrace", c.RefreshGrace, 0, time.Minute)
	within("FreshLogin", c.FreshLogin, 0, time.Hour)
	within("TempTokenTTL", c.TempTokenTTL, 10*time.Second, 10*time.Minute)
	within("APIKeyTTL", c.APIKeyTTL, 0, maxAPIKeyTTL)
	within("UsageInterval", c.UsageInterval, time.Millisecond, time.Minute)
	within("HashWait", c.HashWait, time.Millisecond, time.Minute)
	within("StoreTimeout", c.StoreTimeout, time.Millisecond, time.Minute)
	if c.TrustedDevices.TTL != 0 {
		within("TrustedDevices.TTL", c.TrustedDevices.TTL, time.Minute, 400*day)
		count("TrustedDevices.Max", c.TrustedDevices.Max, 1, 50)
	} else if c.TrustedDevices.Max != 0 {
		bad("TrustedDevices.TTL", "it is missing, so no device is trusted")
	}
	count("MaxSessions", c.MaxSessions, 1, 500)
	count("MaxAPIKeys", c.MaxAPIKeys, 1, 500)
	count("MaxRemembered", c.MaxRemembered, 0, 1<<22)
	count("PasswordMinLength", c.PasswordMinLength, password.MinFloor, 64)
	count("BackupCodeLength", c.BackupCodeLength, minBackupDigits, maxBackupDigits)
	count("HashSlots", c.HashSlots, 1, 1024)
	count("HashQueue", c.HashQueue, 0, 10_000)
	p := password.Params(c.PasswordHash)
	if err := p.Validate(); err != nil {
		bad("PasswordHash", err.Error())
	} else if !p.MeetsOWASP() && !c.InsecureCheapHashing {
		bad("PasswordHash", "below every row of OWASP's table for Argon2id; InsecureCheapHashing allows it in tests")
	}
	count("PasswordHashBefore", len(c.PasswordHashBefore), 0, maxHashesBefore)
	for i, before := range c.PasswordHashBefore {
		field := fmt.Sprintf("PasswordHashBefore[%d]", i)
		if err := password.Params(before).Validate(); err != nil {
			bad(field, err.Error())
		} else if before == c.PasswordHash || slices.Contains(c.PasswordHashBefore[:i], before) {
			bad(field, "it is PasswordHash, or given twice")
		}
	}
	if c.FirebaseHashes != (FirebaseHashes{}) {
		_, err := c.FirebaseHashes.parse()
		for _, f := range []struct {
			field string
			wrong error
		}{
			{"SignerKey", password.ErrSignerKey}, {"SaltSeparator", password.ErrSeparator},
			{"Rounds", password.ErrRounds}, {"MemoryCost", password.ErrMemoryCost},
		} {
			if errors.Is(err, f.wrong) {
				bad("FirebaseHashes."+f.field, f.wrong.Error())
			}
		}
	}
	if p := &c.TwoFactorPolicy; p.Of == nil && (p.ReportOnly || !p.From.IsZero()) {
		bad("TwoFactorPolicy.Of", "it is missing, so the policy binds nobody")
	}
	for _, l := range c.Limits.named() {
		if err := store.CheckHit("limit/check", l.limit, 1); err != nil {
			bad("Limits."+l.name, "a burst of 1 to 1,000,000 and an interval of 1 µs or more are needed")
		}
	}
	return errors.Join(errs...)
}

const badTokenType = `"at+jwt" or "JWT" is needed`

// labelOf returns the name that authenticator programs show for an issuer.
func labelOf(issuer string) string {
	if !strings.Contains(issuer, ":") {
		return issuer
	}
	if u, err := url.Parse(issuer); err == nil && u.Hostname() != "" && !strings.Contains(u.Hostname(), ":") {
		return u.Hostname()
	}
	return "auth"
}

// isURI reports whether text is an absolute URI (RFC 3986): it has a scheme, and is ASCII
// without spaces.
func isURI(text string) bool {
	u, err := url.Parse(text)
	return err == nil && u.Scheme != "" && !strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' })
}

// A namedLimit is a field of Limits.
type namedLimit struct {
	name  string
	limit store.Limit
}

func (l Limits) named() []namedLimit {
	return []namedLimit{
		{"LoginByAddress", l.LoginByAddress},
		{"LoginByAccountAddress", l.LoginByAccountAddress},
		{"LoginByAccount", l.LoginByAccount},
		{"RegisterByAddress", l.RegisterByAddress},
		{"MailByAddress", l.MailByAddress},
		{"CodeByAccount", l.CodeByAccount},
		{"APIKeyByAccount", l.APIKeyByAccount},
	}
}

// weakSecret returns what is wrong with a root secret, or "". Only its length can be
// checked for certain (RFC 7518, 3.2). Fewer than 8 different bytes are a placeholder that
// was never replaced.
func weakSecret(s Secret) string {
	if len(s) < 32 {
		return fmt.Sprintf("it has %d bytes, and 32 or more are needed", len(s))
	}
	seen := map[byte]bool{}
	for i := range len(s) {
		seen[s[i]] = true
	}
	if len(seen) < 8 {
		return "it repeats a few bytes; take 32 from a random source"
	}
	return ""
}
