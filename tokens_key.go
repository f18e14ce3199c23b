package auth

import (
	"bytes"
	"context"
	"crypto"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	maxPublicKeys = 32              // of a Manager, a Verifier, a JWKS
	signTimeout   = 2 * time.Second // for one signature
	maxSignings   = 64              // signatures that a signer is asked for at once
)

// A SigningKey signs access tokens, so that who has its public key can check them: an
// Ed25519 key (EdDSA), an ECDSA key on P-256 (ES256), or an RSA key of 2048 to 8192 bits
// (RS256). The algorithm is the key's; there is no choice. It prints, logs and marshals
// as "[secret]".
type SigningKey struct {
	// Signer is an ed25519.PrivateKey, *ecdsa.PrivateKey or *rsa.PrivateKey, or asks
	// for signatures where the key is kept. Up to 64 goroutines call it at once. One
	// that fails, panics, signs with another key or takes longer than 2 seconds is
	// ErrUnavailable for the login or refresh that waits for it; tokens are checked
	// without it.
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

// public returns the public key, or nil if there is none to be had, as of a nil pointer.
func (k SigningKey) public() (public crypto.PublicKey) {
	defer func() { _ = recover() }()
	return k.Signer.Public()
}

// tokenSigner returns what signs with k, whose public key is pub.
func (k SigningKey) tokenSigner(pub *publicKey) tokenSigner {
	calls := make(chan struct{}, maxSignings)
	sign := func(ctx context.Context, text string) ([]byte, error) {
		ctx, cancel := context.WithTimeout(ctx, signTimeout)
		defer cancel()
		select {
		case calls <- struct{}{}:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		type answer struct {
			sig []byte
			err error
		}
		answers := make(chan answer, 1) // an answer that comes too late still finds room
		go func() {
			defer func() {
				if recover() != nil {
					answers <- answer{err: errors.New("auth: the signer panicked")}
				}
				<-calls
			}()
			sig, err := pub.sign(k.Signer, text)
			answers <- answer{sig, err}
		}()
		select {
		case a := <-answers:
			return a.sig, a.err
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return tokenSigner{pub.header(), sign}
}

// A publicKey proves the signatures of one key, by the one algorithm that it has.
type publicKey struct {
	jwk    jwk
	key    crypto.PublicKey
	method jwt.SigningMethod
}

func (k *publicKey) header() string { return tokenHeader(k.method.Alg(), k.jwk.thumbprint()) }

// sign returns the signature of text by s, which is this key's, as RFC 7518, 3.3 and
// 3.4, and RFC 8037, 3.1, write it.
func (k *publicKey) sign(s crypto.Signer, text string) ([]byte, error) {
	message, opts := []byte(text), crypto.Hash(0) // Ed25519 hashes by itself
	if k.method != jwt.SigningMethodEdDSA {
		digest := sha256.Sum256(message)
		message, opts = digest[:], crypto.SHA256
	}
	sig, err := s.Sign(rand.Reader, message, opts)
	if err == nil && k.method == jwt.SigningMethodES256 {
		sig, err = fixedECDSA(sig)
	}
	if err != nil {
		return nil, err
	}
	if !k.proves(text, base64.RawURLEncoding.EncodeToString(sig)) {
		return nil, errors.New("auth: the signature is not of the signer's public key")
	}
	return sig, nil
}

// proves takes one text of a signature only: Ed25519 and RSA have one, and of the two
// that anybody can make of an ECDSA signature, s and n−s, the one with the lower s.
func (k *publicKey) proves(text, sig string) bool {
	raw, err := base64.RawURLEncoding.DecodeString(sig)
	if err != nil || base64.RawURLEncoding.EncodeToString(raw) != sig || k.method.Verify(text, raw, k.key) != nil {
		return false
	}
	return k.method != jwt.SigningMethodES256 || bytes.Compare(raw[32:], halfOrder.Bytes()) <= 0
}

// halfOrder is half the order of P-256, 32 bytes long.
var halfOrder = new(big.Int).Rsh(elliptic.P256().Params().N, 1)

// fixedECDSA returns the 64 bytes of RFC 7518, 3.4, with the lower s, of the ASN.1 that
// signers return.
func fixedECDSA(der []byte) ([]byte, error) {
	var sig struct{ R, S *big.Int }
	order := elliptic.P256().Params().N
	rest, err := asn1.Unmarshal(der, &sig)
	if err != nil || len(rest) > 0 || sig.R.Sign() <= 0 || sig.S.Sign() <= 0 || sig.R.Cmp(order) >= 0 || sig.S.Cmp(order) >= 0 {
		return nil, errors.New("auth: the signer returned no ECDSA signature")
	}
	if sig.S.Cmp(halfOrder) > 0 {
		sig.S.Sub(order, sig.S)
	}
	fixed := make([]byte, 64)
	sig.R.FillBytes(fixed[:32])
	sig.S.FillBytes(fixed[32:])
	return fixed, nil
}

// publicKeys reads keys, each of which may be there once. An error names the key.
func publicKeys(keys []crypto.PublicKey, name func(i int) string) (all []*publicKey, err error) {
	if len(keys) > maxPublicKeys {
		return nil, fmt.Errorf("auth: %s: only %d keys are taken", name(maxPublicKeys), maxPublicKeys)
	}
	var errs []error
	seen := map[jwk]bool{}
	for i, key := range keys {
		k, err := newPublicKey(key)
		if err == nil && seen[k.jwk] {
			err = errors.New("it is there twice")
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("auth: %s: %w", name(i), err))
			continue
		}
		seen[k.jwk] = true
		all = append(all, k)
	}
	return all, errors.Join(errs...)
}

// tokenKeysOf returns keys as what proves tokens.
func tokenKeysOf(keys []*publicKey) (all tokenKeys) {
	for _, k := range keys {
		all = append(all, tokenKey{k.header(), k})
	}
	return all
}
