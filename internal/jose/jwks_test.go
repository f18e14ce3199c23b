package jose_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"math/big"
	"strings"
	"sync"
	"testing"

	"github.com/datixlab/auth/internal/fuzztest"
	"github.com/datixlab/auth/internal/jose"
)

const (
	okp = `{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`
	ec  = `{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}`
)

// withMember returns a key with one more member.
func withMember(key, member string) string { return strings.TrimSuffix(key, "}") + "," + member + "}" }

func set(keys ...string) string { return `{"keys":[` + strings.Join(keys, ",") + `]}` }

// One odd key does not take away the others: each is left out by itself, and told.
func TestOfAJWKSEveryKeyThatCannotVerifyIsLeftOutAndTold(t *testing.T) {
	for name, tc := range map[string]struct{ entry, reason string }{
		"another type":             {`{"kty":"AKP","alg":"ML-DSA-44","pub":"AA"}`, "not used"},
		"another curve":            {`{"kty":"EC","crv":"P-384","x":"AA","y":"AA"}`, "not used"},
		"Ed448":                    {`{"kty":"OKP","crv":"Ed448","x":"AA"}`, "not used"},
		"X25519":                   {`{"kty":"OKP","crv":"X25519","x":"AA"}`, "not used"},
		"a curve that is no text":  {`{"kty":"EC","crv":256}`, "crv is no text"},
		"for encryption":           {withMember(ec, `"use":"enc"`), "its use"},
		"of an unknown use":        {withMember(ec, `"use":"SIG"`), "its use"},
		"to derive with":           {withMember(ec, `"key_ops":["deriveBits"]`), "key_ops"},
		"to do nothing with":       {withMember(ec, `"key_ops":[]`), "key_ops"},
		"to do with what is a map": {withMember(ec, `"key_ops":{"verify":true}`), "key_ops"},
		"of another alg":           {withMember(ec, `"alg":"ECDH-ES"`), "its algorithm"},
		"of the alg of a curve":    {withMember(ec, `"alg":"EdDSA"`), "its algorithm"},
		"of no alg":                {withMember(ec, `"alg":"none"`), "its algorithm"},
		"an alg that is no text":   {withMember(ec, `"alg":["ES256"]`), "alg is no text"},
		"an alg that is empty":     {withMember(ec, `"alg":""`), "alg is no text"},
		"a kid that is a number":   {withMember(ec, `"kid":7`), "kid is no text"},
		"null":                     {`null`, "not a JSON object"},
		"a number":                 {`7`, "not a JSON object"},
		"a list":                   {`[` + ec + `]`, "not a JSON object"},
		"nothing in it":            {`{}`, "no kty"},
		"a member twice":           {withMember(ec, `"kty":"EC"`), "twice"},
		"nested too deeply":        {withMember(ec, `"x":`+strings.Repeat("[", 40)+strings.Repeat("]", 40)), "deeply"},
		"bytes that are no text":   {withMember(ec, "\"kid\":\"\xff\""), "UTF-8"},
		"a private key":            {withMember(okp, `"d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"`), "not a public key"},
		"a private key to encrypt": {withMember(ec, `"use":"enc","d":"AA"`), "not a public key"},
		"a private part, no text":  {withMember(ec, `"d":[]`), "not a public key"},
		"a symmetric key":          {`{"kty":"oct","k":"AAAA"}`, "not a public key"},
		"a symmetric key, no text": {`{"kty":"oct"}`, "not used"},
		"no type":                  {`{"crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`, "no kty"},
		"a type that is no text":   {`{"kty":["OKP"],"crv":"Ed25519"}`, "kty is no text"},
		"padding":                  {strings.Replace(okp, `URo"`, `URo="`, 1), "base64"},
		"another last digit":       {strings.Replace(okp, `URo"`, `URp"`, 1), "not written as"},
		"a short key":              {`{"kty":"OKP","crv":"Ed25519","x":"11qY"}`, "no Ed25519 key"},
		"the zero key":             {`{"kty":"OKP","crv":"Ed25519","x":"` + strings.Repeat("A", 43) + `"}`, "no Ed25519 key"},
		"a point off the curve":    {strings.Replace(ec, "MKBC", "MKBD", 1), "P-256"},
		"x and y of other lengths": {`{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7A","y":"PuBLZekkVtmIi1Kzeb371R7oae8fD8ZbZllpW2zOCBcj"}`, "not written as"},
		"a weak RSA key":           {`{"kty":"RSA","e":"AQAB","n":"` + strings.Repeat("_", 170) + `"}`, "2048"},
		"an exponent of 3":         {`{"kty":"RSA","e":"Aw","n":"` + strings.Repeat("_", 342) + `"}`, "exponent"},
		"an endless exponent":      {`{"kty":"RSA","e":"` + strings.Repeat("_", 340) + `","n":"` + strings.Repeat("_", 342) + `"}`, "exponent"},
		"a certificate, no list":   {withMember(ec, `"x5c":"AA"`), "x5c"},
		"no certificate":           {withMember(ec, `"x5c":[]`), "x5c"},
		"a certificate, no base64": {withMember(ec, `"x5c":["MII_"]`), "x5c"},
		"a certificate, nonsense":  {withMember(ec, `"x5c":["MIIB"]`), "x5c"},
		"that of another key":      {withMember(ec, `"x5c":["`+certificate(t)+`"]`), "another key"},
	} {
		good := okp
		if strings.HasPrefix(name, "a private key") && strings.Contains(tc.entry, "OKP") {
			good = ec
		}
		for _, document := range []string{set(tc.entry, good), set(good, tc.entry), set(tc.entry)} {
			var told []string
			keys, err := jose.ParseJWKS([]byte(document), func(err error) { told = append(told, err.Error()) })
			want, place := 1, "keys[0]"
			if document == set(tc.entry) {
				want = 0
			} else if document == set(good, tc.entry) {
				place = "keys[1]"
			}
			if (err == nil) != (want > 0) || len(keys) != want {
				t.Errorf("%s: %d keys, %v, want %d", name, len(keys), err, want)
			}
			if len(told) != 1 || !strings.Contains(told[0], tc.reason) || !strings.HasPrefix(told[0], "auth: the JWKS, "+place) {
				t.Errorf("%s: told %q, want %q of %s", name, told, tc.reason, place)
			}
			if err != nil && !strings.Contains(err.Error(), tc.reason) {
				t.Errorf("%s: %v, want %q", name, err, tc.reason)
			}
			for _, text := range append(told, fmt.Sprint(err)) {
				if strings.Contains(text, "nWGxne") || strings.Contains(text, "AAAA") {
					t.Errorf("%s: a secret is told: %s", name, text)
				}
			}
		}
	}
}

func TestAJWKSWithoutAListOfKeysIsRefused(t *testing.T) {
	for name, document := range map[string]string{
		"no key": set(), "no list": `{}`, "a list in another case": `{"Keys":[` + okp + `]}`, "null": `{"keys":null}`, "a map": `{"keys":{"a":` + okp + `}}`,
		"empty": ``, "an array": `[` + okp + `]`, "a key alone": okp, "two documents": set(okp) + set(okp), "half a document": set(okp)[:60],
		"two lists": `{"keys":[` + okp + `],"keys":[]}`, "a list under an escaped name too": `{"keys":[` + okp + `],"\u006beys":[` + ec + `]}`,
		"a huge document": `{"x":"` + strings.Repeat("a", 64<<10) + `","keys":[` + okp + `]}`,
	} {
		if keys, err := jose.ParseJWKS([]byte(document), nil); err == nil || keys != nil {
			t.Errorf("%s: %d keys, %v", name, len(keys), err)
		}
	}
}

func TestWhatIsOddAboutAJWKSButNoFaultOfAKeyIsAccepted(t *testing.T) {
	fitting := strings.Replace(ownKey(t), "}", `,"x5c":["`+certificate(t)+`","AA"]}`, 1)
	for name, tc := range map[string]struct {
		document string
		keys     int
	}{
		"two keys":              {set(okp, ec), 2},
		"with more members":     {set(withMember(okp, `"use":"sig","alg":"EdDSA","kid":"a","key_ops":["verify"],"x5t":"x"`)), 1},
		"the name of RFC 9864":  {set(withMember(okp, `"alg":"Ed25519"`)), 1},
		"null for absent":       {set(withMember(okp, `"use":null,"alg":null,"kid":null,"key_ops":null,"x5c":null,"d":null,"y":null,"n":null`)), 1},
		"more beside the keys":  {`{"ver":1,"keys":[` + okp + `],"x":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`, 1},
		"a kid of two keys":     {set(withMember(okp, `"kid":"a"`), withMember(ec, `"kid":"a"`)), 2},
		"its own certificate":   {set(fitting), 1},
		"an empty list beside":  {`{"other":[],"keys":[` + okp + `]}`, 1},
		"a key to sign as well": {set(withMember(okp, `"key_ops":["sign","verify"]`)), 1},
	} {
		keys, err := jose.ParseJWKS([]byte(tc.document), func(err error) { t.Errorf("%s: %v", name, err) })
		if err != nil || len(keys) != tc.keys {
			t.Errorf("%s: %d keys, %v, want %d", name, len(keys), err, tc.keys)
		}
	}
}

// Whoever reads the set can sign with a private key in it, so its public key proves nothing.
func TestAKeyWhosePrivateKeyIsInTheSetIsNotUsed(t *testing.T) {
	private, modulus := withMember(okp, `"kid":"oops","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"`), strings.Repeat("_", 342)
	for name, document := range map[string]string{
		"before":                  set(private, okp, ec),
		"after":                   set(okp, ec, private),
		"for another use":         set(okp, ec, withMember(private, `"use":"enc"`)),
		"of an alg that is not":   set(okp, ec, withMember(private, `"alg":"none"`)),
		"a modulus":               set(`{"kty":"RSA","e":"AQAB","n":"`+modulus+`"}`, ec, `{"kty":"RSA","e":"AQAB","n":"`+modulus+`","d":"AA"}`),
		"a modulus, another e":    set(`{"kty":"RSA","e":"AQAB","n":"`+modulus+`"}`, ec, `{"kty":"RSA","e":"Aw","n":"`+modulus+`","p":"AA"}`),
		"a modulus, no exponent":  set(`{"kty":"RSA","e":"AQAB","n":"`+modulus+`"}`, ec, `{"kty":"RSA","n":"`+modulus+`","p":"AA"}`),
		"a key, then it is there": set(okp, private, okp, ec),
	} {
		told := 0
		keys, err := jose.ParseJWKS([]byte(document), func(error) { told++ })
		if err != nil || len(keys) != 1 || told != strings.Count(document, `"kty"`)-1 {
			t.Errorf("%s: %d keys, %d told, %v", name, len(keys), told, err)
			continue
		}
		if _, ok := keys[0].(*ecdsa.PublicKey); !ok {
			t.Errorf("%s: the key that is left is a %T", name, keys[0])
		}
	}
}

func TestAKeyIsTakenOnceAndThirtyTwoAtMost(t *testing.T) {
	var all []string
	for range 40 {
		public, _, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, `{"kty":"OKP","crv":"Ed25519","x":"`+base64.RawURLEncoding.EncodeToString(public)+`"}`)
	}
	for name, tc := range map[string]struct {
		document   string
		keys, told int
	}{
		"a key twice":             {set(okp, okp, ec), 2, 1},
		"a key under two names":   {set(withMember(okp, `"kid":"a"`), withMember(okp, `"kid":"b"`)), 1, 1},
		"a key of two algorithms": {set(withMember(okp, `"alg":"EdDSA"`), withMember(okp, `"alg":"Ed25519"`)), 1, 1},
		"forty keys":              {set(all...), 32, 8},
	} {
		told := 0
		keys, err := jose.ParseJWKS([]byte(tc.document), func(error) { told++ })
		if err != nil || len(keys) != tc.keys || told != tc.told {
			t.Errorf("%s: %d keys, %d told, %v, want %d and %d", name, len(keys), told, err, tc.keys, tc.told)
		}
	}
}

// signer is a key with a certificate.
var signer = sync.OnceValue(func() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return key
})

// ownKey is the public key of signer, in a set alone.
func ownKey(t *testing.T) string {
	t.Helper()
	point, err := signer().PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	text := base64.RawURLEncoding.EncodeToString
	return `{"kty":"EC","crv":"P-256","x":"` + text(point[1:33]) + `","y":"` + text(point[33:]) + `"}`
}

// certificate is a certificate of signer, as x5c has it.
func certificate(t *testing.T) string {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, signer().Public(), signer())
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(der)
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
	fuzztest.Fuzz(f, func(t *testing.T, document []byte) {
		keys, err := jose.ParseJWKS(document, nil)
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
		again, err := jose.ParseJWKS([]byte(jose.WriteJWKS(public)), func(err error) { t.Error(err) })
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
