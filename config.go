package auth

import (
	"cmp"
	"crypto"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"time"

	"github.com/datixlab/auth/internal/jose"
	"github.com/datixlab/auth/internal/password"
	"github.com/datixlab/auth/internal/printable"
	"github.com/datixlab/auth/store"
)

// Config is what a Manager can be told. Only Secrets is required: the zero value
// of every other field means the default that is named with it, and each default
// is safe. [New] copies the Config and refuses one that is not.
type Config struct {
	// Secrets are the roots of every key the Manager uses (token signatures,
	// sealed TOTP secrets, the pepper of backup codes), each 32 bytes or more
	// from a cryptographic random source. The first signs and seals; the others
	// only verify and open, so a new secret goes to the front and an old one
	// stays at the back until nothing needs it: access tokens for one
	// AccessTokenTTL, a TOTP secret until its user has logged in once, backup
	// codes until their user has made new ones. Every process on a store has
	// the same ones.
	Secrets []Secret

	// SigningKey signs access tokens so that other services can check them with
	// its public key alone: [Manager.JWKS], [NewVerifier]. Default: none, and tokens
	// are HS256 under a key that is derived from Secrets. Such tokens stay good
	// beside it, so setting a SigningKey logs nobody out.
	SigningKey SigningKey
	// VerifyKeys are more public keys whose tokens are good, each an
	// ed25519.PublicKey, *ecdsa.PublicKey or *rsa.PublicKey as SigningKey has it,
	// at most 32 with that one. A new key is here, in every process, before any signs
	// with it, and an old one for one AccessTokenTTL after the last has signed
	// with it.
	VerifyKeys []crypto.PublicKey

	// Issuer is the iss claim of tokens and the name that authenticator
	// programs show. Default "auth". It has no ':'.
	Issuer string
	// Audience is the aud claim of tokens. Default: Issuer.
	Audience string

	// AccessTokenTTL is how long an access token lives, 1 minute to 24 hours.
	// Default 1 hour.
	AccessTokenTTL time.Duration
	// SessionTTL is how long a session lasts from its login, however often it is
	// refreshed, up to 400 days. Default 30 days.
	SessionTTL time.Duration
	// MultiFactorSessionTTL is SessionTTL for a session that began with a second
	// factor. Default 24 hours.
	MultiFactorSessionTTL time.Duration
	// RefreshGrace is how long a token that was refreshed still opens, so that
	// two tabs do not fight, up to 1 minute. Default 10 seconds; negative is none.
	RefreshGrace time.Duration
	// FreshLogin is how long after a login sensitive calls need no password, up
	// to 1 hour. Default 10 minutes; negative is never.
	FreshLogin time.Duration
	// TempTokenTTL is how long the second step of a login may take, up to 10
	// minutes. Default 5 minutes.
	TempTokenTTL time.Duration
	// MaxSessions is how many sessions a user may have, 1 to 500; a login over
	// it ends the one that has gone unrefreshed for longest. Default 100.
	MaxSessions int

	// APIKeyPrefix begins every API key: letters, digits and '_', ending in '_'.
	// Default "sk_live_".
	APIKeyPrefix string
	// APIKeyTTL is the expiry of a key whose creator names none, up to 3650
	// days. Default 365 days; negative is none.
	APIKeyTTL time.Duration
	// MaxAPIKeys is how many keys a user may have, 1 to 500. Default 50.
	MaxAPIKeys int
	// APIKeysNeedFreshLogin lets keys be made and rotated only after a fresh login
	// (FreshLogin) or with the password, whose guesses count as those of a login. Off
	// by default: a session is enough.
	APIKeysNeedFreshLogin bool
	// UsageInterval is how often the use of API keys is written to the store, up
	// to 1 minute: what other processes see, and what a crash can lose.
	// Default 2 seconds.
	UsageInterval time.Duration

	// MaxRemembered is how many checked credentials (access tokens and API keys) are
	// remembered, and how many sessions besides: up to 4,194,304 of each, rounded up to a
	// power of two. One and its session take about 3 KiB, and 64 at the most. What was
	// checked twice needs neither its signature proven nor, where the store is a
	// [store.Stamper], anything read; nor does a new token of a session that is known.
	// What is revoked or changed is seen all the same, as soon as the store has it. Where
	// more are in use at once than a quarter of this, some are pushed out by others, and
	// are checked like new ones. Default 8192; negative is none.
	MaxRemembered int

	// PasswordMinLength is the shortest password in code points, 8 to 64.
	// Default 8; NIST SP 800-63B-4 asks for 15 where it is the only factor.
	PasswordMinLength int
	// PasswordBlocklist are words that, alone, are refused as passwords, besides
	// the built-in list of common ones, the email address and the Issuer.
	PasswordBlocklist []string
	// PasswordHash is the cost of Argon2id. Default 19 MiB, 2 passes, 1 lane.
	// Costs below every row of OWASP's table are refused.
	PasswordHash HashParams
	// InsecureCheapHashing allows any PasswordHash. For tests.
	InsecureCheapHashing bool
	// HashSlots is how many passwords are hashed at once. Default: GOMAXPROCS. Each
	// takes PasswordHash.Memory. What they leave behind is collected early, by
	// runtime.GC, once it is that of a hash for every second processor, unless the process
	// has a large heap beside it: there it is left to the garbage collector, and to
	// GOMEMLIMIT where memory is tight.
	HashSlots int
	// HashQueue is how many more may wait for a slot; the rest get
	// ErrOverloaded at once. Default 64; negative is none.
	HashQueue int
	// HashWait is how long one may wait. Default 2 seconds.
	HashWait time.Duration

	// BackupCodeLength is how many digits new backup codes have, 8 to 32; codes that
	// users have go on working. Default 8, which is a look-up secret of NIST SP
	// 800-63B-4; for the saved recovery codes of its section 4.2.1.1, 64 bits and
	// more, take 20.
	BackupCodeLength int

	// TwoFactorPolicy says who must have a second factor. The zero value: nobody.
	TwoFactorPolicy TwoFactorPolicy

	// Limits are the budgets for guessing.
	Limits Limits

	// StoreTimeout bounds every call of the store. Default 2 seconds.
	StoreTimeout time.Duration

	// Events receives what happens, for audit and alarms. Nil: nobody.
	Events EventHandler
	// Notifier sends the notices that users are owed, by mail for instance. Nil:
	// nobody does.
	Notifier Notifier
	// PasswordChecker is asked about every new password, for breach lists. Nil:
	// nobody is.
	PasswordChecker PasswordChecker

	// Logger receives what an operator should see: damaged records, failing
	// hooks. Nil: [slog.Default].
	Logger *slog.Logger
	// Now is the clock. Nil: [time.Now].
	Now func() time.Time
}

// HashParams is the cost of Argon2id (RFC 9106).
type HashParams struct {
	Memory  uint32 // KiB, 8 × Threads to 262144
	Time    uint32 // passes, 1 to 10
	Threads uint8  // lanes, 1 to 16
}

// Limits are the budgets of attempts. A zero field means its default. An attempt
// is counted before it is looked at. A password or code that is right is given back,
// but not to LoginByAddress; RegisterByAddress and APIKeyByAccount count every attempt.
type Limits struct {
	// LoginByAddress: logins and second steps from one address prefix, whatever
	// the account, right or wrong. Default 200, and one more every 2 seconds.
	LoginByAddress store.Limit
	// LoginByAccountAddress: wrong passwords for one account from one address
	// prefix. Default 5, and one more every 3 minutes.
	LoginByAccountAddress store.Limit
	// LoginByAccount: wrong passwords for one account from everywhere but the
	// addresses that have logged in to it before, which have only the budget
	// above. Default
	// 20, and one more every 3 minutes.
	LoginByAccount store.Limit
	// RegisterByAddress: registrations from one address prefix, those refused
	// because the address was taken included. Default 200, and one more every 10
	// seconds.
	RegisterByAddress store.Limit
	// CodeByAccount: wrong second-factor codes for one account. Default 8, and
	// one more every 450 seconds: at most 10 in any 15 minutes.
	CodeByAccount store.Limit
	// APIKeyByAccount: API keys made by one user. Default 60, and one more every
	// minute.
	APIKeyByAccount store.Limit
}

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
	c.Issuer, c.Audience = defaultNames(c.Issuer, c.Audience)
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
	num(&c.MaxRemembered, 8192)
	num(&c.PasswordMinLength, 8)
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
	lim(&c.Limits.CodeByAccount, 8, 450*time.Second)
	lim(&c.Limits.APIKeyByAccount, 60, time.Minute)
	return c
}

// defaultNames returns what an issuer and an audience that are not said are.
func defaultNames(issuer, audience string) (string, string) {
	issuer = cmp.Or(issuer, "auth")
	return issuer, cmp.Or(audience, issuer)
}

// publicKeys returns those of SigningKey, if there is one, and VerifyKeys, in this order.
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

// validate refuses what withDefaults left unsafe; every error names the field.
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
	if strings.Contains(c.Issuer, ":") || !printable.Line(c.Issuer, 100) {
		bad("Issuer", "a name of 1 to 100 printable characters without ':' is needed")
	}
	if !printable.Line(c.Audience, 200) {
		bad("Audience", "1 to 200 printable characters are needed")
	}
	if !validKeyPrefix(c.APIKeyPrefix) {
		bad("APIKeyPrefix", "2 to 32 letters, digits and '_' are needed, ending in '_'")
	}
	within("AccessTokenTTL", c.AccessTokenTTL, time.Minute, day)
	within("SessionTTL", c.SessionTTL, time.Minute, 400*day)
	within("MultiFactorSessionTTL", c.MultiFactorSessionTTL, time.Minute, 400*day)
	within("RefreshGrace", c.RefreshGrace, 0, time.Minute)
	within("FreshLogin", c.FreshLogin, 0, time.Hour)
	within("TempTokenTTL", c.TempTokenTTL, 10*time.Second, 10*time.Minute)
	within("APIKeyTTL", c.APIKeyTTL, 0, maxAPIKeyTTL)
	within("UsageInterval", c.UsageInterval, time.Millisecond, time.Minute)
	within("HashWait", c.HashWait, time.Millisecond, time.Minute)
	within("StoreTimeout", c.StoreTimeout, time.Millisecond, time.Minute)
	count("MaxSessions", c.MaxSessions, 1, 500)
	count("MaxAPIKeys", c.MaxAPIKeys, 1, 500)
	count("MaxRemembered", c.MaxRemembered, 0, 1<<22)
	count("PasswordMinLength", c.PasswordMinLength, 8, 64)
	count("BackupCodeLength", c.BackupCodeLength, minBackupDigits, maxBackupDigits)
	count("HashSlots", c.HashSlots, 1, 1024)
	count("HashQueue", c.HashQueue, 0, 10_000)
	p := password.Params(c.PasswordHash)
	if err := p.Validate(); err != nil {
		bad("PasswordHash", err.Error())
	} else if !p.MeetsOWASP() && !c.InsecureCheapHashing {
		bad("PasswordHash", "below every row of OWASP's table for Argon2id; InsecureCheapHashing allows it in tests")
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
		{"CodeByAccount", l.CodeByAccount},
		{"APIKeyByAccount", l.APIKeyByAccount},
	}
}

// weakSecret says what is wrong with a root secret, or nothing. Length is the one
// thing that can be checked for certain (RFC 7518, 3.2); few distinct bytes catch
// the placeholder that was never replaced.
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
