package main

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/datixlab/auth"
)

func TestWhatCannotBeDoneSaysWhatToDo(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	left := filepath.Join(dir, "left.sock")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: left})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	const token auth.Secret = "hunter2-hunter2-hunter2-hunter2-"
	list := []string{"users", "list"}
	for _, c := range []struct {
		name string
		args []string
		exit int
		says string
	}{
		{"nothing", nil, 2, "needs a command"},
		{"no such command", []string{"hunter2"}, 2, "no such command"},
		{"half a command", []string{"users"}, 2, "users needs one of: list, find, show"},
		{"no argument", []string{"users", "show"}, 2, "it is used as: authctl users show USER"},
		{"an empty id", []string{"users", "list", "-organization", ""}, 2, "-organization is empty"},
		{"an empty key", []string{"users", "revoke", "a@b", "-key", "", "-yes"}, 2, "-key is empty"},
		{"an empty place", append([]string{"-admin", ""}, list...), 2, "-admin is empty"},
		{"too many", []string{"users", "show", "a", "b"}, 2, "it is used as"},
		{"no such flag", []string{"users", "list", "-x"}, 2, "not defined: -x"},
		{"nowhere", list, 2, "say with -admin where"},
		{"both", append([]string{"-admin", "unix:a", "-store", "bolt:b"}, list...), 2, "exclude each other"},
		{"no socket", append([]string{"-admin", "unix:none.sock"}, list...), 1, "start the service with -admin unix:none.sock"},
		{"no path", append([]string{"-admin", "unix:"}, list...), 2, "needs a path"},
		{"a socket that was left", append([]string{"-admin", "unix:" + left}, list...), 1, "which a stopped service has left"},
		{"a password", append([]string{"-admin", "https://u:hunter2@a"}, list...), 2, "AUTH_ADMIN_TOKEN"},
		{"a token in the query", append([]string{"-admin", "https://a?token=hunter2"}, list...), 2, "without a query"},
		{"a certificate without TLS", append([]string{"-admin", "http://127.0.0.1:1", "-cert", "a.pem"}, list...), 2, "-cert is for -admin https://"},
		{"a certificate for a socket", append([]string{"-admin", "unix:a", "-cert", "a.pem"}, list...), 2, "-cert is for -admin https://"},
		{"no file of a certificate", append([]string{"-admin", "https://127.0.0.1:1", "-cert", "none.pem"}, list...), 1, "none.pem"},
		{"no TLS", append([]string{"-admin", "http://192.0.2.1"}, list...), 2, "loopback"},
		{"another scheme", append([]string{"-admin", "ftp://a"}, list...), 2, "must begin with"},
		{"nobody there", append([]string{"-admin", "http://127.0.0.1:1"}, list...), 1, "does not answer"},
		{"memory", append([]string{"-store", "memory"}, list...), 2, "use -admin"},
		{"no store", append([]string{"-store", "bolt:none.db"}, list...), 1, "at its first start"},
		{"a store with a password", append([]string{"-store", "redis://u:hunter2@127.0.0.1:1"}, list...), 1, "connection refused"},
		{"a PostgreSQL that is down", append([]string{"-store", "postgres://u:hunter2@127.0.0.1:1/auth"}, list...), 1, "connection refused"},
		{"a migration of nothing", []string{"migrate"}, 2, "which store to migrate"},
		{"a migration of a service", []string{"migrate", "-admin", "unix:a"}, 2, "in place of -admin"},
		{"a migration of a store that is down", []string{"migrate", "-store", "postgres://u:hunter2@127.0.0.1:1/auth"}, 1, "connection refused"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := runWith(t, c.exit, environment{token: token}, c.args...)
			if !strings.Contains(r.stderr, c.says) || strings.Contains(r.stderr, "hunter2") {
				t.Errorf("it says %q", r.stderr)
			}
		})
	}
	if r := runWith(t, 1, environment{admin: "unix:" + left, store: "bolt:none.db"}, list...); !strings.Contains(r.stderr, left) {
		t.Errorf("with AUTH_ADMIN it says %q", r.stderr)
	}
	if r := runWith(t, 1, environment{store: "bolt:none.db"}, list...); !strings.Contains(r.stderr, "none.db") {
		t.Errorf("with AUTH_STORE it says %q", r.stderr)
	}
	if r := runWith(t, 2, environment{}, append([]string{"-admin", "http://127.0.0.1:1"}, list...)...); !strings.Contains(r.stderr, "AUTH_ADMIN_TOKEN is not set") {
		t.Errorf("without a token it says %q", r.stderr)
	}
	if r := runWith(t, 2, environment{token: token + "\n"}, append([]string{"-admin", "https://a"}, list...)...); !strings.Contains(r.stderr, "has a line break") {
		t.Errorf("with a token of two lines it says %q", r.stderr)
	}
	if err := errors.Join(os.Rename(left, defaultSocket), os.Chmod(".", 0o777|os.ModeSticky)); err != nil {
		t.Fatal(err)
	}
	if r := runWith(t, 2, environment{}, list...); !strings.Contains(r.stderr, "every user may put") {
		t.Errorf("in a folder for everybody it says %q", r.stderr)
	}
	if files, err := os.ReadDir("."); err != nil || len(files) != 1 {
		t.Errorf("it left %v (%v)", files, err)
	}
}

func TestHelpNamesEveryCommandAndIsNotAnError(t *testing.T) {
	text := runWith(t, 0, environment{}, "-h").stderr
	if got := runWith(t, 0, environment{}, "help").stderr; got != text {
		t.Errorf("authctl help says %q", got)
	}
	if got := runWith(t, 0, environment{}, "help", "users", "list").stderr; !strings.Contains(got, "List accounts") {
		t.Errorf("authctl help users list says %q", got)
	}
	for _, c := range commands() {
		if !strings.Contains(text, "  "+c.name+" ") && !strings.Contains(text, "  "+c.name+"\n") {
			t.Errorf("the help does not name %s", c.name)
		}
		if own := runWith(t, 0, environment{}, append(strings.Fields(c.name), "-h")...).stderr; !strings.Contains(own, c.about) {
			t.Errorf("the help of %s is %q", c.name, own)
		}
	}
}

// The token goes to the place that the operator names, and to no other.
func TestTheTokenFollowsNoRedirection(t *testing.T) {
	const token auth.Secret = "0123456789-0123456789-0123456789"
	var strangers int
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { strangers++ }))
	defer elsewhere.Close()
	var sent []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent = append(sent, r.Header.Get("Authorization"))
		http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
	}))
	defer server.Close()
	r := runWith(t, 1, environment{token: token}, "-admin", server.URL, "users", "list")
	if !strings.Contains(r.stderr, "is -admin right?") {
		t.Errorf("it says %q", r.stderr)
	}
	if strangers != 0 || len(sent) != 1 || sent[0] != "Bearer "+string(token) {
		t.Errorf("%d requests elsewhere, %q", strangers, sent)
	}
}

// Names come from strangers, and a service may be another program.
func TestNothingThatIsShownMovesTheCursor(t *testing.T) {
	json := strings.NewReplacer("EVIL", `\u001b[2J\u202eadmin\n\u2066`).Replace
	mux := http.NewServeMux()
	answer := func(pattern, doc string) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(json(doc))) })
	}
	user := `{"id":"user_1EVIL","email":"EVIL@b","full_name":"EVIL","role":"EVIL","organization_id":"EVIL","created_at":"EVIL","pending_email":"EVIL"}`
	answer("GET /users", `{"users":[`+user+`],"next":null}`)
	answer("GET /users/{id}", `{"user":`+user+`,"sessions":[{"id":"EVIL","device":"EVIL","address":"EVIL","created_at":"EVIL","expires_at":"EVIL","amr":["EVIL"]}],
		"trusted_devices":[{"id":"EVIL","device":"EVIL","address":"EVIL"}],"api_keys":[{"id":"EVIL","name":"EVIL","key_prefix":"EVIL","scopes":["EVIL"]}],
		"locks":[{"budget":"EVIL","network":"EVIL","until":"EVIL"}]}`)
	answer("POST /users/{id}/enable", `{"success":true,"message":"EVIL"}`)
	answer("PATCH /users/{id}", user)
	answer("GET /organizations", `{"organizations":[{"id":"EVIL","name":"EVIL`+"\u202e\U000e0001"+`"}],"next":null}`)
	mux.HandleFunc("POST /users/{id}/unlock", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusNotFound)
		_, _ = w.Write([]byte(json(`{"code":"EVIL","detail":"EVIL","errors":[{"field":"EVIL","detail":"EVIL"}]}`)))
	})
	socket := serve(t, t.TempDir(), mux)
	for _, c := range []struct {
		exit int
		args string
	}{
		{0, "users list"}, {0, "users find a@b"}, {0, "users show a@b"}, {0, "users enable user_1"}, {1, "users unlock user_1"},
		{0, "users edit user_1 -verified"}, {1, "users disable user_1"}, {0, "orgs"},
		{0, "users list -json"}, {0, "users show user_1 -json"}, {0, "orgs -json"},
	} {
		env := environment{stdin: strings.NewReader("no\n"), terminal: terminal{in: true}}
		r := runWith(t, c.exit, env, append([]string{"-admin", "unix:" + socket}, strings.Fields(c.args)...)...)
		if out := r.stdout + r.stderr; strings.ContainsAny(out, "\x1b\u202e\u2066\U000e0001") || strings.Contains(out, "admin\n\\") || !strings.Contains(out, "admin") {
			t.Errorf("%s prints %q", c.args, out)
		}
	}
}

// The text of a Redis is in the error, and a Redis may be another program.
func TestAnErrorMovesNoCursor(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				for asked := make([]byte, 4096); ; {
					if _, err := c.Read(asked); err != nil {
						return
					}
					_, _ = c.Write([]byte(strings.Repeat("-WRONG \x1b[2J\u202egone\xff\r\n", 8)))
				}
			}()
		}
	}()
	r := runWith(t, 1, environment{}, "-store", "redis://"+l.Addr().String(), "users", "list")
	if strings.ContainsAny(r.stderr, "\x1b\u202e") || strings.Contains(r.stderr, "\xff") || !strings.Contains(r.stderr, `\x1b[2J\u202egone`) {
		t.Errorf("it says %q", r.stderr)
	}
	var out strings.Builder
	say(&out, errors.New("refused: \\x1b[2J\n  a: \\x1b[2J"))
	if want := "authctl: refused: \\x1b[2J\n  a: \\x1b[2J\n"; out.String() != want {
		t.Errorf("what is escaped already became %q", out.String())
	}
}

func TestColumnsAreAlignedWhateverTheyHold(t *testing.T) {
	var out strings.Builder
	table := table{w: &out, gap: "|", max: 12}
	table.row("日本", "1", "x")
	table.row("e\u0301", "1", "x")
	table.row("abcd", "1", "long text")
	table.flush()
	if want := "日本|1|x\ne\u0301   |1|x\nabcd|1|long…\n"; out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
}

// A fullDisk takes some bytes, and then none.
type fullDisk struct{ room int }

func (d *fullDisk) Write(b []byte) (int, error) {
	n := min(len(b), d.room)
	if d.room -= n; n < len(b) {
		return n, errors.New("no space left on device")
	}
	return n, nil
}

func TestOutputThatIsLostIsAnError(t *testing.T) {
	s := newService(t)
	u := s.user("ada")
	for _, args := range [][]string{{"users", "list"}, {"users", "list", "-json"}, {"orgs"}, {"users", "find", u.Email}, {"users", "show", u.ID}, {"doctor"}} {
		for _, room := range []int{0, 20} {
			var errs strings.Builder
			env := environment{stdin: strings.NewReader(""), stdout: &fullDisk{room}, stderr: &errs}
			if exit := run(t.Context(), append([]string{"-admin", "unix:" + s.socket}, args...), env); exit == 0 || !strings.Contains(errs.String(), "no space left") {
				t.Errorf("authctl %q, room for %d bytes: exit status %d, and it says %q", args, room, exit, errs.String())
			}
		}
	}
}

func TestANarrowTerminalHidesNothingOfAnAccount(t *testing.T) {
	s := newService(t)
	u := s.user("ada")
	env := environment{terminal: terminal{width: func() int { return 40 }}}
	if r := runWith(t, 0, env, "-admin", "unix:"+s.socket, "users", "show", u.Email); !strings.Contains(r.stdout, u.ID) || !strings.Contains(r.stdout, u.OrganizationID) {
		t.Errorf("it shows\n%s", r.stdout)
	}
	var bar strings.Builder
	p := progress{w: &bar, unit: "bytes", whole: 123_456_789, n: 123_456_789}
	if p.show(); columns(strings.TrimPrefix(bar.String(), "\r")) >= 40 {
		t.Errorf("the bar is %q", bar.String())
	}
}
