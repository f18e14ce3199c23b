package httpauth_test

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/datixlab/auth/httpauth"
)

// reading are the calls that read a body, with one that they take and the name of a
// member that is a string.
func reading(f *fixture) []struct {
	method, path string
	body         string
	member       string
	credential   with
} {
	token := bearer(f.account("reader@example.com"))
	none := func(*http.Request) {}
	return []struct {
		method, path string
		body         string
		member       string
		credential   with
	}{
		{"POST", "/register", `{"email":"new@example.com","password":"SecurePass123!","full_name":"Ada"`, "email", none},
		{"POST", "/login", `{"email":"reader@example.com","password":"SecurePass123!"`, "password", none},
		{"POST", "/verify-2fa", `{"temp_token":"temp_1","code":"123456"`, "code", none},
		{"POST", "/enable-2fa", `{"password":"SecurePass123!"`, "password", token},
		{"POST", "/confirm-2fa", `{"code":"123456"`, "code", token},
		{"POST", "/backup-codes", `{"password":"SecurePass123!","code":"123456"`, "code", token},
		{"POST", "/disable-2fa", `{"password":"SecurePass123!","code":"123456"`, "code", token},
		{"POST", "/api-keys", `{"name":"x","scopes":["a"]`, "name", token},
		{"PATCH", "/api-keys/key_1", `{"name":"x","enabled":false`, "name", token},
		{"POST", "/api-keys/key_1/rotate", `{"overlap_hours":0,"password":"SecurePass123!"`, "password", token},
		{"PATCH", "/me", `{"full_name":"Ada"`, "full_name", token},
		{"POST", "/delete-account", `{"password":"a wrong one, which deletes nothing"`, "password", token},
		{"POST", "/me/export", `{"password":"SecurePass123!"`, "password", token},
		{"PATCH", "/organization", `{"name":"Looms"`, "name", token},
		{"PATCH", "/organization/members/user_1", `{"role":"member"`, "role", token},
		{"POST", "/organization/members/user_1/remove", `{"password":"SecurePass123!"`, "password", token},
		{"POST", "/organization/leave", `{"password":"a wrong one, which changes nothing"`, "password", token},
		{"POST", "/organization/invitations", `{"email":"guest@example.com","role":"member"`, "role", token},
		{"POST", "/accept-invitation", `{"token":"inv_1"`, "token", token},
		{"POST", "/verify-email", `{"token":"vrf_1"`, "token", none},
		{"POST", "/resend-verification", `{"email":"reader@example.com"`, "email", none},
		{"POST", "/forgot-password", `{"email":"reader@example.com"`, "email", none},
		{"POST", "/reset-password", `{"token":"rst_1","new_password":"NewPass456!"`, "new_password", none},
		{"POST", "/confirm-email", `{"token":"chg_1"`, "token", token},
		{"POST", "/change-password", `{"current_password":"SecurePass123!","new_password":"NewPass456!"`, "new_password", token},
	}
}

func TestEveryCallThatReadsABodyIsInTheInputTests(t *testing.T) {
	f := newFixture(t, setup{})
	tested := map[string]bool{}
	for _, c := range reading(f) {
		tested[c.method+" "+strings.NewReplacer("key_1", "{key_id}", "user_1", "{user_id}").Replace(c.path)] = true
	}
	for _, rt := range f.handler.Routes() {
		method, path, _ := strings.Cut(rt, " ")
		reads := dig(f.document, "paths", path, strings.ToLower(method), "requestBody") != nil
		if reads != tested[rt] {
			t.Errorf("%s: reads a body is %v, tested is %v", rt, reads, tested[rt])
		}
	}
}

// HT-1: whatever a form can send is refused.
func TestBodyMustSayThatItIsJSON(t *testing.T) {
	f := newFixture(t, setup{})
	for _, c := range reading(f) {
		for _, contentType := range []string{
			"", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/json",
			"application/json5", "application/problem+json", "application/*", "*/*", "application/json, text/plain",
			"application/json; charset=latin1", "application/json; charset=utf-16", "application/json; x=y; charset=cp1252",
			"application/json; charset=utf-8; charset=utf-7", "application/json;;", "json",
		} {
			f.call(c.method, c.path, c.body+"}", c.credential, func(r *http.Request) {
				r.Header.Set("Content-Type", contentType)
			}).want(415, httpauth.CodeUnsupportedMediaType)
		}
		f.call(c.method, c.path, c.body+"}", c.credential, func(r *http.Request) { r.Header["Content-Type"] = nil }).want(415)
		f.call(c.method, c.path, c.body+"}", c.credential, header("Content-Type", "text/plain")).want(415)
		for _, coding := range []string{"gzip", "br", "deflate", "x", "identity, gzip", ""} {
			f.call(c.method, c.path, c.body+"}", c.credential, header("Content-Encoding", coding)).want(415)
		}
	}
}

func TestBodyMayNameItsCharsetAndWhatElseItLikes(t *testing.T) {
	f := newFixture(t, setup{})
	f.register("ada@example.com")
	for _, contentType := range []string{
		"application/json; charset=utf-8", "Application/JSON;charset=UTF-8", `application/json; charset="utf-8"`,
		"application/json; charset=utf8", "application/json; odata=verbose", "application/json;v=2; charset=UTF-8",
	} {
		f.call("POST", "/login", members{"email": "ada@example.com", "password": password}, func(r *http.Request) {
			r.Header.Set("Content-Type", contentType)
			r.Header.Set("Content-Encoding", "identity")
		}).want(200)
	}
}

// A countingReader is an endless body that knows how much of it was taken.
type countingReader struct{ n int64 }

func (c *countingReader) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	c.n += int64(len(p))
	return len(p), nil
}

// HT-2.
func TestBodyIsReadUpToItsLimitAndNoFurther(t *testing.T) {
	f := newFixture(t, setup{})
	for _, c := range reading(f) {
		full := c.body + strings.Repeat(" ", httpauth.MaxBody-len(c.body)-1) + "}"
		if a := f.call(c.method, c.path, full, c.credential); a.status == 413 || a.status == 400 && a.body["code"] == "invalid_json" {
			t.Errorf("%s %s: a body of the limit is %s", c.method, c.path, a.raw)
		}
		f.call(c.method, c.path, full+" ", c.credential).want(413, httpauth.CodeBodyTooLarge)
		// Chunked: the length is not known before.
		f.call(c.method, c.path, "", c.credential, func(r *http.Request) {
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader(full+" ")), -1
		}).want(413, httpauth.CodeBodyTooLarge)
	}
}

func TestEndlessBodyIsNotRead(t *testing.T) {
	f := newFixture(t, setup{})
	body := &countingReader{}
	r := newRecorded("POST", "/login", io.NopCloser(body))
	r.request.Header.Set("Content-Type", "application/json")
	f.handler.ServeHTTP(r, r.request)
	if r.Code != 413 || body.n > httpauth.MaxBody+1024 {
		t.Errorf("status %d after %d bytes", r.Code, body.n)
	}
}

// HT-3, PW-5, LG-12.
func TestBodyMustBeOneStrictObject(t *testing.T) {
	f := newFixture(t, setup{})
	for _, c := range reading(f) {
		for name, body := range map[string]string{
			"nothing":              "",
			"space":                " ",
			"null":                 "null",
			"a list":               "[" + c.body + "}]",
			"a string":             `"x"`,
			"a number":             "1",
			"unfinished":           c.body,
			"trailing text":        c.body + "}garbage",
			"trailing object":      c.body + "}{}",
			"trailing comma":       c.body + ",}",
			"a comment":            c.body + "/**/}",
			"single quotes":        strings.ReplaceAll(c.body, `"`, `'`) + "}",
			"a byte order mark":    "\ufeff" + c.body + "}",
			"a NUL":                c.body + "}\x00",
			"a duplicate":          c.body + `,"` + c.member + `":"x"}`,
			"an escaped duplicate": c.body + `,"` + strings.Replace(c.member, "e", `\u0065`, 1) + `":"x","` + c.member + `":"y"}`,
			"an unknown duplicate": c.body + `,"x":1,"x":2}`,
			"a nested duplicate":   c.body + `,"x":[{"y":{"z":1,"z":2}}]}`,
			"invalid UTF-8":        c.body + ",\"x\":\"\xff\"}",
			"an overlong encoding": c.body + ",\"x\":\"\xc0\x80\"}",
			"a raw surrogate":      c.body + ",\"x\":\"\xed\xa0\x80\"}",
			"a high surrogate":     c.body + `,"x":"\ud800"}`,
			"a low surrogate":      c.body + `,"x":"\udfff"}`,
			"surrogates reversed":  c.body + `,"x":"\udc00\ud800"}`,
			"half of its member":   replaceMember(t, c.body+"}", c.member, `"\ud800aaaaaaaaaaaaaaa"`),
			"the other half of it": replaceMember(t, c.body+"}", c.member, `"\udfffaaaaaaaaaaaaaaa"`),
			"a half in a name":     c.body + `,"\ud800x":1}`,
			"depth":                c.body + `,"x":` + strings.Repeat("[", 32) + strings.Repeat("]", 32) + "}",
			"great depth":          c.body + `,"x":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + "}",
			"a control character":  c.body + ",\"x\":\"a\nb\"}",
			"NaN":                  c.body + `,"x":NaN}`,
			"a leading zero":       c.body + `,"x":01}`,
		} {
			if body == "" && slices.Contains([]string{"/enable-2fa", "/me/export", "/delete-account", "/api-keys/key_1/rotate", "/organization/members/user_1/remove", "/organization/leave"}, c.path) {
				continue // its body is optional
			}
			if a := f.call(c.method, c.path, body, c.credential); a.status != 400 || a.body["code"] != "invalid_json" {
				t.Errorf("%s %s: %s is %d %s", c.method, c.path, name, a.status, a.raw)
			}
		}
		for _, spelled := range []string{strings.ToUpper(c.member), strings.ToUpper(c.member[:1]) + c.member[1:], strings.Replace(c.member, "s", "\u017f", 1)} {
			if spelled == c.member {
				continue
			}
			f.call(c.method, c.path, c.body+`,"`+spelled+`":"x"}`, c.credential).want(400, httpauth.CodeInvalidInput).wantFields(c.member + ":wrong_case")
		}
		for _, value := range []string{"1", "true", "[]", "{}", `["a","b"]`, "1.5"} {
			body := replaceMember(t, c.body+"}", c.member, value)
			f.call(c.method, c.path, body, c.credential).want(400, httpauth.CodeInvalidInput).wantFields(c.member + ":wrong_type")
		}
	}
}

func replaceMember(t *testing.T, body, name, value string) string {
	t.Helper()
	before, after, ok := strings.Cut(body, `"`+name+`":"`)
	_, after, ok2 := strings.Cut(after, `"`)
	if !ok || !ok2 {
		t.Fatalf("no member %q in %s", name, body)
	}
	return before + `"` + name + `":` + value + after
}

func TestEveryMissingMemberIsNamedAtOnce(t *testing.T) {
	f := newFixture(t, setup{})
	for _, body := range []string{`{}`, `{"email":null,"password":null,"full_name":null}`} {
		f.call("POST", "/register", body).want(400, httpauth.CodeInvalidInput).
			wantFields("email:required", "password:required", "full_name:required")
	}
}

func TestUnknownMembersOfAnyShapeAreIgnored(t *testing.T) {
	f := newFixture(t, setup{})
	f.register("ada@example.com")
	f.call("POST", "/login", `{"email":"ada@example.com","password":"`+password+`","user_id":"user_1","x":{"y":[1e999,"\ud83d\ude00",null]},"":0}`).want(200)
}

// AK-6, TT-1, Advisory 1 (CVE-2025-61928).
// Identity comes from the credential alone: no body changes it.
func TestBodyIsNoCredential(t *testing.T) {
	f := newFixture(t, setup{})
	owner := f.account("ada@example.com")
	for _, c := range reading(f) {
		if !authenticated(f, c.method, c.path) {
			continue
		}
		f.call(c.method, c.path, c.body+`,"user_id":"user_1","access_token":"`+owner+`","organization_id":"org_1"}`).want(401, httpauth.CodeAuthenticationRequired)
	}
}

// DO-2.
func TestACallerWithoutAccessIsRefusedBeforeTheBodyIsRead(t *testing.T) {
	f := newFixture(t, setup{})
	f.call("POST", "/api-keys", "{", func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }).want(401)
}

// A byte order mark, as editors and shells of Windows write it, is refused by name (RFC 8259,
// section 8.1).
func TestAByteOrderMarkIsNamed(t *testing.T) {
	a := newFixture(t, setup{}).call("POST", "/login", "\ufeff{}").want(400, httpauth.CodeInvalidJSON)
	if !strings.Contains(a.text("detail"), "byte order mark") {
		t.Error(a.raw)
	}
}
