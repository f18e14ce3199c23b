//go:build unix

package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/datixlab/auth/httpauth"
)

// diagnose returns the checks of the doctor by their names; of several the worst.
func diagnose(t *testing.T, want int, args ...string) map[string]check {
	t.Helper()
	var said struct{ Checks []check }
	if !slices.Contains(args, "doctor") {
		args = append(args, "doctor")
	}
	r := runWith(t, want, environment{secret: testSecret}, append(args, "-json")...)
	if err := json.Unmarshal([]byte(r.stdout), &said); err != nil {
		t.Fatalf("%q: %v", r.stdout, err)
	}
	all := map[string]check{}
	for _, c := range said.Checks {
		if all[c.Name].Status == "" || all[c.Name].Status == "ok" || c.Status == "fail" {
			all[c.Name] = c
		}
	}
	return all
}

func TestTheDoctorSeesWhatOnlyTheOutsideSees(t *testing.T) {
	s := newService(t)
	at := "unix:" + s.socket
	all := diagnose(t, 1, "-admin", at) // there is no Mailer
	for name, want := range map[string]string{"mail": "warn", "rosters": "ok", "connection": "ok", "latency": "ok", "socket": "ok", "file": "ok"} {
		if all[name].Status != want {
			t.Errorf("%s is %+v, want %s", name, all[name], want)
		}
	}
	if text := runWith(t, 1, environment{}, "-admin", at, "doctor").stdout; !strings.Contains(text, "auth.db is ") || !strings.Contains(text, "auth.db.secret is ") {
		t.Errorf("it prints\n%s", text)
	}

	secret := filepath.Join(s.dir, "auth.db.secret")
	chmod := func(path string, mode os.FileMode) {
		t.Helper()
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	for mode, want := range map[os.FileMode]string{0o604: "fail", 0o602: "fail", 0o640: "warn", 0o400: "ok"} {
		chmod(secret, mode)
		exit := 1
		if want == "fail" {
			exit = 2
		}
		if got := diagnose(t, exit, "-admin", at)["file"]; got.Status != want {
			t.Errorf("a secret of mode %o is %+v, want %s", mode, got, want)
		}
	}
	chmod(s.socket, 0o666)
	if got := diagnose(t, 2, "-admin", at)["socket"]; got.Status != "fail" {
		t.Errorf("a socket for everybody is %+v", got)
	}
	chmod(s.socket, 0o600)
	chmod(s.dir, 0o777)
	if got := diagnose(t, 2, "-admin", at)["socket"]; got.Status != "fail" || !strings.Contains(got.Detail, "replace") {
		t.Errorf("a socket that everybody may replace is %+v", got)
	}
	if got := diagnose(t, 2, "-admin", "unix:"+filepath.Join(t.TempDir(), "none")); got["reached"].Status != "fail" {
		t.Errorf("without a service: %+v", got)
	}
}

func TestTheDoctorLooksAtTheServiceAsItsUsersReachIt(t *testing.T) {
	s := newService(t)
	handler, err := httpauth.New(s.m, httpauth.Config{})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/v1/auth/", http.StripPrefix("/v1/auth", handler))
	plain, encrypted := httptest.NewServer(mux), httptest.NewUnstartedServer(mux)
	defer plain.Close()
	encrypted.Config.ErrorLog = log.New(io.Discard, "", 0)
	encrypted.StartTLS()
	defer encrypted.Close()
	for url, want := range map[string][2]string{
		plain.URL + "/v1/auth/":    {"ok", "answers within"},
		plain.URL:                  {"fail", "the prefix"},
		encrypted.URL + "/v1/auth": {"fail", "certificate"}, // of an authority that nobody knows
		"https://127.0.0.1:1":      {"fail", "refused"},
	} {
		exit := 2
		if want[0] == "ok" {
			exit = 1 // there is no Mailer
		}
		if got := diagnose(t, exit, "-admin", "unix:"+s.socket, "doctor", "-url", url)["url"]; got.Status != want[0] || !strings.Contains(got.Detail, want[1]) {
			t.Errorf("%s: %+v", url, got)
		}
	}
	for _, bad := range []string{"", "example.com", "ftp://example.com", "https://u:p@example.com", "https://", "https://example.com?a=b"} {
		if r := runWith(t, 2, environment{}, "doctor", "-url", bad); !strings.Contains(r.stderr, "-url") || strings.Contains(r.stderr, "u:p") {
			t.Errorf("%s: %q", bad, r.stderr)
		}
	}
}

func TestTheDoctorOpensTheStoreOfAStoppedService(t *testing.T) {
	s := newService(t)
	path := filepath.Join(t.TempDir(), "copy.db")
	s.authctl(0, "backup", path)
	all := diagnose(t, 0, "-store", "bolt:"+path)
	if all["store"].Status != "ok" || all["file"].Status != "ok" || all["mail"].Status != "" {
		t.Errorf("it says %+v", all)
	}
}

func TestACertificateThatEndsSoonIsAWarning(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for left, want := range map[time.Duration]string{-time.Hour: "warn", 20 * 24 * time.Hour: "warn", 22 * 24 * time.Hour: "ok"} {
		far := &x509.Certificate{NotAfter: now.Add(1e6 * time.Hour)}
		state := &tls.ConnectionState{Version: tls.VersionTLS13, PeerCertificates: []*x509.Certificate{far, {NotAfter: now.Add(left)}}}
		if got := certificate(state, now); got.Status != want || !strings.Contains(got.Detail, "TLS 1.3") {
			t.Errorf("%v before its end: %+v", left, got)
		}
	}
}

func TestAnotherProgramIsNoAdministration(t *testing.T) {
	socket := serve(t, t.TempDir(), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("{}")) }))
	if got := diagnose(t, 2, "-admin", "unix:"+socket)["reached"]; !strings.Contains(got.Detail, "is -admin right?") {
		t.Errorf("it says %+v", got)
	}
}
