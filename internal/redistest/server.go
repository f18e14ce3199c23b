package redistest

import (
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/datixlab/auth/internal/servertest"
)

// A Server is one Redis server. Its methods fail the test if they cannot do what they
// promise. Do and Try may be called by any number of goroutines.
type Server struct {
	servertest.Server
	tb       testing.TB
	password string
}

// Start starts a server that writes nothing to disk, and returns when it answers. The
// args are those of the program redis-server, and add to that or change it.
func Start(tb testing.TB, args ...string) *Server {
	tb.Helper()
	return start(tb, tb.TempDir(), args...)
}

func start(tb testing.TB, dir string, args ...string) *Server {
	tb.Helper()
	s := &Server{tb: tb}
	if i := slices.Index(args, "--requirepass"); i >= 0 {
		s.password = args[i+1]
	}
	s.Server = servertest.Start(tb, servertest.Program{
		Dir:     dir,
		Command: func(port int) (*exec.Cmd, error) { return command(port, args), nil },
		Answers: s.answers,
		AtEnd:   syscall.SIGKILL,
	})
	return s
}

// command returns the command that runs a server.
func command(port int, args []string) *exec.Cmd {
	args, number := slices.Clone(args), strconv.Itoa(port)
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") { // a configuration file comes first
		args = append(args[:1:1], append([]string{"--port", number}, args[1:]...)...)
	} else {
		args = append([]string{
			"--port", number, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
			"--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1",
		}, args...)
	}
	return exec.Command(program, args...) //nolint:gosec // redis-server, with what a test says
}

// answers returns nil if this server answers commands on its port, and not another one.
func (s *Server) answers(port int, p *servertest.Process) error {
	addr := servertest.Loopback(port)
	if _, err := s.try(addr, "ping"); err != nil {
		return err
	}
	info, err := s.try(addr, "info", "server")
	if err != nil {
		return err
	}
	if !strings.Contains(fmt.Sprint(info), fmt.Sprintf("process_id:%d\r\n", p.PID())) {
		return errors.New("another server has the port")
	}
	return nil
}

// Do sends a command on a connection of its own and returns the reply: nil, a
// string, an int64 or a []any of them. It fails the test if there is none.
func (s *Server) Do(args ...any) any {
	s.tb.Helper()
	reply, err := s.Try(args...)
	if err != nil {
		s.tb.Fatalf("redistest: %v: %v", args, err)
	}
	return reply
}

// Try is Do for commands that may fail. It takes a second at most.
func (s *Server) Try(args ...any) (any, error) { return s.try(s.Addr(), args...) }

func (s *Server) try(addr string, args ...any) (any, error) {
	c, err := s.connect(addr)
	if err != nil {
		return nil, err
	}
	defer c.close()
	return c.do(args...)
}

// connect returns a connection that can be used for a second.
func (s *Server) connect(addr string) (*connection, error) {
	c, err := dial(addr)
	if err != nil || s.password == "" {
		return c, err
	}
	if _, err := c.do("auth", s.password); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// Field returns a field of INFO, or of CLUSTER INFO where section is "cluster info",
// and "" if the server does not answer.
func (s *Server) Field(section, field string) string {
	args := []any{"info", section}
	if section == "cluster info" {
		args = []any{"cluster", "info"}
	}
	reply, _ := s.Try(args...)
	text, _ := reply.(string)
	for line := range strings.Lines(text) {
		if v, ok := strings.CutPrefix(line, field+":"); ok {
			return strings.TrimRight(v, "\r\n")
		}
	}
	return ""
}

// WaitReplicas returns when n replicas of this master have everything that any client
// has written to it until now.
func (s *Server) WaitReplicas(n int) {
	s.tb.Helper()
	servertest.Within(s.tb, servertest.StartTime, func() error {
		c, err := s.connect(s.Addr())
		if err != nil {
			return err
		}
		defer c.close()
		if _, err := c.do("ping"); err != nil { // WAIT covers what was written before the command before it
			return err
		}
		switch have, err := c.do("wait", n, 500); {
		case err != nil:
			return err
		case have.(int64) < int64(n):
			return fmt.Errorf("%v of %d replicas have everything", have, n)
		}
		return nil
	})
}

// inStep returns nil if every replica that is connected to this master follows it. That
// is, the replica has everything from before, and has acknowledged once. Only from then
// on is it sent what is written, and counted by WAIT.
func (s *Server) inStep() error {
	reply, err := s.Try("info", "replication")
	if err != nil {
		return err
	}
	for line := range strings.Lines(fmt.Sprint(reply)) {
		name, state, _ := strings.Cut(line, ":")
		_, number, ok := strings.Cut(name, "slave")
		if _, err := strconv.Atoi(number); !ok || err != nil {
			continue
		}
		if !strings.Contains(state, "state=online,") || strings.Contains(state, "offset=0,") {
			return fmt.Errorf("of %s: replica %s", s.Addr(), strings.TrimSpace(state))
		}
	}
	return nil
}
