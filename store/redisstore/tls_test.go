package redisstore_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/datixlab/auth/internal/redistest"
	"github.com/datixlab/auth/internal/servertest"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/redisstore"
)

// startTLS starts a server that also speaks TLS, and returns it with the address for
// that and the authority that signed its certificate, which is for this host.
func startTLS(t *testing.T, host net.IP) (server *redistest.Server, addr string, authority *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "redistest"}, IPAddresses: []net.IP{host},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	signed, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	must(t, err)
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: signed})
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	must(t, os.WriteFile(certFile, cert, 0o600))
	must(t, os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600))

	port := strconv.Itoa(servertest.FreePort(t))
	server = redistest.Start(t, "--tls-port", port, "--tls-cert-file", certFile, "--tls-key-file", keyFile,
		"--tls-ca-cert-file", certFile, "--tls-auth-clients", "no")
	authority = x509.NewCertPool()
	authority.AppendCertsFromPEM(cert)
	return server, net.JoinHostPort("127.0.0.1", port), authority
}

func parse(t *testing.T, format string, args ...any) redis.UniversalOptions {
	t.Helper()
	u, err := redisstore.ParseURL(fmt.Sprintf(format, args...))
	must(t, err)
	return u
}

// With TLS, and as a user of the server's ACL, both over the URL.
func TestAURLWithTLSAndAUserIsKeptTo(t *testing.T) {
	if !redistest.Available(t) {
		return
	}
	server, addr, authority := startTLS(t, net.IPv4(127, 0, 0, 1))
	server.Do("acl", "setuser", "app", "on", ">hunter2@", "~*", "+@all")
	u := parse(t, "rediss://app:hunter2%%40@%s", addr)
	u.TLSConfig.RootCAs = authority
	s := mustOpen(t, u, fresh())
	must(t, s.Commit(ever, store.Put("p/k", []byte("v"))))
	wantValue(t, s, "p/k", "v")
	if list := fmt.Sprint(server.Do("client", "list")); !strings.Contains(list, "user=app") {
		t.Errorf("no connection is the user's: %s", list)
	}

	u = parse(t, "rediss://app:wrong-hunter2@%s", addr)
	u.TLSConfig.RootCAs = authority
	refused(t, u, "WRONGPASS")
	u = parse(t, "rediss://app:hunter2%%40@%s", addr)
	u.TLSConfig.RootCAs = x509.NewCertPool() // which trusts no authority
	refused(t, u, "certificate signed by unknown authority")
	refused(t, parse(t, "redis://app:hunter2%%40@%s", addr), "") // in plain text: the server hangs up

	_, addr, authority = startTLS(t, net.IPv4(127, 0, 0, 2))
	u = parse(t, "rediss://app:hunter2%%40@%s", addr)
	u.TLSConfig.RootCAs = authority
	refused(t, u, "certificate is valid for 127.0.0.2")
}

// refused is wantRefused, and demands that no error repeats the password.
func refused(t *testing.T, u redis.UniversalOptions, why string) {
	t.Helper()
	wantRefused(t, u, fresh(), why)
	if _, err := redisstore.OpenOrCreate(ever, u, fresh()); err == nil || strings.Contains(fmt.Sprintf("%+v", err), "hunter2") {
		t.Errorf("Open: error %v, want one without the password", err)
	}
}
