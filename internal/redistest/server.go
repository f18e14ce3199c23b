package redistest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// startTime is how long a server may take until it answers.
const startTime = 15 * time.Second

// A Server is one Redis server. Its methods fail the test if they cannot do what they
// promise. Do and Try may be called by any number of goroutines.
type Server struct {
	tb       testing.TB
	dir      string
	args     []string
	port     int
	password string
	process  *process
}

// Start starts a server that writes nothing to disk, and returns when it answers. The
// args are those of the program redis-server, and add to that or change it.
func Start(tb testing.TB, args ...string) *Server {
	tb.Helper()
	return start(tb, tb.TempDir(), args...)
}

func start(tb testing.TB, dir string, args ...string) *Server {
	tb.Helper()
	s := &Server{tb: tb, dir: dir, args: args}
	if i := slices.Index(args, "--requirepass"); i >= 0 {
		s.password = args[i+1]
	}
	tb.Cleanup(s.Kill)
	var err error
	for range 5 { // another process may take the port first
		s.port = FreePort(tb)
		if err = s.launch(); err == nil {
			return s
		}
	}
	tb.Fatalf("redistest: %v", err)
	return nil
}

// launch runs the server and waits until it answers.
func (s *Server) launch() (err error) {
	args := append([]string{}, s.args...)
	port := strconv.Itoa(s.port)
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") { // a configuration file comes first
		args = append(args[:1:1], append([]string{"--port", port}, args[1:]...)...)
	} else {
		args = append([]string{
			"--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
			"--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1",
		}, args...)
	}
	if s.process, err = launch(s.dir, args...); err != nil {
		return err
	}
	for end := time.Now().Add(startTime); ; {
		err := s.answers()
		switch {
		case err == nil:
			return nil
		case !s.process.alive():
			log, _ := os.ReadFile(filepath.Join(s.dir, "log"))
			return fmt.Errorf("the server ended:\n%s", log[max(0, len(log)-2000):])
		case time.Now().After(end):
			s.process.kill()
			return fmt.Errorf("no answer in %v: %w", startTime, err)
		}
		<-time.After(2 * time.Millisecond)
	}
}

// answers returns nil if this server answers commands on its port, and not another one.
func (s *Server) answers() error {
	if _, err := s.Try("ping"); err != nil {
		return err
	}
	info, err := s.Try("info", "server")
	if err != nil {
		return err
	}
	if !strings.Contains(fmt.Sprint(info), fmt.Sprintf("process_id:%d\r\n", s.process.cmd.Process.Pid)) {
		return errors.New("another server has the port")
	}
	return nil
}

// Addr returns the server's address, host:port.
func (s *Server) Addr() string { return loopback(s.port) }

// Alive reports whether the server has not been killed.
func (s *Server) Alive() bool { return s.process != nil && s.process.alive() }

// Kill ends the server as a crash would: it writes nothing more, and its connections
// are reset. Killing it again does nothing.
func (s *Server) Kill() {
	if s.process != nil {
		s.process.kill()
	}
}

// Restart kills the server if it is alive. Then it starts the server again on its port
// with what it has on disk.
func (s *Server) Restart() {
	s.tb.Helper()
	s.Kill()
	if err := s.launch(); err != nil {
		s.tb.Fatalf("redistest: restart: %v", err)
	}
}

// Stop makes the server hang: it accepts connections and answers nothing.
func (s *Server) Stop() {
	s.tb.Helper()
	if err := s.process.stop(); err != nil {
		s.tb.Fatalf("redistest: stop: %v", err)
	}
}

// Continue undoes Stop.
func (s *Server) Continue() {
	s.tb.Helper()
	if err := s.process.cont(); err != nil {
		s.tb.Fatalf("redistest: continue: %v", err)
	}
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
func (s *Server) Try(args ...any) (any, error) {
	c, err := s.connect()
	if err != nil {
		return nil, err
	}
	defer c.close()
	return c.do(args...)
}

// connect returns a connection that can be used for a second.
func (s *Server) connect() (*connection, error) {
	c, err := dial(s.Addr())
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
	Within(s.tb, startTime, func() error {
		c, err := s.connect()
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
