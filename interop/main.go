// Interop holds the HTTP API against programs that nobody of this project wrote. It
// builds and starts examples/server on memory and a free port, saves the document that
// it serves, and runs every tool of the directory tools, or those that are named:
//
//	go run . [-v] [tool ...]
//
// A tool is an executable file. It passes if it exits with 0. It is started in this
// module's directory, with
//
//	AUTH_URL       the address that the handler is mounted at
//	AUTH_DOCUMENT  a file that has the document
//	AUTH_MAILS     a file to which the server writes each mail, as a line of JSON
//	AUTH_SERVER    the program that serves it, for a tool that starts its own
//	SCRATCH        an empty directory of its own
//
// Interop says one line for each tool, and what a tool wrote where it failed; -v says
// that of every tool. It exits with 1 if one failed. What a tool could not try, because
// the machine does not have it, is said too and is no failure: the tool writes a line
// for it that begins with "not installed: ". A tool that could try nothing exits with 77.
package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/datixlab/auth/interop/trial"
)

const (
	patience = 10 * time.Minute // for one tool, which may have to download and to compile
	starting = 20 * time.Second // until the server listens
	stopping = 10 * time.Second // after SIGTERM
	mount    = "/v1/auth"

	notTried = 77 // the exit status of a tool that could try nothing
)

func main() {
	verbose := flag.Bool("v", false, "show what every tool writes")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	failed, err := run(ctx, flag.Args(), *verbose)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "interop:", err)
	}
	if err != nil || failed > 0 {
		os.Exit(1)
	}
}

// run reports how many tools failed, and what kept it from running them.
func run(ctx context.Context, named []string, verbose bool) (failed int, err error) {
	tools, err := choose(named)
	if err != nil {
		return 0, err
	}
	scratch, err := os.MkdirTemp("", "interop")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()

	s, err := startServer(ctx, scratch)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	document := filepath.Join(scratch, "openapi.json")
	if err := save(ctx, s.url+"/openapi.json", document); err != nil {
		return 0, err
	}

	missing := 0
	for _, tool := range tools {
		own := filepath.Join(scratch, tool+".scratch")
		if err := os.Mkdir(own, 0o700); err != nil {
			return failed, err
		}
		began := time.Now()
		output, err := runTool(ctx, tool, "AUTH_URL="+s.url, "AUTH_DOCUMENT="+document, "AUTH_MAILS="+s.mails, "AUTH_SERVER="+s.cmd.Path, "SCRATCH="+own)
		word := "ok"
		if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.ExitCode() == notTried {
			word, err = "none", nil
		} else if err != nil {
			failed++
			word = "FAIL"
		}
		fmt.Printf("%-4s %-20s %6.1fs\n", word, tool, time.Since(began).Seconds())
		for line := range strings.Lines(string(output)) {
			if strings.HasPrefix(line, trial.NotInstalled) {
				missing++
				fmt.Print("     ", line)
			}
		}
		if err != nil || verbose {
			fmt.Printf("%s", output)
		}
		if err != nil {
			fmt.Println(err)
		}
		if ctx.Err() != nil {
			return failed, ctx.Err()
		}
	}
	fmt.Printf("%d tools, %d failed, %d programs not installed\n", len(tools), failed, missing)
	return failed, nil
}

// choose returns the tools that are named, and all of them if none is.
func choose(named []string) ([]string, error) {
	entries, err := os.ReadDir("tools")
	if err != nil {
		return nil, err
	}
	var all []string
	for _, entry := range entries {
		all = append(all, entry.Name())
	}
	for _, name := range named {
		if !slices.Contains(all, name) {
			return nil, fmt.Errorf("there is no tool %q, only %v", name, all)
		}
	}
	if len(named) > 0 {
		return named, nil
	}
	return all, nil
}

// runTool runs a tool to its end, or kills it, and what it has started, when its time
// is up.
func runTool(ctx context.Context, name string, env ...string) (output []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join("tools", name)) // #nosec G204 -- one of the files of that directory
	cmd.Env = append(os.Environ(), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = stopping
	output, err = cmd.CombinedOutput()
	if ctx.Err() == context.DeadlineExceeded {
		err = fmt.Errorf("not done after %v", patience)
	}
	return output, err
}

// A server is examples/server, running.
type server struct {
	cmd   *exec.Cmd
	log   *bytes.Buffer
	mails string // a file
	url   string
	done  chan struct{} // closed when it has ended and log is complete
}

var listening = regexp.MustCompile(`msg=listening addr=(\S+)`)

func startServer(ctx context.Context, scratch string) (*server, error) {
	binary := filepath.Join(scratch, "server")
	build := exec.CommandContext(ctx, "go", "build", "-o", binary, "./examples/server") // #nosec G204 -- a directory of ours
	build.Dir = ".."
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("go build ./examples/server: %w\n%s", err, out)
	}
	s := &server{
		cmd: exec.Command(binary, "-store", "memory", "-addr", "127.0.0.1:0", "-mail", "log", "-confirm-email"), // #nosec G204 -- as built
		log: &bytes.Buffer{}, mails: filepath.Join(scratch, "mails"), done: make(chan struct{}),
	}
	s.cmd.Dir = scratch
	mails, err := os.Create(s.mails)
	if err != nil {
		return nil, err
	}
	defer mails.Close() // the server has it, and writes
	s.cmd.Stdout = mails
	out, err := s.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	address := make(chan string, 1)
	go func() {
		defer close(s.done)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			fmt.Fprintln(s.log, lines.Text())
			if m := listening.FindStringSubmatch(lines.Text()); m != nil {
				address <- m[1]
			}
		}
		_ = s.cmd.Wait() // what it says is in ProcessState
	}()
	select {
	case addr := <-address:
		s.url = "http://" + addr + mount
		return s, nil
	case <-s.done:
	case <-time.After(starting):
	case <-ctx.Done():
	}
	_ = s.cmd.Process.Kill()
	<-s.done
	return nil, fmt.Errorf("the server does not listen:\n%s", s.log)
}

// stop ends the server as an operator does. It is an error if the server does not go.
func (s *server) stop() error {
	_ = s.cmd.Process.Signal(syscall.SIGTERM) // fails if it has ended, which is reported below
	select {
	case <-s.done:
	case <-time.After(stopping):
		_ = s.cmd.Process.Kill()
		<-s.done
		return errors.New("the server does not stop")
	}
	if code := s.cmd.ProcessState.ExitCode(); code != 0 {
		return fmt.Errorf("the server ended with status %d:\n%s", code, s.log)
	}
	return nil
}

func save(ctx context.Context, address, file string) error {
	ctx, cancel := context.WithTimeout(ctx, starting)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close() //nolint:errcheck // it was only read
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s is answered with %s", address, response.Status)
	}
	return os.WriteFile(file, body, 0o600)
}
