// Package redistest runs real Redis servers for tests: a single one, a master with
// Sentinel, or a Redis Cluster. They listen on free loopback ports and keep their files
// in the test's own directory. They end with the test or, on Linux, with its process if
// that ends first.
package redistest

import (
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"
)

// Available reports whether this machine can run Redis. If it cannot, a test skips what
// needs it, so that go test ./... works for everyone. With CI set, where nothing may be
// skipped, the test fails.
func Available(tb testing.TB) bool {
	tb.Helper()
	_, err := exec.LookPath(program)
	switch {
	case err == nil:
		return true
	case os.Getenv("CI") != "":
		tb.Errorf("%s is not installed: run make deps", program)
	default:
		tb.Logf("%s is not installed: tests on Redis are left out", program)
	}
	return false
}

const program = "redis-server"

// skipIfShort skips a test that needs several servers, with -short: they take seconds to
// find out about each other, and more to agree on a new master. CI runs such a test
// without -short as well, where none may be skipped.
func skipIfShort(tb testing.TB) {
	tb.Helper()
	if testing.Short() {
		tb.Skip("not with -short: it needs several servers")
	}
}

// FreePort returns a loopback port on which nothing listens. It is below the ports that
// systems give to outgoing connections. Otherwise such a connection could take the port
// of a server while the server is down.
func FreePort(tb testing.TB) int {
	tb.Helper()
	for range 1000 {
		port := 10_000 + rand.IntN(20_000) //nolint:gosec // a port is no secret
		if l, err := net.Listen("tcp", loopback(port)); err == nil {
			_ = l.Close()
			return port
		}
	}
	tb.Fatal("redistest: no free port")
	return 0
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// Within calls done every few milliseconds until it returns nil, and returns how long
// that took. It fails the test with the last error if that takes longer than limit.
func Within(tb testing.TB, limit time.Duration, done func() error) time.Duration {
	tb.Helper()
	begin := time.Now()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := done()
		took := time.Since(begin)
		if err == nil {
			return took
		}
		if took > limit {
			tb.Fatalf("not within %v: %v", limit, err)
		}
		<-tick.C
	}
}
