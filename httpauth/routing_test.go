package httpauth_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

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
	}
	for path, methods := range allowed {
		slices.Sort(methods)
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "get", "LIST", "PROPFIND"} {
			if slices.Contains(methods, method) {
				continue
			}
			for _, credential := range []with{bearer(token), func(*http.Request) {}} {
				a := f.call(method, strings.Replace(path, "{key_id}", "key_1", 1), nil, credential)
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
		path = strings.Replace(path, "{key_id}", "key_1", 1)
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
