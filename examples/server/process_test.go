package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/datixlab/auth"
)

// patience is how long a test waits for a process to do what it does in an instant.
const patience = 20 * time.Second

// buildServer compiles the program as a user would.
func buildServer(t *testing.T) (binary string) {
	t.Helper()
	binary = filepath.Join(t.TempDir(), "server")
	if out, err := exec.Command("go", "build", "-buildvcs=false", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return binary
}

// A process is a server of its own that has said where it listens.
type process struct {
	client
	cmd    *exec.Cmd
	output *output         // its log
	mails  *output         // its standard output
	read   map[string]bool // tokens of mails
	exited chan struct{}   // closed when it has ended and its output is complete
}

// startProcess runs cmd until the test ends at the latest.
func startProcess(t *testing.T, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{cmd: cmd, output: &output{listening: make(chan string, 1)}, mails: &output{more: make(chan struct{}, 1)}, exited: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = p.mails, p.output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.exited)
		_ = cmd.Wait() // what it says is in cmd.ProcessState
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-p.exited
	})
	select {
	case addr := <-p.output.listening:
		p.client = client{"http://" + addr, &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}, Timeout: patience}}
		t.Cleanup(p.http.CloseIdleConnections)
	case <-p.exited:
		t.Fatalf("the server did not start:\n%s", p.output)
	case <-time.After(patience):
		t.Fatalf("the server does not say that it listens:\n%s", p.output)
	}
	return p
}

// stop asks the process to end, with SIGTERM, and returns its exit status.
func (p *process) stop(t *testing.T) int {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case <-p.exited:
	case <-time.After(patience):
		t.Fatalf("the server does not stop:\n%s", p.output)
	}
	return p.cmd.ProcessState.ExitCode()
}

// mail returns the token of the mail of a purpose that the process prints next, and waits for it.
func (p *process) mail(t *testing.T, purpose auth.MailPurpose, to string) string {
	t.Helper()
	late := time.After(patience)
	for {
		for line := range strings.Lines(p.mails.String()) {
			var mail struct {
				Mail, To, Token string
				ExpiresAt       string `json:"expires_at"`
			}
			if err := json.Unmarshal([]byte(line), &mail); err != nil {
				t.Fatalf("a mail is %q: %v", line, err)
			}
			if mail.Mail != string(purpose) || mail.To != to || p.read[mail.Token] {
				continue
			}
			if end, err := time.Parse(time.RFC3339, mail.ExpiresAt); err != nil || !strings.HasSuffix(mail.ExpiresAt, "Z") || time.Until(end) <= 0 {
				t.Errorf("the mail ends %q", mail.ExpiresAt)
			}
			if p.read == nil {
				p.read = map[string]bool{}
			}
			p.read[mail.Token] = true
			return mail.Token
		}
		select {
		case <-p.mails.more:
		case <-late:
			t.Fatalf("no mail %s came to %s:\n%s", purpose, to, p.output)
		}
	}
}

// output keeps what a process writes, and finds the address in it.
type output struct {
	mu        sync.Mutex
	text      bytes.Buffer
	listening chan string
	found     bool
	more      chan struct{} // has an element after a write; nil: nobody waits
}

var addrInLog = regexp.MustCompile(`msg=listening addr=(\S+)`)

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text.Write(b)
	select {
	case o.more <- struct{}{}:
	default:
	}
	if m := addrInLog.FindSubmatch(o.text.Bytes()); m != nil && o.listening != nil && !o.found {
		o.found = true
		o.listening <- string(m[1])
	}
	return len(b), nil
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// installed reports whether a check by an independent program can be made. Where CI
// is set nothing may be left out: there, a missing program fails the test.
func installed(t *testing.T, what string, have bool) bool {
	t.Helper()
	switch {
	case have:
		return true
	case os.Getenv("CI") != "":
		t.Errorf("%s is not installed: run make deps", what)
	default:
		t.Logf("%s is not installed: what it checks is left out; make deps installs it", what)
	}
	return false
}

func inPath(program string) bool {
	_, err := exec.LookPath(program)
	return err == nil
}
