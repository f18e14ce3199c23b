package browsertest

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
)

// BR-2. Whatever a page of another origin tries in a real browser, with the user's cookie in it.
func TestNoPageOfAnotherOriginReachesTheAccount(t *testing.T) {
	t.Parallel()
	s := newService(t, auth.Config{})
	u := s.Register()
	b := s.profile(t)
	credentials := fmt.Sprintf(`{"email":%q,"password":%q}`, u.Email, authtest.Password)
	signIn := fmt.Sprintf(`{method: "POST", headers: {"Content-Type": "application/json"}, body: %q}`, credentials)
	var served atomic.Pointer[[]string] // by requests that are no preflights
	s.disturb(func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/sandboxed" { // as in an iframe with the attribute sandbox
			w.Header().Set("Content-Security-Policy", "sandbox allow-scripts")
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			_, _ = io.WriteString(w, "<!doctype html><title>sandboxed</title>")
			return true
		}
		seen := served.Load()
		if seen == nil || r.Method == http.MethodOptions {
			return false
		}
		answer := httptest.NewRecorder()
		s.mux.ServeHTTP(answer, r)
		*seen = append(*seen, fmt.Sprintf("%s%s:%d", r.Method, strings.TrimPrefix(r.URL.Path, "/auth"), answer.Code))
		maps.Copy(w.Header(), answer.Header())
		w.WriteHeader(answer.Code)
		_, _ = answer.Body.WriteTo(w)
		return true
	})
	b.do(chromedp.Navigate(s.url(own, "/blank")))
	if status := b.fetch("/auth/login", signIn); status != 200 {
		t.Fatalf("the own page signs in with %d", status)
	}
	if status := b.fetch("/auth/me", `{}`); status != 200 {
		t.Fatalf("the own page reads the profile with %d", status)
	}
	// By CORS a page reads nothing. What it needs no leave for, the browser sends: that is refused, or changes nothing.
	// The last two are without CORS, as images and old forms are.
	for _, c := range []struct{ site, url, seen, served string }{
		{"same origin", s.url(own, "/blank"), strings.Repeat("200 200 200 200 200 ", 3) + "200 200",
			strings.Repeat("GET/me:200 GET/guarded:200 PATCH/me:200 POST/me/export:200 POST/login:200 ", 3) + "GET/me:200 POST/me/export:200"},
		{"sibling", s.url(sibling, "/blank"), strings.Repeat("0 ", 15) + "0 0",
			"GET/me:200 GET/guarded:200 POST/me/export:403 GET/me:200 POST/me/export:403"},
		{"another site", s.url(foreign, "/blank"), strings.Repeat("0 ", 15) + "0 0",
			"GET/me:401 GET/guarded:401 POST/me/export:403 GET/me:401 POST/me/export:403"},
		{"null", s.url(own, "/sandboxed"), strings.Repeat("0 ", 15) + "0 0",
			"GET/me:401 GET/guarded:401 POST/me/export:403 GET/me:401 POST/me/export:403"},
	} {
		b.do(chromedp.Navigate(c.url))
		served.Store(&[]string{})
		seen := script[[]int](b, `(async (at, login, token) => {
			const seen = [];
			const see = (path, options) => fetch(at + path, options).then((r) => seen.push(r.status), () => seen.push(0));
			const json = {"Content-Type": "application/json"};
			for (const [credentials, by] of [["include", {}], ["omit", {Authorization: token}], ["include", {Authorization: token}]]) {
				await see("/auth/me", {credentials, headers: by});
				await see("/guarded", {credentials, headers: by});
				await see("/auth/me", {credentials, headers: {...by, ...json}, method: "PATCH", body: '{"full_name":"' + location.host + '"}'});
				await see("/auth/me/export", {credentials, headers: by, method: "POST"});
				await see("/auth/login", {credentials, headers: {...by, ...json}, method: "POST", body: login});
			}
			await see("/auth/me", {credentials: "include", mode: "no-cors"});
			await see("/auth/me/export", {credentials: "include", mode: "no-cors", method: "POST"});
			return seen;
		})(%q, %q, %q)`, strings.TrimSuffix(s.url(own, "/"), "/"), credentials, "Bearer "+u.Token())
		if got := strings.Trim(fmt.Sprint(seen), "[]"); got != c.seen {
			t.Errorf("%s: the page sees %s, want %s", c.site, got, c.seen)
		}
		if got := strings.Join(*served.Load(), " "); got != c.served {
			t.Errorf("%s: served are %s, want %s", c.site, got, c.served)
		}
	}
	for _, host := range []string{sibling, foreign} { // a form is no fetch: the browser sends it, and shows the answer
		b.do(chromedp.Navigate(s.url(host, "/blank")))
		script[chromedp.Void](b, `(() => {
			const form = document.createElement("form");
			Object.assign(form, {method: "POST", action: %q, enctype: "text/plain"});
			const input = document.createElement("input");
			Object.assign(input, {name: '{"x":"', value: '"}'});
			form.append(input, document.createElement("button"));
			document.body.append(form);
		})()`, s.url(own, "/auth/logout"))
		b.do(chromedp.Click(chromedp.CSS("button")))
		b.reads("body", "another origin")
	}
	b.do(chromedp.Navigate(s.url(own, "/blank")))
	if status := b.fetch("/auth/me", `{}`); status != 200 {
		t.Errorf("afterwards the own page reads the profile with %d", status)
	}
	b.forget("network", "security", "javascript") // what the browser says of the refusals
	if now, err := s.User(t.Context(), u.ID); err != nil || now.FullName != own+":"+s.port {
		t.Errorf("%+v, %v", now, err)
	}
	cookie := script[string](b, `document.cookie`)
	script[chromedp.Void](b, `document.cookie = "__Host-auth=tossed; path=/; secure"`)
	if status := b.fetch("/auth/me", `{}`); cookie != "" || status != 200 {
		t.Errorf("a script reads %q; after it has set the cookie: %d", cookie, status)
	}
	b.do(chromedp.Navigate(s.url(sibling, "/blank")))
	script[chromedp.Void](b, `document.cookie = "__Host-auth=tossed; path=/; secure; domain=example.test"`)
	b.do(chromedp.Navigate(s.url(own, "/blank")))
	if status := b.fetch("/auth/me", `{}`); status != 200 {
		t.Errorf("after a sibling has set the cookie: %d", status)
	}
}

// Two tabs refresh at the same time, and both go on.
func TestTwoTabsOfABrowserGoOn(t *testing.T) {
	t.Parallel()
	s := newService(t, auth.Config{})
	u := s.Register()
	b := s.profile(t)
	b.open("/sign-in")
	b.submit("#sign-in", "email", u.Email, "password", string(authtest.Password))
	b.at("account")
	second := b.another()
	second.open("/account")
	for _, tab := range []*tab{b, second} {
		script[chromedp.Void](tab, `void (window.refreshed = Promise.all([...Array(5)].map(() => fetch("/auth/refresh", {method: "POST"}).then((r) => r.status))))`)
	}
	for _, tab := range []*tab{b, second} {
		if got := script[[]int](tab, `window.refreshed`); fmt.Sprint(got) != "[200 200 200 200 200]" {
			t.Errorf("refreshed with %v", got)
		}
		if status := tab.fetch("/auth/me", `{}`); status != 200 {
			t.Errorf("afterwards %d", status)
		}
	}
}

// Chromium keeps cookies that are Secure for this machine without TLS, so the example server can be tried.
func TestTheCookiesWorkOnThisMachineWithoutTLS(t *testing.T) {
	t.Parallel()
	s := newService(t, auth.Config{})
	u := s.Register()
	plain := httptest.NewServer(s.server.Config.Handler)
	defer plain.Close()
	b := s.profile(t)
	b.do(chromedp.Navigate(plain.URL + "/sign-in"))
	b.at("sign-in")
	b.submit("#sign-in", "email", u.Email, "password", string(authtest.Password))
	b.at("account")
}
