//go:build !race

package redistest_test

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/datixlab/auth/internal/redistest"
	"github.com/datixlab/auth/internal/servertest"
)

// The test runs itself as a process that starts a server and is killed.
func TestAServerEndsWithTheProcessThatStartedIt(t *testing.T) {
	if !redistest.Available(t) {
		return
	}
	if os.Getenv("REDISTEST_CHILD") != "" {
		s := redistest.Start(t)
		_, _ = os.Stdout.WriteString("port " + s.Addr() + " of " + s.Field("server", "process_id") + "\n")
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
	c := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	c.Env = append(os.Environ(), "REDISTEST_CHILD=1", "TMPDIR="+t.TempDir()) // which the child cannot remove
	out, _ := c.Output()
	_, pid, ok := strings.Cut(strings.TrimSpace(string(out)), " of ")
	if !ok {
		t.Fatalf("the child said %q", out)
	}
	servertest.Within(t, 5*time.Second, func() error {
		if _, err := os.Stat("/proc/" + pid); err == nil {
			return os.ErrExist
		}
		return nil
	})
}
