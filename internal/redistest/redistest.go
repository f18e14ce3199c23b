// Package redistest runs real Redis servers for tests: a single one, a master with
// Sentinel, or a Redis Cluster. They listen on free loopback ports and keep their files
// in the test's own directory. They end with the test or, on Linux, with its process if
// that ends first.
package redistest

import (
	"os/exec"
	"testing"

	"github.com/datixlab/auth/internal/servertest"
)

const program = "redis-server"

// Available reports whether this machine can run Redis. A test skips what needs Redis if
// it cannot, as [servertest.Available] says.
func Available(tb testing.TB) bool {
	tb.Helper()
	_, err := exec.LookPath(program)
	return servertest.Available(tb, program, err == nil)
}

// skipIfShort skips a test that needs several servers, with -short: they take seconds to
// find out about each other, and more to agree on a new master. CI runs such a test
// without -short as well, where none may be skipped.
func skipIfShort(tb testing.TB) {
	tb.Helper()
	if testing.Short() {
		tb.Skip("not with -short: it needs several servers")
	}
}
