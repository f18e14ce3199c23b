package httpauth_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/httpauth"
)

func TestDocumentIsOfExactlyWhatIsMounted(t *testing.T) {
	f := newFixture(t, setup{})
	a := f.call("GET", "/openapi.json", nil).want(200)
	var documented []string
	ids := map[string]bool{}
	for path, item := range dig(a.body, "paths") {
		for method, operation := range dig(item) {
			documented = append(documented, strings.ToUpper(method)+" "+path)
			id, _ := dig(operation)["operationId"].(string)
			if id == "" || ids[id] {
				t.Errorf("%s %s: operationId %q", method, path, id)
			}
			ids[id] = true
		}
	}
	mounted := f.handler.Routes()
	slices.Sort(documented)
	slices.Sort(mounted)
	if !slices.Equal(documented, mounted) {
		t.Errorf("documented are %v, mounted are %v", documented, mounted)
	}
	contract := []string{
		"POST /register", "POST /login", "POST /verify-2fa", "POST /enable-2fa", "POST /confirm-2fa", "POST /disable-2fa", "POST /refresh", "POST /logout",
		"GET /two-factor", "POST /backup-codes", "POST /api-keys", "GET /api-keys", "DELETE /api-keys/{key_id}", "GET /me", "PATCH /me", "POST /change-password", "GET /openapi.json",
		"POST /delete-account", "POST /me/export", "POST /verify-email", "POST /resend-verification", "POST /confirm-email", "DELETE /me/pending-email", "POST /forgot-password", "POST /reset-password",
		"PATCH /api-keys/{key_id}", "POST /api-keys/{key_id}/rotate", "GET /api-keys/{key_id}/usage",
		"GET /.well-known/jwks.json", "GET /sessions", "DELETE /sessions/{session_id}", "POST /logout-others",
		"GET /trusted-devices", "DELETE /trusted-devices/{device_id}",
		"GET /organization", "PATCH /organization", "GET /organization/members", "PATCH /organization/members/{user_id}",
		"POST /organization/members/{user_id}/remove", "POST /organization/leave",
		"POST /organization/invitations", "GET /organization/invitations", "DELETE /organization/invitations/{invitation_id}", "POST /accept-invitation",
	}
	slices.Sort(contract)
	if !slices.Equal(mounted, contract) {
		t.Errorf("mounted are %v, the contract has %v", mounted, contract)
	}
	if a.body["openapi"] != "3.1.0" {
		t.Errorf("openapi is %v", a.body["openapi"])
	}
}

func TestEveryExampleIsAsItsSchemaSays(t *testing.T) {
	f := newFixture(t, setup{})
	v := validator{f.document}
	n := 0
	check := func(where string, media map[string]any) {
		schema := dig(media, "schema")
		examples := map[string]any{}
		if e, ok := media["example"]; ok {
			examples["example"] = e
		}
		for name, e := range dig(media, "examples") {
			examples[name] = dig(e)["value"]
		}
		if len(examples) == 0 && !strings.HasPrefix(where, "GET /openapi.json") {
			t.Errorf("%s: no example", where)
		}
		for name, e := range examples {
			n++
			if err := v.check(schema, e); err != nil {
				t.Errorf("%s: example %s: %v", where, name, err)
			}
		}
	}
	for _, rt := range f.handler.Routes() {
		method, path, _ := strings.Cut(rt, " ")
		operation := dig(f.document, "paths", path, strings.ToLower(method))
		if media := dig(operation, "requestBody", "content", "application/json"); media != nil {
			check(rt, media)
		}
		for status, response := range dig(operation, "responses") {
			for _, media := range dig(v.resolve(dig(response)), "content") {
				check(rt+" "+status, dig(media))
			}
		}
	}
	if n < 100 {
		t.Errorf("only %d examples were seen", n)
	}
}

func TestEveryStatusOfTheContractIsDocumented(t *testing.T) {
	f := newFixture(t, setup{})
	for rt, statuses := range map[string]string{
		"POST /register":                                   "201 400 409 429 415 413 500 503",
		"POST /login":                                      "200 400 401 429 415 413 500 503",
		"POST /verify-2fa":                                 "200 400 401 429",
		"POST /enable-2fa":                                 "200 400 401 403 409 429",
		"POST /confirm-2fa":                                "200 400 401 403 429",
		"POST /disable-2fa":                                "200 400 401 403 429",
		"POST /refresh":                                    "200 401 403",
		"POST /logout":                                     "200 401 403",
		"POST /api-keys":                                   "201 400 401 403",
		"GET /api-keys":                                    "200 401 403",
		"DELETE /api-keys/{key_id}":                        "200 401 403 404",
		"PATCH /api-keys/{key_id}":                         "200 400 401 403 404 429",
		"POST /api-keys/{key_id}/rotate":                   "201 400 401 403 404 409 429",
		"GET /api-keys/{key_id}/usage":                     "200 401 403 404",
		"GET /sessions":                                    "200 401 403",
		"DELETE /sessions/{session_id}":                    "200 401 403 404",
		"GET /organization":                                "200 401 403",
		"PATCH /organization":                              "200 400 401 403 429",
		"GET /organization/members":                        "200 400 401 403",
		"PATCH /organization/members/{user_id}":            "200 400 401 403 404 409 429",
		"POST /organization/members/{user_id}/remove":      "200 400 401 403 404 409 429",
		"POST /organization/leave":                         "200 400 401 403 409 429",
		"POST /organization/invitations":                   "201 400 401 403 409 429",
		"GET /organization/invitations":                    "200 401 403",
		"DELETE /organization/invitations/{invitation_id}": "200 401 403 404 429",
		"POST /accept-invitation":                          "200 400 401 403 409 429",
		"POST /logout-others":                              "200 401 403",
		"GET /trusted-devices":                             "200 401 403",
		"DELETE /trusted-devices/{device_id}":              "200 401 403 404",
		"GET /me":                                          "200 401 403 503",
		"PATCH /me":                                        "200 400 401 403 409",
		"POST /change-password":                            "200 400 401 403 429",
		"GET /two-factor":                                  "200 401 403 503",
		"POST /backup-codes":                               "200 400 401 403 429",
	} {
		method, path, _ := strings.Cut(rt, " ")
		responses := dig(f.document, "paths", path, strings.ToLower(method), "responses")
		for _, status := range strings.Fields(statuses) {
			if dig(responses, status) == nil {
				t.Errorf("%s: %s is not documented, only %v", rt, status, slices.Sorted(maps.Keys(responses)))
			}
		}
	}
}

// The type of a problem is the address of its constant's documentation, and its
// title and status belong to the code alone.
func TestEveryCodeIsADocumentedConstant(t *testing.T) {
	constants := map[string]string{}
	file, err := parser.ParseFile(token.NewFileSet(), "problem.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 || !strings.HasPrefix(spec.Names[0].Name, "Code") {
			return true
		}
		if text, ok := spec.Values[0].(*ast.BasicLit); ok {
			value, _ := strconv.Unquote(text.Value)
			constants[spec.Names[0].Name] = value
			if !strings.HasPrefix(spec.Comment.Text(), strconv.Itoa(statusOf(httpauth.Code(value)))) {
				t.Errorf("the comment of %s does not begin with its status, %d", spec.Names[0].Name, statusOf(httpauth.Code(value)))
			}
		}
		return true
	})
	names, status := httpauth.Codes()
	for code, name := range names {
		if constants[name] != string(code) {
			t.Errorf("%s is named %s, which is %q", code, name, constants[name])
		}
		if http.StatusText(status[code]) == "" {
			t.Errorf("%s has status %d", code, status[code])
		}
	}
	if len(constants) != len(names) || len(names) == 0 {
		t.Errorf("%d constants, %d codes", len(constants), len(names))
	}
}

func statusOf(code httpauth.Code) int {
	_, status := httpauth.Codes()
	return status[code]
}

// A call lists the codes that it can answer with, and none that it cannot.
func TestCodesAreListedWhereTheyCanComeFrom(t *testing.T) {
	f := newFixture(t, setup{})
	listed := func(rt string) (codes []string) {
		method, path, _ := strings.Cut(rt, " ")
		for _, response := range dig(f.document, "paths", path, strings.ToLower(method), "responses") {
			codes = slices.AppendSeq(codes, maps.Keys(dig((validator{f.document}).resolve(dig(response)), "content", "application/problem+json", "examples")))
		}
		return codes
	}
	for code, calls := range map[httpauth.Code][]string{
		// What hashes a password or a backup code, and what paints a QR code.
		httpauth.CodeOverloaded: {
			"POST /register", "POST /login", "POST /verify-2fa", "POST /enable-2fa", "POST /confirm-2fa", "POST /disable-2fa", "PATCH /me", "POST /change-password",
			"POST /api-keys", "POST /backup-codes", "POST /reset-password", "POST /delete-account", "POST /me/export", "PATCH /api-keys/{key_id}", "POST /api-keys/{key_id}/rotate",
			"PATCH /organization/members/{user_id}", "POST /organization/members/{user_id}/remove", "POST /organization/leave", "POST /accept-invitation",
		},
		httpauth.CodeReauthenticationRequired: {
			"POST /enable-2fa", "PATCH /me", "POST /api-keys", "POST /delete-account", "POST /me/export", "PATCH /api-keys/{key_id}", "POST /api-keys/{key_id}/rotate",
			"POST /change-password", "POST /disable-2fa", "POST /backup-codes",
			"PATCH /organization/members/{user_id}", "POST /organization/members/{user_id}/remove", "POST /organization/leave", "POST /accept-invitation",
		},
		// Every call with a credential: an API key of a user whom the policy binds is refused by all.
		httpauth.CodeTwoFactorSetupRequired: {
			"POST /enable-2fa", "POST /confirm-2fa", "POST /disable-2fa", "POST /refresh", "POST /logout", "POST /api-keys",
			"GET /api-keys", "DELETE /api-keys/{key_id}", "GET /me", "PATCH /me", "POST /change-password",
			"PATCH /api-keys/{key_id}", "POST /api-keys/{key_id}/rotate", "GET /api-keys/{key_id}/usage",
			"GET /sessions", "DELETE /sessions/{session_id}", "POST /logout-others", "GET /two-factor", "POST /backup-codes", "GET /trusted-devices", "DELETE /trusted-devices/{device_id}",
			"POST /confirm-email", "DELETE /me/pending-email", "POST /delete-account", "POST /me/export",
			"GET /organization", "PATCH /organization", "GET /organization/members", "PATCH /organization/members/{user_id}",
			"POST /organization/members/{user_id}/remove", "POST /organization/leave",
			"POST /organization/invitations", "GET /organization/invitations", "DELETE /organization/invitations/{invitation_id}", "POST /accept-invitation",
		},
		httpauth.CodeAPIKeyLimit:     {"POST /api-keys", "POST /api-keys/{key_id}/rotate"},
		httpauth.CodeAPIKeyNotActive: {"POST /api-keys/{key_id}/rotate"},
	} {
		for _, rt := range f.handler.Routes() {
			if got, want := slices.Contains(listed(rt), string(code)), slices.Contains(calls, rt); got != want {
				t.Errorf("%s lists %s: %v, want %v", rt, code, got, want)
			}
		}
	}
}

// The server of the document is Config.URL, else the path that the document was asked
// for, and never a host that the request names.
func TestTheServerOfTheDocumentIsWhereItWasAskedFor(t *testing.T) {
	manager := authtest.New(t).Manager
	server := func(cfg httpauth.Config, prefix string, edit func(*http.Request)) string {
		t.Helper()
		h, err := httpauth.New(manager, cfg)
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest("GET", "/openapi.json?x=/openapi.json", nil)
		r.URL.Path, r.RequestURI = prefix+r.URL.Path, prefix+r.RequestURI
		r.Host = "evil.example"
		edit(r)
		rec := httptest.NewRecorder()
		http.StripPrefix(prefix, h).ServeHTTP(rec, r)
		document, err := parseObject(rec.Body.Bytes())
		if err != nil || rec.Code != 200 || strings.Contains(rec.Body.String(), "evil") {
			t.Fatalf("%d, %v: %.200s", rec.Code, err, rec.Body)
		}
		servers := document["servers"].([]any)
		return dig(servers[0])["url"].(string)
	}
	asked := func(uri string) func(*http.Request) { return func(r *http.Request) { r.RequestURI = uri } }
	for _, tc := range []struct {
		prefix string
		edit   func(*http.Request)
		want   string
	}{
		{"/v1/auth", func(*http.Request) {}, "/v1/auth"},
		{"", func(*http.Request) {}, "/"},
		{"/v1/auth", asked("http://evil.example/v1/auth/openapi.json?q"), "/v1/auth"}, // as a client asks a proxy
		{"/v1/auth", asked("http://evil.example/openapi.json"), "/"},
		{"/a b", asked("/a%20b/openapi.json"), "/a%20b"},
		{"/a{b}", asked("/a{b}/openapi.json"), "/a%7Bb%7D"},     // a brace would be a variable of the server
		{"/v1/auth", asked(""), "/"},                            // a request that no server read
		{"/v1/auth", asked("/v1/auth/other.json"), "/"},         // rewritten in this process
		{"/v1/auth", asked("//evil.example/openapi.json"), "/"}, // which a client would read as a host
		{"/v1/auth", asked("https:openapi.json"), "/"},
		{"/v1/auth", asked("/.//evil.example/v1/auth/openapi.json"), "/"}, // as is this, once it is cleaned
		{"/v1/auth", asked("/x/..//evil.example/openapi.json"), "/"},
		{"/v1/auth", asked("/v1//auth/openapi.json"), "/"},
		{"/v1/auth", asked("%zz"), "/"},
	} {
		if got := server(httpauth.Config{}, tc.prefix, tc.edit); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.prefix, got, tc.want)
		}
	}
	for url, want := range map[string]string{
		"https://example.com/v1/auth":   "https://example.com/v1/auth",
		"https://example.com/v1/auth//": "https://example.com/v1/auth",
		"http://localhost:8080/":        "http://localhost:8080",
		"HTTPS://[::1]:8443/{x}":        "https://[::1]:8443/%7Bx%7D",
	} {
		if got := server(httpauth.Config{URL: url}, "/elsewhere", func(*http.Request) {}); got != want {
			t.Errorf("%s: %q", url, got)
		}
	}
	h, err := httpauth.New(manager, httpauth.Config{URL: "https://example.com/v1/auth"})
	if err != nil {
		t.Fatal(err)
	}
	for url, want := range map[string]string{"": `"/auth"`, "https://example.com/shop/auth/": `"https://example.com/shop/auth"`} {
		rec := httptest.NewRecorder()
		http.StripPrefix("/auth", h.Browser(httpauth.BrowserConfig{URL: url})).ServeHTTP(rec, httptest.NewRequest("GET", "/auth/openapi.json", nil))
		if !strings.Contains(rec.Body.String(), `"url":`+want) && !strings.Contains(rec.Body.String(), `"url": `+want) {
			t.Errorf("the document of a Browser with the URL %q lacks the server %s", url, want)
		}
	}
	for _, url := range []string{
		"/v1/auth", "example.com/v1", "//example.com", "ftp://example.com", "https://", "https:///v1", "https://ada@example.com", "https://example.com?x=1",
		"https://example.com?", "https://example.com#", "https://example.com/#x", "mailto:ada@example.com", "https:example.com", "https://exa mple.com", "https://:443", "\x00",
	} {
		if _, err := httpauth.New(manager, httpauth.Config{URL: url}); err == nil || !strings.HasPrefix(err.Error(), "httpauth: URL: ") {
			t.Errorf("%q: %v", url, err)
		}
	}
}

func TestAnUnknownTagCannotBeLeftOut(t *testing.T) {
	manager := authtest.New(t).Manager
	for _, tag := range []httpauth.Tag{"", "login", "Logins", "API-keys"} {
		if _, err := httpauth.New(manager, httpauth.Config{Without: []httpauth.Tag{httpauth.TagLogin, tag}}); err == nil || !strings.HasPrefix(err.Error(), "httpauth: Without: ") {
			t.Errorf("%q: %v", tag, err)
		}
	}
}

// What is left out is not in the document, nor is what only it refers to.
func TestTheDocumentHasNothingOfAGroupThatIsLeftOut(t *testing.T) {
	f := newFixture(t, setup{})
	reduced := f.without(httpauth.TagAPIKeys, httpauth.TagTwoFactor)
	a := reduced.call("GET", "/openapi.json", nil).want(200)
	for _, text := range []string{"/api-keys", `"/enable-2fa"`, `"/two-factor"`, `"/backup-codes"`, "CreatedKey", "Enrollment", "APIKeyLimit", `"API keys"`, `"Two-factor"`, "TwoFactorAlreadyEnabled"} {
		if strings.Contains(a.raw, text) {
			t.Errorf("it has %s", text)
		}
	}
	all := f.without(httpauth.TagRegistration, httpauth.TagEmail, httpauth.TagRecovery, httpauth.TagLogin, httpauth.TagSessions, httpauth.TagTwoFactor, httpauth.TagAPIKeys, httpauth.TagAccount, httpauth.TagOrganization, httpauth.TagPublicKeys, httpauth.TagDocument)
	if routes := all.handler.Routes(); len(routes) != 0 {
		t.Errorf("with everything left out there are %v", routes)
	}
	token := f.account("ada@example.com")
	if a := guarded(all, nil, bearer(token)); a.status != 200 { // which guards all the same
		t.Errorf("%d %s", a.status, a.raw)
	}
}

func TestTheDocumentIsTheSameByteForByte(t *testing.T) {
	var first string
	for range 5 {
		h, err := httpauth.New(authtest.New(t).Manager, httpauth.Config{Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, httptest.NewRequest("GET", "/openapi.json", nil))
		if first == "" {
			first = rec.Body.String()
		}
		if rec.Body.String() != first {
			t.Fatal("it differs")
		}
	}
}

// A generated client keeps the names of its types, whatever the host turns on.
func TestAnOptionOfTheHostRenamesNoSchema(t *testing.T) {
	h, err := httpauth.New(authtest.New(t).Manager, httpauth.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, httptest.NewRequest("GET", "/openapi.json", nil))
	var document map[string]any
	if err := json.Unmarshal(rec.Body.Bytes(), &document); err != nil {
		t.Fatal(err)
	}
	everything := dig(newFixture(t, setup{}).document, "components", "schemas")
	for name := range dig(document, "components", "schemas") {
		if everything[name] == nil {
			t.Errorf("no schema is named %s where everything is on", name)
		}
	}
}

// Names differ in more than their case, over all kinds, since generators make types of
// them. No keyword stands next to a $ref, none is writeOnly, and every operation says what
// it is.
func TestTheDocumentIsAsGeneratorsAndViewersNeedIt(t *testing.T) {
	f := newFixture(t, setup{})
	names := map[string]string{}
	name := func(kind, name string) {
		if before := names[strings.ToLower(name)]; before != "" {
			t.Errorf("%s %s is also %s", kind, name, before)
		}
		names[strings.ToLower(name)] = kind + " " + name
	}
	for kind, all := range dig(f.document, "components") {
		for n := range dig(all) {
			name(kind, n)
		}
	}
	tagged := map[any]bool{}
	for _, tag := range f.document["tags"].([]any) {
		tagged[dig(tag)["name"]] = false
		if dig(tag)["description"] == nil {
			t.Errorf("the tag %v has no description", tag)
		}
	}
	for path, item := range dig(f.document, "paths") {
		for method, o := range dig(item) {
			operation := dig(o)
			name("operation", operation["operationId"].(string))
			tag := operation["tags"].([]any)[0]
			if _, ok := tagged[tag]; !ok {
				t.Errorf("%s %s: the tag %v is not listed", method, path, tag)
			}
			tagged[tag] = true
			if words := len(strings.Fields(operation["summary"].(string))); words > 4 || operation["description"] == "" {
				t.Errorf("%s %s: %v: %v", method, path, operation["summary"], operation["description"])
			}
			refusals := 0
			for status, response := range dig(operation, "responses") {
				if doc, _ := (validator{f.document}).resolve(dig(response))["description"].(string); len(doc) < 9 {
					t.Errorf("%s %s: %s is described by %q", method, path, status, doc)
				}
				if status[0] == '4' {
					refusals++
				}
			}
			if public := path == "/openapi.json" || path == "/.well-known/jwks.json"; refusals == 0 && !public { // which refuse no caller
				t.Errorf("%s %s is never refused", method, path)
			}
			for _, p := range list(operation["parameters"]) {
				if doc, _ := dig(p)["description"].(string); doc == "" {
					t.Errorf("%s %s: %v has no description", method, path, p)
				}
			}
		}
	}
	for tag, used := range tagged {
		if !used {
			t.Errorf("the tag %v has no operation", tag)
		}
	}
	refs := 0
	var walk func(value any)
	walk = func(value any) {
		switch x := value.(type) {
		case []any:
			for _, v := range x {
				walk(v)
			}
		case map[string]any:
			if ref, ok := x["$ref"].(string); ok {
				if refs++; len(x) != 1 || (validator{f.document}).resolve(x) == nil {
					t.Errorf("%s: %v", ref, x)
				}
			}
			if x["writeOnly"] != nil {
				t.Errorf("writeOnly in %v", x)
			}
			for _, v := range x {
				walk(v)
			}
		}
	}
	walk(f.document)
	if refs < 100 {
		t.Errorf("only %d references", refs)
	}
}

// A client in a typed language has one case to ask for, and not two.
func TestAMemberOfAnAnswerIsNullOrLeftOutAndNotBoth(t *testing.T) {
	optional := 0
	for name, schema := range dig(newFixture(t, setup{}).document, "components", "schemas") {
		for member, of := range dig(schema, "properties") {
			if strings.HasSuffix(name, "Body") || slices.Contains(list(dig(schema)["required"]), any(member)) {
				continue
			}
			if optional++; slices.Contains(list(dig(of)["type"]), any("null")) {
				t.Errorf("%s: %s may be left out, and null", name, member)
			}
		}
	}
	if optional < 5 {
		t.Errorf("only %d members may be left out", optional)
	}
}

func list(value any) []any { l, _ := value.([]any); return l }

// The examples of the bodies, sent in the order of the document, are one user's story: each
// is answered as its example says. Only codes, ids, temp tokens and the tokens of mails are put in.
func TestTheExamplesMakeOneStory(t *testing.T) {
	f := newFixture(t, setup{auth: func(c *auth.Config) { c.ConfirmEmailChange = true }})
	raw := f.call("GET", "/openapi.json", nil).raw
	routes := f.handler.Routes()
	at := func(rt string) int {
		method, path, _ := strings.Cut(rt, " ")
		id := dig(f.document, "paths", path, strings.ToLower(method))["operationId"].(string)
		return strings.Index(raw, `"operationId":"`+id+`"`)
	}
	slices.SortFunc(routes, func(a, b string) int { return at(a) - at(b) })
	if first := strings.Join(routes[:2], ", "); first != "POST /register, POST /login" {
		t.Errorf("it begins with %s", first)
	}
	if a, b := strings.Index(raw, `"session":{"value"`), strings.Index(raw, `"secondStep":{"value"`); a < 0 || a > b {
		t.Error("the first example of a login is not a session")
	}
	var token, key, session, secret, user, invitation string
	for _, rt := range routes {
		method, path, _ := strings.Cut(rt, " ")
		if path == "/verify-2fa" || path == "/trusted-devices/{device_id}" || path == "/organization/members/{user_id}/remove" || path == "/accept-invitation" {
			continue // there is no second factor then, no device, and no other member
		}
		operation := dig(f.document, "paths", path, strings.ToLower(method))
		var body any
		if example, ok := dig(operation, "requestBody", "content", "application/json")["example"].(map[string]any); ok {
			if example["code"] != nil {
				f.clock.advance(time.Minute)
				example["code"] = f.code(secret)
			}
			for _, optional := range []string{"code", "current_password", "password"} {
				required := list((validator{f.document}).resolve(dig(operation, "requestBody", "content", "application/json", "schema"))["required"])
				if example[optional] != nil && !slices.Contains(required, any(optional)) {
					t.Errorf("%s: the example has %s, which is for an old login", rt, optional)
				}
			}
			body = example
		}
		credential := bearer(token)
		switch path {
		case "/verify-email":
			body = members{"token": f.mail(auth.MailVerifyEmail, "ada@example.com")}
		case "/confirm-email":
			f.call("PATCH", "/me", members{"email": "countess@example.com", "current_password": password}, credential).want(200)
			body = members{"token": f.mail(auth.MailChangeEmail, "countess@example.com")}
		case "/me/pending-email":
			f.call("PATCH", "/me", members{"email": "ada@example.com", "current_password": password}, credential).want(200)
		case "/forgot-password": // the example's address again
			body = members{"email": "countess@example.com"}
		case "/delete-account": // the password was reset
			token = f.call("POST", "/login", members{"email": "countess@example.com", "password": "NewPass456!"}).want(200).text("access_token")
			body = members{"password": "NewPass456!"}
		case "/reset-password":
			dig(body)["token"] = f.mail(auth.MailResetPassword, "countess@example.com")
		}
		a := f.call(method, strings.NewReplacer("{key_id}", key, "{session_id}", session, "{user_id}", user, "{invitation_id}", invitation).Replace(path), body, func(r *http.Request) {
			if token != "" {
				bearer(token)(r)
			}
		})
		if a.status >= 300 {
			t.Errorf("%s: %d %s", rt, a.status, a.raw)
			continue
		}
		switch path {
		case "/login", "/refresh":
			token = a.text("access_token")
			if path == "/login" { // once more, for a session to end
				f.call(method, path, body).want(200)
			}
		case "/organization/invitations":
			if method == "POST" {
				invitation = a.text("id")
			}
		case "/me":
			user = a.text("id")
		case "/sessions":
			for _, s := range list(a.body["sessions"]) {
				if dig(s)["current"] == false {
					session = dig(s)["id"].(string)
				}
			}
		case "/api-keys":
			if method == "POST" {
				key = a.text("id")
			}
		case "/enable-2fa":
			secret = a.text("secret")
		}
	}
}

// The two public answers have a strong ETag of what they are, and are not sent again to a
// client that has them.
func TestPublicAnswersAreNotSentTwice(t *testing.T) {
	f := newFixture(t, setup{auth: func(c *auth.Config) { c.PasswordMinLength = 9 }})
	other := newFixture(t, setup{})
	for _, path := range []string{"/openapi.json", "/.well-known/jwks.json"} {
		a := f.call("GET", path, nil).want(200)
		tag := a.header.Get("ETag")
		if again := f.call("GET", path, nil).want(200); again.header.Get("ETag") != tag || again.raw != a.raw {
			t.Errorf("%s: %s, then %s", path, tag, again.header.Get("ETag"))
		}
		if same := other.call("GET", path, nil).want(200); (same.raw == a.raw) != (same.header.Get("ETag") == tag) {
			t.Errorf("%s: %s is the ETag of another text too, or not that of the same", path, tag)
		}
		for value, status := range map[string]int{
			tag: 304, "W/" + tag: 304, "*": 304, `"x", ` + tag: 304, `"x",` + tag + `,"y"`: 304,
			"": 200, `"x"`: 200, strings.Trim(tag, `"`): 200, tag + "x": 200, `W/"x"`: 200,
		} {
			for _, method := range []string{"GET", "HEAD"} {
				got := f.call(method, path, nil, header("If-None-Match", value)).want(status)
				if got.header.Get("ETag") != tag || status == 304 && got.raw != "" {
					t.Errorf("%s %s, %s: %v %q", method, path, value, got.header, got.raw)
				}
			}
		}
	}
	f.call("GET", "/me", nil, bearer(f.account("ada@example.com")), header("If-None-Match", "*")).want(200)
}
