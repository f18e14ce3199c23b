package jose

import (
	"context"
	"crypto"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/golang-jwt/jwt/v5"
)

// ErrNotSigned reports that the signing of a token failed. Everything before it succeeded.
var ErrNotSigned = errors.New("auth: a token was not signed")

// A Signer signs tokens with one key. Any number of goroutines may call it.
type Signer struct {
	header string
	sign   func(ctx context.Context, text string) ([]byte, error)
}

// Token returns the signed token with the payload p, or [ErrNotSigned] with the cause. The
// same p makes the same token, except with ES256, which draws a random number.
func (s Signer) Token(ctx context.Context, p *Payload) (string, error) {
	text := s.header + "." + base64.RawURLEncoding.EncodeToString(marshal(p))
	sig, err := s.sign(ctx, text)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrNotSigned, err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(sig), nil
}

// NewSigner returns a Signer of tokens that public verifies. It calls sign as
// [crypto.Signer.Sign] is called. A signature that public does not verify is an error.
func NewSigner(public *PublicKey, typ Type, sign func(ctx context.Context, digest []byte, opts crypto.SignerOpts) ([]byte, error)) Signer {
	return Signer{header(public.method.Alg(), public.jwk.thumbprint(), typ), func(ctx context.Context, text string) ([]byte, error) {
		message, opts := []byte(text), crypto.Hash(0) // Ed25519 hashes by itself
		if public.method != jwt.SigningMethodEdDSA {
			digest := sha256.Sum256(message)
			message, opts = digest[:], crypto.SHA256
		}
		sig, err := sign(ctx, message, opts)
		if err == nil && public.method == jwt.SigningMethodES256 {
			sig, err = fixedECDSA(sig)
		}
		if err != nil {
			return nil, err
		}
		if !public.verify(text, base64.RawURLEncoding.EncodeToString(sig)) {
			return nil, errors.New("auth: the signature is not of the signer's public key")
		}
		return sig, nil
	}}
}
