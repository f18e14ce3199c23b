package main

import (
	"embed"
	"path/filepath"
	"regexp"
)

// A driver is a program that reads tokens, one a line, gives each to the recipe, and
// answers each with "ok" and the subject, or "no" and why.
//
//go:embed drivers
var drivers embed.FS

// A language is how a recipe in it becomes a program.
type language struct {
	file    string // what the recipe is written into
	debian  string
	command func(dir string) []string
	// needs is a command that fails if something is missing that the recipes take.
	needs []string
	// versions is a command that answers the name of a library with its version.
	versions func(library string) []string
}

var languages = map[string]language{
	"js": {
		file: "recipe.mjs", debian: "nodejs npm",
		command: func(dir string) []string { return []string{"node", filepath.Join(dir, "driver.mjs")} },
		needs:   []string{"node", "--version"},
		versions: func(library string) []string {
			return []string{"node", "-p", `JSON.parse(fs.readFileSync("node/node_modules/` + library + `/package.json")).version`}
		},
	},
	"python": {
		file: "recipe.py", debian: "python3-requests python3-jwt python3-jose python3-authlib python3-jwcrypto",
		command: func(dir string) []string { return []string{"/usr/bin/python3", filepath.Join(dir, "driver.py")} },
		needs:   []string{"/usr/bin/python3", "-c", "import requests, jwt, jose, authlib, jwcrypto"},
		versions: func(library string) []string {
			return []string{"/usr/bin/python3", "-c", "import importlib.metadata as m; print(m.version('" + library + "'))"}
		},
	},
	"ruby": {
		file: "recipe.rb", debian: "ruby ruby-jwt",
		command: func(dir string) []string { return []string{"ruby", filepath.Join(dir, "driver.rb")} },
		needs:   []string{"ruby", "-e", "require 'jwt'"},
		versions: func(string) []string {
			return []string{"ruby", "-e", "require 'jwt'; puts JWT.gem_version"}
		},
	},
	"perl": {
		file: "recipe.pl", debian: "libcrypt-jwt-perl libjson-perl liblwp-protocol-https-perl",
		command: func(dir string) []string { return []string{"perl", filepath.Join(dir, "driver.pl")} },
		needs:   []string{"perl", "-MCrypt::JWT", "-MJSON", "-MLWP::Protocol::https", "-e", "1"},
		versions: func(library string) []string {
			return []string{"perl", "-M" + library, "-e", "print $" + library + "::VERSION"}
		},
	},
	"go": {
		file: "recipe.go", debian: "golang",
		command: func(dir string) []string {
			return []string{filepath.Join(filepath.Dir(dir), "driver"), filepath.Base(dir)}
		},
		needs: []string{"go", "version"},
		versions: func(library string) []string {
			return []string{"go", "-C", "clients", "list", "-m", "-f", "{{slice .Version 1}}", library}
		},
	},
}

// libraries are what the versions of a recipe's row are asked by.
var libraries = map[string][]string{
	"JavaScript: jose":                      {"jose"},
	"JavaScript: jsonwebtoken and jwks-rsa": {"jsonwebtoken", "jwks-rsa"},
	"JavaScript: fast-jwt and get-jwks":     {"fast-jwt", "get-jwks"},
	"JavaScript: aws-jwt-verify":            {"aws-jwt-verify"},
	"JavaScript: express-oauth2-jwt-bearer": {"express-oauth2-jwt-bearer"},
	"JavaScript: oauth4webapi":              {"oauth4webapi"},
	"Python: PyJWT":                         {"PyJWT"},
	"Python: python-jose":                   {"python-jose"},
	"Python: Authlib":                       {"Authlib"},
	"Python: jwcrypto":                      {"jwcrypto"},
	"Ruby: ruby-jwt":                        {"jwt"},
	"Perl: Crypt::JWT":                      {"Crypt::JWT"},
	"Go: golang-jwt and keyfunc":            {"github.com/golang-jwt/jwt/v5", "github.com/MicahParks/keyfunc/v3"},
	"Go: lestrrat-go/jwx":                   {"github.com/lestrrat-go/jwx/v3"},
	"Go: go-jose":                           {"github.com/go-jose/go-jose/v4"},
	"Go: auth0/go-jwt-middleware":           {"github.com/auth0/go-jwt-middleware/v2"},
	"Go: go-oidc":                           {"github.com/coreos/go-oidc/v3"},
}

// goCalls make of the function of a Go recipe one that returns the subject.
var goCalls = map[string]string{
	"Go: golang-jwt and keyfunc": `v, err := newVerify(ctx)
	return func(t string) (string, error) { c, err := v(t); if err != nil { return "", err }; return c.GetSubject() }, err`,
	"Go: lestrrat-go/jwx": `v, err := newVerify(ctx)
	return func(t string) (string, error) { c, err := v(t); if err != nil { return "", err }; s, _ := c.Subject(); return s, nil }, err`,
	"Go: go-jose": `v, err := newVerify(http.DefaultClient)
	return func(t string) (string, error) { c, err := v(t); return c.Subject, err }, err`,
	"Go: auth0/go-jwt-middleware": `v, err := newVerify()
	return func(t string) (string, error) { c, err := v(ctx, t); if err != nil { return "", err }; return c.(*validator.ValidatedClaims).RegisteredClaims.Subject, nil }, err`,
	"Go: go-oidc": `v := newVerify(ctx)
	return func(t string) (string, error) { c, err := v(ctx, t); if err != nil { return "", err }; return c.Subject, nil }, nil`,
}

// withoutLeeway are the recipes that have none to remove, with what their library does.
var withoutLeeway = map[string]struct{ expiresAtOnce bool }{
	"Go: go-oidc": {expiresAtOnce: true}, // five minutes for nbf, and none for exp
}

// leeway is how the recipes write it. What is left compiles.
var leeway = regexp.MustCompile(`,?\s*((?:\[oauth\.clockTolerance\]|clockTolerance): 30(_000)?|graceSeconds: 30|leeway:? ?=?>? ?30|"leeway": 30)\b(,[ \t]*// milliseconds)?`)

// replacements are other leeways than an argument that can be left out.
var replacements = [][2]string{
	{"t.leeway = 30", "t.leeway = 0"},
	{"30*time.Second", "0*time.Second"},
	{`{"leeway": 30, `, "{"},
}
