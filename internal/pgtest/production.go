package pgtest

import (
	"slices"
	"testing"
)

// StartAsInProduction starts a server for measurements: it waits for its disk, and has the
// segments and the memory of a server that nobody has configured. It takes a second to make.
func StartAsInProduction(tb testing.TB, settings ...string) *Server {
	tb.Helper()
	n := &node{settings: append([]string{"fsync=on", "shared_buffers=128MB"}, settings...)}
	return start(tb, n, func() error {
		return run(command("initdb", slices.Concat(initdb, []string{"--wal-segsize=16", "--pgdata=" + n.data()})...))
	})
}
