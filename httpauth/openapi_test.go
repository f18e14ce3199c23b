package httpauth_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

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
		"POST /api-keys", "GET /api-keys", "DELETE /api-keys/{key_id}", "GET /me", "PATCH /me", "POST /change-password", "GET /openapi.json",
		"GET /.well-known/jwks.json",
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
			for _, media := range dig(response, "content") {
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
		"POST /register":            "201 400 409 429 415 413 500 503",
		"POST /login":               "200 400 401 429 415 413 500 503",
		"POST /verify-2fa":          "200 400 401 429",
		"POST /enable-2fa":          "200 400 401 403 409 429",
		"POST /confirm-2fa":         "200 400 401 403 429",
		"POST /disable-2fa":         "200 400 401 403 429",
		"POST /refresh":             "200 401 403",
		"POST /logout":              "200 401 403",
		"POST /api-keys":            "201 400 401 403",
		"GET /api-keys":             "200 401 403",
		"DELETE /api-keys/{key_id}": "200 401 403 404",
		"GET /me":                   "200 401 403 503",
		"PATCH /me":                 "200 400 401 403 409",
		"POST /change-password":     "200 400 401 403 429",
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
			codes = slices.AppendSeq(codes, maps.Keys(dig(response, "content", "application/problem+json", "examples")))
		}
		return codes
	}
	for code, calls := range map[httpauth.Code][]string{
		// What hashes a password or a backup code, and what paints a QR code.
		httpauth.CodeOverloaded: {
			"POST /register", "POST /login", "POST /verify-2fa", "POST /enable-2fa", "POST /confirm-2fa", "POST /disable-2fa", "PATCH /me", "POST /change-password",
			"POST /api-keys",
		},
		httpauth.CodeReauthenticationRequired: {"POST /enable-2fa", "PATCH /me", "POST /api-keys"},
		// Every call with a credential: an API key of a user whom the policy binds opens none.
		httpauth.CodeTwoFactorSetupRequired: {
			"POST /enable-2fa", "POST /confirm-2fa", "POST /disable-2fa", "POST /refresh", "POST /logout", "POST /api-keys",
			"GET /api-keys", "DELETE /api-keys/{key_id}", "GET /me", "PATCH /me", "POST /change-password",
		},
		httpauth.CodeAPIKeyLimit: {"POST /api-keys"},
	} {
		for _, rt := range f.handler.Routes() {
			if got, want := slices.Contains(listed(rt), string(code)), slices.Contains(calls, rt); got != want {
				t.Errorf("%s lists %s: %v, want %v", rt, code, got, want)
			}
		}
	}
}
