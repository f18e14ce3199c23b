// Proxies puts reverse proxies that nobody of this project wrote in front of
// examples/server, with TLS and HTTP/2, as docs/limits.md says: the server trusts the
// address that the proxy calls from, and no other. It needs AUTH_SERVER, the program, and
// SCRATCH, an empty directory.
package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
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

// A trip is the way of clients through a proxy.
type trip struct {
	front       string
	certificate *x509.Certificate
	server      *process
}

// from returns a client with the address 127.0.0.last, which forges what headers it can,
// anew in every request.
func (t *trip) from(last int) trial.Client {
	roots := x509.NewCertPool()
	roots.AddCert(t.certificate)
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(last))}, Timeout: 10 * time.Second}
	transport := &http.Transport{DialContext: dialer.DialContext, ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}
	return trial.Client{Base: "https://" + t.front + "/v1/auth", HTTP: &http.Client{Transport: &forger{next: transport}, Timeout: 30 * time.Second}}
}

// A forger is a client that says of itself what only a proxy may say.
type forger struct {
	next http.RoundTripper
	n    int
}

func (f *forger) RoundTrip(r *http.Request) (*http.Response, error) {
	f.n++
	address := fmt.Sprintf("203.0.113.%d", f.n)
	r = r.Clone(r.Context())
	r.Header.Set("X-Forwarded-For", address)
	r.Header.Set("Forwarded", "for="+address)
	r.Header.Set("X-Real-IP", address)
	resp, err := f.next.RoundTrip(r)
	if err == nil && resp.ProtoMajor != 2 {
		err = fmt.Errorf("the proxy speaks %s", resp.Proto)
	}
	return resp, err
}

// await waits until the proxy forwards.
func (t *trip) await(ctx context.Context) (err error) {
	client := t.from(9)
	for range 200 {
		if _, err = client.Call(ctx, 401, "GET", "/me", "", nil); err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
	return err
}

// countsEachClient uses the budget of one client up, and only of that one.
func (t *trip) countsEachClient(ctx context.Context) error {
	honest, attacker, other := t.from(7), t.from(5), t.from(6)
	email, err := honest.Register(ctx, "proxied")
	if err != nil {
		return err
	}
	wrong, right := trial.Object{"email": email, "password": "not " + trial.Password}, trial.Object{"email": email, "password": trial.Password}
	for range 5 {
		if _, err := attacker.Call(ctx, 401, "POST", "/login", "", wrong); err != nil {
			return err
		}
	}
	for _, body := range []trial.Object{wrong, right} {
		if _, err := attacker.Call(ctx, 429, "POST", "/login", "", body); err != nil {
			return fmt.Errorf("after five wrong passwords: %w", err)
		}
	}
	if _, err := other.Call(ctx, 200, "POST", "/login", "", right); err != nil {
		return fmt.Errorf("another client pays for the first: %w", err)
	}
	if log := t.server.output(); !strings.Contains(log, "event.address=127.0.0.5") || strings.Contains(log, "203.0.113.") {
		return fmt.Errorf("the events do not have the client's address:\n%s", log)
	}
	return nil
}

// refusesBodies sends what is too large, with a length and without, and waits for the
// refusal of the server itself.
func (t *trip) refusesBodies(ctx context.Context) error {
	for _, size := range []int{100 << 10, 1 << 20} {
		for _, streamed := range []bool{false, true} {
			var body io.Reader = bytes.NewReader(bytes.Repeat([]byte(" "), size))
			if streamed {
				body = io.MultiReader(body) // whose length is not seen
			}
			r, err := http.NewRequestWithContext(ctx, "POST", "https://"+t.front+"/v1/auth/login", body)
			if err != nil {
				return err
			}
			r.Header.Set("Content-Type", "application/json")
			if err := expect(t.from(8), r, 413, "application/problem+json"); err != nil {
				return fmt.Errorf("%d bytes, streamed %t: %w", size, streamed, err)
			}
		}
	}
	return nil
}

func (t *trip) answersHeadAndOptions(ctx context.Context) error {
	for method, status := range map[string]int{"HEAD": 200, "OPTIONS": 204, "TRACE": 405} {
		r, err := http.NewRequestWithContext(ctx, method, "https://"+t.front+"/v1/auth/openapi.json", nil)
		if err != nil {
			return err
		}
		if err := expect(t.from(8), r, status, ""); err != nil {
			return fmt.Errorf("%s: %w", method, err)
		}
	}
	return nil
}

// goesOnAfterRefusals uses one connection after refusals of each kind.
func (t *trip) goesOnAfterRefusals(ctx context.Context) error {
	client := t.from(4)
	email, err := client.Register(ctx, "proxied")
	if err != nil {
		return err
	}
	for _, refused := range []struct {
		status       int
		method, path string
		body         any
	}{
		{401, "GET", "/me", nil}, {404, "GET", "/nothing", nil}, {404, "POST", "/nothing", strings.Repeat("x", 200<<10)},
		{405, "PUT", "/login", trial.Object{}}, {400, "POST", "/login", trial.Object{}}, {413, "POST", "/login", strings.Repeat("x", 100<<10)},
	} {
		if _, err := client.Call(ctx, refused.status, refused.method, refused.path, "", refused.body); err != nil {
			return err
		}
		if _, err := client.Login(ctx, email); err != nil {
			return fmt.Errorf("after a %d: %w", refused.status, err)
		}
	}
	return nil
}

func expect(client trial.Client, r *http.Request, status int, kind string) error {
	resp, err := client.HTTP.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close() //nolint:errcheck // it was only read
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != status || !strings.HasPrefix(resp.Header.Get("Content-Type"), kind) {
		return fmt.Errorf("%s with %s, want %d: %.200q", resp.Status, resp.Header.Get("Content-Type"), status, body)
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

// A process runs until it is stopped. What it says is kept.
type process struct {
	cmd  *exec.Cmd
	mu   sync.Mutex
	said bytes.Buffer
	done chan struct{}
}

func start(cmd *exec.Cmd) (*process, error) {
	p := &process{cmd: cmd, done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = p, p
	cmd.Env = append(os.Environ(), "XDG_DATA_HOME="+os.TempDir(), "HOME="+os.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = cmd.Wait() // it is stopped by a signal
		close(p.done)
	}()
	return p, nil
}

// Write keeps what the process says.
func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.said.Write(b)
}

func (p *process) output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.said.String()
}

// says waits for a line and returns what its group has.
func (p *process) says(line *regexp.Regexp) (string, error) {
	for range 400 {
		if m := line.FindStringSubmatch(p.output()); m != nil {
			return m[1], nil
		}
		select {
		case <-p.done:
			return "", fmt.Errorf("it has ended:\n%s", p.output())
		case <-time.After(50 * time.Millisecond):
		}
	}
	return "", fmt.Errorf("it does not say %v:\n%s", line, p.output())
}

func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // fails if it has ended
	select {
	case <-p.done:
	case <-time.After(10 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}
