package servertest

import (
	"fmt"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// A Program says how a server is run.
type Program struct {
	Dir     string                            // its working directory
	Command func(port int) (*exec.Cmd, error) // makes the command that listens on the port
	Answers func(port int, p *Process) error  // returns nil if this very process answers
	Ended   func()                            // clears up after Kill; may be nil
	AtEnd   syscall.Signal                    // ends it with the process of the test
}

// A Server runs a Program on a free loopback port. Its methods fail the test if they
// cannot do what they promise.
type Server struct {
	tb testing.TB
	*server
}

type server struct {
	Program
	port    int
	process *Process
}

// Start runs the program until the test ends, and returns when it answers.
func Start(tb testing.TB, p Program) Server {
	tb.Helper()
	s := Server{tb, &server{Program: p}}
	tb.Cleanup(s.Kill)
	var err error
	for range 5 { // another process may take the port first
		s.port = FreePort(tb)
		if err = s.launch(); err == nil {
			return s
		}
	}
	tb.Fatal(err)
	return s
}

func (s *server) launch() error {
	c, err := s.Command(s.port)
	if err != nil {
		return err
	}
	p, err := Launch(s.Dir, c, s.AtEnd)
	if err != nil {
		return err
	}
	s.process = p
	for end := time.Now().Add(StartTime); ; {
		err := s.Answers(s.port, p)
		switch {
		case err == nil:
			return nil
		case !p.Alive():
			return fmt.Errorf("the server ended:\n%s", p.Log())
		case time.Now().After(end):
			s.kill()
			return fmt.Errorf("no answer in %v: %w", StartTime, err)
		}
		<-time.After(2 * time.Millisecond)
	}
}

// On returns the server for another test: failures are failures of that test.
func (s Server) On(tb testing.TB) Server { return Server{tb, s.server} }

// Port returns the server's port on 127.0.0.1.
func (s Server) Port() int { return s.port }

// Addr returns the server's address, host:port.
func (s Server) Addr() string { return Loopback(s.port) }

// PID returns the number of the server's process, the one that starts the others.
func (s Server) PID() int { return s.process.PID() }

// Processes returns the numbers of the server's processes, that of PID first.
func (s Server) Processes() []int {
	first := s.PID()
	return append([]int{first}, children(first)...)
}

// Alive reports whether the server has not been killed.
func (s Server) Alive() bool { return s.process != nil && s.process.Alive() }

// Kill ends the server as a crash would: it writes nothing more, and its connections
// are reset. Killing it again does nothing.
func (s Server) Kill() { s.kill() }

func (s *server) kill() {
	if s.process == nil || !s.process.Alive() {
		return
	}
	s.process.Kill()
	if s.Ended != nil {
		s.Ended()
	}
}

// Restart kills the server if it is alive. Then it starts the server again on its port
// with what it has on disk.
func (s Server) Restart() {
	s.tb.Helper()
	s.Kill()
	if err := s.launch(); err != nil {
		s.tb.Fatalf("restart: %v", err)
	}
}

// Stop makes the server hang: it accepts connections and answers nothing.
func (s Server) Stop() {
	s.tb.Helper()
	if err := s.process.Stop(); err != nil {
		s.tb.Fatalf("stop: %v", err)
	}
}

// Continue undoes Stop.
func (s Server) Continue() {
	s.tb.Helper()
	if err := s.process.Continue(); err != nil {
		s.tb.Fatalf("continue: %v", err)
	}
}
