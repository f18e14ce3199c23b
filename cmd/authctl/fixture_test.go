package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9/logging"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/httpauth"
	"github.com/datixlab/auth/internal/pgtest"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/boltstore"
)

const (
	issuer                 = "https://auth.example.com"
	testSecret auth.Secret = "a root secret that only tests use: 0123456789"
	password   auth.Secret = "a passphrase nobody else has"
	operator               = "jane"
)

// asProgram, in the environment, makes the test binary the program.
const asProgram = "AUTHCTL_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	logging.Disable()
	os.Exit(pgtest.Main(m.Run))
}

// A service is a Manager on a bbolt file in use, with its administration at a Unix socket.
type service struct {
	t      *testing.T
	dir    string
	socket string
	m      *auth.Manager
	events *events
}

// events keeps what the Manager of a service tells.
type events struct {
	mu  sync.Mutex
	all []auth.Event
}

// HandleEvent implements [auth.EventHandler].
func (e *events) HandleEvent(_ context.Context, ev auth.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all = append(e.all, ev)
}

// of returns the actors of the events of a type about a user.
func (e *events) of(kind auth.EventType, userID string) (actors []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, ev := range e.all {
		if ev.Type == kind && ev.UserID == userID {
			actors = append(actors, ev.Actor)
		}
	}
	return actors
}

func newService(t *testing.T) *service {
	t.Helper()
	s := &service{t: t, dir: t.TempDir(), events: &events{}}
	path := filepath.Join(s.dir, "auth.db")
	if err := os.WriteFile(path+".secret", []byte(testSecret), 0o600); err != nil {
		t.Fatal(err)
	}
	records, err := boltstore.OpenOrCreate(path, boltstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s.m, err = auth.New(records, auth.Config{
		Secrets: []auth.Secret{testSecret}, Issuer: issuer, Roles: []string{"member", "admin", "owner"}, InsecureCheapHashing: true, PasswordHash: auth.HashParams{Memory: 8, Time: 1, Threads: 1},
		Limits: auth.Limits{LoginByAccountAddress: store.Limit{Burst: 3, Every: time.Hour}},
		Events: s.events, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	admin, err := httpauth.NewAdmin(s.m, func(*http.Request) (string, error) { return operator, nil })
	if err != nil {
		t.Fatal(err)
	}
	s.socket = serve(t, s.dir, admin)
	t.Cleanup(func() {
		if err := s.stop(); err != nil {
			t.Error(err)
		}
		if err := records.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// stop closes the Manager, after which every event was told.
func (s *service) stop() error { return s.m.Close() }

// serve serves h at a Unix socket in dir.
func serve(t *testing.T, dir string, h http.Handler) (socket string) {
	t.Helper()
	socket = filepath.Join(dir, "auth.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(socket, 0o600); err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: h, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close(); <-ended })
	return socket
}

// user makes an account that is the admin of an organization of its own.
func (s *service) user(name string) auth.User {
	s.t.Helper()
	u, err := s.m.Register(s.t.Context(), auth.Registration{Email: name + "@example.com", Password: password, FullName: name})
	if err != nil {
		s.t.Fatal(err)
	}
	return u
}

func (s *service) login(u auth.User) auth.LoginResult {
	s.t.Helper()
	r, err := s.m.Login(s.t.Context(), u.Email, password)
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

func (s *service) key(id auth.Identity) (auth.APIKey, auth.Secret) {
	s.t.Helper()
	k, key, err := s.m.CreateAPIKey(s.t.Context(), id, auth.NewAPIKey{Name: "nightly export"})
	if err != nil {
		s.t.Fatal(err)
	}
	return k, key
}

// A result is what one run of the program has said.
type result struct {
	exit           int
	stdout, stderr string
}

// authctl runs the program against the service, and expects an exit status.
func (s *service) authctl(want int, args ...string) result {
	s.t.Helper()
	return runWith(s.t, want, environment{}, append([]string{"-admin", "unix:" + s.socket}, args...)...)
}

// runWith runs the program in env, whose streams are replaced where they are nil.
func runWith(t *testing.T, want int, env environment, args ...string) result {
	t.Helper()
	var out, errs bytes.Buffer
	if env.stdin == nil {
		env.stdin = strings.NewReader("")
	}
	if env.sleep == nil {
		env.sleep = func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
	}
	env.stdout, env.stderr = &out, &errs
	r := result{exit: run(t.Context(), args, env), stdout: out.String(), stderr: errs.String()}
	if r.exit != want {
		t.Fatalf("authctl %q: exit status %d, want %d\n%s%s", args, r.exit, want, r.stdout, r.stderr)
	}
	for name, secret := range map[string]auth.Secret{"root secret": testSecret, "password": password, "token": env.token} {
		if secret != "" && strings.Contains(r.stdout+r.stderr, string(secret)) {
			t.Errorf("authctl %q tells the %s: %s%s", args, name, r.stdout, r.stderr)
		}
	}
	return r
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(fmt.Sprint("it failed: ", err))
	}
	return v
}
