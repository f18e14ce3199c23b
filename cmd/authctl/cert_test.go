package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/httpauth"
)

// An administration may ask for a certificate of the operator in place of a token.
func TestACertificateSaysWhoTheOperatorIs(t *testing.T) {
	s := newService(t)
	u := s.user("ada")
	admin, err := httpauth.NewAdmin(s.m, func(r *http.Request) (string, error) {
		if len(r.TLS.PeerCertificates) == 0 {
			return "", httpauth.ErrNoCredential
		}
		return r.TLS.PeerCertificates[0].Subject.CommonName, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(admin)
	server.TLS = &tls.Config{MinVersion: tls.VersionTLS13, ClientAuth: tls.RequireAnyClientCert}
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()

	own, authority := filepath.Join(s.dir, "jane.pem"), filepath.Join(s.dir, "ca.pem")
	if err := os.WriteFile(own, certificateOf(t, operator), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(authority, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	const token auth.Secret = "0123456789-0123456789-0123456789"
	if r := runWith(t, 1, environment{token: token}, "-admin", server.URL, "users", "list"); !strings.Contains(r.stderr, "SSL_CERT_FILE") {
		t.Errorf("of an unknown authority it says %q", r.stderr)
	}
	if r := runWith(t, 1, environment{}, "-admin", server.URL, "-cert", authority, "users", "list"); !strings.Contains(r.stderr, "must have a certificate and its key") {
		t.Errorf("of a file without a key it says %q", r.stderr)
	}
	if runtime.GOOS != "linux" { // where the variable names the authorities
		return
	}
	// A process reads the authorities of its system once, so each is another process.
	asked := func(args ...string) string {
		cmd := exec.CommandContext(t.Context(), os.Args[0], slices.Concat([]string{"-admin", server.URL}, args)...)
		cmd.Env = append(os.Environ(), asProgram+"=1", "SSL_CERT_FILE="+authority, "AUTH_ADMIN_TOKEN="+string(token))
		out, _ := cmd.CombinedOutput() // what it says tells whether it worked
		return string(out)
	}
	if out := asked("users", "list"); !strings.Contains(out, "with -cert") {
		t.Errorf("without a certificate it says %q", out)
	}
	if out := asked("-cert", own, "users", "disable", u.Email, "-yes"); !strings.Contains(out, "User disabled") {
		t.Errorf("it says %q", out)
	}
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	if got := s.events.of(auth.EventUserDisabled, u.ID); !slices.Equal(got, []string{operator}) {
		t.Errorf("it was done by %q", got)
	}
}

// certificateOf returns a certificate of the name and its key, in PEM.
func certificateOf(t *testing.T, name string) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})...)
}
