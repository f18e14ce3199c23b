package auth

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"github.com/golang-jwt/jwt/v5"
	"hash"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/datixlab/auth/internal/fuzztest"
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

// verified returns what the token says, if it is signed.
func (f *forger) verified(token string) (claims, error) {
	var c tokenClaims
	err := f.m.tokenKeys.verify(token, f.m.opening, &c, new([]byte))
	return c.read(), err
}

// scanned is scan of the whole of a payload, as verify has it.
func scanned(c *tokenClaims, payload []byte, o opening) bool {
	rest, usual := strings.CutPrefix(base64.RawURLEncoding.EncodeToString(payload), o.encoded)
	text, ok := decoded(rest, new([]byte))
	return usual && ok && c.scan(text, o)
}

// read returns the claims as package encoding/json would.
func (c *tokenClaims) read() claims {
	return claims{
		Issuer: c.issuer, Audience: c.audience, Subject: string(c.subject), Session: string(c.session), ID: string(c.id),
		validity: c.validity,
	}
}

// opens reports whether the token is accepted, or names anybody although it is not.
func (f *forger) opens(token string) bool {
	id, err := f.m.VerifyAccessToken(context.Background(), Secret(token))
	return err == nil || !reflect.DeepEqual(id, Identity{})
}

func TestATokenForgedWithTheRightKeyOpens(t *testing.T) {
	f := newForger(t)
	if !f.opens(signed(sha256.New, f.key, segment(f.header(nil))+"."+segment(f.claims))) {
		t.Fatal("the forger does not know how tokens are made: its other tests prove nothing")
	}
}

// SE-3: a session ends when it does, whatever its tokens say: where it is read, where it is
// known, and where the token is.
func TestATokenDoesNotOutliveItsSession(t *testing.T) {
	f := newForger(t)
	forged := func(exp int64) string {
		return signed(sha256.New, f.key, segment(f.header(nil))+"."+segment(changed(f.claims, map[string]any{"exp": exp})))
	}
	end := f.now.Add(f.m.cfg.SessionTTL)
	known, unseen := forged(end.Unix()+1000), forged(end.Unix()+2000)
	for range 3 {
		if !f.opens(known) {
			t.Fatal("refused before the end")
		}
	}
	for _, c := range []struct {
		at   time.Time
		want bool
	}{{end.Add(-time.Second), true}, {end, false}} {
		f.now = c.at
		if f.opens(known) != c.want || f.opens(unseen) != c.want {
			t.Errorf("%v from the end: accepted or refused wrongly", c.at.Sub(end))
		}
		f.m.memory.sessions = make([]set[snapshot], len(f.m.memory.sessions))
		if f.opens(unseen) != c.want {
			t.Errorf("%v from the end, of a session that is read: accepted or refused wrongly", c.at.Sub(end))
		}
	}
}

// JW-1, JW-5, JW-6, F-J1, F-J5, Advisory 25 (GHSA-mh63-6h87-95cp).
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

// JW-3, JW-4, JW-7, F-J3, F-J6, F-J12, Advisory 25 (CVE-2024-51744).
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

// JW-1, JW-9.
func FuzzVerifyToken(f *testing.F) {
	forge := newForger(f)
	text := segment(forge.header(nil)) + "." + segment(forge.claims)
	good := signed(sha256.New, forge.key, text)
	for _, s := range []string{good, text + ".", text, "..", "", ".", good + "=", strings.Repeat(".", 100), signed(sha256.New, nil, text)} {
		f.Add(s)
	}
	saw := fuzztest.BothWays(f)
	f.Fuzz(func(t *testing.T, token string) {
		c, err := forge.verified(token)
		if saw(err == nil); err != nil {
			if c != (claims{}) {
				t.Fatalf("claims %+v beside the error", c)
			}
			return
		}
		if dot := strings.LastIndexByte(token, '.'); signed(sha256.New, forge.key, token[:dot]) != token {
			t.Fatalf("accepted, but not signed: %q", token)
		}
	})
}

// FuzzScanReadsAsEncodingJSONDoes: of every payload that sign writes, and of each with
// one byte changed, scan says what package encoding/json does, or that it cannot say.
func FuzzScanReadsAsEncodingJSONDoes(f *testing.F) {
	simple := func(s string) bool {
		return strings.Trim(s, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_") == ""
	}
	short := func(n int64) bool { return 0 <= n && n < 1e18 }
	const uid, sid, jti = "user_01234567890123456789012345678", "ses_0123456789012345678901", "0123456789012345678901"
	const now = int64(1700000000)
	f.Add("auth", "auth", uid, sid, jti, now, now, now+3600, "admin", byte('0'))
	f.Add("auth", "https://api.example.com/?a=b", uid, sid, jti, int64(10), int64(100), int64(1000), "r", byte('.'))
	f.Add("auth", "auth", uid, sid, jti, int64(1e18-1), int64(1e18-1), int64(1e18-1), "r", byte('9'))
	f.Add("auth", "auth", uid, sid, jti, int64(0), int64(-1), int64(1<<63-1), "r", byte('-'))
	f.Add("", "", "", "", "", int64(0), int64(0), int64(0), "", byte(0))
	f.Add(`a"b`, "auth", uid, sid, jti, now, now, now, `","iss":"evil`, byte('"'))
	f.Add("auth", "auth", uid, sid, "<>&", now, now, now, `\",\"exp\":1`, byte('\\'))
	f.Add("auth", "auth", uid, "\u2028", jti, int64(-1<<63), now, now, "r", byte('e'))
	f.Add("日本語", "😀", "é", "\x7f", jti, now, now, now, "é", byte('x'))
	f.Add("\xff\xfe", "\xed\xa0\x80", "\x00\x1f", "\t", "\n", now, now, now, "r", byte(0xff))
	f.Add("auth", "auth", uid, sid, jti, now, now, now, "r", byte(0xff))
	f.Add("auth", "http\x97\xf8//api.example.com/?a=b", uid, sid, jti, now, now, now, "r", byte('.'))
	saw := fuzztest.BothWays(f)
	f.Fuzz(func(t *testing.T, iss, aud, sub, sid, jti string, iat, nbf, exp int64, role string, b byte) {
		body := mustJSON(payload{
			claims:   claims{Issuer: iss, Audience: aud, Subject: sub, Session: sid, ID: jti, validity: validity{iat, nbf, exp}},
			AuthTime: iat, AMR: []string{role}, Org: role, Role: role,
		})
		// A signer writes valid JSON in valid UTF-8; whatever else it could have signed
		// has no meaning to differ from.
		agree := func(text []byte) bool {
			var got tokenClaims
			var want claims
			ok := scanned(&got, text, newOpening(iss, aud))
			if saw(ok); !ok {
				return false
			}
			if utf8.Valid(text) {
				if err := json.Unmarshal(text, &want); err != nil || got.read() != want {
					t.Errorf("%s: scan reads %+v, encoding/json %+v, %v", text, got.read(), want, err)
				}
			}
			return true
		}
		if !agree(body) && utf8.ValidString(iss+aud) && simple(role) && areIDs(sub, sid, jti) && short(iat) && short(nbf) && short(exp) {
			t.Errorf("%s: scan cannot read what sign writes", body)
		}
		for i := range body {
			changed := bytes.Clone(body)
			changed[i] = b
			agree(changed)
			agree(slices.Insert(bytes.Clone(body), i, b))
			agree(slices.Delete(bytes.Clone(body), i, i+1))
			agree(body[:i])
		}
	})
}

// What scan passes on is read all the same: of one meaning there are many texts.
func TestATokenInAnotherLayoutIsReadAsWell(t *testing.T) {
	f := newForger(t)
	var p payload
	if err := json.Unmarshal(mustJSON(f.claims), &p); err != nil {
		t.Fatal(err)
	}
	text := string(mustJSON(p))
	var indented bytes.Buffer
	if err := json.Indent(&indented, []byte(text), "", "  "); err != nil {
		t.Fatal(err)
	}
	rest, hasIssuer := strings.CutPrefix(text, `{"iss":"auth",`)
	if !hasIssuer {
		t.Fatalf("the payload is %s", text)
	}
	for name, body := range map[string]string{
		"as it is written":      text,
		"by name":               string(mustJSON(f.claims)),
		"indented":              indented.String(),
		"a space before":        " " + text,
		"issuer escaped":        `{"iss":"\u0061uth",` + rest,
		"issuer last":           "{" + strings.TrimSuffix(rest, "}") + `,"iss":"auth"}`,
		"a claim of no use":     `{"ver":1,"iss":"auth",` + rest,
		"a claim in a claim":    `{"act":{"iss":"evil"},"iss":"auth",` + rest,
		"the issuer said again": `{"iss":"evil","iss":"auth",` + rest,
	} {
		token := signed(sha256.New, f.key, segment(f.header(nil))+"."+base64.RawURLEncoding.EncodeToString([]byte(body)))
		id, err := f.m.VerifyAccessToken(context.Background(), Secret(token))
		if err != nil || id.SessionID != p.Session || id.User.ID != p.Subject || id.ExpiresAt.Unix() != p.Expires {
			t.Errorf("%s: %+v, %v", name, id, err)
		}
		var c tokenClaims
		if ok := scanned(&c, []byte(body), f.m.opening); ok != (name == "as it is written") {
			t.Errorf("%s: scan takes it: %v", name, ok)
		}
	}
	partly := strings.Replace(text, `,"aud":"auth"`, "", 1) // nothing of what scan had begun to read stays
	want := p.claims
	want.Audience = ""
	c, err := f.verified(signed(sha256.New, f.key, segment(f.header(nil))+"."+base64.RawURLEncoding.EncodeToString([]byte(partly))))
	if err != nil || c != want {
		t.Errorf("without an audience: %+v, %v, want %+v", c, err, want)
	}
	for name, body := range map[string]string{
		"indented, of another issuer": strings.Replace(indented.String(), `"auth"`, `"evil"`, 1),
		"an issuer escaped":           `{"iss":"\u0062uth",` + rest,
		"another issuer said again":   `{"iss":"auth","ver":1,"iss":"evil",` + rest,
	} {
		if f.opens(signed(sha256.New, f.key, segment(f.header(nil))+"."+base64.RawURLEncoding.EncodeToString([]byte(body)))) {
			t.Errorf("%s: accepted", name)
		}
	}
}

// FuzzTempToken: what opens is what was made, in its one spelling.
func FuzzTempToken(f *testing.F) {
	m := newForger(f).m
	made := func(secret byte, uid string) string {
		sealed := m.keys.Seal(labelTemp, append(bytes.Repeat([]byte{secret}, tempSecret), uid...), nil)
		return tempPrefix + base64.RawURLEncoding.EncodeToString(sealed)
	}
	good := made(1, dummyUID)
	for _, s := range []string{good, good[:len(good)-1], good + "=", good + "A", good[:20] + "\n" + good[20:], strings.ToUpper(good), good[len(tempPrefix):], tempPrefix, "", made(1, ""), made(1, dummyUID+"0"), strings.Repeat(good, 10)} {
		f.Add(s)
	}
	saw := fuzztest.BothWays(f)
	f.Fuzz(func(t *testing.T, s string) {
		uid, digest, ok := m.parseTempToken(Secret(s))
		if saw(ok); !ok {
			if uid != "" || digest != nil {
				t.Fatalf("%q is refused and names %q, %x", s, uid, digest)
			}
			return
		}
		sealed, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(s, tempPrefix))
		if err != nil || len(s) > 512 || tempPrefix+base64.RawURLEncoding.EncodeToString(sealed) != s {
			t.Fatalf("%q opens in another spelling: %v", s, err)
		}
		plain, _, err := m.keys.Open(labelTemp, sealed, nil)
		if sum := sha256.Sum256(plain[:tempSecret]); err != nil || uid != string(plain[tempSecret:]) || !bytes.Equal(digest, sum[:]) {
			t.Fatalf("%q opens as %q, %x: %v", s, uid, digest, err)
		}
	})
}

// oracle is what golang-jwt makes of the claims.
type oracle struct{ claims }

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
	header := segment(forge.header(nil))
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"HS256"}), jwt.WithoutClaimsValidation())
	asked := func(token string) (claims, bool) {
		var o oracle
		_, err := parser.ParseWithClaims(token, &o, func(*jwt.Token) (any, error) { return forge.key, nil })
		return o.claims, err == nil
	}
	whole := mustJSON(forge.claims)
	var p payload
	if err := json.Unmarshal(whole, &p); err != nil {
		f.Fatal(err)
	}
	written := mustJSON(p)
	for _, body := range [][]byte{
		written, whole, []byte("{}"), []byte("null"), []byte("[]"), []byte(" "), []byte(`{"iss":1}`), []byte(`{"SUB":"x"}`),
		bytes.Replace(written, []byte(`"exp":`), []byte(`"exp":0`), 1), bytes.Replace(written, []byte(`"exp":`), []byte(`"exp":-`), 1),
		bytes.Replace(written, []byte(`"exp":`), []byte(`"exp":1e3,"x":`), 1), append(bytes.Clone(written), '}'), written[:len(written)-1],
		bytes.Replace(written, []byte(`"iss":"`), []byte(`"iss":"\u0061`), 1), bytes.Replace(written, []byte(`ses_`), []byte("se\xff_"), 1),
	} {
		f.Add(body, signed(sha256.New, forge.key, header+"."+base64.RawURLEncoding.EncodeToString(body)))
	}
	saw := fuzztest.BothWays(f)
	f.Fuzz(func(t *testing.T, body []byte, text string) {
		token := signed(sha256.New, forge.key, header+"."+base64.RawURLEncoding.EncodeToString(body))
		c, err := forge.verified(token)
		want, ok := asked(token)
		if saw(ok); len(token) <= maxToken && ((err == nil) != ok || ok && c != want) {
			t.Errorf("%s: %+v, %v; golang-jwt has %+v, %v", body, c, err, want, ok)
		}
		if _, err := forge.verified(text); err == nil {
			if _, ok := asked(text); !ok {
				t.Errorf("%q is accepted, and golang-jwt refuses it", text)
			}
		}
	})
}
