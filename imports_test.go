//go:build !race

package auth_test

import (
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
)

const module = "github.com/datixlab/auth"

// deps returns everything that a package of the module links, without its tests.
func deps(t *testing.T, pkg string) map[string]bool {
	t.Helper()
	links, err := linked()
	if err != nil {
		t.Fatal(err)
	}
	if links[pkg] == nil {
		t.Fatalf("%s is no package of the module", pkg)
	}
	return links[pkg]
}

// linked asks the go command once, for all packages.
var linked = sync.OnceValues(func() (map[string]map[string]bool, error) {
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Deps " "}}`, "./...").Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	links := map[string]map[string]bool{}
	for line := range strings.Lines(string(out)) {
		all := map[string]bool{}
		for _, p := range strings.Fields(line) { // itself first
			all[p] = true
		}
		pkg, _, _ := strings.Cut(line, " ")
		links[pkg] = all
	}
	return links, nil
})

// The arrows of ARCHITECTURE.md: examples → pages → httpauth → auth → store ← adapters.
func TestNoPackageImportsAgainstTheArrows(t *testing.T) {
	shipped := []string{"", "/httpauth", "/pages", "/smtpmail", "/store", "/store/memstore", "/store/boltstore", "/store/redisstore", "/store/pgstore"}
	never := map[string][]string{
		"":                  {"/httpauth", "/pages", "/smtpmail", "/store/memstore", "/store/boltstore", "/store/redisstore", "/store/pgstore"},
		"/httpauth":         {"/pages", "/smtpmail", "/store/memstore", "/store/boltstore", "/store/redisstore", "/store/pgstore"},
		"/pages":            {"/smtpmail", "/store/memstore", "/store/boltstore", "/store/redisstore", "/store/pgstore"},
		"/smtpmail":         {"/httpauth", "/pages", "/store/memstore", "/store/boltstore", "/store/redisstore", "/store/pgstore"},
		"/store/memstore":   {"", "/httpauth", "/pages", "/store/boltstore", "/store/redisstore", "/store/pgstore"},
		"/store/boltstore":  {"", "/httpauth", "/pages", "/store/memstore", "/store/redisstore", "/store/pgstore"},
		"/store/redisstore": {"", "/httpauth", "/pages", "/store/memstore", "/store/boltstore", "/store/pgstore"},
		"/store/pgstore":    {"", "/httpauth", "/pages", "/store/memstore", "/store/boltstore", "/store/redisstore"},
		"/store/storetest":  {"", "/httpauth", "/pages", "/store/memstore", "/store/boltstore", "/store/redisstore", "/store/pgstore"},
	}
	for pkg, forbidden := range never {
		all := deps(t, module+pkg)
		for _, f := range forbidden {
			if all[module+f] {
				t.Errorf("%s imports %s", module+pkg, module+f)
			}
		}
	}
	for _, pkg := range shipped {
		all := deps(t, module+pkg)
		for _, f := range []string{"testing", module + "/store/storetest", module + "/authtest", module + "/internal/adaptertest", module + "/internal/servertest", module + "/internal/redistest", module + "/internal/pgtest", module + "/internal/emptystore", module + "/internal/fuzztest", module + "/internal/jwttest", module + "/internal/cputime"} {
			if all[f] {
				t.Errorf("%s, which ships, imports %s", module+pkg, f)
			}
		}
	}
	for p := range deps(t, module+"/store") {
		if strings.Contains(p, ".") && p != module+"/store" {
			t.Errorf("store imports %s: it keeps to the standard library", p)
		}
	}
}

// mayImport says what each internal package may import of the module. A mechanism knows
// no noun of the root, so none imports it.
var mayImport = map[string][]string{
	"/internal/emailaddr":   {"/internal/ident", "/internal/printable"},
	"/internal/checkdigits": {"/internal/ident"},
	"/internal/device":      nil,
	"/internal/hitcount":    {"/store"},
	"/internal/callback":    nil,
	"/internal/ident":       nil,
	"/internal/jose":        {"/internal/ident", "/internal/strictjson"},
	"/internal/keyuse":      {"/internal/netprefix", "/internal/parallel", "/internal/record", "/store"},
	"/internal/netprefix":   nil,
	"/internal/openstore":   {"/internal/secretfile", "/store", "/store/boltstore", "/store/memstore", "/store/pgstore", "/store/redisstore"},
	"/internal/otp":         nil,
	"/internal/parallel":    nil,
	"/internal/password":    nil,
	"/internal/printable":   nil,
	"/internal/qr":          nil,
	"/internal/queue":       nil,
	"/internal/sampler":     {"/store"},
	"/internal/record":      {"/internal/parallel", "/internal/stampcache", "/store"},
	"/internal/stampcache":  {"/store"},
	"/internal/scope":       nil,
	"/internal/seal":        nil,
	"/internal/secretfile":  nil,
	"/internal/sharedcall":  nil,
	"/internal/slots":       nil,
	"/internal/stamps":      nil,
	"/internal/strictjson":  nil,
	"/internal/waitline":    nil,
	"/internal/walkpage":    {"/store"},

	"/store/boltstore/internal/pages": nil,

	// For tests.
	"/internal/adaptertest": {"/internal/servertest", "/store", "/store/storetest"},
	"/internal/cputime":     nil,
	"/internal/emptystore":  {"/internal/pgtest", "/store", "/store/pgstore"},
	"/internal/fuzztest":    nil,
	"/internal/jwttest":     nil,
	"/internal/pgtest":      {"/internal/servertest"},
	"/internal/redistest":   {"/internal/servertest"},
	"/internal/scale":       nil,
	"/internal/servertest":  nil,
}

func TestInternalPackagesImportWhatTheirRowAllowsAndNeverTheRoot(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, module+"/...").CombinedOutput()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, out)
	}
	found := map[string]bool{}
	for line := range strings.Lines(string(out)) {
		words := strings.Fields(line)
		pkg := strings.TrimPrefix(words[0], module)
		if !strings.Contains(pkg, "/internal/") {
			continue
		}
		found[pkg] = true
		allowed, listed := mayImport[pkg]
		if !listed {
			t.Errorf("%s has no row in mayImport", pkg)
		}
		for _, imported := range words[1:] {
			own, ours := strings.CutPrefix(imported, module)
			if ours && !slices.Contains(allowed, own) {
				t.Errorf("%s imports %s, which its row does not allow", pkg, imported)
			}
		}
	}
	for pkg, allowed := range mayImport {
		if !found[pkg] {
			t.Errorf("mayImport has a row for %s, which is no package", pkg)
		}
		if slices.Contains(allowed, "") {
			t.Errorf("mayImport allows %s to import the root", pkg)
		}
	}
}

// drivers are the libraries of the stores, each with the adapter that alone brings it into a program.
var drivers = map[string]string{
	"go.etcd.io/bbolt":           "/store/boltstore",
	"github.com/redis/go-redis/": "/store/redisstore",
	"github.com/jackc/":          "/store/pgstore", // pgx, and what comes with it
}

func TestAProgramLinksOnlyTheAdapterItImports(t *testing.T) {
	links, err := linked()
	if err != nil {
		t.Fatal(err)
	}
	for driver, adapter := range drivers {
		used := false
		for pkg, all := range links {
			for p := range all {
				switch {
				case !strings.HasPrefix(p, driver):
				case all[module+adapter]:
					used = true
				case pkg == module+"/internal/pgtest": // which is for tests
				default:
					t.Errorf("%s links %s without %s", pkg, p, adapter)
				}
			}
		}
		if !used {
			t.Errorf("%s no longer links %s: this test looks for another", adapter, driver)
		}
	}
}

func TestAProgramLinksTheMailLibraryOnlyWithSmtpmail(t *testing.T) {
	const library = "github.com/wneessen/go-mail"
	if !deps(t, module+"/smtpmail")[library] {
		t.Errorf("smtpmail no longer imports %s: this test looks for another", library)
	}
	links, err := linked()
	if err != nil {
		t.Fatal(err)
	}
	for pkg, all := range links {
		for p := range all {
			if strings.HasPrefix(p, library) && !all[module+"/smtpmail"] || strings.Contains(p, "github.com/emersion/") {
				t.Errorf("%s links %s", pkg, p)
			}
		}
	}
}

func TestOnlyTheExampleServerLinksTheViewerOfTheReference(t *testing.T) {
	const viewer, server = "github.com/swaggest/swgui", module + "/examples/server"
	links, err := linked()
	if err != nil {
		t.Fatal(err)
	}
	for pkg, all := range links {
		for p := range all {
			if strings.HasPrefix(p, viewer) && pkg != server {
				t.Errorf("%s links %s", pkg, p)
			}
			if strings.Contains(p, "statigz") || strings.Contains(p, "shurcooL") {
				t.Errorf("%s links %s, which the viewer's own server needs", pkg, p)
			}
		}
	}
	if !links[server][viewer+"/v5/static"] {
		t.Error("the example server links no viewer: this test looks for another")
	}
}
