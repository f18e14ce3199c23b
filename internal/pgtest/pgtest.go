// Package pgtest runs real PostgreSQL servers for tests: a single one, a primary with a
// standby, one that speaks TLS alone, one whose disk is full, and PgBouncer before any of
// them. They listen on free loopback ports and keep their files in a directory for
// temporary files. They end with the test or, on Linux, with its process if that ends
// first.
//
// PostgreSQL refuses to run as root. Under root its programs run as the user postgres, or
// nobody, who must be allowed to pass through the directory for temporary files.
package pgtest

import (
	"cmp"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/datixlab/auth/internal/servertest"
)

// Available reports whether this machine can run PostgreSQL and PgBouncer. A test skips
// what needs them if it cannot, as [servertest.Available] says.
func Available(tb testing.TB) bool {
	tb.Helper()
	_, err := exec.LookPath(pooler())
	return servertest.Available(tb, "postgres", directory() != "") && servertest.Available(tb, "pgbouncer", err == nil)
}

// directory returns where the programs of PostgreSQL are, those of the newest version, or
// "". Debian has them outside PATH, and a link in PATH may lead there.
var directory = sync.OnceValue(func() string {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(found) > 0 {
		return filepath.Dir(slices.MaxFunc(found, func(a, b string) int { return cmp.Compare(version(a), version(b)) }))
	}
	path, err := exec.LookPath("initdb")
	if err != nil {
		return ""
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	return filepath.Dir(path)
})

// version returns the number in the path of initdb.
func version(initdb string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(initdb))))
	return n
}

// command returns a command that runs a program of PostgreSQL as an ordinary user.
func command(program string, args ...string) *exec.Cmd {
	return ordinary(exec.Command(filepath.Join(directory(), program), args...)) //nolint:gosec // with what a test says
}

// Version returns the version of the programs.
func Version() (string, error) {
	out, err := command("postgres", "--version").Output()
	if err != nil {
		return "", err
	}
	return strings.Fields(string(out))[2], nil // postgres (PostgreSQL) 15.18 (Debian …)
}
