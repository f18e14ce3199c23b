package jose

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/datixlab/auth/internal/fuzztest"
	"github.com/datixlab/auth/internal/jwttest"
)

// A forger has an HS256 key and forges tokens like that of its Signer.
type forger struct {
	keys   Keys
	format *Format
	kid    string
	key    []byte
	good   string // the Signer's token
	claims map[string]any
}

func newForger(t testing.TB) *forger {
	t.Helper()
	f := &forger{kid: "k1", key: []byte("0123456789abcdef0123456789ABCDEF"), format: NewFormat("auth", "auth", "app", "user_", "ses_")}
	signer, key := NewHMAC(f.kid, f.key, AccessToken)
	f.keys = Keys{key}
	var err error
	f.good, err = signer.Token(context.Background(), &Payload{
		Claims: Claims{
			Issuer: "auth", Audience: "auth", ClientID: "app", Subject: "user_01234567890123456789012345678", Session: "ses_0123456789012345678901", ID: "0123456789012345678901",
			Validity: Validity{Issued: 1_900_000_000, Expires: 1_900_003_600},
		},
		AuthTime: 1_900_000_000, AMR: []string{"pwd"}, Org: "org_01234567890123456789012345678", Role: "admin",
	})
	if err != nil {
		t.Fatal(err)
	}
	body, err := base64.RawURLEncoding.DecodeString(strings.Split(f.good, ".")[1])
	if err != nil || json.Unmarshal(body, &f.claims) != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"iat", "exp", "auth_time"} {
		f.claims[name] = int64(f.claims[name].(float64))
	}
	return f
}

// header is the one that the Signer writes, with the given members changed.
func (f *forger) header(change map[string]any) map[string]any {
	return jwttest.Changed(map[string]any{"alg": "HS256", "kid": f.kid, "typ": "at+jwt"}, change)
}

// verified returns what the token says, if it is signed.
func (f *forger) verified(token string) (Claims, bool) {
	var p Parsed
	ok := f.keys.Verify(token, f.format, &p)
	return p.read(), ok
}

// accepts reports whether the token is accepted, or says anything although it is not.
func (f *forger) accepts(token string) bool {
	c, ok := f.verified(token)
	p, whole := f.keys.Payload(token, f.format)
	return ok || whole || c != (Claims{}) || p.Claims != (Claims{})
}

func TestATokenForgedWithTheRightKeyIsLikeTheSigners(t *testing.T) {
	f := newForger(t)
	for _, token := range []string{f.good, jwttest.Signed(sha256.New, f.key, jwttest.Segment(f.header(nil))+"."+jwttest.Segment(f.claims))} {
		p, ok := f.keys.Payload(token, f.format)
		if c, again := f.verified(token); !ok || !again || c != withoutClient(p.Claims) || p.Role != "admin" || p.Org == "" || !slices.Equal(p.AMR, []string{"pwd"}) {
			t.Fatal("the forger does not know how tokens are made: its other tests prove nothing")
		}
	}
}

// A token whose ids are no ids is signed all the same: the caller has to know.
func TestIDsThatAreNotOfTheFormatAreReported(t *testing.T) {
	f := newForger(t)
	for _, change := range []map[string]any{
		nil, {"sub": "user_"}, {"sub": "ses_01234567890123456789012345678"}, {"sub": "user_0123456789012345678901234567/"}, {"sub": nil},
		{"sid": "ses_../acct"}, {"sid": ""}, {"jti": "x"}, {"jti": nil}, {"jti": "012345678901234567890 "},
	} {
		token := jwttest.Signed(sha256.New, f.key, jwttest.Segment(f.header(nil))+"."+jwttest.Segment(jwttest.Changed(f.claims, change)))
		var p Parsed
		if ok := f.keys.Verify(token, f.format, &p); !ok || p.WellFormed != (change == nil) {
			t.Errorf("%v: %v, well-formed %v", change, ok, p.WellFormed)
		}
		if _, ok := f.keys.Payload(token, f.format); ok != (change == nil) {
			t.Errorf("%v: its payload is returned: %v", change, ok)
		}
	}
}

// JW-1, JW-5, JW-6, F-J1, F-J5, Advisory 25 (GHSA-mh63-6h87-95cp).
func TestAHeaderThatTheManagerDoesNotWriteIsRefusedEvenWithTheRightKey(t *testing.T) {
	f := newForger(t)
	body := jwttest.Segment(f.claims)
	for _, change := range []map[string]any{
		{"alg": "none"}, {"alg": "None"}, {"alg": "nOnE"}, {"alg": ""}, {"alg": nil}, {"alg": "HS384"}, {"alg": "HS512"}, {"alg": "RS256"}, {"alg": "ES256"}, {"alg": "hs256"},
		{"typ": nil}, {"typ": "JWT"}, {"typ": "refresh"}, {"typ": "AT+JWT"}, {"typ": "application/at+jwt"},
		{"crit": []string{"exp"}}, {"crit": []string{}}, {"b64": false}, {"zip": "DEF"}, {"cty": "JWT"},
		{"kid": nil}, {"kid": ""}, {"kid": "other"}, {"kid": f.kid + "x"}, {"kid": "../../dev/null"}, {"kid": []string{f.kid}},
		{"jwk": map[string]string{"kty": "oct", "k": base64.RawURLEncoding.EncodeToString(f.key)}}, {"jku": "https://evil.example/jwks"}, {"x5u": "https://evil.example/x"}, {"x5c": []string{"MII"}},
	} {
		text := jwttest.Segment(f.header(change)) + "." + body
		for name, token := range map[string]string{
			"HS256":          jwttest.Signed(sha256.New, f.key, text),
			"HS384":          jwttest.Signed(sha512.New384, f.key, text),
			"HS512":          jwttest.Signed(sha512.New, f.key, text),
			"an empty key":   jwttest.Signed(sha256.New, nil, text),
			"no signature":   text + ".",
			"no third part":  text,
			"the right text": text + "." + strings.Split(jwttest.Signed(sha256.New, f.key, jwttest.Segment(f.header(nil))+"."+body), ".")[2],
		} {
			if f.accepts(token) {
				t.Errorf("%v, signed with %s: accepted", change, name)
			}
		}
	}
	good := `{"alg":"HS256","kid":"` + f.kid + `","typ":"at+jwt"}`
	for _, h := range []string{" " + good, good + " ", good + "{}", `{"alg":"none","alg":"HS256","kid":"` + f.kid + `","typ":"at+jwt"}`, `{"typ":"at+jwt","alg":"HS256","kid":"` + f.kid + `"}`, `{}`, `null`, ``} {
		if f.accepts(jwttest.Signed(sha256.New, f.key, base64.RawURLEncoding.EncodeToString([]byte(h))+"."+body)) {
			t.Errorf("header %s: accepted", h)
		}
	}
}

// JW-1, JW-9.
func FuzzVerifyToken(f *testing.F) {
	forge := newForger(f)
	text := jwttest.Segment(forge.header(nil)) + "." + jwttest.Segment(forge.claims)
	good := jwttest.Signed(sha256.New, forge.key, text)
	for _, s := range []string{good, text + ".", text, "..", "", ".", good + "=", strings.Repeat(".", 100), jwttest.Signed(sha256.New, nil, text)} {
		f.Add(s)
	}
	saw := fuzztest.BothWays(f)
	fuzztest.Fuzz(f, func(t *testing.T, token string) {
		c, ok := forge.verified(token)
		if saw(ok); !ok {
			if c != (Claims{}) {
				t.Fatalf("claims %+v of a token that is refused", c)
			}
			return
		}
		if dot := strings.LastIndexByte(token, '.'); jwttest.Signed(sha256.New, forge.key, token[:dot]) != token {
			t.Fatalf("accepted, but not signed: %q", token)
		}
	})
}

// oracle is what golang-jwt makes of the claims.
type oracle struct{ Claims }

func (oracle) GetExpirationTime() (*jwt.NumericDate, error) { return nil, nil }
func (oracle) GetIssuedAt() (*jwt.NumericDate, error)       { return nil, nil }
func (oracle) GetNotBefore() (*jwt.NumericDate, error)      { return nil, nil }
func (o oracle) GetIssuer() (string, error)                 { return o.Issuer, nil }
func (o oracle) GetSubject() (string, error)                { return o.Subject, nil }
func (o oracle) GetAudience() (jwt.ClaimStrings, error)     { return jwt.ClaimStrings{o.Audience}, nil }

// Of the payloads that are signed, those are read here that golang-jwt reads, and as it
// reads them; of all texts, none is proven here that it refuses.
func FuzzATokenIsReadAsGolangJWTReadsIt(f *testing.F) {
	forge := newForger(f)
	header := jwttest.Segment(forge.header(nil))
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"HS256"}), jwt.WithoutClaimsValidation())
	asked := func(token string) (Claims, bool) {
		var o oracle
		_, err := parser.ParseWithClaims(token, &o, func(*jwt.Token) (any, error) { return forge.key, nil })
		return withoutClient(o.Claims), err == nil
	}
	whole := jwttest.JSON(forge.claims)
	var p Payload
	if err := json.Unmarshal(whole, &p); err != nil {
		f.Fatal(err)
	}
	written := jwttest.JSON(p)
	for _, body := range [][]byte{
		written, whole, []byte("{}"), []byte("null"), []byte("[]"), []byte(" "), []byte(`{"iss":1}`), []byte(`{"SUB":"x"}`),
		bytes.Replace(written, []byte(`"exp":`), []byte(`"exp":0`), 1), bytes.Replace(written, []byte(`"exp":`), []byte(`"exp":-`), 1),
		bytes.Replace(written, []byte(`"exp":`), []byte(`"exp":1e3,"x":`), 1), append(bytes.Clone(written), '}'), written[:len(written)-1],
		bytes.Replace(written, []byte(`"iss":"`), []byte(`"iss":"\u0061`), 1), bytes.Replace(written, []byte(`ses_`), []byte("se\xff_"), 1),
	} {
		f.Add(body, jwttest.Signed(sha256.New, forge.key, header+"."+base64.RawURLEncoding.EncodeToString(body)))
	}
	saw := fuzztest.BothWays(f)
	fuzztest.Fuzz(f, func(t *testing.T, body []byte, text string) {
		token := jwttest.Signed(sha256.New, forge.key, header+"."+base64.RawURLEncoding.EncodeToString(body))
		c, got := forge.verified(token)
		want, ok := asked(token)
		if saw(ok); len(token) <= MaxLen && (got != ok || ok && c != want) {
			t.Errorf("%s: %+v, %v; golang-jwt has %+v, %v", body, c, got, want, ok)
		}
		if _, ok := forge.verified(text); ok {
			if _, ok := asked(text); !ok {
				t.Errorf("%q is accepted, and golang-jwt refuses it", text)
			}
		}
	})
}
