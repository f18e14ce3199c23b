//go:build !race

package auth_test

import (
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// given is what the pages' pieces of code may take for granted.
const given = `package page

import (
	"context"
	"crypto"
	"html/template"
	"net/http"
	"net/netip"
	"testing"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/httpauth"
)

var (
	t                              *testing.T
	ctx                            context.Context
	manager                        *auth.Manager
	handler                        *httpauth.Handler
	browser                        *httpauth.Browser
	mux                            *http.ServeMux
	request                        *http.Request
	reports, billing, wipe, ingest http.Handler
	ownSignIn                      http.Handler
	logo                           []byte
	reportsPage                    *template.Template
	secrets                        []auth.Secret
	newSecret, oldSecret           auth.Secret
	email, password, code, agent   string
	token, userID                  string
	document                       []byte
	privateKey                     crypto.Signer
	nextKey                        crypto.PublicKey
	address                        netip.Addr
	mailer                         auth.Mailer
	mail                           auth.Mail
)
`

// importable are the packages that a piece of code may use without importing them,
// as no piece shows its imports. A block that begins with a package clause has its own.
var importable = []string{
	"bufio", "context", "crypto", "crypto/sha256", "crypto/subtle", "crypto/tls", "crypto/x509", "errors", "io", "log/slog", "net/http", "net/netip", "os", "slices", "testing", "time",
	"github.com/datixlab/auth", "github.com/datixlab/auth/authtest", "github.com/datixlab/auth/httpauth", "github.com/datixlab/auth/pages", "github.com/datixlab/auth/smtpmail",
	"github.com/datixlab/auth/store/boltstore", "github.com/datixlab/auth/store/memstore",
	"github.com/datixlab/auth/store/pgstore", "github.com/datixlab/auth/store/redisstore", "github.com/datixlab/auth/store/storetest",
}

// notOurs are packages of others that a page shows and that this module does not
// require. A block that imports one of them is parsed and goes no further.
var notOurs = []string{
	"github.com/MicahParks/keyfunc/v3",
	"github.com/auth0/go-jwt-middleware/v2/validator",
	"github.com/coreos/go-oidc/v3/oidc",
	"github.com/go-jose/go-jose/v4",
	"github.com/lestrrat-go/jwx/v3/jwk",
	"github.com/rs/cors",
}

// heldElsewhere are the pages whose code a test of a module of its own compiles.
var heldElsewhere = []string{"docs/routers.md"}

// A block is a piece of Go code on a page.
type block struct {
	page string
	line int // of the page, 1 is the first
	code string
}

// goBlocks returns the Go code of a page.
func goBlocks(page, text string) (blocks []block) {
	for rest, line := text, 1; ; {
		before, after, ok := strings.Cut(rest, "```go\n")
		if !ok {
			return blocks
		}
		code, after, _ := strings.Cut(after, "```")
		line += strings.Count(before, "\n") + 1
		blocks = append(blocks, block{page, line, code})
		rest, line = after, line+strings.Count(code, "\n")
	}
}

// parse returns the block as a file of Go: a file, declarations, or the inside of a
// function, with its imports. Positions are those of the page.
func (b block) parse(fset *token.FileSet) (*ast.File, error) {
	at := func(line int) string { return fmt.Sprintf("//line %s:%d\n", b.page, line) }
	if strings.HasPrefix(b.code, "package ") {
		return parser.ParseFile(fset, "", at(b.line)+b.code, parser.SkipObjectResolution)
	}
	begin, end := "", ""
	if !slices.ContainsFunc([]string{"func ", "type "}, func(s string) bool { return strings.HasPrefix(b.code, s) }) {
		begin, end = "func piece() any {\n", "\nreturn nil\n}\n"
	}
	file := func(imports, uses string) string {
		return "package page\n" + imports + begin + at(b.line) + b.code + uses + end
	}
	bare, err := parser.ParseFile(fset, "", file("", ""), 0)
	if err != nil {
		return nil, err
	}
	imports := ""
	for _, name := range bare.Unresolved {
		for _, p := range importable {
			if path.Base(p) == name.Name && !strings.Contains(imports, strconv.Quote(p)) {
				imports += "import " + strconv.Quote(p) + "\n"
			}
		}
	}
	uses := ""
	if begin != "" {
		for _, name := range defined(bare.Decls[0].(*ast.FuncDecl).Body.List) {
			uses += "\n_ = " + name
		}
	}
	return parser.ParseFile(fset, "", file(imports, uses), parser.SkipObjectResolution)
}

// defined returns the variables that statements define, for a piece of a function
// that ends before it uses them.
func defined(statements []ast.Stmt) (names []string) {
	for _, s := range statements {
		if a, ok := s.(*ast.AssignStmt); ok && a.Tok == token.DEFINE {
			for _, left := range a.Lhs {
				names = append(names, left.(*ast.Ident).Name)
			}
		}
	}
	return names
}

// importsOf returns the paths that a file imports.
func importsOf(f *ast.File) (paths []string) {
	for _, spec := range f.Imports {
		p, _ := strconv.Unquote(spec.Path.Value) // it has been parsed
		paths = append(paths, p)
	}
	return paths
}

// exportsOf returns an importer of packages and all that they import, as this test's
// own build has compiled them. With the race detector all would be built again.
func exportsOf(t *testing.T, fset *token.FileSet, packages []string) types.Importer {
	t.Helper()
	args := []string{"list", "-export", "-deps", "-f", "{{.ImportPath}}\t{{.Export}}", "--"}
	out, err := exec.CommandContext(t.Context(), "go", append(args, packages...)...).Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		t.Fatalf("%v\n%s", err, exit.Stderr)
	} else if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for line := range strings.Lines(string(out)) {
		p, file, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		files[p] = file
	}
	return importer.ForCompiler(fset, "gc", func(p string) (io.ReadCloser, error) { return os.Open(files[p]) })
}

// pages returns the README and docs/, which a user of the library reads.
func pages(t *testing.T) []string {
	t.Helper()
	found, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	return append([]string{"README.md"}, found...)
}

func TestTheCodeInTheDocumentationCompiles(t *testing.T) {
	fset := token.NewFileSet()
	base, err := parser.ParseFile(fset, "given.go", given, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	var files []*ast.File
	total := 0
	seen := map[string]bool{} // of notOurs
	packages := importsOf(base)
	for _, page := range pages(t) {
		if slices.Contains(heldElsewhere, page) {
			continue
		}
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		blocks := goBlocks(page, string(text))
		total += len(blocks)
		for _, b := range blocks {
			f, err := b.parse(fset)
			if err != nil {
				t.Error(err)
				continue
			}
			imports, foreign := importsOf(f), false
			for _, p := range imports {
				if slices.Contains(notOurs, p) {
					seen[p], foreign = true, true
				}
			}
			if !foreign {
				files, packages = append(files, f), append(packages, imports...)
			}
		}
	}
	if total < 20 {
		t.Errorf("%d blocks of Go: the test no longer finds them", total)
	}
	for _, p := range notOurs {
		if !seen[p] {
			t.Errorf("no page imports %s any more: take it off the list", p)
		}
	}
	slices.Sort(packages)
	config := types.Config{
		Importer: exportsOf(t, fset, slices.Compact(packages)),
		Error:    func(err error) { t.Error(err) },
	}
	for _, f := range files {
		parts := []*ast.File{f}
		if f.Name.Name == base.Name.Name {
			parts = append(parts, base)
		}
		_, _ = config.Check("page", fset, parts, nil) // Error has told of what is wrong
	}
}

var managerMethod = regexp.MustCompile(`(?m)^func \(m \*Manager\) ([A-Z]\w*)\(`)

// A reader of the package comment finds every method under what it is for.
func TestThePackageCommentListsEveryMethodOfAManager(t *testing.T) {
	comment, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	others := []string{"Close", "Format", "LogValue", "Now", "String"} // of every value, or in the example
	for _, file := range sourceFiles(t, ".go") {
		if strings.Contains(file, "/") || strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range managerMethod.FindAllStringSubmatch(string(text), -1) {
			if !slices.Contains(others, m[1]) && !strings.Contains(string(comment), "[Manager."+m[1]+"]") {
				t.Errorf("doc.go does not list Manager.%s", m[1])
			}
		}
	}
}
