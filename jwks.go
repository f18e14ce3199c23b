package auth

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"

	"filippo.io/edwards25519"
	"github.com/golang-jwt/jwt/v5"

	"github.com/datixlab/auth/internal/strictjson"
)

// maxJWKS is how long a document may be, in bytes.
const maxJWKS = 64 << 10

// JWKS returns the public keys that access tokens may be signed with, as a JSON Web Key
// Set (RFC 7517): that of Config.SigningKey and Config.VerifyKeys. It never has
// anything secret; where Config has neither, the set is empty, because HS256 has no
// public key. A key's kid is its thumbprint (RFC 7638).
func (m *Manager) JWKS() []byte { return []byte(m.jwks) }

// A jwk is a public key as RFC 7517 writes it, with the members that make the key and
// no others. Their order is that of RFC 7638.
type jwk struct {
	Crv string `json:"crv,omitempty"`
	E   string `json:"e,omitempty"`
	Kty string `json:"kty"`
	N   string `json:"n,omitempty"`
	X   string `json:"x,omitempty"`
	Y   string `json:"y,omitempty"`
}

// thumbprint is the key's id (RFC 7638).
func (j jwk) thumbprint() string {
	text, err := json.Marshal(j)
	if err != nil {
		panic(err) // strings always marshal
	}
	sum := sha256.Sum256(text)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// alg is the one algorithm that such a key is used with here, or nil.
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

// newPublicKey copies key, or says why it is none to prove tokens with.
func newPublicKey(key crypto.PublicKey) (*publicKey, error) {
	j, err := jwkOf(key)
	if err != nil {
		return nil, err
	}
	if key, err = j.key(); err != nil {
		return nil, err
	}
	return &publicKey{j, key, j.alg()}, nil
}

// jwkOf writes key, or says why it is refused.
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
		return jwk{Kty: "RSA", E: text(big.NewInt(int64(k.E)).Bytes()), N: text(k.N.Bytes())}, nil
	case nil:
		return jwk{}, errors.New("there is no key")
	}
	return jwk{}, fmt.Errorf("a %T is not taken: it must be an ed25519.PublicKey, *ecdsa.PublicKey or *rsa.PublicKey", key)
}

// key reads j, which must be as jwkOf writes it: of the several texts of one key only
// one is good.
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

// validEd25519 reports whether k is a point, in its one spelling (RFC 8032, 5.1.2; SetBytes
// takes others as well), and none of the few, zero among them, that anybody can sign for.
func validEd25519(k ed25519.PublicKey) bool {
	point, err := new(edwards25519.Point).SetBytes(k)
	return err == nil && bytes.Equal(point.Bytes(), k) &&
		new(edwards25519.Point).MultByCofactor(point).Equal(edwards25519.NewIdentityPoint()) == 0
}

// writeJWKS returns the set of keys.
func writeJWKS(keys []*publicKey) string {
	type entry struct {
		jwk
		Alg string `json:"alg"`
		Kid string `json:"kid"`
		Use string `json:"use"`
	}
	set := struct {
		Keys []entry `json:"keys"`
	}{[]entry{}}
	for _, k := range keys {
		set.Keys = append(set.Keys, entry{k.jwk, k.method.Alg(), k.jwk.thumbprint(), "sig"})
	}
	text, err := json.Marshal(set)
	if err != nil {
		panic(err) // strings always marshal
	}
	return string(text)
}

// ParseJWKS returns the keys of a JSON Web Key Set (RFC 7517), such as
// [Manager.JWKS] writes, that access tokens may be signed with: 1 to 32 of them. Keys for
// anything else (other types, curves, algorithms, uses) are left out, RFC 7517, 5. An
// error is a document of more than 64 KiB, one that is not strict JSON, a private or a
// symmetric key, a key or a kid that is there twice, and a key that is malformed or
// weak.
func ParseJWKS(document []byte) ([]crypto.PublicKey, error) {
	if len(document) > maxJWKS {
		return nil, fmt.Errorf("auth: the JWKS is longer than %d bytes", maxJWKS)
	}
	if err := strictjson.Check(document); err != nil {
		return nil, fmt.Errorf("auth: the JWKS %w", err)
	}
	var members map[string]json.RawMessage // by their exact names
	var entries []map[string]json.RawMessage
	if json.Unmarshal(document, &members) != nil || json.Unmarshal(members["keys"], &entries) != nil {
		return nil, errors.New("auth: the JWKS has no list of keys")
	}
	var keys []crypto.PublicKey
	kids := map[string]bool{}
	for i, entry := range entries {
		key, kid, err := parseJWK(entry)
		if err == nil && kid != "" && kids[kid] {
			err = errors.New("its kid is there twice")
		}
		if err != nil {
			return nil, fmt.Errorf("auth: the JWKS, keys[%d]: %w", i, err)
		}
		kids[kid] = true
		if key != nil {
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("auth: the JWKS has no key for access tokens")
	}
	_, err := publicKeys(keys, func(i int) string { return fmt.Sprintf("the JWKS, key %d for access tokens", i) })
	if err != nil {
		return nil, err
	}
	return keys, nil
}

// parseJWK returns no key for one that is not for access tokens.
func parseJWK(entry map[string]json.RawMessage) (key crypto.PublicKey, kid string, err error) {
	for _, name := range []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"} {
		if entry[name] != nil {
			return nil, "", errors.New("it is not a public key")
		}
	}
	text := func(name string) (value string) {
		if raw := entry[name]; raw != nil && (json.Unmarshal(raw, &value) != nil || value == "") {
			err = fmt.Errorf("%s is no text", name)
		}
		return value
	}
	j := jwk{Kty: text("kty"), Crv: text("crv")}
	kid, alg, use := text("kid"), text("alg"), text("use")
	method := j.alg()
	switch {
	case err != nil:
		return nil, "", err
	case j.Kty == "" || j.Kty == "oct":
		return nil, "", errors.New("it is not a public key")
	case method == nil || alg != "" && alg != method.Alg() || use != "" && use != "sig":
		return nil, kid, nil
	}
	if raw := entry["key_ops"]; raw != nil {
		var ops []string
		if json.Unmarshal(raw, &ops) != nil {
			return nil, "", errors.New("key_ops is no list of texts")
		}
		if !slices.Contains(ops, "verify") {
			return nil, kid, nil
		}
	}
	if j.X, j.Y, j.N, j.E = text("x"), text("y"), text("n"), text("e"); err != nil {
		return nil, "", err
	}
	key, err = j.key()
	return key, kid, err
}
