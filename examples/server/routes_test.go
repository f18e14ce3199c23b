package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/httpauth"
	"github.com/datixlab/auth/internal/openstore"
	"github.com/datixlab/auth/internal/secretfile"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/memstore"
)

func alwaysReady(context.Context) error { return nil }

func newRoutes(t *testing.T, ready func(context.Context) error) http.Handler {
	t.Helper()
	h, err := httpauth.New(authtest.New(t).Manager, httpauth.Config{Logger: discard})
	if err != nil {
		t.Fatal(err)
	}
	return routesOf(h, ready)
}

// routesOf are the routes of the program, as a user of another machine meets them.
func routesOf(h *httpauth.Handler, ready func(context.Context) error) http.Handler {
	served, err := routes(h, ready, front{API: mount})
	if err != nil {
		panic(err)
	}
	return served
}

// Everything that is refused is a problem of RFC 9457, whoever refuses it.
func TestEveryPathHasAnAnswerThatAClientCanRead(t *testing.T) {
	handler := newRoutes(t, alwaysReady)
	for _, c := range []struct {
		method, path string
		want         int
	}{
		{"GET", "/livez", 200}, {"HEAD", "/livez", 200}, {"GET", "/healthz", 200}, {"HEAD", "/healthz", 200}, {"GET", "/readyz", 200}, {"HEAD", "/readyz", 200},
		{"POST", "/livez", 405}, {"DELETE", "/healthz", 405}, {"PUT", "/readyz", 405}, {"POST", "/v1/agents", 405},
		{"GET", "/", 200}, {"HEAD", "/docs", 200}, {"POST", "/", 405}, {"PUT", "/docs", 405}, {"DELETE", "/docs/show.js", 405}, {"GET", "/docs/", 404}, {"GET", "/docs/swagger-ui.js", 404}, {"GET", "/favicon.ico", 404}, {"POST", "/v2/auth/login", 404}, {"GET", "/metrics", 404}, {"GET", "/v1/agents/1", 404}, {"BREW", "/pot", 404},
		{"GET", "/livez/", 404}, {"GET", "/v1/auth/nothing", 404}, {"GET", "/v1/agents", 401}, {"GET", "/auth/me", 401}, {"GET", "/auth/", 404}, {"PUT", "/v1/auth/login", 405},
	} {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(c.method, c.path, nil))
		if w.Code != c.want || w.Header().Get("X-Content-Type-Options") != "nosniff" || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s %s: %d, want %d, %v", c.method, c.path, w.Code, c.want, w.Header())
		}
		var problem struct{ Status int }
		if err := json.Unmarshal(w.Body.Bytes(), &problem); c.want >= 400 &&
			(err != nil || problem.Status != c.want || !strings.HasPrefix(w.Header().Get("Content-Type"), "application/problem+json")) {
			t.Errorf("%s %s: %s of type %s", c.method, c.path, w.Body, w.Header().Get("Content-Type"))
		}
		if c.want == 405 && w.Header().Get("Allow") == "" {
			t.Errorf("%s %s: no Allow", c.method, c.path)
		}
	}
}

// Both pages load what they need from this program, and say where things are on the disk to users of
// this machine alone.
func TestThePageAtTheRootLeadsToEverythingAndTheReferenceIsWhole(t *testing.T) {
	h, err := httpauth.New(authtest.New(t).Manager, httpauth.Config{Logger: discard})
	if err != nil {
		t.Fatal(err)
	}
	for where, first := range map[string]front{
		"this machine": front{API: "http://127.0.0.1:8080/v1/auth", Mail: "log"}.ofThisMachine(openstore.Place{Kind: "bolt", Path: "auth.db"}, "auth.db.secret", administration{path: "auth.sock"}),
		"a network":    {API: "https://id.example.com/v1/auth"},
	} {
		handler, err := routes(h, alwaysReady, first)
		if err != nil {
			t.Fatal(err)
		}
		get := func(path string) *httptest.ResponseRecorder {
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
			return w
		}
		for _, page := range []string{"/", "/docs"} {
			w := get(page)
			text := w.Body.String()
			if !strings.HasPrefix(w.Header().Get("Content-Security-Policy"), "default-src 'none'; ") || strings.Contains(text, "<style") || strings.Contains(text, "<script>") {
				t.Errorf("%s: %v %s", page, w.Header(), text)
			}
			for _, m := range regexp.MustCompile(`(href|src|data-document)="([^"]+)"`).FindAllStringSubmatch(text, -1) {
				if target := "/" + strings.TrimPrefix(m[2], "/"); !strings.HasPrefix(m[2], "https://pkg.go.dev/") && get(target).Code != http.StatusOK {
					t.Errorf("%s: %s is answered %d", page, target, get(target).Code)
				}
			}
			local := page == "/" && where == "this machine"
			for _, told := range []string{"auth.db", "auth.sock"} {
				if strings.Contains(text, told) != local {
					t.Errorf("%s on %s: %q is in it: %v", page, where, told, !local)
				}
			}
			if page == "/" && !strings.Contains(text, first.API) {
				t.Errorf("no address of the API in %s", text)
			}
		}
		if script := get("/docs/swagger-ui-bundle.js").Body.String(); !strings.Contains(script, "SwaggerUIBundle") {
			t.Errorf("the viewer is not readable without gzip: %.100q", script)
		}
	}
}

// failing is a store that answers nothing.
type failing struct{ store.Store }

func (failing) Get(context.Context, ...string) ([][]byte, error) {
	return nil, errors.New("disk: /var/lib/auth.db: input/output error")
}

func TestReadinessEndsWithTheStoreAndWithASignalAndLivenessDoesNot(t *testing.T) {
	answer := func(handler http.Handler, path string) (int, string) {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		return w.Code, w.Body.String()
	}
	running, stop := context.WithCancel(t.Context())
	broken := newRoutes(t, readiness(running, authtest.With(t, failing{memstore.New()}, auth.Config{}).Manager))
	if code, text := answer(broken, "/readyz"); code != 503 || strings.Contains(text, "disk") {
		t.Errorf("with a store that fails: %d %s", code, text)
	}
	sound := newRoutes(t, readiness(running, authtest.New(t).Manager))
	if code, _ := answer(sound, "/readyz"); code != 200 {
		t.Errorf("with a store that answers: %d", code)
	}
	stop()
	if code, _ := answer(sound, "/readyz"); code != 503 {
		t.Errorf("after the signal to stop: %d", code)
	}
	for _, handler := range []http.Handler{broken, sound} {
		for _, path := range []string{"/livez", "/healthz"} {
			if code, _ := answer(handler, path); code != 200 {
				t.Errorf("%s: %d", path, code)
			}
		}
	}
}

// start runs the program until it listens, stops it, and returns what it logged.
func start(t *testing.T, env environment, args ...string) string {
	t.Helper()
	log := &output{listening: make(chan string, 1)}
	running, stop := context.WithCancel(t.Context())
	defer stop()
	exit := make(chan int, 1)
	go func() { exit <- run(running, append([]string{"-addr", "127.0.0.1:0"}, args...), env, io.Discard, log) }()
	select {
	case <-log.listening:
	case <-time.After(patience):
		t.Fatalf("it does not start: %s", log)
	}
	stop()
	if got := <-exit; got != 0 {
		t.Fatalf("exit status %d: %s", got, log)
	}
	return log.String()
}

func TestTheFirstStartSaysWhereEverythingIsAndLaterOnesDoNot(t *testing.T) {
	for name, c := range map[string]struct {
		env   environment
		args  []string
		first []string // of the line; nil: there is none
	}{
		"a file":                   {args: []string{"-store", "bolt:auth.db"}, first: []string{"secret=auth.db.secret", "/v1/auth/register", "/v1/auth/openapi.json", "backup"}},
		"a secret that is given":   {env: environment{secret: testSecret}, args: []string{"-store", "bolt:auth.db"}, first: []string{"secret=AUTH_SECRET"}},
		"a public address":         {args: []string{"-url", "https://id.example.com/"}, first: []string{"https://id.example.com/v1/auth/register"}},
		"memory, which keeps none": {args: []string{"-store", "memory"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			for round := range 3 {
				log := start(t, c.env, c.args...)
				lines := 0
				for line := range strings.Lines(log) {
					if !strings.Contains(line, `msg="first start"`) {
						continue
					}
					lines++
					for _, want := range c.first {
						if !strings.Contains(line, want) {
							t.Errorf("%q is not in %s", want, line)
						}
					}
				}
				if want := min(len(c.first), 1); round == 0 && lines != want || round > 0 && lines != 0 {
					t.Errorf("start %d: %d lines: %s", round, lines, log)
				}
				if !strings.Contains(log, "msg=listening addr=127.0.0.1:") || !strings.Contains(log, "/v1/auth") {
					t.Errorf("start %d does not say where the API is: %s", round, log)
				}
				kept, err := os.ReadFile(filepath.Join(".", "auth.db.secret"))
				if secret := strings.TrimSpace(string(kept)); err == nil && strings.Contains(log, secret) || strings.Contains(log, string(testSecret)) {
					t.Errorf("it tells the secret: %s", log)
				}
			}
		})
	}
	log := slog.New(slog.DiscardHandler)
	for _, spec := range []string{"redis://localhost", "postgres://localhost"} {
		for given, want := range map[string]string{"": openstore.SharedSecretFile, string(testSecret): ""} {
			t.Chdir(t.TempDir())
			p, err := openstore.Flags{Spec: &spec}.Place("", secretfile.Rules{}, log)
			if err != nil {
				t.Fatal(err)
			}
			if where, first := p.FirstSecret(given); where != want || first != (want != "") {
				t.Errorf("%s: %q, %v", spec, where, first)
			}
		}
	}
}
