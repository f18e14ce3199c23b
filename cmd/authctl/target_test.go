package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/httpauth"
)

func TestAnAdministrationBehindATokenIsReachedWithItAlone(t *testing.T) {
	s := newService(t)
	u := s.user("ada")
	const token auth.Secret = "0123456789-0123456789-0123456789"
	admin, err := httpauth.NewAdmin(s.m, func(r *http.Request) (string, error) {
		switch r.Header.Get("Authorization") {
		case "":
			return "", httpauth.ErrNoCredential
		case "Bearer " + string(token):
			return operator, nil
		}
		return "", auth.ErrInvalidToken
	})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/admin/", http.StripPrefix("/admin", admin))
	server := httptest.NewServer(mux)
	defer server.Close()
	at := server.URL + "/admin/"
	if out := runWith(t, 0, environment{token: token}, "-admin", at, "users", "find", u.Email).stdout; !strings.Contains(out, u.ID) {
		t.Errorf("it prints\n%s", out)
	}
	if r := runWith(t, 1, environment{token: token + "x"}, "-admin", at, "users", "list"); !strings.Contains(r.stderr, "AUTH_ADMIN_TOKEN is not the token") {
		t.Errorf("with another token it says %q", r.stderr)
	}
	if r := runWith(t, 1, environment{token: token}, "-admin", server.URL, "users", "list"); !strings.Contains(r.stderr, "is -admin right?") {
		t.Errorf("at another path it says %q", r.stderr)
	}
	// A socket is asked without the token, which is not for whoever may have made the socket.
	socket := serve(t, t.TempDir(), admin)
	if r := runWith(t, 1, environment{token: token}, "-admin", "unix:"+socket, "users", "list"); !strings.Contains(r.stderr, "authentication_required") {
		t.Errorf("at a socket it says %q", r.stderr)
	}
}

// Who gives a store to root, as a text for services says, has a service that cannot open it.
func TestTheStoreOfAnotherUserIsNotGivenAway(t *testing.T) {
	refused := func(path string, env environment) {
		t.Helper()
		r := runWith(t, 1, env, "-store", "bolt:"+path, "users", "list")
		if !strings.Contains(r.stderr, "run authctl as that user") || strings.Contains(r.stderr, "chown") {
			t.Errorf("of %s it says %q", path, r.stderr)
		}
	}
	if os.Geteuid() != 0 { // only root makes files of other users, and this is one on many systems
		const others = "/etc/shadow"
		if _, err := os.Stat(others); err == nil {
			refused(others, environment{secret: testSecret})
		}
		return
	}
	path := write(t, filepath.Join(t.TempDir(), "auth.db"), "")
	write(t, path+".secret", string(testSecret))
	for _, file := range []string{path, path + ".secret"} {
		if err := os.Chown(file, 12345, -1); err != nil {
			t.Fatal(err)
		}
		refused(path, environment{})
	}
}
