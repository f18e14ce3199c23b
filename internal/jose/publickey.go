package jose

import (
	"bytes"
	"crypto"
	"crypto/elliptic"
	"encoding/asn1"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"

	"github.com/golang-jwt/jwt/v5"
)

// maxKeys is how many keys there may be in one list.
const maxKeys = 32

// A PublicKey verifies the signatures of one key, by the one algorithm that it has:
// EdDSA for Ed25519, ES256 for ECDSA on P-256, RS256 for RSA.
type PublicKey struct {
	jwk    jwk
	key    crypto.PublicKey
	method jwt.SigningMethod
}

// ParseKeys returns copies of keys. Each is an ed25519.PublicKey, a *ecdsa.PublicKey on P-256
// or a *rsa.PublicKey of 2048 to 8192 bits. The error names every key that is missing,
// malformed, weak or given twice. More than 32 keys are an error too.
func ParseKeys(keys []crypto.PublicKey, name func(i int) string) (all []*PublicKey, err error) {
	if len(keys) > maxKeys {
		return nil, fmt.Errorf("auth: %s: only %d keys are taken", name(maxKeys), maxKeys)
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

// newPublicKey copies key, or returns why it cannot verify tokens.
func newPublicKey(key crypto.PublicKey) (*PublicKey, error) {
	j, err := jwkOf(key)
	if err != nil {
		return nil, err
	}
	if key, err = j.key(); err != nil {
		return nil, err
	}
	return &PublicKey{j, key, j.alg()}, nil
}

// KeysOf returns public keys as [Keys], which verify tokens of a type. A header may have any
// name of the key's algorithm.
func KeysOf(public []*PublicKey, typ Type) (keys Keys) {
	for _, k := range public {
		for _, alg := range names(k.method) {
			keys = append(keys, Key{header(alg, k.jwk.thumbprint(), typ), k})
		}
	}
	return keys
}

// names returns the names of an algorithm. The first is the one that is written. EdDSA on
// Ed25519 has two: RFC 9864 replaces the older one, which more libraries know.
func names(method jwt.SigningMethod) []string {
	if method == jwt.SigningMethodEdDSA {
		return []string{"EdDSA", "Ed25519"}
	}
	return []string{method.Alg()}
}

// verify accepts only one text of a signature. Ed25519 and RSA have only one. Of an ECDSA
// signature anybody can make a second one, with n−s for s: the one with the lower s is
// accepted.
func (k *PublicKey) verify(text, sig string) bool {
	raw, err := base64.RawURLEncoding.DecodeString(sig)
	if err != nil || base64.RawURLEncoding.EncodeToString(raw) != sig || k.method.Verify(text, raw, k.key) != nil {
		return false
	}
	return k.method != jwt.SigningMethodES256 || bytes.Compare(raw[32:], halfOrder.Bytes()) <= 0
}

// halfOrder is half the order of P-256. It has 32 bytes.
var halfOrder = new(big.Int).Rsh(elliptic.P256().Params().N, 1)

// fixedECDSA returns a signature in the 64 bytes of RFC 7518, 3.4. A signer returns it in
// ASN.1. Of the two possible values of s the result has the lower one.
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
