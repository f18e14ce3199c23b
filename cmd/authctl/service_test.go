package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/datixlab/auth"
)

func TestABackupIsWholeOrNotThere(t *testing.T) {
	s := newService(t)
	u := s.user("ada")
	dir := t.TempDir()
	path := filepath.Join(dir, "copy.db")
	s.authctl(0, "backup", path)
	if info := must(os.Stat(path)); info.Mode().Perm() != 0o600 {
		t.Errorf("its mode is %v", info.Mode())
	}
	env := environment{secret: testSecret}
	if out := runWith(t, 0, env, "-store", "bolt:"+path, "users", "find", u.Email).stdout; !strings.Contains(out, u.ID) {
		t.Errorf("the copy has\n%s", out)
	}
	before := must(os.ReadFile(path))
	if r := s.authctl(1, "backup", path); !strings.Contains(r.stderr, "-replace") {
		t.Errorf("over another file it says %q", r.stderr)
	}

	for name, h := range map[string]http.HandlerFunc{
		"an answer that breaks off": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(before[:len(before)/2])
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		},
		"half a file":     func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(before[:len(before)/2]) },
		"something else":  func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) },
		"nothing":         func(http.ResponseWriter, *http.Request) {},
		"another program": http.NotFound,
	} {
		socket := serve(t, t.TempDir(), h)
		runWith(t, 1, environment{}, "-admin", "unix:"+socket, "backup", "-replace", path)
		runWith(t, 1, environment{}, "-admin", "unix:"+socket, "backup", filepath.Join(dir, "other.db"))
		left := must(os.ReadDir(dir))
		if after := must(os.ReadFile(path)); string(after) != string(before) || len(left) != 1 {
			t.Errorf("%s: the good copy has changed, or %v is left", name, left)
		}
	}
	s.user("bob")
	s.authctl(0, "backup", "-replace", path)
	if after := must(os.ReadFile(path)); string(after) == string(before) {
		t.Error("it did not replace the copy")
	}
}

// A lineEnd calls a function when a line ends. What goes on after an interruption writes to it too.
type lineEnd struct {
	mu   sync.Mutex
	text strings.Builder
	call func()
}

func (l *lineEnd) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if strings.Contains(string(b), "\n") {
		l.call()
	}
	return l.text.Write(b)
}

func (l *lineEnd) String() string { l.mu.Lock(); defer l.mu.Unlock(); return l.text.String() }

func TestASignalWhileACopyIsCheckedSaysNothingBadOfIt(t *testing.T) {
	s := newService(t)
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	errs := &lineEnd{call: cancel} // the progress ends when the file has been copied
	env := environment{stdin: strings.NewReader(""), stdout: io.Discard, stderr: errs, terminal: terminal{err: true}}
	exit := run(ctx, []string{"-admin", "unix:" + s.socket, "backup", filepath.Join(dir, "copy.db")}, env)
	if exit != 1 || strings.Contains(errs.String(), "not good") || !strings.Contains(errs.String(), "not checked") {
		t.Errorf("exit status %d, and it says %q", exit, errs.String())
	}
	if left := must(os.ReadDir(dir)); len(left) != 0 {
		t.Errorf("there is %v", left)
	}
	errs = &lineEnd{call: func() {}}
	env.stderr = errs
	if exit := run(ctx, []string{"keys", "scan", dir}, env); exit != 2 || !strings.Contains(errs.String(), "not searched") {
		t.Errorf("a search that was interrupted: exit status %d, and it says %q", exit, errs.String())
	}
}

func TestEverythingIsRevokedAfterAYes(t *testing.T) {
	s := newService(t)
	token := s.login(s.user("ada")).AccessToken.Token
	s.authctl(2, "revoke-all")
	if _, err := s.m.VerifyAccessToken(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	if r := s.authctl(0, "revoke-all", "-yes"); r.stdout != "ended the sessions of 1 accounts, and 0 API keys\n" {
		t.Errorf("it prints %q", r.stdout)
	}
	if _, err := s.m.VerifyAccessToken(t.Context(), token); !errors.Is(err, auth.ErrInvalidToken) {
		t.Errorf("the session: %v", err)
	}
}
