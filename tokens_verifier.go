package auth

import (
	"crypto"
	"errors"
	"fmt"
	"time"

	"github.com/datixlab/auth/internal/jose"
)

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

// VerifierConfig is the configuration of a [Verifier]. Only Keys is required.
type VerifierConfig struct {
	// Issuer and Audience are those of the Manager's Config, with the same defaults.
	// Tokens of another issuer or audience are refused.
	Issuer, Audience string
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
	SessionID      string    // "ses_…"
	AMR            []string  // as in Identity
	AuthTime       time.Time // of the login, UTC
	ExpiresAt      time.Time // UTC
}

// NewVerifier returns a Verifier. The error names every key that is missing, given twice,
// malformed or weak.
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
