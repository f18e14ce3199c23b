package auth

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/datixlab/auth/internal/fuzztest"
	"github.com/datixlab/auth/internal/jwttest"
	"github.com/datixlab/auth/internal/seal"
	"github.com/datixlab/auth/internal/stampcache"
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
	AwaitBackground(m) // it reads f.now
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
	for _, name := range []string{"iat", "exp", "auth_time"} {
		f.claims[name] = int64(f.claims[name].(float64))
	}
	return f
}

// header is the one that the Manager writes, with the given members changed.
func (f *forger) header(change map[string]any) map[string]any {
	h := map[string]any{"alg": "HS256", "kid": f.kid, "typ": "at+jwt"}
	return jwttest.Changed(h, change)
}

// accepts reports whether the token is accepted, or names anybody although it is not.
func (f *forger) accepts(token string) bool {
	id, err := f.m.VerifyAccessToken(context.Background(), Secret(token))
	return err == nil || !reflect.DeepEqual(id, Identity{})
}

func TestATokenForgedWithTheRightKeyIsAccepted(t *testing.T) {
	f := newForger(t)
	if !f.accepts(jwttest.Signed(sha256.New, f.key, jwttest.Segment(f.header(nil))+"."+jwttest.Segment(f.claims))) {
		t.Fatal("the forger does not know how tokens are made: its other tests prove nothing")
	}
}

// SE-3: a session ends when it does, whatever its tokens say: where it is read, where it is
// known, and where the token is.
func TestATokenDoesNotOutliveItsSession(t *testing.T) {
	f := newForger(t)
	forged := func(exp int64) string {
		return jwttest.Signed(sha256.New, f.key, jwttest.Segment(f.header(nil))+"."+jwttest.Segment(jwttest.Changed(f.claims, map[string]any{"exp": exp})))
	}
	end := f.now.Add(f.m.cfg.SessionTTL)
	known, unseen := forged(end.Unix()+1000), forged(end.Unix()+2000)
	for range 3 {
		if !f.accepts(known) {
			t.Fatal("refused before the end")
		}
	}
	for _, c := range []struct {
		at   time.Time
		want bool
	}{{end.Add(-time.Second), true}, {end, false}} {
		f.now = c.at
		if f.accepts(known) != c.want || f.accepts(unseen) != c.want {
			t.Errorf("%v from the end: accepted or refused wrongly", c.at.Sub(end))
		}
		f.m.cache.sessions = stampcache.New[snapshot](f.m.cfg.MaxRemembered)
		if f.accepts(unseen) != c.want {
			t.Errorf("%v from the end, of a session that is read: accepted or refused wrongly", c.at.Sub(end))
		}
	}
}

// JW-3, JW-4, JW-7, F-J3, F-J6, F-J12, Advisory 25 (CVE-2024-51744).
func TestInvalidClaimsAreRefusedEvenWithTheRightKey(t *testing.T) {
	f := newForger(t)
	now := f.now.Unix()
	sub, sid, jti := f.claims["sub"].(string), f.claims["sid"].(string), f.claims["jti"].(string)
	for _, change := range []map[string]any{
		{"exp": nil}, {"exp": 0}, {"exp": -1}, {"exp": fmt.Sprint(now + 60)}, {"exp": 1e300}, {"exp": float64(now) + 60.5}, {"exp": now}, {"exp": now - 1}, {"exp": true}, {"exp": []int64{now + 60}},
		{"iat": nil}, {"iat": now + 31}, {"iat": 0}, {"iat": -5}, {"iat": "1"}, {"iat": int64(1<<63 - 1)},
		{"nbf": now + 31}, {"nbf": -1}, {"nbf": "1"}, {"nbf": []int64{now}}, {"nbf": 1e300},
		{"iss": nil}, {"iss": ""}, {"iss": "other"}, {"iss": []string{"auth"}}, {"iss": "AUTH"},
		{"aud": nil}, {"aud": ""}, {"aud": "other"}, {"aud": []string{"auth"}}, {"aud": []string{"auth", "other"}},
		{"sub": nil}, {"sub": ""}, {"sub": strings.TrimPrefix(sub, "user_")}, {"sub": sub + "/../x"}, {"sub": "user_" + strings.Repeat("0", 29)}, {"sub": 1},
		{"sid": nil}, {"sid": ""}, {"sid": "ses_" + strings.Repeat("0", 22)}, {"sid": sid + "x"}, {"sid": "ses_../acct"},
		{"jti": nil}, {"jti": ""}, {"jti": strings.Repeat("0", 22)}, {"jti": jti + "x"}, {"jti": strings.ToUpper(jti) + " "},
	} {
		if f.accepts(jwttest.Signed(sha256.New, f.key, jwttest.Segment(f.header(nil))+"."+jwttest.Segment(jwttest.Changed(f.claims, change)))) {
			t.Errorf("%v: accepted", change)
		}
	}
	for _, ok := range []map[string]any{{"iat": now + 30}, {"nbf": now + 30}, {"nbf": now}, {"nbf": 0}, {"client_id": nil}, {"client_id": "other"}, {"exp": now + 1}, {"role": "root"}, {"org": "org_x"}} {
		token := jwttest.Signed(sha256.New, f.key, jwttest.Segment(f.header(nil))+"."+jwttest.Segment(jwttest.Changed(f.claims, ok)))
		id, err := f.m.VerifyAccessToken(context.Background(), Secret(token))
		if err != nil {
			t.Errorf("%v: %v", ok, err)
		} else if id.User.Role != "admin" || id.User.OrganizationID == "org_x" {
			t.Errorf("%v is believed: %+v", ok, id.User)
		}
	}
	for _, body := range []string{"", "null", "{}", "[]", "1", `"x"`, "{", string(jwttest.JSON(f.claims)) + "{}", string(jwttest.JSON(f.claims)) + "x"} {
		if f.accepts(jwttest.Signed(sha256.New, f.key, jwttest.Segment(f.header(nil))+"."+base64.RawURLEncoding.EncodeToString([]byte(body)))) {
			t.Errorf("claims %q: accepted", body)
		}
	}
}

// FuzzTempToken: what is accepted is what was made, in its one spelling.
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
	fuzztest.Fuzz(f, func(t *testing.T, s string) {
		uid, digest, ok := m.parseTempToken(Secret(s))
		if saw(ok); !ok {
			if uid != "" || digest != nil {
				t.Fatalf("%q is refused and names %q, %x", s, uid, digest)
			}
			return
		}
		sealed, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(s, tempPrefix))
		if err != nil || len(s) > 512 || tempPrefix+base64.RawURLEncoding.EncodeToString(sealed) != s {
			t.Fatalf("%q is accepted in another spelling: %v", s, err)
		}
		plain, _, err := m.keys.Open(labelTemp, sealed, nil)
		if sum := sha256.Sum256(plain[:tempSecret]); err != nil || uid != string(plain[tempSecret:]) || !bytes.Equal(digest, sum[:]) {
			t.Fatalf("%q is accepted as %q, %x: %v", s, uid, digest, err)
		}
	})
}
