package auth

import (
	"context"
	"crypto"
	"crypto/rand"
	"fmt"
	"log/slog"
	"time"

	"github.com/datixlab/auth/internal/hostcall"
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
func (k SigningKey) tokenSigner(public *jose.PublicKey) jose.Signer {
	calls := hostcall.New(maxSignings, signTimeout)
	return jose.NewSigner(public, func(ctx context.Context, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
		return hostcall.Wait(ctx, calls, func(context.Context) ([]byte, error) {
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
// tokens, 1 to 32. It skips keys of other types, curves, algorithms or uses (RFC 7517,
// 5). It returns an error for
//
//   - more than 64 KiB, or text that is not strict JSON.
//   - a private or symmetric key.
//   - a key or kid that occurs twice.
//   - a malformed or weak key.
func ParseJWKS(document []byte) ([]crypto.PublicKey, error) { return jose.ParseJWKS(document) }
