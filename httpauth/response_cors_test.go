package httpauth_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/httpauth"
)

// HT-8.
func TestPagesOfTheListedOriginsAlonePassCORS(t *testing.T) {
	t.Parallel()
	const app = "https://app.example.com"
	h := authtest.New(t)
	handler, err := httpauth.New(h.Manager, httpauth.Config{AllowedOrigins: []string{"http://localhost:5173", app}})
	if err != nil {
		t.Fatal(err)
	}
	closed, err := httpauth.New(h.Manager, httpauth.Config{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, method, path, origin string
		server                     http.Handler
		status                     int
		allowed                    string // Access-Control-Allow-Origin
		methods                    string
	}{
		{"a preflight", "OPTIONS", "/me", app, handler, 204, app, "GET, HEAD, OPTIONS, PATCH"},
		{"the other of the list", "OPTIONS", "/login", "http://localhost:5173", handler, 204, "http://localhost:5173", "OPTIONS, POST"},
		{"a refusal", "GET", "/me", app, handler, 401, app, ""},
		{"a path that is none", "OPTIONS", "/none", app, handler, 404, app, ""},
		{"another origin", "OPTIONS", "/me", "https://evil.example", handler, 204, "", ""},
		{"a subdomain", "OPTIONS", "/me", "https://x.app.example.com", handler, 204, "", ""},
		{"a suffix", "GET", "/me", app + ".evil.example", handler, 401, "", ""},
		{"another scheme", "GET", "/me", "http://app.example.com", handler, 401, "", ""},
		{"another port", "GET", "/me", app + ":8443", handler, 401, "", ""},
		{"null", "OPTIONS", "/me", "null", handler, 204, "", ""},
		{"no page", "GET", "/me", "", handler, 401, "", ""},
		{"a public route for anybody", "GET", "/openapi.json", "https://evil.example", handler, 200, "*", ""},
		{"its preflight", "OPTIONS", "/openapi.json", "https://evil.example", handler, 204, "*", "GET, HEAD"},
		{"a public route for the list", "GET", "/openapi.json", app, handler, 200, app, ""},
		{"without a list", "OPTIONS", "/me", app, closed, 204, "", ""},
		{"at a Browser", "OPTIONS", "/me", app, handler.Browser(httpauth.BrowserConfig{}), 204, "", ""},
		{"the document of a Browser", "GET", "/openapi.json", app, handler.Browser(httpauth.BrowserConfig{}), 200, "", ""},
	} {
		r := httptest.NewRequest(c.method, c.path, nil)
		if c.origin != "" {
			r.Header.Set("Origin", c.origin)
		}
		w := httptest.NewRecorder()
		c.server.ServeHTTP(w, r)
		head := w.Header()
		if w.Code != c.status || head.Get("Access-Control-Allow-Origin") != c.allowed || head.Get("Access-Control-Allow-Methods") != c.methods || head.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s: %d with %v", c.name, w.Code, head)
		}
		if c.server == http.Handler(handler) && head.Get("Vary") != "Origin" {
			t.Errorf("%s: Vary is %q, and a cache would give the answer to others", c.name, head.Get("Vary"))
		}
		if c.allowed == app && c.methods == "" && head.Get("Access-Control-Expose-Headers") == "" {
			t.Errorf("%s: the page cannot read Retry-After", c.name)
		}
	}
	w := httptest.NewRecorder()
	w.Header().Set("Access-Control-Allow-Origin", "https://other.example")
	r := httptest.NewRequest("OPTIONS", "/me", nil)
	r.Header.Set("Origin", app)
	handler.ServeHTTP(w, r)
	if got := w.Header()["Access-Control-Allow-Origin"]; len(got) != 1 || got[0] != "https://other.example" {
		t.Errorf("what middleware has decided is changed to %q", got)
	}
}

func TestOriginsAreChecked(t *testing.T) {
	t.Parallel()
	h := authtest.New(t)
	for origin, legal := range map[string]bool{
		"https://example.com": true, "http://127.0.0.1:3000": true, "https://[::1]:8443": true, "capacitor://localhost": true, "https://xn--bcher-kva.example": true,
		"*": false, "null": false, "": false, "https://*.example.com": false, "https://example.com/": false, "https://example.com:443": false, "http://example.com:80": false,
		"example.com": false, "//example.com": false, "https://Example.com": false, "HTTPS://example.com": false, "https://u@example.com": false, "https://example.com?": false,
		"https://bücher.example": false, "https://example.com#": false, "https://example.com:": false, "https:example.com": false, "https://a.example, https://b.example": false,
	} {
		if _, err := httpauth.New(h.Manager, httpauth.Config{AllowedOrigins: []string{origin}}); (err == nil) != legal {
			t.Errorf("%q: %v", origin, err)
		}
	}
}
