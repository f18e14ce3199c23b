// Package servertest is what the packages that run real servers for tests have in
// common. A server is a process with children that ends with the test or, on Linux, with
// the test's process if that ends first. It listens on a free loopback port.
package servertest

import (
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// StartTime is how long a server may take until it answers.
const StartTime = 15 * time.Second

// Available reports whether this machine has the program. If it has not, a test skips what
// needs it, so that go test ./... works for everyone. With CI set, where nothing may be
// skipped, the test fails.
func Available(tb testing.TB, program string, found bool) bool {
	tb.Helper()
	switch {
	case found:
		return true
	case os.Getenv("CI") != "":
		tb.Errorf("%s is not installed: run make deps", program)
	default:
		tb.Logf("%s is not installed: tests that need it are left out", program)
	}
	return false
}

// SkipIfShort skips a test that needs several servers, with -short: they take seconds to
// find out about each other, and more to agree on a new primary. CI runs such a test
// without -short as well, where none may be skipped.
func SkipIfShort(tb testing.TB) {
	tb.Helper()
	if testing.Short() {
		tb.Skip("not with -short: it needs several servers")
	}
}

// SaidOnMemory reports whether the short form of a test has run before, and the test says no more on
// memory without -short. make test knows (.ci/full.go), and the test need not be run on memory again.
func SaidOnMemory(tb testing.TB) bool { return saidOnMemory[tb.Name()] }

var saidOnMemory = func() map[string]bool {
	said := map[string]bool{}
	for name := range strings.SplitSeq(os.Getenv("SAID_ON_MEMORY"), ",") {
		said[name] = true
	}
	return said
}()

// FreePort returns a loopback port on which nothing listens. It is below the ports that
// systems give to outgoing connections. Otherwise such a connection could take the port
// of a server while the server is down.
func FreePort(tb testing.TB) int {
	tb.Helper()
	for range 1000 {
		port := 10_000 + rand.IntN(20_000) //nolint:gosec // a port is no secret
		if l, err := net.Listen("tcp", Loopback(port)); err == nil {
			_ = l.Close()
			return port
		}
	}
	tb.Fatal("servertest: no free port")
	return 0
}

// Loopback returns the address of a port on this machine, host:port.
func Loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

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
