package auth

import (
	"crypto"
	"errors"
	"fmt"
	"time"

	"github.com/datixlab/auth/internal/jose"
)

// A Verifier checks access tokens where there is no store: in a service that has only
// the public keys of a Manager (see [ParseJWKS]). It is right about who signed a token,
// for whom, and until when.
//
// What happened since the token was signed it cannot see. After a logout, a revocation,
// a change of password, role or organization, after a user was disabled or deleted, the
// token says what it said until it expires: for up to Config.AccessTokenTTL, an hour by
// default. Of Config.TwoFactorPolicy it knows what the token says: that its session
// could do nothing but enrol when it was signed, which is ErrTwoFactorSetupRequired
// until the token is refreshed. Where all this is too late, ask a [Manager]. API keys
// it does not know.
//
// A Verifier does not change, and any number of goroutines may call it. For other keys
// make another.
type Verifier struct {
	issuer, audience string
	keys             jose.Keys
	format           *jose.Format
	now              func() time.Time
}

// VerifierConfig is what a Verifier can be told. Only Keys is required.
type VerifierConfig struct {
	// Issuer and Audience are those of the Manager's Config, with the same
	// defaults. A token of another is refused.
	Issuer, Audience string
	// Keys are 1 to 32 public keys, each an ed25519.PublicKey, a *ecdsa.PublicKey
	// on P-256 or a *rsa.PublicKey of 2048 to 8192 bits. A key proves tokens of its
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
	SessionID      string    // "ses_…"
	AMR            []string  // as in Identity
	AuthTime       time.Time // of the login, UTC
	ExpiresAt      time.Time // UTC
}

// NewVerifier returns a Verifier, or an error that names every key that is missing, there
// twice, malformed or weak.
func NewVerifier(cfg VerifierConfig) (*Verifier, error) {
	v := &Verifier{now: cfg.Now}
	v.issuer, v.audience = defaultNames(cfg.Issuer, cfg.Audience)
	if v.now == nil {
		v.now = time.Now
	}
	if len(cfg.Keys) == 0 {
		return nil, errors.New("auth: VerifierConfig.Keys: at least one is required")
	}
	keys, err := jose.ParseKeys(cfg.Keys, func(i int) string { return fmt.Sprintf("VerifierConfig.Keys[%d]", i) })
	if err != nil {
		return nil, err
	}
	v.keys, v.format = jose.KeysOf(keys), jose.NewFormat(v.issuer, v.audience, userPrefix, sessionPrefix)
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
