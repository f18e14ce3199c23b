// Proxies puts reverse proxies that nobody of this project wrote in front of
// examples/server, with TLS and HTTP/2, as docs/limits.md says: the server trusts the
// address that the proxy calls from, and no other. It needs AUTH_SERVER, the program, and
// SCRATCH, an empty directory.
package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/datixlab/auth/interop/trial"
)

// A proxy is a program and how it is told to listen on FRONT and to ask BACK. FILES is a
// directory that has certificate.pem, and proxy.pem with the key too.
type proxy struct {
	name, debian string
	needs        []string
	command      []string
	config       string
}

var proxies = []proxy{
	{name: "nginx", debian: "nginx", needs: []string{"nginx", "-v"},
		command: []string{"nginx", "-p", "FILES", "-c", "FILES/nginx", "-e", "stderr"}, config: `
daemon off;
pid FILES/nginx.pid;
events {}
http {
	access_log off;
	client_body_temp_path FILES/body;
	proxy_temp_path FILES/proxy;
	fastcgi_temp_path FILES/fastcgi;
	uwsgi_temp_path FILES/uwsgi;
	scgi_temp_path FILES/scgi;
	server {
		listen FRONT ssl http2;
		ssl_certificate FILES/certificate.pem;
		ssl_certificate_key FILES/proxy.pem;
		location / {
			proxy_pass http://BACK;
			proxy_http_version 1.1;
			proxy_set_header Host $host;
			proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
			proxy_request_buffering off;
		}
	}
}`},
	{name: "Caddy", debian: "caddy", needs: []string{"caddy", "version"},
		command: []string{"caddy", "run", "--config", "FILES/Caddy", "--adapter", "caddyfile"}, config: `
{
	admin off
	auto_https off
}
https://FRONT {
	tls FILES/certificate.pem FILES/proxy.pem
	reverse_proxy BACK
}`},
	{name: "haproxy", debian: "haproxy", needs: []string{"haproxy", "-v"},
		command: []string{"haproxy", "-db", "-f", "FILES/haproxy"}, config: `
defaults
	mode http
	option forwardfor
	timeout connect 5s
	timeout client 30s
	timeout server 30s
frontend front
	bind FRONT ssl crt FILES/proxy.pem alpn h2,http/1.1
	default_backend back
backend back
	server auth BACK
`},
	{name: "Apache", debian: "apache2-bin", needs: []string{"apache2", "-v"},
		command: []string{"apache2", "-X", "-d", "FILES", "-f", "FILES/Apache", "-E", "/dev/stderr"}, config: `
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule ssl_module /usr/lib/apache2/modules/mod_ssl.so
LoadModule http2_module /usr/lib/apache2/modules/mod_http2.so
LoadModule proxy_module /usr/lib/apache2/modules/mod_proxy.so
LoadModule proxy_http_module /usr/lib/apache2/modules/mod_proxy_http.so
ServerName 127.0.0.1
PidFile FILES/apache.pid
ErrorLog /dev/stderr
Listen FRONT
Protocols h2 http/1.1
SSLEngine on
SSLCertificateFile FILES/proxy.pem
ProxyPass / http://BACK/
`},
}

func main() { trial.Main(run) }

func run(ctx context.Context) (failed error) {
	for _, p := range proxies {
		if trial.Missing(ctx, p.name, p.debian, p.needs...) {
			continue
		}
		if err := p.try(ctx, filepath.Join(os.Getenv("SCRATCH"), p.name+".files")); err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s: %w", p.name, err))
		} else {
			fmt.Println(p.name, "ok")
		}
	}
	return failed
}

func (p proxy) try(ctx context.Context, dir string) (err error) {
	if err := os.Mkdir(dir, 0o755); err != nil { // #nosec G301 -- nginx's workers are another user
		return err
	}
	certificate, err := certify(dir)
	if err != nil {
		return err
	}
	server, err := start(exec.CommandContext(ctx, os.Getenv("AUTH_SERVER"), "-store", "memory", "-addr", "127.0.0.1:0", "-trusted-proxies", "127.0.0.1/32")) // #nosec G204 G702 -- as it was built
	if err != nil {
		return err
	}
	defer server.stop()
	back, err := server.says(regexp.MustCompile(`msg=listening addr=(\S+)`))
	if err != nil {
		return err
	}
	front, err := freeAddress()
	if err != nil {
		return err
	}
	words := strings.NewReplacer("FILES", dir, "FRONT", front, "BACK", back)
	if err := os.WriteFile(filepath.Join(dir, p.name), []byte(words.Replace(p.config)), 0o644); err != nil { // #nosec G306 -- a configuration without secrets
		return err
	}
	command := slices.Clone(p.command)
	for i := range command {
		command[i] = words.Replace(command[i])
	}
	running, err := start(exec.CommandContext(ctx, command[0], command[1:]...)) // #nosec G204 -- one of the proxies
	if err != nil {
		return err
	}
	defer running.stop()
	t := trip{front: front, certificate: certificate, server: server}
	if err := t.await(ctx); err != nil {
		return fmt.Errorf("%w\n%s", err, running.output())
	}
	for _, step := range []func(context.Context) error{t.countsEachClient, t.refusesBodies, t.answersHeadAndOptions, t.goesOnAfterRefusals} {
		if err := step(ctx); err != nil {
			return fmt.Errorf("%w\nthe proxy:\n%s", err, running.output())
		}
	}
	return nil
}

// certify writes a certificate for 127.0.0.1, and its key.
func certify(dir string) (*x509.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	both := append(slices.Clone(public), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})...)
	if err := errors.Join(os.WriteFile(filepath.Join(dir, "certificate.pem"), public, 0o600), os.WriteFile(filepath.Join(dir, "proxy.pem"), both, 0o600)); err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// freeAddress returns an address that nobody listens on now.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close() //nolint:errcheck // nobody has connected
	return l.Addr().String(), nil
}
