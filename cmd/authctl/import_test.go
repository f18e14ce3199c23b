package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/datixlab/auth"
)

func importFileOf(t *testing.T, lines ...string) string {
	t.Helper()
	return write(t, filepath.Join(t.TempDir(), "users.ndjson"), strings.Join(lines, "\n"))
}

func TestAFileOfUsersIsImportedAndEveryRefusalIsSaidByLine(t *testing.T) {
	s := newService(t)
	s.user("taken")
	hash := string(must(bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)))
	file := importFileOf(t,
		"\ufeff"+`{"email":"ada@example.com","full_name":"Ada Lovelace","password_hash":"`+hash+`"}`, // 1
		`{"email":"bob@example.com","password_hash":"$9$unknown"}`,                                   // 2
		``,                                       // 3
		`{"email":"taken@example.com"}`,          // 4
		`{"email":"ADA@example.com "}`,           // 5
		`{"email":"cat@example.com"`,             // 6
		`{"email":"x","full_name":"\u202e"}`,     // 7
		`{"email":"dan@example.com","totp":"x"}`, // 8
		`{"email":"`+strings.Repeat("a", auth.MaxImportLine)+`@example.com"}`, // 9
		"{\"email\":\"eve@example.com\"}\r",                                   // 10
		`{"email":"fay@bücher.example"}`,                                      // 11
		`{"email":"FAY@xn--bcher-kva.example"}`,                               // 12
	)
	want := func(said string, has ...string) {
		t.Helper()
		for _, h := range has {
			if !strings.Contains(said, file+":"+h) {
				t.Errorf("%q is not in\n%s", h, said)
			}
		}
	}
	dry := s.authctl(1, "import", "-dry-run", file)
	refusals := []string{"5: email: Line 1 has the same.", "6: line: It ", "7: email: ", "7: full_name: ", "8: totp: ", "9: It has more than", "12: email: Line 11 has the same."}
	want(dry.stdout, append(refusals, "2: without a password (unknown_scheme)", "4: email: There is an account with this address.")...)
	if !strings.Contains(dry.stderr, "4 would be imported, 1 of them without a password; 0 were there already; 7 refused") {
		t.Errorf("it says %q", dry.stderr)
	}
	if n := strings.Count(s.authctl(0, "users", "list").stdout, "user_"); n != 1 {
		t.Errorf("a dry run left %d accounts", n)
	}

	r := s.authctl(1, "import", file)
	want(r.stdout, refusals...)
	if !strings.Contains(r.stderr, "4 imported, 1 of them without a password; 1 were there already; 6 refused") {
		t.Errorf("it says %q", r.stderr)
	}
	if lines := strings.Count(r.stdout, "\n"); strings.Contains(r.stdout+r.stderr+dry.stdout, hash) || strings.Contains(r.stdout, ":3:") || strings.Contains(r.stdout, ":4:") || lines != 8 {
		t.Errorf("%d lines:\n%s", lines, r.stdout)
	}
	if _, err := s.m.Login(t.Context(), "ada@example.com", password); err != nil {
		t.Errorf("a login with the old password: %v", err)
	}
	ada := must(s.m.UserByEmail(t.Context(), "ada@example.com"))
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	if actors := s.events.of(auth.EventRegistered, ada.ID); len(actors) != 1 || actors[0] != operator {
		t.Errorf("the actors are %q", actors)
	}
}

func TestAFileOfAnotherFormSaysWhatMakesLinesOfIt(t *testing.T) {
	s := newService(t)
	for name, c := range map[string]struct {
		lines []string
		says  bool
	}{
		"a list":                   {[]string{`[{"email":"ada@example.com"}]`}, true},
		"an object on three lines": {[]string{"{", `"email":"ada@example.com"`, "}"}, true},
		"a table":                  {[]string{"email,name", "ada@example.com,Ada"}, true},
		"a later line is broken":   {[]string{`{"email":"ada@example.com"}`, `{"email"`}, false},
	} {
		r := s.authctl(1, "import", "-dry-run", importFileOf(t, c.lines...))
		if strings.Contains(r.stderr, "jq -c") != c.says {
			t.Errorf("%s: it says %q", name, r.stderr)
		}
	}
}

func TestAnImportThatWasCutOffGoesOn(t *testing.T) {
	s := newService(t)
	const users = 600
	var lines []string
	for n := range users {
		lines = append(lines, fmt.Sprintf(`{"email":"user%d@example.com"}`, n))
	}
	file := importFileOf(t, lines...)
	service := clientOfSocket(s.socket)
	var mu sync.Mutex
	calls, lost := 0, 0
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		calls++
		down, lose := calls > 300 && calls < 500, calls%50 == 0
		mu.Unlock()
		if down { // for longer than it tries
			panic(http.ErrAbortHandler)
		}
		pass(t, service, w, r, func() {
			if lose {
				mu.Lock()
				lost++
				mu.Unlock()
				panic(http.ErrAbortHandler) // it was done, and the reply is lost
			}
		})
	})
	at := "unix:" + serve(t, t.TempDir(), h)
	slept := time.Duration(0)
	env := environment{sleep: func(_ context.Context, d time.Duration) error {
		mu.Lock()
		defer mu.Unlock()
		slept = max(slept, d)
		return nil
	}}
	first := runWith(t, 1, env, "-admin", at, "import", file)
	if !strings.Contains(first.stderr, "run it again") || slept != 16*time.Second {
		t.Errorf("after %v it says %q", slept, first.stderr)
	}
	mu.Lock()
	calls = 500
	mu.Unlock()
	second := runWith(t, 0, env, "-admin", at, "import", "-json", file)
	if n := strings.Count(second.stdout, "\n"); n != users || !strings.Contains(second.stderr, "0 refused") || lost == 0 {
		t.Errorf("%d results, %d lost replies: %s", n, lost, second.stderr)
	}
	for line := range strings.Lines(second.stdout) {
		var r lineResult
		if err := json.Unmarshal([]byte(line), &r); err != nil || r.Status != "imported" && r.Status != "there" {
			t.Fatalf("%s: %v", line, err)
		}
	}
	if n := strings.Count(s.authctl(0, "users", "list").stdout, "user_"); n != users {
		t.Errorf("there are %d accounts", n)
	}
}

func clientOfSocket(socket string) *client {
	return must((&invocation{}).remote("unix:" + socket))
}

// pass sends a request on to the service, and calls before before it answers.
func pass(t *testing.T, c *client, w http.ResponseWriter, r *http.Request, before func()) {
	body := must(io.ReadAll(r.Body))
	out, err := http.NewRequestWithContext(t.Context(), r.Method, c.base+r.URL.RequestURI(), strings.NewReader(string(body)))
	if err != nil {
		t.Error(err)
		return
	}
	out.Header = r.Header
	answer, err := c.http.Do(out)
	if err != nil {
		t.Error(err)
		return
	}
	defer answer.Body.Close()
	doc := must(io.ReadAll(answer.Body))
	before()
	w.Header().Set("Content-Type", answer.Header.Get("Content-Type"))
	w.WriteHeader(answer.StatusCode)
	_, _ = w.Write(doc)
}

func TestAFileWithHashesThatOthersMayReadIsRefused(t *testing.T) {
	s := newService(t)
	file := importFileOf(t, `{"email":"ada@example.com"}`)
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	if r := s.authctl(1, "import", file); !strings.Contains(r.stderr, "chmod 600") {
		t.Errorf("it says %q", r.stderr)
	}
	s.authctl(0, "import", "-insecure-file-mode", file)
}

// Each line would be tried again for half a minute.
func TestAnImportIntoNothingSaysSoAtOnce(t *testing.T) {
	file := importFileOf(t, `{"email":"ada@example.com"}`)
	public := serve(t, t.TempDir(), http.NotFoundHandler())
	for _, at := range []string{filepath.Join(t.TempDir(), "none.sock"), public} {
		waited := 0
		env := environment{sleep: func(ctx context.Context, _ time.Duration) error { waited++; return ctx.Err() }}
		if r := runWith(t, 1, env, "-admin", "unix:"+at, "import", file); waited != 0 || r.stdout != "" {
			t.Errorf("it waited %d times, and says %q, %q", waited, r.stdout, r.stderr)
		}
	}
}
