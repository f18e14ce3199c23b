package pgtest

import (
	"sync"
	"testing"

	"github.com/datixlab/auth/internal/servertest"
)

// Main is for the TestMain of a package whose tests share a server. It calls run, ends the
// server and returns what run returned. That may be m.Run, or a function that calls Main of
// redistest.
func Main(run func() int) (exit int) {
	defer shared.End()
	return run()
}

// Shared returns a server that the first call starts and [Main] ends. Tests use it at the
// same time, each its own database or schema. No test may end it, leave it stopped or leave
// a setting changed.
func Shared(tb testing.TB) *Server {
	tb.Helper()
	s := *sharedServer()
	s.tb, s.Server = tb, s.On(tb)
	return &s
}

var (
	shared       = new(servertest.Whole)
	sharedServer = sync.OnceValue(func() *Server { return Start(shared) })
)
