package redistest

import (
	"flag"
	"sync"
	"testing"

	"github.com/datixlab/auth/internal/servertest"
)

// Main is for the TestMain of a package whose tests share servers. It runs the tests,
// ends the servers and returns the exit status. Unless -parallel says otherwise, four
// tests may run at once on any machine: those that call t.Parallel wait for servers to
// learn of each other, not for a processor.
func Main(m *testing.M) (exit int) {
	defer shared.End()
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
// it at the same time, each under its own prefix. No test may end it, leave it stopped
// or leave a setting changed.
func SharedServer(tb testing.TB) *Server {
	tb.Helper()
	return sharedServer().on(tb)
}

// SharedSentinel is SharedServer for what StartSentinel starts.
func SharedSentinel(tb testing.TB) *Sentinel {
	tb.Helper()
	servertest.SkipIfShort(tb)
	s := *sharedSentinel()
	s.tb, s.Servers, s.Sentinels = tb, allOn(tb, s.Servers), allOn(tb, s.Sentinels)
	return &s
}

// SharedCluster is SharedServer for what StartCluster starts. One test at a time may
// move a slot.
func SharedCluster(tb testing.TB) *Cluster {
	tb.Helper()
	servertest.SkipIfShort(tb)
	c := *sharedCluster()
	c.tb, c.Servers = tb, allOn(tb, c.Servers)
	return &c
}

var (
	shared         = new(servertest.Whole)
	sharedServer   = sync.OnceValue(func() *Server { return Start(shared) })
	sharedSentinel = sync.OnceValue(func() *Sentinel { return StartSentinel(shared) })
	sharedCluster  = sync.OnceValue(func() *Cluster { return StartCluster(shared) })
)

// on returns the server for another test: failures are failures of that test.
func (s *Server) on(tb testing.TB) *Server {
	return &Server{s.Server.On(tb), tb, s.password}
}

func allOn(tb testing.TB, servers []*Server) []*Server {
	var all []*Server
	for _, s := range servers {
		all = append(all, s.on(tb))
	}
	return all
}
