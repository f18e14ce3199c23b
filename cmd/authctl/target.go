package main

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"os/user"
	"runtime"
	"strings"
	"time"
	"unicode"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/httpauth"
	"github.com/datixlab/auth/internal/openstore"
	"github.com/datixlab/auth/internal/secretfile"
)

// defaultSocket is where the example server serves its administration.
const defaultSocket = "auth.sock"

// A target is the service that a command is about, as the flags say.
type target struct {
	admin      string
	store      openstore.Flags
	secretFile *string
	cert       *string
	insecure   bool
}

// add adds the flags. What an earlier set has set stays.
func (t *target) add(flags *flag.FlagSet) {
	set := func(to **string) func(string) error {
		return func(value string) error { *to = &value; return nil }
	}
	flags.StringVar(&t.admin, "admin", t.admin, "where the service serves its administration: `unix:PATH|https://…`, or http:// on a loopback address; the token of AUTH_ADMIN_TOKEN goes with it (default AUTH_ADMIN of the environment, or unix:"+defaultSocket+" if that is there)")
	flags.Func("cert", "with -admin https://: PEM `file` of mode 0600 with a certificate of yours and its key, for a service that asks for one; AUTH_ADMIN_TOKEN may be missing then", set(&t.cert))
	t.store.Add(flags, "open the `store` itself: bolt:PATH of a service that is stopped, "+openstore.URLs+" (default AUTH_STORE of the environment if there is no socket)")
	flags.Func("secret-file", "with -store: `file` with the root secret of the service (default AUTH_SECRET of the environment, or the file beside the store)", set(&t.secretFile))
	flags.BoolVar(&t.insecure, "insecure-file-mode", t.insecure, "accept files with records and secrets that other users may read or write")
}

// client returns the client of the service, and makes it the first time.
func (v *invocation) client(ctx context.Context) (*client, error) {
	if v.open != nil {
		return v.open, nil
	}
	c, err := v.connect(ctx)
	v.open = c
	return c, err
}

func (v *invocation) connect(ctx context.Context) (*client, error) {
	t := &v.at
	opens := t.store.Spec != nil || t.store.File != nil
	switch {
	case t.admin != "" && opens:
		return nil, usageError("-admin and -store exclude each other")
	case t.admin != "":
		return v.remote(t.admin)
	case opens:
		return v.local(ctx)
	case v.environment.admin != "":
		return v.remote(v.environment.admin)
	}
	if _, err := os.Stat(defaultSocket); err == nil {
		if here, err := os.Stat("."); err != nil || here.Mode().Perm()&0o002 != 0 && runtime.GOOS != "windows" {
			return nil, usageError("every user may put a " + defaultSocket + " into this folder: say with -admin which one you mean")
		}
		return v.remote("unix:" + defaultSocket)
	}
	if v.store != "" {
		return v.local(ctx)
	}
	return nil, usageError("there is no " + defaultSocket + " here: say with -admin where the service serves its administration, or with -store which store to open")
}

// remote returns a client of a service that runs.
func (v *invocation) remote(where string) (*client, error) {
	if v.at.cert != nil && !strings.HasPrefix(where, "https:") {
		return nil, usageError("-cert is for -admin https://")
	}
	if path, ok := strings.CutPrefix(where, "unix:"); ok {
		if path == "" {
			return nil, usageError("-admin unix: needs a path, as in unix:" + defaultSocket)
		}
		return &client{base: "http://localhost", where: where, socket: path, http: clientOf(&http.Transport{
			MaxIdleConnsPerHost: maxConns,
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, "unix", path)
			},
		})}, nil
	}
	u, err := url.Parse(where)
	switch {
	case err != nil, u.Host == "", u.RawQuery != "", u.Fragment != "":
		return nil, usageError("-admin must be unix:PATH or a URL without a query") // not repeated: it may have a password
	case u.User != nil:
		return nil, usageError("-admin has a password, which every user of this machine sees: put a token into AUTH_ADMIN_TOKEN")
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		return nil, usageError("-admin without TLS is for a loopback address: whoever is on the way would read the token")
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, usageError("-admin must begin with unix:, https:// or http://")
	case v.token == "" && v.at.cert == nil:
		return nil, usageError("AUTH_ADMIN_TOKEN is not set: -admin " + u.Scheme + ":// sends it as the Bearer token; or give a certificate with -cert")
	case strings.TrimSpace(string(v.token)) != string(v.token) || strings.ContainsFunc(string(v.token), unicode.IsControl):
		return nil, usageError("AUTH_ADMIN_TOKEN begins or ends with a space, or has a line break: no header carries it")
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = maxConns
	if v.at.cert != nil {
		own, err := v.certificate(*v.at.cert)
		if err != nil {
			return nil, err
		}
		transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{own}}
	}
	return &client{base: strings.TrimRight(where, "/"), where: where, token: v.token, http: clientOf(transport)}, nil
}

// maxPEM is how many bytes the file of -cert may have.
const maxPEM = 1 << 20

// certificate reads the file of -cert.
func (v *invocation) certificate(path string) (tls.Certificate, error) {
	rules := secretfile.Rules{Insecure: v.at.insecure, Logger: slog.New(slog.NewTextHandler(v.stderr, nil))}
	pem, err := rules.Read(path, maxPEM)
	if err != nil {
		return tls.Certificate{}, err
	}
	own, err := tls.X509KeyPair(pem, pem)
	if err != nil {
		return own, fmt.Errorf("%s must have a certificate and its key in PEM: %w", path, err)
	}
	return own, nil
}

// maxConns is how many connections are kept for the next call, as an import makes many at once.
const maxConns = 64

// clientOf follows no redirection: it could send the token to another place, or turn an act into a
// question.
func clientOf(transport http.RoundTripper) *http.Client {
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

// local opens the store, and returns a client of an administration that this process serves. It
// makes neither a store nor a secret.
func (v *invocation) local(ctx context.Context) (c *client, err error) {
	log := slog.New(slog.NewTextHandler(v.stderr, nil))
	rules := secretfile.Rules{Insecure: v.at.insecure, Logger: log}
	place, err := v.at.store.Place(string(v.store), rules, log)
	if err != nil {
		return nil, err
	}
	if place.Kind == "memory" {
		return nil, usageError("a store in memory is in its process: use -admin")
	}
	if place.Path != "" {
		if _, err := os.Stat(place.Path); errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%w; a service makes its store at its first start", err)
		}
	}
	given, err := openstore.Given(v.at.secretFile, string(v.secret), rules)
	if err != nil {
		return nil, err
	}
	secrets, err := place.Secrets(given)
	if err != nil {
		return nil, asOwner(place.Path, err)
	}
	records, err := place.Open(ctx, log)
	if err != nil {
		if strings.Contains(err.Error(), "in use by another process") {
			err = fmt.Errorf("%w; if that is the service, use -admin unix:PATH, which speaks to it", err)
		}
		return nil, asOwner(place.Path, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, records.Close())
		}
	}()
	if err := openstore.RefuseUnfinished(ctx, records); err != nil {
		return nil, err
	}
	if secrets == nil {
		if secrets, err = openstore.FindSharedSecret(ctx, records, given, openstore.SharedSecretFile, rules); err != nil {
			return nil, err
		}
	}
	roots := make([]auth.Secret, len(secrets))
	for i, s := range secrets {
		roots[i] = auth.Secret(s)
	}
	cfg, err := auth.SharedConfig(ctx, records, roots...)
	switch {
	case errors.Is(err, auth.ErrUnavailable):
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("%w; is AUTH_SECRET or -secret-file that of the service?", err)
	}
	cfg.Events, cfg.Logger = auth.LogEvents(log), log
	m, err := auth.New(records, cfg)
	if err != nil {
		return nil, err
	}
	actor := systemUser()
	admin, err := httpauth.NewAdmin(m, func(*http.Request) (string, error) { return actor, nil })
	if err != nil {
		return nil, errors.Join(err, m.Close())
	}
	pipe := servePipe(admin)
	return &client{
		base: "http://localhost", where: "the store", http: clientOf(&http.Transport{MaxIdleConnsPerHost: maxConns, DialContext: pipe.dial}),
		closeStore: func() error { return errors.Join(pipe.server.Close(), m.Close(), records.Close()) },
	}, nil
}

// asOwner returns what to do about a store that is refused, if it is another user's. What was refused
// says how this process could use the file, by another owner. Then the service could not.
func asOwner(path string, err error) error {
	var refused *fs.PathError
	denied := errors.As(err, &refused) || errors.Is(err, fs.ErrPermission) || strings.Contains(err.Error(), "run: chown")
	info, statErr := os.Stat(path)
	if !denied || statErr != nil || !isAnothers(info) {
		return err
	}
	return fmt.Errorf("%s is %s: run authctl as that user, such as with sudo -u", path, ownerName(info))
}

// systemUser names the operator in events, as the socket of the example server does.
func systemUser() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return "unix:" + u.Username
	}
	return fmt.Sprintf("unix:uid%d", os.Getuid())
}

// A pipe is a listener whose connections come from this process alone.
type pipe struct {
	server *http.Server
	conns  chan net.Conn
	closed chan struct{}
}

func servePipe(h http.Handler) *pipe {
	p := &pipe{
		server: &http.Server{Handler: h, ReadHeaderTimeout: time.Minute, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)},
		conns:  make(chan net.Conn), closed: make(chan struct{}),
	}
	go func() { _ = p.server.Serve(p) }() // ends with server.Close
	return p
}

func (p *pipe) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case p.conns <- there:
		return here, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

// Accept implements [net.Listener].
func (p *pipe) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

// Close implements [net.Listener]. The server calls it once.
func (p *pipe) Close() error { close(p.closed); return nil }

// Addr implements [net.Listener].
func (p *pipe) Addr() net.Addr { here, _ := net.Pipe(); return here.LocalAddr() }
