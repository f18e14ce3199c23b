package httpauth_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/httpauth"
)

// A form that is wrong in several ways is told all of them at once: members that are missing or
// of another type do not hide texts that are refused.
func TestAllFaultsOfABodyAreNamedAtOnce(t *testing.T) {
	f := newFixture(t, setup{})
	token := f.account("ada@example.com")
	for _, c := range []struct {
		method, path, body string
		code               httpauth.Code
		fields             []string
	}{
		{"POST", "/register", `{"email":"x","password":"1"}`, httpauth.CodeWeakPassword, []string{"email:invalid_email", "password:too_short", "full_name:required"}},
		{"POST", "/register", `{"email":"x","full_name":7,"organization_name":"\u0000"}`, httpauth.CodeInvalidInput,
			[]string{"email:invalid_email", "password:required", "full_name:wrong_type", "organization_name:invalid_characters"}},
		{"POST", "/register", `{"Email":"x","password":"x@example.com","full_name":"\u202e"}`, httpauth.CodeInvalidInput,
			[]string{"email:wrong_case", "full_name:invalid_characters"}},
		{"POST", "/register", `{"email":[],"password":"password1","full_name":""}`, httpauth.CodeWeakPassword,
			[]string{"email:wrong_type", "password:blocked", "full_name:required"}},
		{"PATCH", "/me", `{"full_name":"","email":1}`, httpauth.CodeInvalidInput, []string{"full_name:required", "email:wrong_type"}},
		{"PATCH", "/me", `{"email":1}`, httpauth.CodeInvalidInput, []string{"email:wrong_type"}},
		{"PATCH", "/me", `{"email":"x","code":1}`, httpauth.CodeInvalidInput, []string{"email:invalid_email", "code:wrong_type"}},
		{"POST", "/change-password", `{"new_password":"1"}`, httpauth.CodeWeakPassword, []string{"current_password:required", "new_password:too_short"}},
		{"POST", "/change-password", `{}`, httpauth.CodeInvalidInput, []string{"current_password:required", "new_password:required"}},
		{"POST", "/api-keys", `{"expires_in_days":0,"description":"\u0007","scopes":["a","a"]}`, httpauth.CodeInvalidInput,
			[]string{"name:required", "expires_in_days:out_of_range", "description:invalid_characters", "scopes:duplicate"}},
		{"PATCH", "/api-keys/key_1", `{"name":"","description":"\u0007","enabled":"yes","password":1}`, httpauth.CodeInvalidInput,
			[]string{"name:required", "description:invalid_characters", "enabled:wrong_type", "password:wrong_type"}},
		{"PATCH", "/api-keys/key_1", `{"enabled":1}`, httpauth.CodeInvalidInput, []string{"enabled:wrong_type"}},
		{"PATCH", "/api-keys/key_1", `{"name":null,"password":"x"}`, httpauth.CodeInvalidInput, []string{"name:required"}},
		{"POST", "/api-keys/key_1/rotate", `{"overlap_hours":721,"code":1}`, httpauth.CodeInvalidInput, []string{"overlap_hours:out_of_range", "code:wrong_type"}},
	} {
		f.call(c.method, c.path, c.body, bearer(token)).want(400, c.code).wantFields(c.fields...)
	}
	f.login("ada@example.com") // nothing of it counted
}

// A password that is the address is not called a common one.
func TestARefusedPasswordSaysWhatItIs(t *testing.T) {
	f := newFixture(t, setup{})
	for word, detail := range map[string]string{
		"ada.lovelace@example.com": "It is the email address, or the part before the @.",
		"ADA.Lovelace":             "It is the email address, or the part before the @.",
		"password1":                "It is one of the passwords that are tried first.",
	} {
		a := f.call("POST", "/register", members{"email": "ada.lovelace@example.com", "password": word, "full_name": "Ada"}).
			want(400, httpauth.CodeWeakPassword).wantFields("password:blocked")
		if got := dig(a.body["errors"].([]any)[0])["detail"]; got != detail {
			t.Errorf("%s: %v, want %s", word, got, detail)
		}
	}
}

// A program answers with codes of its own in the same format, from its routes and its rules.
func TestAProgramAnswersWithItsOwnCodes(t *testing.T) {
	f := newFixture(t, setup{})
	limit := &httpauth.Problem{
		Status: 402, Code: "plan_limit", Type: "https://example.com/problems/plan-limit", Title: "Plan limit", Detail: "The plan has 3 seats.",
		Fields: []auth.FieldError{{Field: "seats", Code: "too_many", Detail: "At most 3."}},
	}
	for _, c := range []struct {
		err    error
		status int
		retry  string
		body   string
	}{
		{limit, 402, "", `{"type":"https://example.com/problems/plan-limit","title":"Plan limit","status":402,"detail":"The plan has 3 seats.","code":"plan_limit",` +
			`"errors":[{"field":"seats","code":"too_many","detail":"At most 3."}]}`},
		{fmt.Errorf("secret: %w", &httpauth.Problem{Status: 409, Code: "busy"}), 409, "",
			`{"type":"about:blank","title":"Conflict","status":409,"detail":"","code":"busy"}`},
		{&httpauth.Problem{Status: 429, Code: "export_limit", RetryAfter: 90*time.Second + 1}, 429, "91",
			`{"type":"about:blank","title":"Too Many Requests","status":429,"detail":"","code":"export_limit","retry_after":91}`},
		{&httpauth.Problem{Status: 503, Code: "maintenance"}, 503, "5",
			`{"type":"about:blank","title":"Service Unavailable","status":503,"detail":"","code":"maintenance","retry_after":5}`},
	} {
		w := httptest.NewRecorder()
		f.handler.WriteProblem(w, httptest.NewRequest("GET", "/", nil), c.err)
		if w.Code != c.status || w.Body.String() != c.body || w.Header().Get("Retry-After") != c.retry {
			t.Errorf("%v: %d %v %s", c.err, w.Code, w.Header(), w.Body)
		}
	}
	for _, bad := range []*httpauth.Problem{nil, {}, {Status: 200, Code: "fine"}, {Status: 600, Code: "what"}, {Status: 404, Detail: "secret"}, {Status: 301, Code: "moved"}} {
		w := httptest.NewRecorder()
		f.handler.WriteProblem(w, httptest.NewRequest("GET", "/", nil), bad)
		if body, err := parseObject(w.Body.Bytes()); err != nil || w.Code != 500 || body["code"] != "internal_error" {
			t.Errorf("%+v: %d %s", bad, w.Code, w.Body)
		}
	}

	token := f.account("ada@example.com")
	guarded := f.handler.Require(func(httpauth.Access) error { return limit })(http.NotFoundHandler())
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	w := httptest.NewRecorder()
	guarded.ServeHTTP(w, r)
	if w.Code != 402 {
		t.Errorf("a rule: %d %s", w.Code, w.Body)
	}
	if _, err := f.handler.Check(r, func(httpauth.Access) error { return limit }); !errors.Is(err, limit) {
		t.Errorf("Check: %v", err)
	}
}
