package pgtest

import (
	"fmt"
	"os/exec"
	"runtime"
	"strconv"
	"testing"
)

// StartLimited starts a server that can make no file larger than maxFile bytes, which
// stands for a full disk. A statement that needs a larger file fails with "File too large". Its
// SQLSTATE is XX000, where that of a full disk is 53100. The log of transactions has files of
// 1 MiB, so with less the server stops at the first commit that needs another one. It is a limit
// of Linux: on other systems the test is skipped.
func StartLimited(tb testing.TB, maxFile int64) *Server {
	tb.Helper()
	if runtime.GOOS != "linux" {
		tb.Skip("only Linux limits the files of a process that runs")
	}
	n := &node{maxFile: maxFile}
	return start(tb, n, func() error { return newData(n.data()) })
}

// limited makes a command run with a limit, which can be raised later.
func (n *node) limited(c *exec.Cmd) *exec.Cmd {
	args := append([]string{fmt.Sprintf("--fsize=%d:", n.maxFile)}, c.Args...)
	return ordinary(exec.Command("prlimit", args...)) //nolint:gosec // PostgreSQL, with what a test says
}

// Unlimit ends the limit, as if there was room on the disk again.
func (s *Server) Unlimit() {
	s.tb.Helper()
	s.maxFile = 0
	for i, pid := range s.Processes() { // the first starts the others, also those from now on
		c := exec.Command("prlimit", "--pid", strconv.Itoa(pid), "--fsize=unlimited:") //nolint:gosec // a number
		if err := run(ordinary(c)); err != nil && i == 0 {                             // others may end at any time
			s.tb.Fatalf("pgtest: %v", err)
		}
	}
}
