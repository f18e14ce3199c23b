package auth

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"hash"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/datixlab/auth/internal/seal"
	"github.com/datixlab/auth/store/memstore"
)

const forgerSecret Secret = "0123456789abcdef0123456789ABCDEF"

// forger is a Manager with one user, whose live token it can forge others like, with
// the right key.
type forger struct {
	m      *Manager
	now    time.Time
	kid    string
	key    []byte
	claims map[string]any
}

func newForger(t testing.TB) *forger {
	t.Helper()
	f := &forger{now: time.Now().UTC().Truncate(time.Second)}
	m, err := New(memstore.New(), Config{
		Secrets: []Secret{forgerSecret}, Now: func() time.Time { return f.now }, Logger: slog.New(slog.DiscardHandler),
		PasswordHash: HashParams{Memory: 8, Time: 1, Threads: 1}, InsecureCheapHashing: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	ctx := context.Background()
	if _, err := m.Register(ctx, Registration{Email: "ada@example.com", Password: "correct horse battery", FullName: "Ada"}); err != nil {
		t.Fatal(err)
	}
	r, err := m.Login(ctx, "ada@example.com", "correct horse battery")
	if err != nil {
		t.Fatal(err)
	}
	ring, err := seal.New([]byte(forgerSecret))
	if err != nil {
		t.Fatal(err)
	}
	f.m, f.kid, f.key = m, ring.IDs()[0], ring.Derive(labelToken, 32)[0]
	body, err := base64.RawURLEncoding.DecodeString(strings.Split(string(r.AccessToken.Token), ".")[1])
	if err != nil || json.Unmarshal(body, &f.claims) != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"iat", "nbf", "exp", "auth_time"} {
		f.claims[name] = int64(f.claims[name].(float64))
	}
	return f
}

// header is the one that the Manager writes, with the given members changed.
func (f *forger) header(change map[string]any) map[string]any {
	h := map[string]any{"alg": "HS256", "kid": f.kid, "typ": "at+jwt"}
	return changed(h, change)
}

// changed returns m with the members of change; nil removes one.
func changed(m, change map[string]any) map[string]any {
	out := map[string]any{}
	for k, v := range m {
		out[k] = v
	}
	for k, v := range change {
		if out[k] = v; v == nil {
			delete(out, k)
		}
	}
	return out
}

func segment(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

func signed(newHash func() hash.Hash, key []byte, text string) string {
	mac := hmac.New(newHash, key)
	mac.Write([]byte(text))
	return text + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func (f *forger) opens(token string) bool {
	_, err := f.m.VerifyAccessToken(context.Background(), Secret(token))
	return err == nil
}

func TestATokenForgedWithTheRightKeyOpens(t *testing.T) {
	f := newForger(t)
	if !f.opens(signed(sha256.New, f.key, segment(f.header(nil))+"."+segment(f.claims))) {
		t.Fatal("the forger does not know how tokens are made: its other tests prove nothing")
	}
}

// JW-1, JW-5, JW-6
func TestAHeaderThatTheManagerDoesNotWriteIsRefusedEvenWithTheRightKey(t *testing.T) {
	f := newForger(t)
	body := segment(f.claims)
	for _, change := range []map[string]any{
		{"alg": "none"}, {"alg": "None"}, {"alg": "nOnE"}, {"alg": ""}, {"alg": nil}, {"alg": "HS384"}, {"alg": "HS512"}, {"alg": "RS256"}, {"alg": "ES256"}, {"alg": "hs256"},
		{"typ": nil}, {"typ": "JWT"}, {"typ": "refresh"}, {"typ": "AT+JWT"}, {"typ": "application/at+jwt"},
		{"crit": []string{"exp"}}, {"crit": []string{}}, {"b64": false}, {"zip": "DEF"}, {"cty": "JWT"},
		{"kid": nil}, {"kid": ""}, {"kid": "other"}, {"kid": f.kid + "x"}, {"kid": "../../dev/null"}, {"kid": []string{f.kid}},
		{"jwk": map[string]string{"kty": "oct", "k": base64.RawURLEncoding.EncodeToString(f.key)}}, {"jku": "https://evil.example/jwks"}, {"x5u": "https://evil.example/x"}, {"x5c": []string{"MII"}},
	} {
		text := segment(f.header(change)) + "." + body
		for name, token := range map[string]string{
			"HS256":          signed(sha256.New, f.key, text),
			"HS384":          signed(sha512.New384, f.key, text),
			"HS512":          signed(sha512.New, f.key, text),
			"an empty key":   signed(sha256.New, nil, text),
			"no signature":   text + ".",
			"no third part":  text,
			"the right text": text + "." + strings.Split(signed(sha256.New, f.key, segment(f.header(nil))+"."+body), ".")[2],
		} {
			if f.opens(token) {
				t.Errorf("%v, signed with %s: accepted", change, name)
			}
		}
	}
	good := `{"alg":"HS256","kid":"` + f.kid + `","typ":"at+jwt"}`
	for _, h := range []string{" " + good, good + " ", good + "{}", `{"alg":"none","alg":"HS256","kid":"` + f.kid + `","typ":"at+jwt"}`, `{"typ":"at+jwt","alg":"HS256","kid":"` + f.kid + `"}`, `{}`, `null`, ``} {
		if f.opens(signed(sha256.New, f.key, base64.RawURLEncoding.EncodeToString([]byte(h))+"."+body)) {
			t.Errorf("header %s: accepted", h)
		}
	}
}

// JW-3, JW-4, JW-7
func TestClaimsThatDoNotHoldAreRefusedEvenWithTheRightKey(t *testing.T) {
	f := newForger(t)
	now := f.now.Unix()
	sub, sid, jti := f.claims["sub"].(string), f.claims["sid"].(string), f.claims["jti"].(string)
	for _, change := range []map[string]any{
		{"exp": nil}, {"exp": 0}, {"exp": -1}, {"exp": fmt.Sprint(now + 60)}, {"exp": 1e300}, {"exp": float64(now) + 60.5}, {"exp": now}, {"exp": now - 1}, {"exp": true}, {"exp": []int64{now + 60}},
		{"iat": nil}, {"iat": now + 31}, {"iat": 0}, {"iat": -5}, {"iat": "1"}, {"iat": int64(1<<63 - 1)},
		{"nbf": nil}, {"nbf": now + 31}, {"nbf": 0}, {"nbf": "1"},
		{"iss": nil}, {"iss": ""}, {"iss": "other"}, {"iss": []string{"auth"}}, {"iss": "AUTH"},
		{"aud": nil}, {"aud": ""}, {"aud": "other"}, {"aud": []string{"auth"}}, {"aud": []string{"auth", "other"}},
		{"sub": nil}, {"sub": ""}, {"sub": strings.TrimPrefix(sub, "user_")}, {"sub": sub + "/../x"}, {"sub": "user_" + strings.Repeat("0", 29)}, {"sub": 1},
		{"sid": nil}, {"sid": ""}, {"sid": "ses_" + strings.Repeat("0", 22)}, {"sid": sid + "x"}, {"sid": "ses_../acct"},
		{"jti": nil}, {"jti": ""}, {"jti": strings.Repeat("0", 22)}, {"jti": jti + "x"}, {"jti": strings.ToUpper(jti) + " "},
	} {
		if f.opens(signed(sha256.New, f.key, segment(f.header(nil))+"."+segment(changed(f.claims, change)))) {
			t.Errorf("%v: accepted", change)
		}
	}
	for _, ok := range []map[string]any{{"iat": now + 30}, {"nbf": now + 30}, {"exp": now + 1}, {"role": "root"}, {"org": "org_x"}} {
		token := signed(sha256.New, f.key, segment(f.header(nil))+"."+segment(changed(f.claims, ok)))
		id, err := f.m.VerifyAccessToken(context.Background(), Secret(token))
		if err != nil {
			t.Errorf("%v: %v", ok, err)
		} else if id.User.Role != "admin" || id.User.OrganizationID == "org_x" {
			t.Errorf("%v is believed: %+v", ok, id.User)
		}
	}
	for _, body := range []string{"", "null", "{}", "[]", "1", `"x"`, "{", string(mustJSON(f.claims)) + "{}", string(mustJSON(f.claims)) + "x"} {
		if f.opens(signed(sha256.New, f.key, segment(f.header(nil))+"."+base64.RawURLEncoding.EncodeToString([]byte(body)))) {
			t.Errorf("claims %q: accepted", body)
		}
	}
}

func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

func FuzzVerifyToken(f *testing.F) {
	forge := newForger(f)
	text := segment(forge.header(nil)) + "." + segment(forge.claims)
	good := signed(sha256.New, forge.key, text)
	for _, s := range []string{good, text + ".", text, "..", "", ".", good + "=", strings.Repeat(".", 100), signed(sha256.New, nil, text)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, token string) {
		c, err := forge.m.signers.verify(token)
		if err != nil {
			if fmt.Sprint(c) != fmt.Sprint(claims{}) {
				t.Fatalf("claims %+v beside the error", c)
			}
			return
		}
		if dot := strings.LastIndexByte(token, '.'); signed(sha256.New, forge.key, token[:dot]) != token {
			t.Fatalf("accepted, but not signed: %q", token)
		}
	})
}
