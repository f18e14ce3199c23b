package jose

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"slices"

	"filippo.io/edwards25519"
	"github.com/golang-jwt/jwt/v5"
)

// A jwk is a public key as RFC 7517 writes it. It has the members that make the key and
// no others, in the order of RFC 7638.
type jwk struct {
	Crv string `json:"crv,omitempty"`
	E   string `json:"e,omitempty"`
	Kty string `json:"kty"`
	N   string `json:"n,omitempty"`
	X   string `json:"x,omitempty"`
	Y   string `json:"y,omitempty"`
}

// thumbprint returns the key's id (RFC 7638).
func (j jwk) thumbprint() string {
	sum := sha256.Sum256(marshal(j))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// alg returns the one algorithm that such a key is used with here, or nil.
func (j jwk) alg() jwt.SigningMethod {
	switch {
	case j.Kty == "OKP" && j.Crv == "Ed25519":
		return jwt.SigningMethodEdDSA
	case j.Kty == "EC" && j.Crv == "P-256":
		return jwt.SigningMethodES256
	case j.Kty == "RSA":
		return jwt.SigningMethodRS256
	}
	return nil
}

// jwkOf returns key as a jwk, or an error that says why the key is refused.
func jwkOf(key crypto.PublicKey) (jwk, error) {
	text := base64.RawURLEncoding.EncodeToString
	switch k := key.(type) {
	case ed25519.PublicKey:
		if !validEd25519(k) {
			return jwk{}, errors.New("it is no Ed25519 key")
		}
		return jwk{Kty: "OKP", Crv: "Ed25519", X: text(k)}, nil
	case *ecdsa.PublicKey:
		if k == nil || k.Curve != elliptic.P256() {
			return jwk{}, errors.New("an ECDSA key on P-256 is needed")
		}
		point, err := k.Bytes()
		if err != nil {
			return jwk{}, errors.New("it is no point of P-256")
		}
		return jwk{Kty: "EC", Crv: "P-256", X: text(point[1:33]), Y: text(point[33:])}, nil
	case *rsa.PublicKey:
		if k == nil || k.N == nil || k.N.Sign() <= 0 || k.N.BitLen() < 2048 || k.N.BitLen() > 8192 {
			return jwk{}, errors.New("an RSA key of 2048 to 8192 bits is needed")
		}
		if k.N.Bit(0) == 0 || k.E < 1<<16 || k.E > 1<<31-1 || k.E%2 == 0 {
			return jwk{}, errors.New("an RSA key with an odd modulus and an odd exponent of 65537 to 2^31-1 is needed")
		}
		if isROCA(k.N) {
			return jwk{}, errors.New("its RSA modulus is one that can be factored (ROCA, CVE-2017-15361)")
		}
		return jwk{Kty: "RSA", E: text(big.NewInt(int64(k.E)).Bytes()), N: text(k.N.Bytes())}, nil
	case nil:
		return jwk{}, errors.New("there is no key")
	}
	return jwk{}, fmt.Errorf("a %T is not taken: it must be an ed25519.PublicKey, *ecdsa.PublicKey or *rsa.PublicKey", key)
}

// key returns the key that j stands for. J must be as jwkOf writes it. So of the several
// texts of one key only one is accepted.
func (j jwk) key() (key crypto.PublicKey, err error) {
	bytesOf := func(text string) []byte {
		b, decodeErr := base64.RawURLEncoding.DecodeString(text)
		err = errors.Join(err, decodeErr)
		return b
	}
	switch j.alg() {
	case jwt.SigningMethodEdDSA:
		key = ed25519.PublicKey(bytesOf(j.X))
	case jwt.SigningMethodES256:
		point := slices.Concat([]byte{4}, bytesOf(j.X), bytesOf(j.Y))
		key, _ = ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point) // nil, of its type, if it is none
	case jwt.SigningMethodRS256:
		n, e := bytesOf(j.N), bytesOf(j.E)
		if len(e) > 4 {
			return nil, errors.New("its exponent is too long")
		}
		key = &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}
	}
	if err != nil {
		return nil, err
	}
	again, err := jwkOf(key)
	if err != nil {
		return nil, err
	}
	if again != j {
		return nil, errors.New("its members are not written as they must be")
	}
	return key, nil
}

// validEd25519 reports whether k is a point in the spelling of RFC 8032, 5.1.2; SetBytes
// accepts others too. It refuses the eight points of small order, for which anybody can make
// signatures.
func validEd25519(k ed25519.PublicKey) bool {
	point, err := new(edwards25519.Point).SetBytes(k)
	return err == nil && bytes.Equal(point.Bytes(), k) &&
		new(edwards25519.Point).MultByCofactor(point).Equal(edwards25519.NewIdentityPoint()) == 0
}
