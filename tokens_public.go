package auth

import (
	"cmp"
	"context"
	"crypto"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/datixlab/auth/internal/callback"
	"github.com/datixlab/auth/internal/jose"
)

const (
	signTimeout = 2 * time.Second // for one signature
	maxSignings = 64              // calls of a signer at once
)

// A SigningKey signs access tokens, so that a service with its public key can check them.
// It is an Ed25519 key (EdDSA), an ECDSA key on P-256 (ES256), or an RSA key of 2048 to
// 8192 bits (RS256). The key decides the algorithm. It prints, logs and marshals as
// "[secret]".
type SigningKey struct {
	// Signer is an ed25519.PrivateKey, *ecdsa.PrivateKey or *rsa.PrivateKey, or a
	// client of the service that has the key. Up to 64 goroutines call it at once. If it
	// fails, panics, signs with another key or takes longer than 2 seconds, the login or
	// refresh that waits for it returns ErrUnavailable. Tokens are checked without it.
	Signer crypto.Signer
}

// Format implements [fmt.Formatter] for every verb.
func (k SigningKey) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// String returns "[secret]".
func (k SigningKey) String() string { return redacted }

// LogValue implements [slog.LogValuer].
func (k SigningKey) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText implements [encoding.TextMarshaler].
func (k SigningKey) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// public returns the public key, or nil if the Signer panics, as one that is a nil pointer
// does.
func (k SigningKey) public() (public crypto.PublicKey) {
	defer func() { _ = recover() }()
	return k.Signer.Public()
}

// tokenSigner returns the signer of tokens with k, whose public key is given.
func (k SigningKey) tokenSigner(public *jose.PublicKey, typ jose.Type) jose.Signer {
	calls := callback.New(maxSignings, signTimeout)
	return jose.NewSigner(public, typ, func(ctx context.Context, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
		return callback.Wait(ctx, calls, func(context.Context) ([]byte, error) {
			return k.Signer.Sign(rand.Reader, digest, opts)
		})
	})
}

// JWKS returns the public keys that access tokens may be signed with, as a JSON Web Key
// Set (RFC 7517): those of Config.SigningKey and Config.VerifyKeys. It contains no secret.
// Without either the set is empty, because HS256 has no public key. A key's kid is its
// thumbprint (RFC 7638).
func (m *Manager) JWKS() []byte { return []byte(m.jwks) }

// ParseJWKS returns the keys of a JSON Web Key Set (RFC 7517) that can verify access
// tokens, 1 to 32, in their order. It leaves out every other key (RFC 7517, 5):
//
//   - a key of another type, curve, algorithm, use or operation. An Ed25519 key may name its
//     algorithm EdDSA or Ed25519 (RFC 9864).
//   - a malformed or weak key, such as RSA under 2048 bits, and one whose x5c is not of it.
//   - a private or symmetric key, and the public key of a private key that is in the set.
//   - a key that is there a second time, and those beyond 32.
//
// A member that is null counts as absent. Two keys may have the same kid: a [Verifier] goes by
// thumbprints. The error says that no key is left, that there is no list of keys, or that the
// document has more than 64 KiB. Use [ParseJWKSFunc] to hear of keys that are left out.
func ParseJWKS(document []byte) ([]crypto.PublicKey, error) { return jose.ParseJWKS(document, nil) }

// ParseJWKSFunc is [ParseJWKS], and calls skipped for each key that is left out. The error
// that skipped receives names the key by its place and its kid, and says the reason. It has no
// part of the key. Log it: a key that is weak or private needs the attention of its owner.
func ParseJWKSFunc(document []byte, skipped func(error)) ([]crypto.PublicKey, error) {
	return jose.ParseJWKS(document, skipped)
}

// A Verifier checks access tokens without a store. It is for a service that has only the
// public keys of a Manager (see [ParseJWKS]). It checks who signed a token, for whom, and
// until when it is valid.
//
// It does not see what happened after the token was signed. A logout, a revocation, a change
// of password, role or organization, and the disabling or deletion of a user have no effect
// on it until the token expires. That takes up to Config.AccessTokenTTL, an hour by default.
// A route for which this is too late must ask a [Manager]. A Verifier does not accept API
// keys.
//
// A token may be of a session that could only set up a second factor when it was signed. For
// such a token Verify returns ErrTwoFactorSetupRequired. After the setup the client refreshes
// it.
//
// A Verifier does not change, and any number of goroutines may call it. To use other keys,
// make another Verifier.
type Verifier struct {
	issuer, audience string
	keys             jose.Keys
	format           *jose.Format
	now              func() time.Time
}

// VerifierConfig is the configuration of a [Verifier]. Issuer and Keys are required.
type VerifierConfig struct {
	// Issuer is that of the Manager's Config. Tokens of another issuer are refused. It has
	// no default, since two services that share a signing key, such as staging and
	// production, differ by their issuer alone.
	Issuer string
	// Audience is that of the Manager's Config. Tokens of another audience are refused.
	// Default: Issuer.
	Audience string
	// TokenType is that of the Manager's Config. Tokens of another type are refused.
	// Default "at+jwt".
	TokenType string
	// Keys are 1 to 32 public keys, each an ed25519.PublicKey, a *ecdsa.PublicKey
	// on P-256 or a *rsa.PublicKey of 2048 to 8192 bits. A key verifies tokens of its
	// own algorithm only.
	Keys []crypto.PublicKey
	// Now is the clock. Nil: time.Now.
	Now func() time.Time
}

// Claims are what an access token said when it was signed.
type Claims struct {
	UserID         string // "user_…"
	OrganizationID string // "org_…"
	Role           string
	SessionID      string   // "ses_…"
	AMR            []string // as in Identity
	// AuthTime is when the login was, in UTC. A login with a trusted device (DeviceTrust) needed
	// no code: where that matters, ask for "mfa" in AMR.
	AuthTime  time.Time
	ExpiresAt time.Time // UTC
}

// NewVerifier returns a Verifier. The error names every field that is missing or wrong, and
// every key that is given twice, malformed or weak.
func NewVerifier(cfg VerifierConfig) (*Verifier, error) {
	v := &Verifier{issuer: cfg.Issuer, audience: cmp.Or(cfg.Audience, cfg.Issuer), now: cfg.Now}
	if v.now == nil {
		v.now = time.Now
	}
	var errs []error
	if cfg.Issuer == "" {
		errs = append(errs, errors.New("auth: VerifierConfig.Issuer: it is required, and is the Manager's Config.Issuer"))
	}
	typ := cmp.Or(jose.Type(cfg.TokenType), jose.AccessToken)
	if !typ.Valid() {
		errs = append(errs, errors.New("auth: VerifierConfig.TokenType: "+badTokenType))
	}
	if len(cfg.Keys) == 0 {
		errs = append(errs, errors.New("auth: VerifierConfig.Keys: at least one is required"))
	}
	keys, err := jose.ParseKeys(cfg.Keys, func(i int) string { return fmt.Sprintf("VerifierConfig.Keys[%d]", i) })
	if err := errors.Join(append(errs, err)...); err != nil {
		return nil, err
	}
	v.keys, v.format = jose.KeysOf(keys, typ), jose.NewFormat(v.issuer, v.audience, "", userPrefix, sessionPrefix)
	return v, nil
}

// Verify returns what the token says. The error is ErrInvalidToken unless one of the keys
// signed it, for this issuer and audience, and it is valid now. It is
// ErrTwoFactorSetupRequired if its session could only set up a second factor when it was
// signed.
func (v *Verifier) Verify(token Secret) (Claims, error) {
	p, ok := v.keys.Payload(string(token), v.format)
	switch {
	case !ok || p.Issuer != v.issuer || p.Audience != v.audience || !p.Current(v.now()):
		return Claims{}, ErrInvalidToken
	case p.Enrols:
		return Claims{}, ErrTwoFactorSetupRequired
	}
	return Claims{
		UserID: p.Subject, OrganizationID: p.Org, Role: p.Role, SessionID: p.Session, AMR: p.AMR,
		AuthTime: time.Unix(p.AuthTime, 0).UTC(), ExpiresAt: time.Unix(p.Expires, 0).UTC(),
	}, nil
}
