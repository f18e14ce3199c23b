package auth

import (
	"crypto"
	"log/slog"
	"time"

	"github.com/datixlab/auth/store"
)

// Config is what a Manager is made with. Only Secrets is required. The zero value of
// every other field means the default that its comment names, and each default is safe.
// [New] copies the Config and refuses one that is unsafe.
//
// The fields are in nine groups:
//   - What to begin with: Secrets and Issuer.
//   - Registration and roles: FirstRole, Roles and NoRegistration.
//   - Mail: Mailer to RequireVerifiedEmail.
//   - Sessions: AccessTokenTTL to MaxSessions.
//   - Passwords and the second factor: PasswordMinLength to BackupCodeLength.
//   - API keys: APIKeyPrefix to APIKeysNeedFreshLogin.
//   - Access tokens, who signs them and what they say: SigningKey to TokenNotBefore.
//   - Limits: Limits to HashWait.
//   - Operations: Events to InsecureCheapHashing.
type Config struct {
	// What to begin with: Secrets are the root secrets. The Manager derives its keys from
	// them: for access tokens, temp tokens, sealed TOTP secrets and the pepper of backup
	// codes. Each has 32 bytes or more from a cryptographic random source. The first
	// signs and seals, the others only verify and open.
	//
	// To rotate, put the new one first. Keep the old one until nothing needs it. Access
	// tokens need it for AccessTokenTTL + RefreshAfterExpiry, temp tokens for one
	// TempTokenTTL. A TOTP secret needs it until its user has used one code, and backup codes
	// until the user has made new ones. Every process on a store must have the same Secrets.
	Secrets []Secret
	// Issuer is the iss claim of tokens: 1 to 200 printable characters. Text with a ':' must
	// be a URI (RFC 7519, 2), such as "https://auth.example.com". All processes on a store
	// must have the same. A change refuses every token that is out, so it logs everybody
	// out. Default "auth".
	Issuer string

	// Registration and roles: FirstRole is the role of a user who registers, in the organization that
	// is made for them: 1 to 64 letters, digits, '_', '-', '.' or ':'. Any stranger can get
	// it, as long as registration is open. So a rule that asks for it guards what belongs to
	// one organization, and not what belongs to your company. It is one of Roles, "admin" or
	// above. Accounts keep the role that they have when FirstRole changes. Every process on a
	// store must have the same. Default "admin".
	FirstRole string
	// Roles are those that members of an organization give each other, the lowest first: up to 50
	// different ones. "admin" is one of them. Who has it or one above it is an admin: [User].Admin.
	// Nobody gives, changes or removes a role above their own. Any other role is your program's: only
	// SetRole and CreateUser give it, and no member can change or remove who has it. Every process on
	// a store must have the same. Default "member" and "admin", with FirstRole above them if it is
	// another.
	Roles []string
	// NoRegistration closes registration, but for people with an invitation that works. To others
	// Manager.Register returns ErrRegistrationClosed, and POST /register answers 403. Your program
	// makes organizations and accounts with CreateOrganization and CreateUser, which stay open.
	// Default: anyone may register.
	NoRegistration bool

	// Mail: Mailer sends the mails with one-time tokens: for a forgotten password, and for the
	// proof of an address. Nil: none is sent, and package httpauth serves no route for them.
	Mailer Mailer
	// ConfirmEmailChange lets Manager.UpdateProfile change the email address only after the
	// new one is confirmed, with the token that the Mailer sends there. It needs a Mailer.
	// Default: the address changes at once.
	ConfirmEmailChange bool
	// RequireVerifiedEmail refuses a login with the right password, and any other login, if the
	// address of the account is not verified: ErrEmailNotVerified. It needs a Mailer and
	// ConfirmEmailChange. Accounts that were registered without a Mailer are let in, and so
	// are those that your program made with CreateUser. Sessions that began before it was set go on. Default:
	// such logins are allowed.
	RequireVerifiedEmail bool

	// Sessions: AccessTokenTTL is how long an access token lives, 1 minute to 24 hours.
	// Default 1 hour.
	AccessTokenTTL time.Duration
	// SessionTTL is how long a session lasts from its login, however often it is
	// refreshed: 1 minute to 400 days. Default 30 days. Without a refresh it ends with its
	// token, or RefreshAfterExpiry later.
	SessionTTL time.Duration
	// MultiFactorSessionTTL is SessionTTL for a session that began with a second factor.
	// Default 24 hours, as NIST SP 800-63B-4 has it for AAL2.
	MultiFactorSessionTTL time.Duration
	// RefreshAfterExpiry is how long after its expiry the latest token of a session may still
	// be refreshed, up to 400 days and never past the end of the session. It opens nothing else
	// meanwhile. Without it a client that sleeps for longer than AccessTokenTTL has to log in
	// again. Take it for people on their own devices, 14 days for instance. In exchange, a
	// stolen token that has expired is worth something for that long: its thief can refresh it,
	// which ends the session at the owner's next refresh. Default: not at all.
	RefreshAfterExpiry time.Duration
	// RefreshGrace is how long a token is still accepted after it was refreshed, up to 1
	// minute. With it, two tabs do not end each other's session. Default 10 seconds;
	// negative: not at all.
	RefreshGrace time.Duration
	// FreshLogin is how long after a login sensitive calls need no password, up to 1
	// hour. Default 10 minutes; negative: never.
	FreshLogin time.Duration
	// TempTokenTTL is how long the second step of a login may take, 10 seconds to 10
	// minutes. Default 5 minutes.
	TempTokenTTL time.Duration
	// MaxSessions is how many sessions a user may have, 1 to 500. A login that exceeds
	// it ends the session that was not refreshed for longest. Default 100.
	MaxSessions int

	// Passwords and the second factor: PasswordMinLength is the length of the shortest
	// password in code points, 8 to 64. Default 8. NIST SP 800-63B-4 asks for 15 if the
	// password is the only factor.
	PasswordMinLength int
	// PasswordBlocklist are words that are refused as passwords, in any case and as the
	// whole password. The common passwords of a built-in list, the email address, the part
	// before its '@', the Issuer and the TOTPIssuer are always refused.
	PasswordBlocklist []string
	// PasswordChecker is asked about every new password, such as a list of breached ones.
	// Nil: none.
	PasswordChecker PasswordChecker
	// PasswordHash is the cost of Argon2id. Default 19 MiB, 2 passes, 1 lane. A cost
	// below every row of OWASP's table is refused.
	//
	// To change it, put the old cost into PasswordHashBefore, until the users who matter
	// have logged in again. A login renews a hash of another cost.
	PasswordHash HashParams
	// PasswordHashBefore are up to 4 costs that stored hashes may still have. While there
	// are any, each comparison of a password does the work of PasswordHash and of all of
	// them, also for an address without an account. Without the old cost here, the time
	// of a wrong password shows who has an account. A hash of a cost that is in neither
	// field takes longer than others. Default: none.
	PasswordHashBefore []HashParams
	// FirebaseHashes are the parameters of the password hashes of a Firebase project whose users
	// were imported: see Manager.ImportUser. Keep them until the users who matter have logged
	// in. Every process on a store must have the same. The zero value: there are none.
	FirebaseHashes FirebaseHashes
	// TOTPIssuer is the name that authenticator programs show for an account: 1 to 100
	// printable characters without ':'. Users keep the name from their enrolment. Default:
	// Issuer if it has no ':', or else its host, or else "auth".
	TOTPIssuer string
	// TwoFactorPolicy says who must have a second factor. The zero value: nobody.
	TwoFactorPolicy TwoFactorPolicy
	// TrustedDevices lets users trust a device, on which a login needs no code. The zero value:
	// no device is trusted.
	TrustedDevices DeviceTrust
	// BackupCodeLength is how many digits new backup codes have, 8 to 32. Codes that
	// users have stay valid. Default 8, which is a look-up secret of NIST SP 800-63B-4.
	// For the saved recovery codes of its section 4.2.1.1, 64 bits or more, take 20.
	BackupCodeLength int

	// API keys: APIKeyPrefix begins every API key: 2 to 32 letters, digits and '_', ending
	// in '_'. Default "sk_live_".
	APIKeyPrefix string
	// APIKeyTTL is the lifetime of a key if the call that makes it names none, up to
	// 3650 days. Default 365 days; negative: no end.
	APIKeyTTL time.Duration
	// MaxAPIKeys is how many keys a user may have, 1 to 500. Default 50.
	MaxAPIKeys int
	// APIKeysNeedFreshLogin lets keys be made, rotated and enabled only after a fresh login
	// (FreshLogin) or with the password, and also a code where a second factor is on.
	// Attempts count as those of a login. It is recommended: a key outlives a logout and
	// a change of password, so without it a stolen token makes a credential for a year.
	// Default: any session may.
	APIKeysNeedFreshLogin bool

	// Access tokens: SigningKey signs them, so that other services can check them with its
	// public key alone: see Manager.JWKS and NewVerifier. Default: none, and tokens are
	// signed with HS256 and a key that is derived from Secrets. Such tokens stay valid
	// with a SigningKey, so setting one ends no session.
	SigningKey SigningKey
	// VerifyKeys are further public keys whose tokens are accepted: ed25519.PublicKey,
	// *ecdsa.PublicKey or *rsa.PublicKey, at most 32 with that of SigningKey. Add a new
	// key here in every process before any process signs with it. Keep an old one for
	// AccessTokenTTL + RefreshAfterExpiry after its last use.
	VerifyKeys []crypto.PublicKey
	// Audience is the aud claim of tokens, 1 to 200 printable characters. All processes on
	// a store must have the same. Default: Issuer.
	Audience string
	// ClientID is the client_id claim of tokens, 1 to 200 printable characters. RFC 9068,
	// 2.2, demands it: it names the client that a token was issued to. Here users log in at
	// the issuer itself, so all tokens have the same. No Manager or Verifier checks it.
	// Default: Issuer.
	ClientID string
	// TokenType is the typ in the header of tokens: "at+jwt" (RFC 9068), or "JWT" for
	// services that know no other. A token of the other type is refused. So a change logs
	// everybody out, and all processes on a store must have the same. With "JWT", sign
	// nothing else with SigningKey: only its claims tell another JWT from an access token
	// (RFC 8725, 3.11). Default "at+jwt".
	TokenType string
	// TokenNotBefore writes the claim nbf into tokens, 30 seconds before iat. It is for
	// services that demand nbf, and for a rolling upgrade from a version that does.
	// Default: tokens have none, since iat and exp say when they are valid.
	TokenNotBefore bool

	// Limits: Limits are the budgets of attempts.
	Limits Limits
	// HashSlots is how many passwords are hashed at once, 1 to 1024. Default:
	// GOMAXPROCS. Each hash takes PasswordHash.Memory. When finished hashes have left
	// garbage of half of GOMAXPROCS × PasswordHash.Memory, the Manager calls runtime.GC.
	// In a process with a large heap it does not: set GOMEMLIMIT there. Of imported hashes that take
	// more than PasswordHash.Memory, half as many are checked at once, and at most two: 512 MiB.
	HashSlots int
	// HashQueue is how many hashes may wait for a slot, up to 10,000. The rest get
	// ErrOverloaded at once. Networks take turns: an IPv4 /24 or an IPv6 /48 each. As many
	// more may wait in a second queue, which has three of four slots. It is for logins from
	// networks that are known to the account and for calls of sessions. Default 64; negative:
	// none.
	HashQueue int
	// HashWait is how long one of them waits, 1 ms to 1 minute. An attempt may wait as long before
	// that for others at the same time, see Limits. Default 2 seconds.
	HashWait time.Duration

	// Operations: Events receives what happens, for audit and alarms. Nil: there are no
	// events.
	Events EventHandler
	// Notifier sends the notices that users must get, by mail for instance. Nil: none is
	// sent.
	Notifier Notifier
	// Logger receives what an operator should see, such as failing hooks. Nil:
	// slog.Default.
	Logger *slog.Logger
	// StoreTimeout bounds every call of the store, 1 ms to 1 minute. Default 2 seconds.
	StoreTimeout time.Duration
	// UsageInterval is how often the uses of API keys, and the first uses of refreshed
	// tokens, are written to the store: 1 ms to 1 minute. Other processes see them that late,
	// and a crash loses the uses of that time. Default 2 seconds.
	UsageInterval time.Duration
	// MaxRemembered is the size of the cache of checked credentials, and of the cache of
	// sessions: up to 4,194,304 entries each, rounded up to a power of two. An entry
	// with its session takes about 3 KiB, 64 KiB at most. A credential is cached from
	// its second check on. After that its signature is not verified again; if the store
	// is a store.Stamper, nothing is read either. Changes and revocations are seen as
	// soon as the store has them. If more than a quarter are in use at once, entries
	// push each other out. Default 8192; negative: no cache.
	MaxRemembered int
	// Now is the clock. Nil: time.Now. Any number of goroutines call it.
	Now func() time.Time
	// InsecureCheapHashing allows a PasswordHash that is too cheap to be safe. It is for
	// tests.
	InsecureCheapHashing bool
}

// HashParams is the cost of Argon2id (RFC 9106).
type HashParams struct {
	Memory  uint32 // KiB, 8 × Threads to 262144
	Time    uint32 // passes, 1 to 10
	Threads uint8  // lanes, 1 to 16
}

// FirebaseHashes are what the console of Firebase shows as the password hash parameters of a
// project. Hashes of the algorithm SCRYPT can be checked with them.
type FirebaseHashes struct {
	SignerKey     Secret // base64_signer_key: 32 to 128 bytes
	SaltSeparator string // base64_salt_separator: up to 64 bytes
	Rounds        int    // rounds: 1 to 8
	MemoryCost    int    // mem_cost: 1 to 14
}

// Limits are the budgets of attempts. A zero field means its default. An attempt is counted
// before the password or code is compared. A correct password, with the second factor if the
// login needs one, gives its attempt back to LoginByAccount and refills
// LoginByAccountAddress. A correct code from a known network refills CodeByAccount for that
// network; one from elsewhere gives its attempt back. LoginByAddress gets 19 twentieths of its
// attempt back. The other two count every attempt.
//
// An attempt that one of the first three or CodeByAccount refuses waits while others on it are
// under way, in any process: right ones give theirs back. It waits at most HashWait.
//
// A call whose context has no Client is your program's own. It counts on no budget of a network,
// and not on LoginByAccount.
//
// The known networks of an account are the last eight that it was registered or logged in
// from.
type Limits struct {
	// LoginByAddress: logins, second steps, repeated proofs of the password and new second
	// factors from one network, for any account. A right one counts as a twentieth, for the
	// hash that it costs: by default 4,000 at once and ten more a second. A call that computes
	// two hashes counts both. Those of new backup codes have a counter of their own with 3
	// times as much: a network turns 60 second factors on at once, and one more every 7
	// seconds. A network is an IPv4 address or an IPv6 /64. An IPv4 /24 and an IPv6 /56 have
	// 4 times as much for all that is in them, and a /48 has 16 times as much. Logins from
	// known networks and calls of sessions count on the narrow network only. An account has
	// 10 of these, and one more every 5 minutes; beyond that, they count on the wider ones
	// too. Default 200, and one more every 2 seconds.
	LoginByAddress store.Limit
	// LoginByAccountAddress: wrong passwords for one account from one such network. As many
	// logins of Manager.LoginAs may wait for their second factor, beyond the first five.
	// Default 5, and one more every 3 minutes.
	LoginByAccountAddress store.Limit
	// LoginByAccount: wrong passwords for one account from networks that are not known to
	// it. Known ones are limited by LoginByAccountAddress alone, and so is each session.
	// While it is used up, each IPv4 /24 and IPv6 /48 has one attempt a day, and an IPv4 /16 or
	// IPv6 /32 has 50, and one more every 30 minutes. Default 20, and one more every 3
	// minutes.
	LoginByAccount store.Limit
	// RegisterByAddress: registrations and changes of the email address from one such
	// network, also those that fail because the email address is taken. Wider networks
	// have more, as for LoginByAddress. Default 200, and one more every 10 seconds.
	RegisterByAddress store.Limit
	// MailByAddress: requests of mails from one such network, and the tokens of mails. Wider
	// networks have more, as for LoginByAddress. What one mailbox gets has a limit of its own:
	// see Mailer. Default 100, and one more every 10 seconds.
	MailByAddress store.Limit
	// CodeByAccount: wrong second-factor codes for one account, from one known network or
	// from all others together. Default 8, and one more every 450 seconds: at most 10 in
	// any 15 minutes. It is also the limit of the codes that confirm a second factor.
	CodeByAccount store.Limit
	// APIKeyByAccount: API keys made, rotated or enabled by one user. Default 60, and one more every minute.
	APIKeyByAccount store.Limit
}
