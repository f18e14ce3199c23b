package auth_test

import (
	"os/exec"
	"strings"
	"testing"
)

const module = "github.com/datixlab/auth"

// deps returns everything that a package of the module links, without its tests.
func deps(t *testing.T, pkg string) map[string]bool {
	t.Helper()
	out, err := exec.Command("go", "list", "-deps", pkg).CombinedOutput()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, out)
	}
	all := map[string]bool{}
	for _, p := range strings.Fields(string(out)) {
		all[p] = true
	}
	return all
}

// The arrows of ARCHITECTURE.md: examples → httpauth → auth → store ← adapters.
func TestNoPackageImportsAgainstTheArrows(t *testing.T) {
	shipped := []string{"", "/httpauth", "/store", "/store/memstore", "/store/boltstore", "/store/redisstore"}
	never := map[string][]string{
		"":                  {"/httpauth", "/store/memstore", "/store/boltstore", "/store/redisstore"},
		"/httpauth":         {"/store/memstore", "/store/boltstore", "/store/redisstore"},
		"/store/memstore":   {"", "/httpauth", "/store/boltstore", "/store/redisstore"},
		"/store/boltstore":  {"", "/httpauth", "/store/memstore", "/store/redisstore"},
		"/store/redisstore": {"", "/httpauth", "/store/memstore", "/store/boltstore"},
		"/store/storetest":  {"", "/httpauth", "/store/memstore", "/store/boltstore", "/store/redisstore"},
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
		for _, f := range []string{"testing", module + "/store/storetest", module + "/authtest", module + "/internal/redistest", module + "/internal/fuzztest", module + "/internal/cputime"} {
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

func TestAProgramLinksOnlyTheAdapterItImports(t *testing.T) {
	for _, pkg := range []string{"/httpauth", "/authtest", "/store/memstore"} {
		for p := range deps(t, module+pkg) {
			if strings.Contains(p, "bbolt") || strings.Contains(p, "redis") {
				t.Errorf("%s links %s", module+pkg, p)
			}
		}
	}
}
