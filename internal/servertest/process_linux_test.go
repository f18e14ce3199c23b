package servertest_test

import (
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/datixlab/auth/internal/servertest"
)

// state returns the letter of a process's state, or "" if there is no process.
func state(pid string) string {
	stat, _ := os.ReadFile("/proc/" + pid + "/stat")
	_, rest, _ := strings.Cut(string(stat), ") ") // after the name of the program
	return rest[:min(1, len(rest))]
}

// The test runs itself as a process that starts another one and is killed.
func TestAProcessEndsWithTheOneThatStartedIt(t *testing.T) {
	if os.Getenv("SERVERTEST_CHILD") != "" {
		p, err := servertest.Launch(os.TempDir(), exec.Command("sleep", "1000"), syscall.SIGKILL)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = os.Stdout.WriteString("started " + strconv.Itoa(p.PID()) + "\n")
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
	c := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	c.Env = append(os.Environ(), "SERVERTEST_CHILD=1", "TMPDIR="+t.TempDir()) // which the child cannot remove
	out, _ := c.Output()
	pid, ok := strings.CutPrefix(strings.TrimSpace(string(out)), "started ")
	if !ok {
		t.Fatalf("the child said %q", out)
	}
	servertest.Within(t, 5*time.Second, func() error {
		if s := state(pid); s != "" && s != "Z" { // nobody may have reaped it
			return errors.New("its state is " + s)
		}
		return nil
	})
}

func TestChildrenHangAndEndWithTheirProcess(t *testing.T) {
	p, err := servertest.Launch(t.TempDir(), exec.Command("sh", "-c", "sleep 1000 & echo $!; wait"), syscall.SIGKILL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	servertest.Within(t, 5*time.Second, func() error {
		if !strings.HasSuffix(p.Log(), "\n") {
			return errors.New("no child")
		}
		return nil
	})
	child := strings.TrimSpace(p.Log())
	if err := p.Stop(); err != nil || state(child) != "T" {
		t.Errorf("after a stop: %v, the child's state is %s", err, state(child))
	}
	if err := p.Continue(); err != nil || state(child) == "T" {
		t.Errorf("after the end of a stop: %v, the child's state is %s", err, state(child))
	}
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
	p.Kill()
	if s := state(child); p.Alive() || s != "" {
		t.Errorf("after a kill the child's state is %s", s)
	}
}
