package main

import (
	"context"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/datixlab/auth"
)

// running starts the program in a directory of its own, and returns its log and what stops it.
func running(t *testing.T, env environment, args ...string) (log *output, stop func()) {
	t.Helper()
	log = &output{listening: make(chan string, 1)}
	ctx, cancel := context.WithCancel(t.Context())
	exit := make(chan int, 1)
	go func() {
		exit <- run(ctx, append([]string{"-addr", "127.0.0.1:0", "-store", "memory"}, args...), env, io.Discard, log)
	}()
	select {
	case <-log.listening:
	case code := <-exit:
		t.Fatalf("exit status %d: %s", code, log)
	case <-time.After(patience):
		t.Fatalf("it does not start: %s", log)
	}
	return log, func() {
		cancel()
		if code := <-exit; code != 0 {
			t.Errorf("exit status %d: %s", code, log)
		}
	}
}

// bySocket is a client of the socket at path.
func bySocket(path string) *http.Client {
	return &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}}
}

func ask(t *testing.T, c *http.Client, method, url, body string, token ...string) (int, string) {
	t.Helper()
	r, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, text := range token {
		r.Header.Set("Authorization", "Bearer "+text)
	}
	res, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

// AD-4.
func TestOperatorsAdministerOnASocketOfTheirOwn(t *testing.T) {
	t.Chdir(t.TempDir()) // the path of a socket has 104 bytes at most
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	log, stop := running(t, environment{secret: testSecret}, "-admin", "unix:auth.sock")
	info, err := os.Lstat("auth.sock")
	if err != nil || info.Mode() != fs.ModeSocket|0o600 {
		t.Errorf("the socket: %v, %v", info, err)
	}
	left, err := os.ReadDir(".")
	if err != nil || len(left) != 1 {
		t.Errorf("files: %v, %v", left, err)
	}
	client := bySocket("auth.sock")
	if code, text := ask(t, client, "GET", "http://any.name/users", ""); code != 200 || !strings.Contains(text, `"users":[]`) {
		t.Errorf("users: %d %s", code, text)
	}
	code, text := ask(t, client, "POST", "http://localhost/users", `{"email":"ada@example.com","full_name":"Ada","role":"admin","organization_name":"Engines"}`)
	if code != 201 {
		t.Errorf("a new user: %d %s", code, text)
	}
	if code, text := ask(t, client, "POST", "http://localhost/revoke-all", ""); code != 200 {
		t.Errorf("revoke-all: %d %s", code, text)
	}
	if code, text := ask(t, client, "GET", "http://localhost/doctor", ""); code != 200 || !strings.Contains(text, "Unix socket") {
		t.Errorf("doctor: %d %s", code, text)
	}

	// Another process is told once, and serves without.
	second, stopSecond := running(t, environment{secret: testSecret}, "-admin", "unix:auth.sock")
	if n := strings.Count(second.String(), "no administration"); n != 1 {
		t.Errorf("%d warnings: %s", n, second)
	}
	stopSecond()
	if code, _ := ask(t, client, "GET", "http://localhost/stats", ""); code != 200 {
		t.Errorf("after the end of the other: %d", code)
	}
	stop()
	if _, err := os.Lstat("auth.sock"); !os.IsNotExist(err) {
		t.Errorf("the socket is left: %v", err)
	}
	if !strings.Contains(log.String(), "event.type=all_revoked") || !strings.Contains(log.String(), "event.actor=unix:"+me.Username) {
		t.Errorf("no event of the operator: %s", log)
	}
}

func TestASocketThatNobodyServesIsReplacedAndAFileIsNot(t *testing.T) {
	t.Chdir(t.TempDir())
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: "auth.sock", Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false)
	if err := dead.Close(); err != nil {
		t.Fatal(err)
	}
	_, stop := running(t, environment{secret: testSecret}, "-admin", "unix:auth.sock")
	if code, _ := ask(t, bySocket("auth.sock"), "GET", "http://localhost/stats", ""); code != 200 {
		t.Errorf("in place of a dead socket: %d", code)
	}
	if err := os.Remove("auth.sock"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("auth.sock", []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	stop()
	if text, err := os.ReadFile("auth.sock"); err != nil || string(text) != "mine" {
		t.Errorf("the file of somebody else: %q, %v", text, err)
	}
	before := defaultAdmin
	defer func() { defaultAdmin = before }()
	defaultAdmin = "unix:auth.sock" // a default that cannot be had stops nobody
	log, stop := running(t, environment{secret: testSecret})
	stop()
	if text, _ := os.ReadFile("auth.sock"); string(text) != "mine" || !strings.Contains(log.String(), "is no socket") {
		t.Errorf("%q: %s", text, log)
	}
}

// AD-4.
func TestAPortOfTheAdministrationWantsItsToken(t *testing.T) {
	const token = "a token that only this test knows: 0123456789"
	log, stop := running(t, environment{secret: testSecret, adminToken: token}, "-admin", "127.0.0.1:0")
	defer stop()
	_, rest, _ := strings.Cut(log.String(), "admin=tcp:")
	addr, _, _ := strings.Cut(rest, "\n")
	client := &http.Client{Timeout: patience}
	for name, c := range map[string]struct {
		token []string
		want  int
	}{
		"none": {nil, 401}, "wrong": {[]string{token + "x"}, 401}, "short": {[]string{token[:31]}, 401}, "right": {[]string{token}, 200},
	} {
		if code, text := ask(t, client, "GET", "http://"+addr+"/users", "", c.token...); code != c.want {
			t.Errorf("%s: %d %s", name, code, text)
		}
	}
	if code, text := ask(t, client, "POST", "http://"+addr+"/revoke-all", "", token); code != 200 {
		t.Errorf("revoke-all: %d %s", code, text)
	}
	r, err := http.NewRequest("GET", "http://"+addr+"/users", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "auth.example.com"
	for _, c := range []struct {
		token string
		want  int
	}{{token, 200}, {"x", 401}} { // behind a proxy, which keeps the Host
		r.Header.Set("Authorization", "Bearer "+c.token)
		res, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if _ = res.Body.Close(); res.StatusCode != c.want {
			t.Errorf("by another name, %d, want %d", res.StatusCode, c.want)
		}
	}
	if strings.Contains(log.String(), token) {
		t.Error("the token is in the log")
	}
}

func TestWhatAdminMayBe(t *testing.T) {
	for spec, want := range map[string]administration{
		"none": {}, "unix:a.sock": {path: "a.sock", want: true}, "unix:/run/a.sock": {path: "/run/a.sock", want: true},
		"[::1]:9001": {addr: "[::1]:9001", want: true}, ":9001": {addr: ":9001", want: true},
	} {
		if got, err := parseAdmin(&spec, auth.Secret(strings.Repeat("x", 32))); err != nil || got != want {
			t.Errorf("%s: %+v, %v", spec, got, err)
		}
	}
	for _, spec := range []string{"", "unix:", "auth.sock", "http://localhost:1", "localhost"} {
		if got, err := parseAdmin(&spec, auth.Secret(strings.Repeat("x", 32))); err == nil {
			t.Errorf("%q: %+v", spec, got)
		}
	}
	port := ":9001"
	for _, token := range []string{strings.Repeat("x", 32) + "\n", " " + strings.Repeat("x", 32)} { // no client can send it
		if _, err := parseAdmin(&port, auth.Secret(token)); err == nil || !strings.Contains(err.Error(), "no header carries it") {
			t.Errorf("%q: %v", token, err)
		}
	}
	if _, err := parseAdmin(&port, "0123456789012345678901234567890"); err == nil {
		t.Error("a token of 31 bytes is accepted")
	}
}

func TestASocketWhosePathIsTooLongSaysSo(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("d", 100))
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := listenSocket(filepath.Join(dir, "auth.sock")); err == nil || !strings.Contains(err.Error(), "80 bytes") {
		t.Errorf("the error is %v", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("it left %v (%v)", left, err)
	}
}
