package jose_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"strings"
	"testing"

	"github.com/datixlab/auth/internal/jose"
)

const (
	okp = `{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`
	ec  = `{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}`
)

// withMember returns a key with one more member.
func withMember(key, member string) string { return strings.TrimSuffix(key, "}") + "," + member + "}" }

func set(keys ...string) string { return `{"keys":[` + strings.Join(keys, ",") + `]}` }

func TestAJWKSIsReadStrictly(t *testing.T) {
	for name, tc := range map[string]struct {
		document string
		keys     int
	}{
		"two keys":                 {set(okp, ec), 2},
		"with more members":        {set(withMember(okp, `"use":"sig","alg":"EdDSA","kid":"a","key_ops":["verify"],"x5t":"x"`)), 1},
		"more beside the keys":     {`{"ver":1,"keys":[` + okp + `]}`, 1},
		"a key of another type":    {set(`{"kty":"AKP","alg":"ML-DSA-44","pub":"AA"}`, okp), 1},
		"a key on another curve":   {set(`{"kty":"EC","crv":"P-384","x":"AA","y":"AA"}`, okp), 1},
		"a key for encryption":     {set(withMember(ec, `"use":"enc"`), okp), 1},
		"a key to derive with":     {set(withMember(ec, `"key_ops":["deriveBits"]`), okp), 1},
		"a key of another alg":     {set(withMember(ec, `"alg":"ECDH-ES"`), okp), 1},
		"nothing of use":           {set(withMember(ec, `"use":"enc"`)), 0},
		"no key":                   {set(), 0},
		"no list":                  {`{}`, 0},
		"a list in another case":   {`{"Keys":[` + okp + `]}`, 0},
		"null":                     {`{"keys":null}`, 0},
		"a null key":               {set("null"), 0},
		"empty":                    {``, 0},
		"an array":                 {`[` + okp + `]`, 0},
		"a key alone":              {okp, 0},
		"two documents":            {set(okp) + set(okp), 0},
		"two lists":                {`{"keys":[` + okp + `],"keys":[]}`, 0},
		"a member twice":           {set(withMember(okp, `"kty":"OKP"`)), 0},
		"a key twice":              {set(okp, okp), 0},
		"a key under two names":    {set(withMember(okp, `"kid":"a"`), withMember(okp, `"kid":"b"`)), 0},
		"a kid twice":              {set(withMember(okp, `"kid":"a"`), withMember(ec, `"kid":"a"`)), 0},
		"a private key":            {set(withMember(okp, `"d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"`)), 0},
		"a null private part":      {set(withMember(okp, `"d":null`)), 0},
		"a private key beside":     {set(okp, withMember(ec, `"use":"enc","d":"AA"`)), 0},
		"a symmetric key":          {set(okp, `{"kty":"oct","k":"AAAA"}`), 0},
		"a symmetric key, no text": {set(okp, `{"kty":"oct"}`), 0},
		"no type":                  {set(`{"crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`), 0},
		"a type that is no text":   {set(`{"kty":["OKP"],"crv":"Ed25519"}`), 0},
		"padding":                  {set(strings.Replace(okp, `URo"`, `URo="`, 1)), 0},
		"another last digit":       {set(strings.Replace(okp, `URo"`, `URp"`, 1)), 0},
		"a short key":              {set(`{"kty":"OKP","crv":"Ed25519","x":"11qY"}`), 0},
		"the zero key":             {set(`{"kty":"OKP","crv":"Ed25519","x":"` + strings.Repeat("A", 43) + `"}`), 0},
		"a point off the curve":    {set(strings.Replace(ec, "MKBC", "MKBD", 1)), 0},
		"x and y of other lengths": {set(`{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7A","y":"PuBLZekkVtmIi1Kzeb371R7oae8fD8ZbZllpW2zOCBcj"}`), 0},
		"a weak RSA key":           {set(`{"kty":"RSA","e":"AQAB","n":"` + strings.Repeat("_", 170) + `"}`), 0},
		"an exponent of 3":         {set(`{"kty":"RSA","e":"Aw","n":"` + strings.Repeat("_", 342) + `"}`), 0},
		"an endless exponent":      {set(`{"kty":"RSA","e":"` + strings.Repeat("_", 340) + `","n":"` + strings.Repeat("_", 342) + `"}`), 0},
		"a huge document":          {`{"x":"` + strings.Repeat("a", 64<<10) + `","keys":[` + okp + `]}`, 0},
		"nested too deeply":        {`{"keys":[` + okp + `],"x":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`, 0},
	} {
		keys, err := jose.ParseJWKS([]byte(tc.document))
		if (err == nil) != (tc.keys > 0) || len(keys) != tc.keys {
			t.Errorf("%s: %d keys, %v, want %d", name, len(keys), err, tc.keys)
		}
	}
}

// Whatever is read can verify tokens, and is read as the same keys when it is written.
func FuzzParseJWKS(f *testing.F) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		f.Fatal(err)
	}
	public, err := jose.ParseKeys([]crypto.PublicKey{key.Public()}, func(int) string { return "the key" })
	if err != nil {
		f.Fatal(err)
	}
	rsaSet := jose.WriteJWKS(public)
	for _, s := range []string{
		set(okp, ec), rsaSet, set(), "", "{}", "null", `{"keys":{}}`, set("{}"), set(withMember(okp, `"d":"AA"`)), set(withMember(ec, `"use":"enc"`), okp),
		set(`{"kty":"oct","k":"AA"}`), set(okp, okp), `{"keys":[` + okp + `],"keys":[]}`, strings.Replace(rsaSet, "AQAB", "Aw", 1), set(strings.Replace(ec, "4Etl", "4Etm", 1)),
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, document []byte) {
		keys, err := jose.ParseJWKS(document)
		if err != nil {
			if keys != nil {
				t.Fatal("keys beside the error")
			}
			return
		}
		public, err := jose.ParseKeys(keys, func(i int) string { return fmt.Sprintf("key %d", i) })
		if err != nil {
			t.Fatalf("%s: %v", document, err)
		}
		again, err := jose.ParseJWKS([]byte(jose.WriteJWKS(public)))
		if err != nil || len(again) != len(keys) {
			t.Fatalf("%s: %d keys, then %d, %v", document, len(keys), len(again), err)
		}
		for i, key := range keys {
			if !key.(interface{ Equal(crypto.PublicKey) bool }).Equal(again[i]) {
				t.Fatalf("%s: key %d is another", document, i)
			}
		}
	})
}
