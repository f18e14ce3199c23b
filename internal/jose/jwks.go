package jose

import (
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/datixlab/auth/internal/strictjson"
)

// maxJWKS is how many bytes a document may have.
const maxJWKS = 64 << 10

// WriteJWKS returns keys as a JSON Web Key Set. A key's kid is its thumbprint (RFC 7638).
func WriteJWKS(keys []*PublicKey) string {
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
	return string(marshal(set))
}

// ParseJWKS returns the keys of a set that can verify access tokens, 1 to 32. It skips
// keys of other types, curves, algorithms or uses (RFC 7517, 5). It returns an error for
//
//   - more than 64 KiB, or text that is not strict JSON.
//   - a private or symmetric key.
//   - a key or kid that occurs twice.
//   - a malformed or weak key.
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
	_, err := ParseKeys(keys, func(i int) string { return fmt.Sprintf("the JWKS, key %d for access tokens", i) })
	if err != nil {
		return nil, err
	}
	return keys, nil
}

// parseJWK returns no key and no error for a key that is not for access tokens.
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
