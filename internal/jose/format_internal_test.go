package jose

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/datixlab/auth/internal/fuzztest"
	"github.com/datixlab/auth/internal/jwttest"
)

// scanned is scan of the whole of a payload, as Verify has it.
func scanned(p *Parsed, payload []byte, f *Format) bool {
	rest, usual := strings.CutPrefix(base64.RawURLEncoding.EncodeToString(payload), f.start)
	text, ok := decodePayload(rest, new([]byte))
	return usual && ok && p.scan(text, f)
}

// read returns the claims as package encoding/json would, but the client's id, which no check
// needs.
func (p *Parsed) read() Claims {
	return Claims{
		Issuer: p.Issuer, Audience: p.Audience, Subject: string(p.Subject), Session: string(p.Session), ID: string(p.ID),
		Validity: p.Validity,
	}
}

// withoutClient returns what of c a Parsed has.
func withoutClient(c Claims) Claims {
	c.ClientID = ""
	return c
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
	f.Add("auth", "auth", uid, sid, jti, now, int64(0), now+3600, "admin", byte('0'))
	f.Add("https://auth.example.com", "auth", uid, sid, jti, now, now-30, now+3600, "admin", byte(','))
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
	fuzztest.Fuzz(f, func(t *testing.T, iss, aud, sub, sid, jti string, iat, nbf, exp int64, role string, b byte) {
		format := NewFormat(iss, aud, iss+aud, "user_", "ses_")
		body := jwttest.JSON(Payload{
			Claims:   Claims{Issuer: iss, Audience: aud, ClientID: iss + aud, Subject: sub, Session: sid, ID: jti, Validity: Validity{iat, nbf, exp}},
			AuthTime: iat, AMR: []string{role}, Org: role, Role: role,
		})
		// A signer writes valid JSON in valid UTF-8; whatever else it could have signed
		// has no meaning to differ from.
		agree := func(text []byte) bool {
			var got Parsed
			var want Claims
			ok := scanned(&got, text, format)
			if saw(ok); !ok {
				return false
			}
			if utf8.Valid(text) {
				if err := json.Unmarshal(text, &want); err != nil || got.read() != withoutClient(want) {
					t.Errorf("%s: scan reads %+v, encoding/json %+v, %v", text, got.read(), want, err)
				}
			}
			return true
		}
		if !agree(body) && utf8.ValidString(iss+aud) && simple(role) && validIDs(format, sub, sid, jti) && short(iat) && short(nbf) && short(exp) {
			t.Errorf("%s: scan cannot read what sign writes", body)
		}
		// The fuzzer takes an input of ten seconds for one that hangs, and the work below
		// grows with the square of the length: a long body is changed at 1,000 places.
		for i := 0; i < len(body); i += 1 + len(body)/1000 {
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
	var p Payload
	if err := json.Unmarshal(jwttest.JSON(f.claims), &p); err != nil {
		t.Fatal(err)
	}
	text := string(jwttest.JSON(p))
	var indented bytes.Buffer
	if err := json.Indent(&indented, []byte(text), "", "  "); err != nil {
		t.Fatal(err)
	}
	rest, hasIssuer := strings.CutPrefix(text, `{"iss":"auth",`)
	if !hasIssuer {
		t.Fatalf("the payload is %s", text)
	}
	const nbf = `,"nbf":1899999970,"exp":`
	dated := strings.Replace(text, `,"exp":`, nbf, 1)
	for name, body := range map[string]string{
		"as it is written":      text,
		"as it is written, nbf": dated,
		"of an older version":   strings.Replace(dated, `"client_id":"app",`, "", 1),
		"of another client":     strings.Replace(text, `"app"`, `"other"`, 1),
		"by name":               string(jwttest.JSON(f.claims)),
		"indented":              indented.String(),
		"a space before":        " " + text,
		"issuer escaped":        `{"iss":"\u0061uth",` + rest,
		"issuer last":           "{" + strings.TrimSuffix(rest, "}") + `,"iss":"auth"}`,
		"a claim of no use":     `{"ver":1,"iss":"auth",` + rest,
		"a claim in a claim":    `{"act":{"iss":"evil"},"iss":"auth",` + rest,
		"the issuer said again": `{"iss":"evil","iss":"auth",` + rest,
	} {
		token := jwttest.Signed(sha256.New, f.key, jwttest.Segment(f.header(nil))+"."+base64.RawURLEncoding.EncodeToString([]byte(body)))
		want := withoutClient(p.Claims)
		if strings.Contains(body, nbf) {
			want.From = 1_899_999_970
		}
		if c, ok := f.verified(token); !ok || c != want {
			t.Errorf("%s: %+v, %v", name, c, ok)
		}
		var c Parsed
		if ok := scanned(&c, []byte(body), f.format); ok != strings.HasPrefix(name, "as it is written") {
			t.Errorf("%s: scan takes it: %v", name, ok)
		}
	}
	partly := strings.Replace(text, `,"aud":"auth"`, "", 1) // nothing of what scan had begun to read stays
	want := withoutClient(p.Claims)
	want.Audience = ""
	c, ok := f.verified(jwttest.Signed(sha256.New, f.key, jwttest.Segment(f.header(nil))+"."+base64.RawURLEncoding.EncodeToString([]byte(partly))))
	if !ok || c != want {
		t.Errorf("without an audience: %+v, %v, want %+v", c, ok, want)
	}
	c, ok = f.verified(jwttest.Signed(sha256.New, f.key, jwttest.Segment(f.header(nil))+"."+base64.RawURLEncoding.EncodeToString([]byte(text[:len(text)-1]))))
	if ok || c != (Claims{}) {
		t.Errorf("half a payload: %+v, %v", c, ok)
	}
	for body, issuer := range map[string]string{
		strings.Replace(indented.String(), `"auth"`, `"evil"`, 1): "evil",
		`{"iss":"\u0062uth",` + rest:                              "buth",
		`{"iss":"auth","ver":1,"iss":"evil",` + rest:              "evil",
	} {
		c, ok := f.verified(jwttest.Signed(sha256.New, f.key, jwttest.Segment(f.header(nil))+"."+base64.RawURLEncoding.EncodeToString([]byte(body))))
		if !ok || c.Issuer != issuer {
			t.Errorf("%s: the issuer is read as %q, %v", body, c.Issuer, ok)
		}
	}
}
