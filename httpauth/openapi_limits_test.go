//go:build !race

package httpauth_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/httpauth"
)

// formCodes are the codes of a request that is refused for its form.
var formCodes = []httpauth.Code{httpauth.CodeInvalidJSON, httpauth.CodeInvalidInput, httpauth.CodeInvalidRequest, httpauth.CodeWeakPassword}

// What is valid by the document is not refused for its form, and what violates one of its
// limits is refused. The requests are made of the limits: one of each length, number and
// form at, below and above what the document says.
func TestTheDocumentHasTheLimitsThatAreEnforced(t *testing.T) {
	f := newFixture(t, setup{})
	b := &builder{fixture: f}
	b.regular = b.user().email
	v := validator{f.document}
	limits := map[string]int{}
	for _, rt := range f.handler.Routes() {
		method, path, _ := strings.Cut(rt, " ")
		body := dig(f.document, "paths", path, strings.ToLower(method), "requestBody", "content", "application/json", "schema")
		if body == nil {
			continue
		}
		schema := v.resolve(body)
		try := func(what string, edit func(members)) {
			t.Helper()
			p := b.user()
			if path == "/confirm-2fa" {
				b.call("POST", "/enable-2fa", nil, p.with).want(200)
			}
			if path == "/verify-2fa" || path == "/disable-2fa" || path == "/backup-codes" {
				p = b.waiting()
			}
			sent := members{}
			if call := calls[rt]; call.body != nil {
				sent = maps.Clone(call.body(b, p).(members))
			}
			edit(sent)
			text := fmt.Sprintf("%.300v", sent)
			invalid := v.check(schema, normal(t, sent))
			a := b.call(method, path, sent, p.with)
			refused := a.status == 400 && slices.Contains(formCodes, httpauth.Code(fmt.Sprint(a.body["code"])))
			if invalid == nil && refused {
				t.Errorf("%s, %s: valid by the document, and refused: %s %s", rt, what, text, a.raw)
			}
			if invalid != nil && a.status < 400 {
				t.Errorf("%s, %s: %v, and accepted: %s", rt, what, invalid, text)
			}
		}
		try("as it is", func(members) {})
		try("nothing", func(m members) { clear(m) })
		try("nulls", func(m members) {
			for name := range dig(schema, "properties") {
				m[name] = nil
			}
		})
		for name, property := range dig(schema, "properties") {
			property := dig(property)
			for keyword := range property {
				limits[keyword]++
			}
			try(name+" left out", func(m members) { delete(m, name) })
			for i, value := range valuesAround(property) {
				try(fmt.Sprint(name, " ", i), func(m members) { m[name] = value })
			}
		}
	}
	for _, keyword := range []string{"minLength", "maxLength", "pattern", "minimum", "maximum", "minItems", "maxItems", "uniqueItems"} {
		if limits[keyword] == 0 {
			t.Errorf("the document has no %s", keyword)
		}
	}
}

// normal is value as it is read from JSON.
func normal(t *testing.T, value members) any {
	t.Helper()
	object, err := parseObject([]byte(jsonOf(t, value)))
	if err != nil {
		t.Fatal(err)
	}
	return object
}

// valuesAround are values at, below and above the limits of a schema, and of other types.
func valuesAround(schema map[string]any) []any {
	values := []any{nil, true, []any{}, map[string]any{}, 1.5, "", " ", "x"}
	number := func(keyword string) (n int, ok bool) {
		f, ok := schema[keyword].(float64)
		return int(f), ok
	}
	text := func(n int) string {
		if schema["format"] == "email" {
			return addressOf(n)
		}
		return letters(n)
	}
	for _, keyword := range []string{"minLength", "maxLength"} {
		if n, ok := number(keyword); ok {
			for _, length := range []int{n - 1, n, n + 1} {
				values = append(values, text(length))
				if schema["format"] != "email" {
					values = append(values, strings.Repeat("é", max(length-1, 0))+"z") // a length is of code points
				}
			}
		}
	}
	for _, keyword := range []string{"minimum", "maximum"} {
		if n, ok := number(keyword); ok {
			values = append(values, n-1, n, n+1, -n)
		}
	}
	if items := dig(schema, "items"); items != nil {
		for _, one := range []any{"a:b", "a b", `a"b`, `a\b`, "é", letters(64), letters(65), "", nil, 1} {
			values = append(values, []any{one})
		}
		values = append(values, []any{"a", "a"}, []any{"a", "b"})
		for _, keyword := range []string{"minItems", "maxItems"} {
			n, _ := number(keyword)
			for _, length := range []int{n - 1, n, n + 1} {
				list := []any{}
				for i := range length {
					list = append(list, fmt.Sprint("scope:", i))
				}
				values = append(values, list)
			}
		}
	}
	if schema["pattern"] != nil {
		values = append(values, " x", "x ", "a\u0001b", "a\nb", "a\u0085b", "x y", "Ada Ł.", "\u00a0x", "\u0085x", "x\u0085", "\u0085")
		for _, n := range []int{5, 6, 7, 8, 20, 32, 33} {
			values = append(values, strings.Repeat("1", n), strings.Repeat("1", n-1)+"a")
		}
		values = append(values, "temp_", "temp_!", "tmp_1")
	}
	return values
}

// letters is a text of n letters that is no common password.
func letters(n int) string {
	return strings.Repeat("qzvxkwjpfhmb", max(n, 0)/12+1)[:max(n, 0)]
}

// addressOf is an email address of n characters, which are 70 or more.
func addressOf(n int) string {
	domain := n - 65
	address := letters(64) + "@"
	for ; domain > 63; domain -= 61 {
		address += letters(60) + "."
	}
	return address + letters(domain-3) + ".de"
}

func TestTheDocumentKnowsTheShortestPassword(t *testing.T) {
	f := newFixture(t, setup{auth: func(c *auth.Config) { c.PasswordMinLength = 15 }})
	for _, name := range []string{"RegisterBody", "ChangePasswordBody"} {
		member := map[string]string{"RegisterBody": "password", "ChangePasswordBody": "new_password"}[name]
		if schema := dig(f.document, "components", "schemas", name, "properties", member); schema["minLength"] != 15.0 || schema["maxLength"] != 256.0 {
			t.Errorf("%s: %v", name, schema)
		}
	}
	body := members{"email": "ada@example.com", "password": letters(14), "full_name": "Ada"}
	f.call("POST", "/register", body).want(400, httpauth.CodeWeakPassword).wantFields("password:too_short")
	body["password"] = letters(15)
	f.call("POST", "/register", body).want(http.StatusCreated)
}

// What the document offers as a role is what admins can give, in the order of their ranks.
func TestTheDocumentKnowsTheRoles(t *testing.T) {
	roles := []string{"guest", "admin", "owner"}
	f := newFixture(t, setup{auth: func(c *auth.Config) { c.Roles, c.FirstRole = roles, "owner" }})
	for _, name := range []string{"InviteBody", "MemberBody"} {
		if got := fmt.Sprint(dig(f.document, "components", "schemas", name, "properties", "role")["enum"]); got != fmt.Sprint(roles) {
			t.Errorf("%s: %s", name, got)
		}
	}
}
