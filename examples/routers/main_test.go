package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5"
	echov4 "github.com/labstack/echo/v4"
	"github.com/labstack/echo/v5"

	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/httpauth"
)

func TestMain(m *testing.M) {
	gin.SetMode(gin.ReleaseMode)
	os.Exit(m.Run())
}

// A site is one router behind a real server.
type site struct {
	*authtest.Harness
	t   *testing.T
	url string
}

// onEachRouter runs test on a site of its own for each router.
func onEachRouter(t *testing.T, test func(t *testing.T, s site)) {
	for name, newRouter := range routers {
		t.Run(name, func(t *testing.T) {
			h := authtest.New(t)
			server := httptest.NewServer(newRouter(newHandler(t, h)))
			t.Cleanup(server.Close)
			test(t, site{h, t, server.URL})
		})
	}
}

func newHandler(t *testing.T, h *authtest.Harness) *httpauth.Handler {
	t.Helper()
	handler, err := httpauth.New(h.Manager, httpauth.Config{Logger: slog.New(slog.DiscardHandler), OnIdentity: noteCaller})
	if err != nil {
		t.Fatal(err)
	}
	return handler
}

// client follows no redirect: an answer is that of the router itself.
var client = http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

// do sends a request and returns the answer with its body. A credential that begins as an API key
// does goes into X-API-Key. The body is JSON, or "" for none.
func (s site) do(method, path, credential, body string) (*http.Response, string) {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	switch {
	case strings.HasPrefix(credential, "sk_"):
		r.Header.Set("X-API-Key", credential)
	case credential != "":
		r.Header.Set("Authorization", "Bearer "+credential)
	}
	resp, err := client.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp, string(text)
}

// call is do for an answer of the authentication API that must have this status.
func (s site) call(method, path, credential, body string, want int) (answer map[string]any) {
	s.t.Helper()
	resp, text := s.do(method, path, credential, body)
	if resp.StatusCode != want {
		s.t.Fatalf("%s %s: %d, want %d: %s", method, path, resp.StatusCode, want, text)
	}
	if err := json.Unmarshal([]byte(text), &answer); err != nil {
		s.t.Fatalf("%s %s: %v", method, path, err)
	}
	return answer
}

// A caller is a user with credentials that came over HTTP.
type caller struct{ id, organization, token, key string }

func (s site) register(email string) caller {
	s.t.Helper()
	const password = "a long and private phrase"
	user := s.call("POST", "/v1/auth/register", "", fmt.Sprintf(`{"email":%q,"password":%q,"full_name":"A User"}`, email, password), 201)
	login := s.call("POST", "/v1/auth/login", "", fmt.Sprintf(`{"email":%q,"password":%q}`, email, password), 200)
	token := login["access_token"].(string)
	key := s.call("POST", "/v1/auth/api-keys", token, `{"name":"test"}`, 201)
	return caller{user["id"].(string), user["organization_id"].(string), token, key["key"].(string)}
}

// isProblem reports whether an answer is problem+json of its own status.
func isProblem(resp *http.Response, body string) bool {
	var problem struct {
		Status int
		Code   string
	}
	media, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	return err == nil && media == "application/problem+json" &&
		json.Unmarshal([]byte(body), &problem) == nil && problem.Status == resp.StatusCode && problem.Code != ""
}

func TestEveryRouterGuardsAlike(t *testing.T) {
	onEachRouter(t, func(t *testing.T, s site) {
		admin, member := s.register("admin@example.com"), s.register("member@example.com")
		if err := s.SetRole(t.Context(), member.id, "member"); err != nil {
			t.Fatal(err)
		}
		callers := []struct{ name, credential string }{
			{"nobody", ""}, {"forger", "forged"}, {"admin", admin.token}, {"key", admin.key}, {"member", member.token},
		}
		for _, c := range []struct {
			method, path string
			want         [5]int // in the order of callers
			says         string // what the admin is told, if anything
		}{
			{"GET", "/whoami", [5]int{401, 401, 200, 200, 200}, "whoami for " + admin.id},
			{"POST", "/billing", [5]int{401, 401, 200, 403, 403}, "billing for " + admin.id},
			{"GET", "/admin/members", [5]int{401, 401, 200, 200, 403}, "members for " + admin.id},
			{"GET", "/admin/invoices", [5]int{401, 401, 200, 200, 403}, "invoices for " + admin.id},
			{"GET", "/organizations/" + admin.organization + "/reports", [5]int{401, 401, 200, 200, 403}, "reports of " + admin.organization},
			{"GET", "/organizations/" + member.organization + "/reports", [5]int{401, 401, 403, 403, 200}, ""},
			{"GET", "/v1/auth/me", [5]int{401, 401, 200, 200, 200}, ""},
			{"GET", "/v1/auth/nothing", [5]int{404, 404, 404, 404, 404}, ""},
			{"PUT", "/v1/auth/me", [5]int{405, 405, 405, 405, 405}, ""},
		} {
			for i, caller := range callers {
				resp, body := s.do(c.method, c.path, caller.credential, "")
				what := fmt.Sprintf("%s %s as %s", c.method, c.path, caller.name)
				if resp.StatusCode != c.want[i] {
					t.Errorf("%s: %d, want %d: %s", what, resp.StatusCode, c.want[i], body)
				}
				if resp.StatusCode >= 400 && !isProblem(resp, body) {
					t.Errorf("%s: %d is no problem+json: %s %s", what, resp.StatusCode, resp.Header.Get("Content-Type"), body)
				}
				if challenge := resp.Header.Get("WWW-Authenticate"); resp.StatusCode == 401 && !strings.HasPrefix(challenge, "Bearer") {
					t.Errorf("%s: 401 with the challenge %q", what, challenge)
				}
				if resp.StatusCode == 405 && !strings.Contains(resp.Header.Get("Allow"), "PATCH") {
					t.Errorf("%s: 405 with Allow %q", what, resp.Header.Get("Allow"))
				}
				if caller.name == "admin" && c.says != "" && body != c.says {
					t.Errorf("%s: %q, want %q", what, body, c.says)
				}
			}
		}
	})
}

func TestTheIdentityIsThatOfTheToken(t *testing.T) {
	onEachRouter(t, func(t *testing.T, s site) {
		for _, email := range []string{"one@example.com", "two@example.com"} {
			c := s.register(email)
			for _, credential := range []string{c.token, c.key} {
				if _, body := s.do("GET", "/whoami", credential, ""); body != "whoami for "+c.id {
					t.Errorf("%q, want the user %s", body, c.id)
				}
			}
		}
	})
}

func TestARevokedTokenIsRefused(t *testing.T) {
	onEachRouter(t, func(t *testing.T, s site) {
		c := s.register("one@example.com")
		s.call("POST", "/v1/auth/logout", c.token, "", 200)
		for _, path := range []string{"/whoami", "/admin/members", "/organizations/" + c.organization + "/reports", "/v1/auth/me"} {
			if resp, _ := s.do("GET", path, c.token, ""); resp.StatusCode != 401 {
				t.Errorf("GET %s: %d, want 401", path, resp.StatusCode)
			}
		}
	})
}

// A router may answer HEAD on a GET route, or not. A guard holds in either case.
func TestHEADIsRefusedWhereverGETIs(t *testing.T) {
	onEachRouter(t, func(t *testing.T, s site) {
		c, other := s.register("one@example.com"), s.register("two@example.com")
		for _, path := range []string{"/whoami", "/admin/members", "/organizations/" + c.organization + "/reports", "/v1/auth/me"} {
			resp, body := s.do("HEAD", path, "", "")
			if resp.StatusCode < 400 || body != "" {
				t.Errorf("HEAD %s as nobody: %d with %d bytes", path, resp.StatusCode, len(body))
			}
		}
		if resp, _ := s.do("HEAD", "/organizations/"+other.organization+"/reports", c.token, ""); resp.StatusCode < 400 {
			t.Errorf("HEAD of a foreign organization: %d", resp.StatusCode)
		}
	})
}

// Routers differ in what they decode. Whatever they do, the rule judges the value that the handler
// reads, so nobody is shown an organization other than their own.
func TestNoSpellingOfAPathGetsAroundItsRule(t *testing.T) {
	onEachRouter(t, func(t *testing.T, s site) {
		c, other := s.register("one@example.com"), s.register("two@example.com")
		own, foreign := c.organization, other.organization
		for _, path := range []string{
			own + "%2F..%2F" + foreign, foreign + "%2F..%2F" + own, own + "/../" + foreign, foreign + "/../" + own,
			own + "/%2e%2e/" + foreign, foreign + "/%2e%2e/" + own, own + "%2Freports%2F..%2F..%2F" + foreign,
			own + "%2F" + foreign, foreign + "%2F" + own, own + "%2F", "%2F" + own, own + "//" + foreign, "./" + foreign,
			everyByteEscaped(own), everyByteEscaped(foreign), strings.ToUpper(foreign), own + "%00", own + "%00" + foreign,
			own + "%20", own + ";" + foreign, own + "%3Freports", own + "%252F" + foreign, "", "%2e", own + "%23", foreign + "%23" + own,
		} {
			resp, body := s.do("GET", "/organizations/"+path+"/reports", c.token, "")
			if resp.StatusCode < 300 && body != "reports of "+own {
				t.Errorf("%s: %d %q", path, resp.StatusCode, body)
			}
			if strings.Contains(resp.Header.Get("Content-Type"), "problem") && resp.StatusCode != 403 {
				t.Errorf("%s: refused with %d, want 403", path, resp.StatusCode)
			}
		}
	})
}

func everyByteEscaped(text string) string {
	var b strings.Builder
	for _, c := range []byte(text) {
		fmt.Fprintf(&b, "%%%02X", c)
	}
	return b.String()
}

// A guard is what Handler.Require returns.
type guard = func(http.Handler) http.Handler

// guarded builds each router with one route behind a guard, GET /{id}/sub/{other}. It answers
// with the id that a handler of this router reads. Where the adapter is this program's, both names
// are id.
var guarded = map[string]func(guard) http.Handler{
	"servemux": func(g guard) http.Handler {
		mux := http.NewServeMux()
		mux.Handle("GET /{id}/sub/{other}", g(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, r.PathValue("id"))
		})))
		return mux
	},
	"chi": func(g guard) http.Handler {
		r := chi.NewRouter()
		r.With(g).Get("/{id}/sub/{other}", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, chi.URLParam(r, "id")) })
		return r
	},
	"gin": func(g guard) http.Handler {
		engine := gin.New()
		engine.GET("/:id/sub/:id", ginGuard(g), func(c *gin.Context) { c.String(200, "%s", c.Param("id")) })
		return engine
	},
	"echo": func(g guard) http.Handler {
		e := echo.New()
		e.GET("/:id/sub/:other", func(c *echo.Context) error { return c.String(200, c.Param("id")) }, echo.WrapMiddleware(g))
		return e
	},
	"echov4": func(g guard) http.Handler {
		e := echov4.New()
		e.GET("/:id/sub/:id", func(c echov4.Context) error { return c.String(200, c.Param("id")) }, echoV4Guard(g))
		return e
	},
}

// onEachGuard sends GET /one/sub/two, with the token of a new user, to each router of guarded behind
// the guard that newGuard makes.
func onEachGuard(t *testing.T, newGuard func(*httpauth.Handler) guard, test func(t *testing.T, user *authtest.User, w *httptest.ResponseRecorder)) {
	for name, newRouter := range guarded {
		t.Run(name, func(t *testing.T) {
			h := authtest.New(t)
			user := h.Register()
			w, r := httptest.NewRecorder(), httptest.NewRequest("GET", "/one/sub/two", nil)
			r.Header.Set("Authorization", "Bearer "+user.Token())
			newRouter(newGuard(newHandler(t, h))).ServeHTTP(w, r)
			test(t, user, w)
		})
	}
}

func TestARuleSeesTheValueThatTheHandlerReads(t *testing.T) {
	var seen string
	see := func(a httpauth.Access) error { seen = a.Request.PathValue("id"); return nil }
	onEachGuard(t, func(h *httpauth.Handler) guard { return h.Require(see) }, func(t *testing.T, _ *authtest.User, w *httptest.ResponseRecorder) {
		if w.Code != 200 || w.Body.String() != seen {
			t.Errorf("%d: the rule saw %q, the handler read %q", w.Code, seen, w.Body)
		}
	})
}

func TestAPanicInARuleIsARefusal(t *testing.T) {
	breaks := func(httpauth.Access) error { panic("a broken rule") }
	onEachGuard(t, func(h *httpauth.Handler) guard { return h.Require(breaks) }, func(t *testing.T, _ *authtest.User, w *httptest.ResponseRecorder) {
		if resp := w.Result(); resp.StatusCode != 500 || !isProblem(resp, w.Body.String()) {
			t.Errorf("%d %s", resp.StatusCode, w.Body)
		}
	})
}

// The Handler gives a client some seconds to send a body. It needs the server's own writer for that.
func TestEveryRouterLetsTheHandlerSetDeadlines(t *testing.T) {
	for name, newRouter := range guarded {
		t.Run(name, func(t *testing.T) {
			err := errors.New("the guard was not reached")
			server := httptest.NewServer(newRouter(func(http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					err = http.NewResponseController(w).SetReadDeadline(time.Now().Add(time.Minute))
				})
			}))
			site{t: t, url: server.URL}.do("GET", "/one/sub/two", "", "")
			server.Close()
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// What docs/routers.md shows is the code that these tests run.
func TestTheCodeInTheDocsIsThisProgram(t *testing.T) {
	page, err := os.ReadFile("../../docs/routers.md")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var program []byte
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		program = append(program, text...)
	}
	blocks := bytes.Split(page, []byte("```go\n"))[1:]
	if len(blocks) < len(routers) {
		t.Fatalf("%d blocks of Go for %d routers: the test no longer finds them", len(blocks), len(routers))
	}
	for _, block := range blocks {
		if code, _, ok := bytes.Cut(block, []byte("```")); !ok || !bytes.Contains(program, code) {
			t.Errorf("not in this program:\n%s", code)
		}
	}
}
