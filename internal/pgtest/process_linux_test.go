//go:build !race

package pgtest_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/datixlab/auth/internal/pgtest"
	"github.com/datixlab/auth/internal/servertest"
)

// left returns nil if neither a process with one of these numbers is left nor memory that
// one of them shared.
func left(pids []string) error {
	shared, err := os.ReadFile("/proc/sysvipc/shm")
	if err != nil {
		return err
	}
	for _, pid := range pids {
		stat, _ := os.ReadFile("/proc/" + pid + "/stat")
		if len(stat) > 0 && !strings.Contains(string(stat), ") Z ") {
			return fmt.Errorf("a process is left: %s", stat)
		}
		for line := range strings.Lines(string(shared)) {
			if f := strings.Fields(line); len(f) > 4 && f[4] == pid {
				return fmt.Errorf("shared memory is left: %s", line)
			}
		}
	}
	return nil
}

func numbers(s *pgtest.Server) (pids []string) {
	for _, pid := range s.Processes() {
		pids = append(pids, strconv.Itoa(pid))
	}
	return pids
}

func TestNothingIsLeftOfAServerThatIsKilled(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	s := pgtest.Start(t)
	pids := numbers(s)
	if len(pids) < 2 || left(pids[:1]) == nil || left(pids[1:]) == nil {
		t.Errorf("the processes are %v", pids)
	}
	s.Kill()
	if err := left(pids); err != nil {
		t.Error(err)
	}
}

// The test runs itself as a process that starts servers and is killed. One of them hangs.
func TestAServerEndsWithTheProcessThatStartedIt(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	if os.Getenv("PGTEST_CHILD") != "" {
		runs, hangs := pgtest.Start(t), pgtest.Start(t)
		for _, s := range []*pgtest.Server{runs, hangs} {
			fmt.Println("started", s.Query("SHOW data_directory"), strings.Join(numbers(s), " "))
		}
		hangs.Stop()
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
	c := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	c.Env = append(os.Environ(), "PGTEST_CHILD=1")
	out, _ := c.Output()
	servers := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(servers) != 2 {
		t.Fatalf("the child said %q", out)
	}
	for _, s := range servers {
		words := strings.Fields(s)
		t.Cleanup(func() { _ = os.RemoveAll(filepath.Dir(words[1])) }) // which the child could not remove
		servertest.Within(t, 10*time.Second, func() error { return left(words[2:]) })
	}
}
