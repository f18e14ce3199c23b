package redistest

import (
	"flag"
	"fmt"
	"os"
	"sync"
	"testing"
)

// Main is for the TestMain of a package whose tests share servers. It runs the tests,
// ends the servers and returns the exit status. Unless -parallel says otherwise, four
// tests may be under way at once on any machine: those that call t.Parallel wait for
// servers to find out about each other, not for a processor.
func Main(m *testing.M) (exit int) {
	defer shared.end()
	flag.Parse()
	parallel := "4"
	flag.Visit(func(f *flag.Flag) {
		if f.Name == "test.parallel" {
			parallel = f.Value.String()
		}
	})
	_ = flag.Set("test.parallel", parallel)
	return m.Run()
}

// SharedServer returns a server that the first call starts and [Main] ends. Tests use
// it under prefixes of their own, at the same time as well; none of them ends it,
// leaves it stopped or leaves a setting changed.
func SharedServer(tb testing.TB) *Server {
	tb.Helper()
	return sharedServer().on(tb)
}

// SharedSentinel is SharedServer for what StartSentinel starts.
func SharedSentinel(tb testing.TB) *Sentinel {
	tb.Helper()
	s := *sharedSentinel()
	s.tb, s.Servers, s.Sentinels = tb, allOn(tb, s.Servers), allOn(tb, s.Sentinels)
	return &s
}

// SharedCluster is SharedServer for what StartCluster starts. A slot may be moved, by
// one test at a time.
func SharedCluster(tb testing.TB) *Cluster {
	tb.Helper()
	c := *sharedCluster()
	c.tb, c.Servers = tb, allOn(tb, c.Servers)
	return &c
}

var (
	shared         = new(whole)
	sharedServer   = sync.OnceValue(func() *Server { return Start(shared) })
	sharedSentinel = sync.OnceValue(func() *Sentinel { return StartSentinel(shared) })
	sharedCluster  = sync.OnceValue(func() *Cluster { return StartCluster(shared) })
)

// on returns the server as the test's own: it is the test that fails.
func (s *Server) on(tb testing.TB) *Server {
	copied := *s
	copied.tb = tb
	return &copied
}

func allOn(tb testing.TB, servers []*Server) []*Server {
	var all []*Server
	for _, s := range servers {
		all = append(all, s.on(tb))
	}
	return all
}

// A whole is what all tests of a process are together, as far as a start of servers
// needs it.
type whole struct {
	testing.TB // nil: any other method panics
	mu         sync.Mutex
	ends       []func()
}

// Helper implements testing.TB.
func (w *whole) Helper() {}

// Cleanup implements testing.TB.
func (w *whole) Cleanup(end func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ends = append(w.ends, end)
}

// TempDir implements testing.TB.
func (w *whole) TempDir() string {
	dir, err := os.MkdirTemp("", "redistest")
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// Fatal implements testing.TB.
func (w *whole) Fatal(args ...any) { panic(fmt.Sprint(args...)) }

// Fatalf implements testing.TB.
func (w *whole) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

func (w *whole) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := len(w.ends); i > 0; i-- {
		w.ends[i-1]()
	}
}
