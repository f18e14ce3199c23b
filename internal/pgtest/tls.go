package pgtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/url"
	"path/filepath"
	"testing"
	"time"
)

// StartTLS starts a server that refuses connections without TLS. An authority that signs
// nothing else has signed its certificate, for 127.0.0.1 and localhost. It returns the file
// with the certificate of that authority, which is in the server's URL too.
func StartTLS(tb testing.TB, settings ...string) (s *Server, authorityFile string) {
	tb.Helper()
	n := &node{access: "hostssl", settings: append([]string{"ssl=on", "ssl_cert_file=server.crt", "ssl_key_file=server.key"}, settings...)}
	s = start(tb, n, func() error {
		authorityFile = filepath.Join(n.data(), "authority.crt")
		n.options = "sslmode=verify-full&sslrootcert=" + url.QueryEscape(authorityFile)
		return errors.Join(newData(n.data()), n.certify())
	})
	return s, authorityFile
}

// certify writes the certificates and the server's key.
func (n *node) certify() error {
	authority := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "pgtest"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	server := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "localhost"},
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: authority.NotBefore, NotAfter: authority.NotAfter,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	signing, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	root, err := x509.CreateCertificate(rand.Reader, authority, authority, signing.Public(), signing)
	if err != nil {
		return err
	}
	leaf, err := x509.CreateCertificate(rand.Reader, server, authority, key.Public(), signing)
	if err != nil {
		return err
	}
	return errors.Join(
		n.writePEM("authority.crt", "CERTIFICATE", root),
		n.writePEM("server.crt", "CERTIFICATE", leaf),
		n.writePEM("server.key", "PRIVATE KEY", secret),
	)
}

func (n *node) writePEM(name, kind string, bytes []byte) error {
	return n.write(name, string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: bytes})))
}
