package httpauth_test

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/httpauth"
)

// HT-4.
func TestOtherMethodsAreRefusedWithAllow(t *testing.T) {
	f := newFixture(t, setup{})
	token := f.account("ada@example.com")
	allowed := map[string][]string{}
	for _, rt := range f.handler.Routes() {
		method, path, _ := strings.Cut(rt, " ")
		allowed[path] = append(allowed[path], method)
		if method == "GET" {
			allowed[path] = append(allowed[path], "HEAD")
		}
	}
	for path, methods := range allowed {
		methods = append(methods, "OPTIONS")
		slices.Sort(methods)
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "get", "LIST", "PROPFIND"} {
			if slices.Contains(methods, method) {
				continue // which other tests call
			}
			for _, credential := range []with{bearer(token), func(*http.Request) {}} {
				a := f.call(method, filled(path), nil, credential)
				if a.status != 405 || method != "HEAD" && a.body["code"] != "method_not_allowed" {
					t.Errorf("%s: %d %s", a.what, a.status, a.raw)
				}
				if got, want := a.header.Get("Allow"), strings.Join(methods, ", "); got != want {
					t.Errorf("%s: Allow is %q, want %q", a.what, got, want)
				}
			}
		}
	}
	f.call("GET", "/me", nil, bearer(token)).want(200) // logged in still
}

// HT-4: what GET answers, HEAD answers with the same status and headers, the length included.
func TestHEADIsAnsweredAsGETIsWithoutABody(t *testing.T) {
	f := newFixture(t, setup{})
	token := f.account("ada@example.com")
	_, key := f.apiKey(token)
	n := 0
	for _, rt := range f.handler.Routes() {
		method, path, _ := strings.Cut(rt, " ")
		if method != "GET" {
			continue
		}
		for _, credential := range []with{
			bearer(token), bearer(key), bearer("nonsense"), func(*http.Request) {}, header("If-None-Match", "*"),
			func(r *http.Request) { bearer(token)(r); bearer(key)(r) }, func(r *http.Request) { r.URL.RawQuery = "x=%" },
		} {
			get, head := f.call("GET", path, nil, credential), f.call("HEAD", path, nil, credential)
			for _, a := range []answer{get, head} {
				a.header.Del("Date")
			}
			if head.status != get.status || head.raw != "" || !reflect.DeepEqual(head.header, get.header) {
				t.Errorf("GET %s is %d %v, HEAD is %d %v", path, get.status, get.header, head.status, head.header)
			}
			if length := head.header.Get("Content-Length"); get.status != 304 && length != strconv.Itoa(len(get.raw)) {
				t.Errorf("HEAD %s: Content-Length is %s, the body of GET has %d", path, length, len(get.raw))
			}
			n++
		}
	}
	if n < 4*7 {
		t.Errorf("only %d answers were compared", n)
	}
	f.call("HEAD", "/nothing", nil).want(404)
	f.call("HEAD", "/login", nil).want(405)

	// Where no server drops it, nothing of the body is written either.
	for _, path := range []string{"/openapi.json", "/me", "/nothing"} {
		rec := httptest.NewRecorder()
		f.handler.ServeHTTP(rec, httptest.NewRequest("HEAD", path, nil))
		if rec.Body.Len() != 0 || rec.Header().Get("Content-Length") == "" {
			t.Errorf("HEAD %s has a body of %d bytes, Content-Length %q", path, rec.Body.Len(), rec.Header().Get("Content-Length"))
		}
	}
}

// HT-4: OPTIONS says to every caller which methods a path has, and does nothing else.
func TestOPTIONSSaysWhatAPathAllowsAndChangesNothing(t *testing.T) {
	f := newFixture(t, setup{})
	token := f.account("ada@example.com")
	id, key := f.apiKey(token)
	before := f.store.commits.Load()
	for path, want := range map[string]string{
		"/me": "GET, HEAD, OPTIONS, PATCH", "/api-keys": "GET, HEAD, OPTIONS, POST", "/api-keys/" + id: "DELETE, OPTIONS, PATCH", "/api-keys/key_1": "DELETE, OPTIONS, PATCH",
		"/api-keys/" + id + "/rotate": "OPTIONS, POST", "/api-keys/key_1/usage": "GET, HEAD, OPTIONS",
		"/login": "OPTIONS, POST", "/openapi.json": "GET, HEAD, OPTIONS", "/.well-known/jwks.json": "GET, HEAD, OPTIONS", "/logout": "OPTIONS, POST",
		"/change-password": "OPTIONS, POST", "/refresh": "OPTIONS, POST",
		"/sessions": "GET, HEAD, OPTIONS", "/sessions/ses_1": "DELETE, OPTIONS", "/logout-others": "OPTIONS, POST",
	} {
		for _, credential := range []with{
			bearer(token), bearer(key), bearer("nonsense"), func(*http.Request) {}, header("Access-Control-Request-Method", "POST"),
			func(r *http.Request) { r.Body, r.ContentLength = io.NopCloser(strings.NewReader("{")), 1 },
		} {
			if a := f.call("OPTIONS", path, nil, credential).want(204); a.header.Get("Allow") != want || a.raw != "" {
				t.Errorf("%s: Allow is %q, want %q; %q", a.what, a.header.Get("Allow"), want, a.raw)
			}
		}
	}
	for _, path := range []string{"/nothing", "/", "/me/", "/%6de", "/api-keys/"} {
		f.call("OPTIONS", path, nil).want(404, httpauth.CodeNotFound)
	}
	if n := f.store.commits.Load() - before; n != 0 {
		t.Errorf("%d commits", n)
	}
	f.call("GET", "/me", nil, bearer(token)).want(200)
	f.call("GET", "/me", nil, bearer(key)).want(200)
}

// HT-14, Advisory 5 (GHSA-x732-6j76-qmhm): served without the mux's own cleaning in
// front, every other spelling of a path is no route.
func TestPathsHaveNoAliases(t *testing.T) {
	f := newFixture(t, setup{})
	token := f.account("ada@example.com")
	bare := httptest.NewServer(http.StripPrefix(mount, f.handler))
	defer bare.Close()
	for _, path := range []string{
		"", "/", "//me", "/me/", "/./me", "/x/../me", "/ME", "/Me", "/me;x=y", "/me%2f", "/%6de", "/%6De", "/me%00", "/me%20", "/me.json",
		"/me/me", "/api-keys/", "/api-keys/%2e%2e", "/api-keys/..", "/api-keys/.", "/api-keys/..%2fme", "/api-keys/..%2f..%2fme",
		"/api-keys/key_1/", "/api-keys/key_1/x", "/api-keys//key_1", "/api-keys/{key_id}", "/api-keys/%7Bkey_id%7D", "/api-keys/key%5f1",
		"/api-keys/key_1%00", "/api-keys/ключ", "/api-keys/" + strings.Repeat("a", 65), "/openapi.yaml", "/healthz", "/login%3f",
	} {
		for _, method := range []string{"GET", "POST", "DELETE"} {
			r, err := http.NewRequest(method, bare.URL+mount+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Authorization", "Bearer "+token)
			res, err := http.DefaultTransport.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if res.StatusCode != http.StatusNotFound {
				t.Errorf("%s %q: %d", method, path, res.StatusCode)
			}
		}
	}
}

func TestUnknownPathIsAProblemToo(t *testing.T) {
	f := newFixture(t, setup{})
	f.call("GET", "/nothing", nil).want(404, httpauth.CodeNotFound).wantMembers("type", "title", "status", "detail", "code")
}

// A Handler that is mounted without StripPrefix says so, once, and logs nothing that the
// client wrote.
func TestAPrefixThatIsNotStrippedIsLoggedOnce(t *testing.T) {
	manager := authtest.New(t).Manager
	for _, tc := range []struct{ path, route string }{
		{"/v1/auth/login", "/login"},
		{"/s3cret/api-keys/s3cret", "/api-keys/{key_id}"},
		{"/v1/auth/.well-known/jwks.json", "/.well-known/jwks.json"},
		{"//me", "/me"},
		{"login", "/login"}, // a slash too many was stripped
		{"/" + strings.Repeat("s3cret/", 10000) + "me", "/me"},
		{"/v1/auth/nothing", ""},
		{"/v1/auth/login/", ""},
		{"/v1/auth/xlogin", ""},
		{"/login/x", ""},
		{"/api-keys/key_1/x", ""},
		{"/", ""},
		{"", ""},
	} {
		var log logBuffer
		h, err := httpauth.New(manager, httpauth.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			r := httptest.NewRequest("POST", "/", nil)
			r.URL.Path, r.RequestURI = tc.path, "/"+strings.TrimPrefix(tc.path, "/")
			rec := httptest.NewRecorder()
			if h.ServeHTTP(rec, r); rec.Code != 404 {
				t.Errorf("%.40s: %d", tc.path, rec.Code)
			}
		}
		logged := log.String()
		lines := strings.Count(logged, "\n")
		if tc.route == "" && lines != 0 || tc.route != "" && (lines != 1 || !strings.Contains(logged, "level=WARN") ||
			!strings.Contains(logged, "http.StripPrefix") || !strings.HasSuffix(logged, "route="+tc.route+"\n")) || strings.Contains(logged, "s3cret") {
			t.Errorf("%.40s: logged is %q", tc.path, logged)
		}
	}
	// A route that is served, under whatever method, is no such path.
	f := newFixture(t, setup{})
	f.call("GET", "/login", nil).want(405)
	rec := httptest.NewRecorder()
	if f.handler.ServeHTTP(rec, httptest.NewRequest("GET", "/%6de", nil)); rec.Code != 404 {
		t.Errorf("%d", rec.Code)
	}
	if logged := f.log.String(); logged != "" {
		t.Errorf("logged is %q", logged)
	}
	// Nor is what a scanner asks for under a prefix that is stripped, or at the root after a
	// route was served. That the key set is mounted at the root as well hides nothing.
	for _, tc := range []struct {
		prefix string
		paths  []string
		warns  bool
	}{
		{"/v1/auth", []string{"/v1/auth/wp/login"}, false},
		{"", []string{"/me", "/shop/login"}, false},
		{"", []string{"/.well-known/jwks.json", "/v1/auth/login"}, true},
		{"/v1/auth/", []string{"/v1/auth/login"}, true},
	} {
		var log logBuffer
		h, err := httpauth.New(manager, httpauth.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range tc.paths {
			http.StripPrefix(tc.prefix, h).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", path, nil))
		}
		if logged := log.String(); strings.Contains(logged, "http.StripPrefix") != tc.warns {
			t.Errorf("%s, %v: logged is %q", tc.prefix, tc.paths, logged)
		}
	}
}

// HT-13, Advisory 33 (GHSA-3529-5m8x-rpv3).
func TestNothingOfTheRequestIsReflected(t *testing.T) {
	f := newFixture(t, setup{})
	token := f.account("ada@example.com")
	const evil = "evil-host.example"
	hostile := func(r *http.Request) {
		r.Host = evil
		r.Header.Set("X-Forwarded-Host", evil)
		r.Header.Set("Forwarded", "host="+evil)
		r.Header.Set("Origin", "https://"+evil)
		r.Header.Set("Referer", "https://"+evil)
		r.Header.Set("X-Original-URL", "/"+evil)
		r.Header.Set("X-Request-Id", evil)
		r.Header.Set("Access-Control-Request-Method", "POST")
	}
	for _, rt := range f.handler.Routes() {
		method, path, _ := strings.Cut(rt, " ")
		path = filled(path)
		for _, m := range []string{method, "OPTIONS"} {
			if rt == "POST /logout" && m == "POST" {
				continue // keep the session
			}
			a := f.call(m, path+"?next=https://"+evil, "{}", hostile, bearer(token))
			for name, values := range a.header {
				if strings.Contains(strings.Join(values, " "), "evil") {
					t.Errorf("%s: header %s is %v", a.what, name, values)
				}
			}
			if strings.Contains(a.raw, "evil") {
				t.Errorf("%s: %s", a.what, a.raw)
			}
		}
	}
}

// HT-8.
func TestNoOriginIsEverAllowed(t *testing.T) {
	f := newFixture(t, setup{})
	for _, origin := range []string{"https://evil.example", "null", f.server.URL, f.server.URL + ".evil.example", "*"} {
		for _, method := range []string{"GET", "OPTIONS"} {
			a := f.call(method, "/me", nil, header("Origin", origin), header("Access-Control-Request-Method", "GET"))
			for name := range a.header {
				if strings.HasPrefix(name, "Access-Control-") {
					t.Errorf("%s from %s: %s is %q", method, origin, name, a.header.Get(name))
				}
			}
		}
	}
}
