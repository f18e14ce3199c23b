package jose

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
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

// errPrivate is the reason for which a private key is left out.
var errPrivate = errors.New("it is not a public key")

// ParseJWKS returns the keys of a set that can verify access tokens, 1 to 32. It leaves out
// every other key and calls skipped, unless that is nil, with the reason. It returns an error
// if no key is left, and for a document of more than 64 KiB or without a list of keys.
func ParseJWKS(document []byte, skipped func(error)) ([]crypto.PublicKey, error) {
	if len(document) > maxJWKS {
		return nil, fmt.Errorf("auth: the JWKS is longer than %d bytes", maxJWKS)
	}
	entries, err := listOfKeys(document)
	if err != nil {
		return nil, fmt.Errorf("auth: the JWKS %w", err)
	}
	all, exposed := make([]setKey, len(entries)), map[jwk]bool{}
	for i, entry := range entries {
		all[i] = parseJWK(entry)
		if errors.Is(all[i].err, errPrivate) {
			exposed[all[i].pair()] = true
		}
	}
	var keys []crypto.PublicKey
	var first error
	seen := map[jwk]bool{}
	for i, k := range all {
		switch {
		case k.err != nil:
		case exposed[k.pair()]:
			k.err = errors.New("the set has its private key too")
		case seen[k.jwk]:
			k.err = errors.New("it is there twice")
		case len(keys) == maxKeys:
			k.err = fmt.Errorf("only %d keys are taken", maxKeys)
		}
		if k.err == nil {
			seen[k.jwk] = true
			keys = append(keys, k.key)
			continue
		}
		name := fmt.Sprintf("keys[%d]", i)
		if k.kid != "" {
			name = fmt.Sprintf("keys[%d] (kid %.64q)", i, k.kid)
		}
		reason := fmt.Errorf("%s: %w", name, k.err)
		if first == nil {
			first = reason
		}
		if skipped != nil {
			skipped(fmt.Errorf("auth: the JWKS, %w", reason))
		}
	}
	switch {
	case len(keys) > 0:
		return keys, nil
	case first != nil:
		return nil, fmt.Errorf("auth: the JWKS has no key for access tokens: %w", first)
	}
	return nil, errors.New("auth: the JWKS has no key")
}

// listOfKeys returns the entries of the list of keys, unread. An entry that is not strict JSON
// is no fault of the others. So only the members beside the list are looked at.
func listOfKeys(document []byte) (entries []json.RawMessage, err error) {
	if !json.Valid(document) {
		return nil, errors.New("is not valid JSON")
	}
	d := json.NewDecoder(bytes.NewReader(document))
	if first, err := d.Token(); err != nil || first != json.Delim('{') {
		return nil, errors.New("is not a JSON object")
	}
	var list json.RawMessage
	for d.More() {
		name, err := d.Token()
		var value json.RawMessage
		if err := errors.Join(err, d.Decode(&value)); err != nil {
			return nil, err
		}
		if name == "keys" && list != nil {
			return nil, errors.New("has two lists of keys")
		}
		if name == "keys" {
			list = value
		}
	}
	if json.Unmarshal(list, &entries) != nil || entries == nil {
		return nil, errors.New("has no list of keys")
	}
	return entries, nil
}

// A setKey is an entry of a set. Its jwk has the members as they are written there.
type setKey struct {
	jwk jwk
	kid string
	key crypto.PublicKey
	err error // why it is left out
}

// pair returns what a public key has in common with its private key, if that is written alike.
// An RSA modulus that is factored is lost for every exponent.
func (k setKey) pair() jwk {
	k.jwk.E = ""
	return k.jwk
}

// parseJWK reads an entry. A member that is null counts as absent.
func parseJWK(entry json.RawMessage) (k setKey) {
	if err := strictjson.Check(entry); err != nil {
		k.err = fmt.Errorf("it %w", err)
		return k
	}
	var members map[string]json.RawMessage // by their exact names
	if k.err = json.Unmarshal(entry, &members); k.err != nil {
		return k
	}
	maps.DeleteFunc(members, func(_ string, value json.RawMessage) bool { return string(value) == "null" })
	text := func(name string) (value string) {
		if raw := members[name]; raw != nil && (json.Unmarshal(raw, &value) != nil || value == "") && k.err == nil {
			k.err = fmt.Errorf("%s is no text", name)
		}
		return value
	}
	alg, use := text("alg"), text("use")
	k.kid = text("kid")
	k.jwk = jwk{Kty: text("kty"), Crv: text("crv"), X: text("x"), Y: text("y"), N: text("n"), E: text("e")}
	for _, name := range []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"} {
		if members[name] != nil {
			k.err = errPrivate
			return k
		}
	}
	if k.err == nil {
		k.err = unfit(k.jwk, alg, use, members["key_ops"])
	}
	if k.err != nil {
		return k
	}
	if k.key, k.err = k.jwk.key(); k.err == nil && members["x5c"] != nil {
		k.err = checkCertificate(members["x5c"], k.key)
	}
	return k
}

// unfit returns why a public key is not for access tokens, or nil.
func unfit(j jwk, alg, use string, keyOps json.RawMessage) error {
	method := j.alg()
	switch {
	case j.Kty == "":
		return errors.New("it has no kty")
	case method == nil:
		return fmt.Errorf("its kind, %.64q %.64q, is not used for access tokens", j.Kty, j.Crv)
	case alg != "" && !slices.Contains(names(method), alg):
		return fmt.Errorf("its algorithm, %.64q, is not used for access tokens", alg)
	case use != "" && use != "sig":
		return fmt.Errorf("its use, %.64q, is not to sign", use)
	case keyOps == nil:
		return nil
	}
	var ops []string
	if json.Unmarshal(keyOps, &ops) != nil {
		return errors.New("key_ops is no list of texts")
	}
	if !slices.Contains(ops, "verify") {
		return errors.New("its key_ops do not have verify")
	}
	return nil
}

// checkCertificate returns an error unless the first certificate of x5c is one of key (RFC
// 7517, 4.7). Nobody is believed because of it: the set is where the keys come from.
func checkCertificate(x5c json.RawMessage, key crypto.PublicKey) error {
	var chain []string
	if json.Unmarshal(x5c, &chain) != nil || len(chain) == 0 {
		return errors.New("x5c is no list of texts")
	}
	der, err := base64.StdEncoding.DecodeString(chain[0])
	if err != nil {
		return errors.New("x5c is not base64")
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return errors.New("x5c has no certificate that can be read")
	}
	if !key.(interface{ Equal(crypto.PublicKey) bool }).Equal(certificate.PublicKey) {
		return errors.New("its certificate, x5c, is that of another key")
	}
	return nil
}
