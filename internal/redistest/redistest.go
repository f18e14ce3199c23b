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
