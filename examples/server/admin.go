package main

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
	"unicode"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/httpauth"
)

// defaultAdmin is the value of -admin that is not given.
var defaultAdmin = "unix:auth.sock"

// minAdminToken is how long AUTH_ADMIN_TOKEN is at least, in bytes.
const minAdminToken = 32

// errAnswered reports a socket at which another process serves.
var errAnswered = errors.New("another process answers there")

// An administration is what -admin asks for. The zero value is none.
type administration struct {
	path string // of a Unix socket, or ""
	addr string // HOST:PORT, or ""
	want bool   // it was asked for: a failure ends the program
}

// parseAdmin reads -admin, nil if it was not given. Token is AUTH_ADMIN_TOKEN.
func parseAdmin(value *string, token auth.Secret) (a administration, err error) {
	spec := defaultAdmin
	if value != nil {
		spec, a.want = *value, true
	}
	path, unix := strings.CutPrefix(spec, "unix:")
	switch {
	case spec == "none":
		return administration{}, nil
	case unix && path == "":
		return a, errors.New("-admin: unix: needs a path")
	case unix:
		a.path = path
		return a, nil
	}
	if _, _, err := net.SplitHostPort(spec); err != nil {
		return a, errors.New("-admin: use unix:PATH, HOST:PORT or none")
	}
	if len(token) < minAdminToken {
		return a, fmt.Errorf("-admin %s: AUTH_ADMIN_TOKEN has %d bytes, and %d or more are needed; or use unix:PATH", spec, len(token), minAdminToken)
	}
	if strings.TrimSpace(string(token)) != string(token) || strings.ContainsFunc(string(token), unicode.IsControl) {
		return a, fmt.Errorf("-admin %s: AUTH_ADMIN_TOKEN begins or ends with a space, or has a line break: no header carries it", spec)
	}
	a.addr = spec
	return a, nil
}

// serve serves the administration of m, which public serves, until ctx is done. Wait waits for its end. Where another
// process answers at the socket, or the socket that nobody asked for cannot be made, it warns and
// the program goes on without.
func (a administration) serve(ctx context.Context, m *auth.Manager, public *httpauth.Handler, token auth.Secret, log *slog.Logger) (wait func(), err error) {
	nothing := func() {}
	if a == (administration{}) {
		return nothing, nil
	}
	who := peerOf
	var listener net.Listener
	if a.path != "" {
		listener, err = listenSocket(a.path)
	} else {
		if m.IsAPIKey(token) {
			return nil, errors.New("-admin: AUTH_ADMIN_TOKEN has the form of an API key, which is refused")
		}
		who = bearerOf(token)
		listener, err = net.Listen("tcp", a.addr)
	}
	if errors.Is(err, errAnswered) || err != nil && !a.want {
		log.Warn("no administration", "error", err)
		return nothing, nil
	}
	if err != nil {
		return nil, fmt.Errorf("-admin: %w", err)
	}
	handler, err := httpauth.NewAdmin(m, who)
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	handler.Examine(public)
	server := newServer(handler, log)
	if a.addr != "" {
		server.Handler = anyHost(handler)
	}
	server.ConnContext = withPeer
	if at, ok := listener.Addr().(*net.TCPAddr); ok && !at.IP.IsLoopback() {
		log.Warn("the administration is reached without TLS: whoever is on the way reads its token", "admin", at.String())
	}
	log.Info("administration", "admin", listener.Addr().Network()+":"+listener.Addr().String())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := serveUntil(ctx, server, listener); err != nil {
			log.Error("the administration has ended", "error", err)
		}
	}()
	return func() { <-done }, nil
}

// bearerOf returns the function of NewAdmin that lets in whoever has the token.
func bearerOf(token auth.Secret) func(*http.Request) (string, error) {
	want := sha256.Sum256([]byte(token))
	return func(r *http.Request) (string, error) {
		scheme, text, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		if !strings.EqualFold(scheme, "Bearer") {
			return "", httpauth.ErrNoCredential
		}
		got := sha256.Sum256([]byte(strings.TrimLeft(text, " ")))
		if subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
			return "", auth.ErrInvalidToken
		}
		return "admin-token", nil
	}
}

// anyHost lets requests to h have any Host, as behind a proxy. Whoever calls must have the token, so
// no page gets in under a name of its own.
func anyHost(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		local := r.WithContext(r.Context())
		local.Host = "localhost"
		h.ServeHTTP(w, local)
	})
}

type peerKey struct{}

// withPeer puts the user of the peer into the context of a connection.
func withPeer(ctx context.Context, c net.Conn) context.Context {
	unix, ok := c.(*net.UnixConn)
	if !ok {
		return ctx
	}
	name, err := peerUser(unix)
	if err != nil {
		return ctx // peerOf refuses its requests
	}
	return context.WithValue(ctx, peerKey{}, name)
}

// peerOf is the function of NewAdmin on a Unix socket. The mode of the socket has decided who may
// connect. The name has "unix:" before it, so that no user is called as another kind of actor.
func peerOf(r *http.Request) (string, error) {
	name, ok := r.Context().Value(peerKey{}).(string)
	if !ok {
		return "", errors.New("the user at the other end of the socket is not known")
	}
	return "unix:" + name, nil
}

// listenSocket listens at path, in place of a socket that nobody serves any more. The error is
// errAnswered if another process answers there. What is no socket is left as it is.
//
// The socket never has another mode than 0600 where another user could reach it. It is made in a
// directory of mode 0700, gets its mode there, and is then moved to path in one step. A umask would
// be that of the whole process, whose other goroutines make files too.
func listenSocket(path string) (net.Listener, error) {
	if runtime.GOOS == "windows" {
		return nil, errors.New("the mode of a Unix socket keeps nobody out on Windows; use HOST:PORT")
	}
	if err := checkSocket(path); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(filepath.Dir(path), ".admin-")
	if err != nil {
		return nil, err
	}
	defer os.Remove(dir)
	made := filepath.Join(dir, "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: made, Net: "unix"})
	if errors.Is(err, syscall.EINVAL) {
		return nil, fmt.Errorf("%s: the folder of a socket has a path of about 80 bytes at most: %w", path, err)
	}
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false) // its name changes
	err = os.Chmod(made, 0o600)
	var own fs.FileInfo
	if err == nil {
		own, err = os.Lstat(made)
	}
	if err == nil {
		err = os.Rename(made, path)
	}
	if err != nil {
		return nil, errors.Join(err, l.Close(), os.Remove(made))
	}
	return &socket{l, path, own}, nil
}

// checkSocket returns nil if a socket may be made at path.
func checkSocket(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("%s is there and is no socket", path)
	}
	c, err := net.DialTimeout("unix", path, time.Second)
	switch {
	case err == nil:
		_ = c.Close()
		return fmt.Errorf("%s: %w", path, errAnswered)
	case errors.Is(err, syscall.ECONNREFUSED): // the process that made it is gone
		return nil
	}
	return err
}

// A socket is a listener that removes its file.
type socket struct {
	*net.UnixListener
	path string
	own  fs.FileInfo
}

// Addr returns the address at which the socket is now.
func (s *socket) Addr() net.Addr { return &net.UnixAddr{Name: s.path, Net: "unix"} }

// Close removes the file unless another process has put its own there.
func (s *socket) Close() error {
	err := s.UnixListener.Close()
	if now, statErr := os.Lstat(s.path); statErr == nil && os.SameFile(now, s.own) {
		_ = os.Remove(s.path) // otherwise the next process finds that nobody answers
	}
	return err
}
