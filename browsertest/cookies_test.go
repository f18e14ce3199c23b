package browsertest

import (
	"fmt"
	"net/http/httptest"
	"strings"
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
	signIn := fmt.Sprintf(`{method: "POST", headers: {"Content-Type": "application/json"}, body: '{"email":%q,"password":%q}'}`, u.Email, authtest.Password)
	b.do(chromedp.Navigate(s.url(own, "/blank")))
	if status := b.fetch("/auth/login", signIn); status != 200 {
		t.Fatalf("the own page signs in with %d", status)
	}
	if status := b.fetch("/auth/me", `{}`); status != 200 {
		t.Fatalf("the own page reads the profile with %d", status)
	}
	me, login := s.url(own, "/auth/me"), s.url(own, "/auth/login")
	for host, site := range map[string]string{sibling: "same site", foreign: "cross site"} {
		b.do(chromedp.Navigate(s.url(host, "/blank")))
		for name, c := range map[string][2]string{
			"read":                  {me, `{credentials: "include"}`},
			"read the host's":       {s.url(own, "/guarded"), `{credentials: "include"}`},
			"change":                {me, `{method: "PATCH", credentials: "include", headers: {"Content-Type": "application/json"}, body: '{"full_name":"Eve"}'}`},
			"change without a type": {me, `{method: "POST", credentials: "include", body: '{"full_name":"Eve"}'}`},
			"log out":               {s.url(own, "/auth/logout"), `{method: "POST", credentials: "include"}`},
			"sign in":               {login, strings.Replace(signIn, "{", `{credentials: "include", `, 1)},
		} {
			if status := b.fetch(c[0], c[1]); status != 0 {
				t.Errorf("%s: %s is answered with %d, and the page can read it", site, name, status)
			}
			script[chromedp.Void](b, `fetch(%q, {...%s, mode: "no-cors", headers: {}}).then(() => undefined, () => undefined)`, c[0], c[1])
		}
		// A form is no fetch: the browser sends it, and shows the answer.
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
		b.do(chromedp.Navigate(s.url(own, "/blank")))
		if status := b.fetch("/auth/me", `{}`); status != 200 {
			t.Errorf("%s: afterwards the own page reads the profile with %d", site, status)
		}
	}
	b.forget("network", "security", "javascript") // what the browser says of the refusals
	if now, err := s.User(t.Context(), u.ID); err != nil || now.FullName == "Eve" {
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
