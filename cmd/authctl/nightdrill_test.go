//go:build unix

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

	"github.com/pquerna/otp/totp"
)

// The night drill of docs/administration.md, with the programs that users run: the example server on
// a bbolt file, and the script.
func TestTheNightDrill(t *testing.T) {
	if testing.Short() {
		t.Skip("not with -short: it starts processes")
	}
	bin, dir := t.TempDir(), t.TempDir()
	if out, err := exec.Command("go", "build", "-buildvcs=false", "-ldflags=-s -w", "-o", filepath.Join(bin, "server"), "../../examples/server").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	authctl := "#!/bin/sh\n" + asProgram + "=1 exec '" + must(os.Executable()) + "' \"$@\"\n"
	if err := os.WriteFile(filepath.Join(bin, "authctl"), []byte(authctl), 0o700); err != nil {
		t.Fatal(err)
	}
	api, log, stop := startServer(t, filepath.Join(bin, "server"), dir)

	const email, pass = "ada@example.com", string(password)
	call := func(want int, path, token string, body map[string]string) (doc map[string]any) {
		t.Helper()
		status, doc := post(t, api+path, token, body)
		if status != want {
			t.Fatalf("%s: %d %v, want %d", path, status, doc, want)
		}
		return doc
	}
	call(http.StatusCreated, "/register", "", map[string]string{"email": email, "password": pass, "full_name": "Ada Lovelace"})
	login := map[string]string{"email": email, "password": pass}
	token := call(http.StatusOK, "/login", "", login)["access_token"].(string)
	secret := call(http.StatusOK, "/enable-2fa", token, map[string]string{"password": pass})["secret"].(string)
	code := must(totp.GenerateCode(secret, time.Now()))
	call(http.StatusOK, "/confirm-2fa", token, map[string]string{"code": code})

	// A code that is none of now, of the time before and after.
	wrong := "000000"
	for n := -2; n <= 2; n++ {
		if must(totp.GenerateCode(secret, time.Now().Add(time.Duration(n)*30*time.Second))) == wrong {
			wrong = "999999"
		}
	}
	locked := false
	for tries := 0; !locked; tries++ {
		temp, _ := call(http.StatusOK, "/login", "", login)["temp_token"].(string)
		for range 5 {
			status, _ := post(t, api+"/verify-2fa", "", map[string]string{"temp_token": temp, "code": wrong})
			if locked = status == http.StatusTooManyRequests; locked {
				break
			}
		}
		if tries > 40 {
			t.Fatal("the user is not locked out")
		}
	}

	script := exec.Command("sh", must(filepath.Abs("testdata/night-drill.sh")), email)
	script.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "AUTH_ADMIN=unix:"+filepath.Join(dir, "auth.sock"))
	said, err := script.CombinedOutput()
	if err != nil {
		t.Fatalf("the script: %v\n%s", err, said)
	}
	for _, done := range []string{"User unlocked", "Two-factor authentication reset", "Sessions revoked"} {
		if !strings.Contains(string(said), email) || !strings.Contains(string(said), done) {
			t.Errorf("the script does not say %q:\n%s", done, said)
		}
	}
	if call(http.StatusOK, "/login", "", login)["access_token"] == nil {
		t.Error("the user does not get in")
	}
	stop()
	for _, event := range []string{"user_unlocked", "two_factor_reset", "session_revoked"} {
		if !regexp.MustCompile(`event\.type=` + event + `\b.*actor="?` + regexp.QuoteMeta(systemUser())).MatchString(log.String()) {
			t.Errorf("no event %s of %s in the log:\n%s", event, systemUser(), log)
		}
	}
}

// startServer starts the example server in dir, on a bbolt file that it makes there. Stop ends it.
func startServer(t *testing.T, program, dir string) (api string, log *logged, stop func()) {
	t.Helper()
	log = &logged{listening: make(chan string, 1)}
	cmd := exec.Command(program, "-addr", "127.0.0.1:0", "-mail", "none")
	cmd.Dir, cmd.Stderr = dir, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = cmd.Wait() }()
	stop = func() { _ = cmd.Process.Signal(syscall.SIGTERM); <-ended }
	t.Cleanup(func() { _ = cmd.Process.Kill(); <-ended })
	select {
	case addr := <-log.listening:
		return "http://" + addr + "/v1/auth", log, stop
	case <-ended:
		t.Fatalf("the server did not start:\n%s", log)
	case <-time.After(20 * time.Second):
		t.Fatalf("the server does not say that it listens:\n%s", log)
	}
	return "", nil, nil
}

// logged keeps what a process logs, and finds its address there.
type logged struct {
	mu        sync.Mutex
	text      bytes.Buffer
	listening chan string
}

var addrInLog = regexp.MustCompile(`msg=listening addr=(\S+)`)

// Write implements io.Writer.
func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Write(b)
	if m := addrInLog.FindSubmatch(b); m != nil {
		l.listening <- string(m[1])
	}
	return len(b), nil
}

// String returns what was logged.
func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// post sends a JSON body and returns the status and the document of the answer.
func post(t *testing.T, url, token string, body map[string]string) (status int, doc map[string]any) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader(must(json.Marshal(body))))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	_ = json.NewDecoder(answer.Body).Decode(&doc)
	return answer.StatusCode, doc
}
