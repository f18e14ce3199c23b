package browsertest

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/pquerna/otp"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/httpauth"
	"github.com/datixlab/auth/pages"
)

// WCAG 2.2, 1.4.4 and 1.4.10. At 200 % a window of 640 pixels has 320 pixels of CSS.
func TestAtTwoHundredPercentEveryPageFitsAndItsActionIsReached(t *testing.T) {
	t.Parallel()
	s := newService(t, auth.Config{})
	u := s.Register()
	u.APIKey()
	b := s.profile(t)
	b.do(chromedp.EmulateViewport(320, 480, chromedp.EmulateScale(2)))
	fits := func(page, action string) {
		t.Helper()
		b.open(page)
		b.do(chromedp.WaitVisible(chromedp.CSS(action)))
		if what := script[string](b, `(() => {
			const action = document.querySelector(%q);
			action.scrollIntoView({block: "center"});
			const {left, right, top, bottom} = action.getBoundingClientRect();
			const hit = document.elementFromPoint((left + right) / 2, (top + bottom) / 2);
			const wide = document.documentElement.scrollWidth;
			return wide > 320 ? "it is " + wide + " pixels wide" : left < 0 || right > 320 || !action.contains(hit) ? "the action cannot be pressed" : "";
		})()`, action); what != "" {
			t.Errorf("%s: %s", page, what)
		}
	}
	for page, action := range map[string]string{
		"/sign-in": "#sign-in [type=submit]", "/register": "#register [type=submit]", "/forgot-password": "#forgot-password [type=submit]",
		"/reset-password#token=x": "#reset-password [type=submit]", "/verify-email#token=x": "#verify-email [type=submit]", "/invitation#token=x": "#invitation-new [type=submit]",
	} {
		fits(page, action)
	}
	b.signIn(u)
	for page, action := range map[string]string{
		"/account": "#delete", "/confirm-email#token=x": "#confirm-email [type=submit]", "/security": "#factor button",
		"/api-keys": "#new-key [type=submit]", "/organization": "#invite [type=submit]",
	} {
		fits(page, action)
	}
}

// A page is in the language of the browser, or in English.
func TestAPageIsInTheLanguageOfTheBrowser(t *testing.T) {
	t.Parallel()
	s := newService(t, auth.Config{})
	b := s.profile(t)
	for _, c := range [][4]string{ // what the browser asks for, the page's lang, its title, and a text of the script
		{"de-DE,de;q=0.9,en;q=0.8", "de", "Anmelden", "oder der Code ist falsch"},
		{"fr-FR,fr;q=0.9", "en", "Sign in", "wrong"},
	} {
		if _, err := chromedp.Call(b.ctx, network.SetExtraHTTPHeaders, network.SetExtraHTTPHeadersParams{Headers: network.Headers{"Accept-Language": c[0]}}); err != nil {
			t.Fatal(err)
		}
		b.open("/sign-in")
		if got := script[string](b, `document.documentElement.lang + " " + document.querySelector("h1").textContent`); got != c[1]+" "+c[2] {
			t.Errorf("%s: %s", c[0], got)
		}
		b.submit("#sign-in", "email", email, "password", password)
		b.reads("#alert", c[3])
	}
}

// A policy binds whoever registers. The pages lead there, and then on.
func TestANewUserWhoNeedsASecondFactorIsLedToItFirst(t *testing.T) {
	t.Parallel()
	s := newService(t, auth.Config{TwoFactorPolicy: auth.TwoFactorPolicy{Of: auth.Everyone}})
	b := s.profile(t)
	b.open("/register")
	b.submit("#register", "full_name", "Ada Lovelace", "email", email, "password", password)
	b.at("security")
	b.reads("#factor-why", "Set it up first")
	b.do(chromedp.Navigate(s.url(own, "/organization")))
	b.at("security")
	b.click("#factor button", "Set it up")
	b.do(chromedp.WaitVisible(chromedp.CSS("#confirm-2fa")))
	key, err := otp.NewKeyFromURL(script[string](b, `document.querySelector("#authenticator").href`))
	if err != nil {
		t.Fatal(err)
	}
	b.submit("#confirm-2fa", "code", s.code(t, key))
	b.reads("#notice", "is on")
	b.click("#codes button", "I have stored them")
	b.click("#factor button", "Continue")
	b.at("organization")
	b.reads("#members", email)
}

// Paging, a refusal in words, a closed registration, and an invitation for somebody who has an account.
func TestAnOrganizationGetsThroughWhatIsUnusual(t *testing.T) {
	t.Parallel()
	s := newService(t, auth.Config{NoRegistration: true})
	owner := s.Register()
	for range 51 {
		owner.Colleague("member")
	}
	b := s.profile(t)
	b.open("/register")
	b.reads("#alert", "without an invitation")
	if script[bool](b, `document.querySelector("#register").checkVisibility()`) {
		t.Error("a closed registration shows its form")
	}
	b.signIn(owner)
	b.open("/organization")
	b.reads("#size", "Members: 52")
	const shown = `document.querySelectorAll("#members > li").length`
	if n := script[int](b, shown); n != 50 {
		t.Errorf("the first page has %d members", n)
	}
	b.click("#more", "")
	b.do(chromedp.WaitNotVisible(chromedp.CSS("#more")))
	if n := script[int](b, shown); n != 52 {
		t.Errorf("both pages have %d members", n)
	}
	script[chromedp.Void](b, `document.querySelector('[aria-label="Role of User 1"]').value = "member"`)
	b.press("(you)", "Change role")
	b.reads("#alert", "would have no admin")

	// Who has an account signs in, sees which one moves, and accepts.
	guest := s.Register()
	b.submit("#invite", "email", guest.Email)
	b.reads("#notice", "is invited")
	other := s.profile(t)
	other.mail(auth.MailInvitation, guest.Email, "invitation")
	other.submit("#invitation-known")
	other.at("sign-in")
	other.submit("#sign-in", "email", guest.Email, "password", string(authtest.Password))
	other.at("invitation")
	other.reads("#signed-in", guest.Email)
	other.submit("#invitation-accept")
	other.at("organization")
	other.reads("#size", "Members: 53")
}

// A single-page application of another origin has tokens. It needs Config.AllowedOrigins, and cookies count nowhere.
func TestAnApplicationOfAnAllowedOriginWorksWithTokens(t *testing.T) {
	t.Parallel()
	s := newService(t, auth.Config{})
	u := s.Register()
	var origins []string
	for _, host := range []string{sibling, foreign} {
		origins = append(origins, strings.TrimSuffix(s.url(host, "/"), "/"))
	}
	handler, err := httpauth.New(s.Manager, httpauth.Config{AllowedOrigins: origins})
	if err != nil {
		t.Fatal(err)
	}
	api := http.StripPrefix("/v1/auth", handler)
	s.disturb(func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasPrefix(r.URL.Path, "/v1/auth/") {
			return false
		}
		if r.Header.Get("Cookie") != "" && r.Header.Get("Sec-Fetch-Site") != "same-origin" && r.URL.Path != "/v1/auth/sessions" {
			t.Errorf("%s %s has cookies", r.Method, r.URL.Path)
		}
		api.ServeHTTP(w, r)
		return true
	})
	b := s.profile(t)
	b.signIn(u) // so that there is a cookie
	application := fmt.Sprintf(`(async (api) => {
		const call = async (method, path, options) => {
			const r = await fetch(api + path, {method, ...options}).catch(() => null);
			return r ? {status: r.status, by: r.headers.get("WWW-Authenticate"), ...await r.json()} : {status: 0};
		};
		const json = {"Content-Type": "application/json"};
		const login = await call("POST", "/login", {headers: json, body: %q});
		const by = {headers: {Authorization: "Bearer " + login.access_token}};
		const me = await call("GET", "/me", by);
		const changed = await call("PATCH", "/me", {headers: {...by.headers, ...json}, body: '{"full_name": "Ada King"}'});
		const fresh = await call("POST", "/refresh", by);
		const after = await call("GET", "/me", {headers: {Authorization: "Bearer " + fresh.access_token}});
		const none = await call("GET", "/me");
		const cookie = await call("GET", "/sessions", {credentials: "include"});
		return [login.status, me.status, changed.status, fresh.status, after.full_name, none.status, Boolean(none.by), cookie.status].join(" ");
	})(%q)`, fmt.Sprintf(`{"email":%q,"password":%q}`, u.Email, authtest.Password), s.url(own, "/v1/auth"))
	for host, want := range map[string]string{
		sibling: "200 200 200 200 Ada King 401 true 0", foreign: "200 200 200 200 Ada King 401 true 0",
		"stranger.test": "0 0 0 0  0 false 0",
	} {
		b.do(chromedp.Navigate(s.url(host, "/blank")))
		if got := script[string](b, "%s", application); got != want {
			t.Errorf("from %s: %s, want %s", host, got, want)
		}
	}
	b.do(chromedp.Navigate(s.url(own, "/blank")))
	if status := b.fetch("/v1/auth/me", `{}`); status != 401 {
		t.Errorf("the cookie opens the handler of tokens with %d", status)
	}
	b.forget("javascript", "security", "network")
}

// A proxy gives the service a path of its own: /shop/ outside is / inside.
func TestBehindAProxyThatAddsAPrefixThePagesWork(t *testing.T) {
	t.Parallel()
	s := newService(t, auth.Config{})
	u := s.Register()
	handler, err := httpauth.New(s.Manager, httpauth.Config{})
	if err != nil {
		t.Fatal(err)
	}
	browser := handler.Browser(httpauth.BrowserConfig{})
	web, err := pages.New(browser, pages.Config{API: "/shop/auth"})
	if err != nil {
		t.Fatal(err)
	}
	inside := http.NewServeMux()
	inside.Handle("/auth/", http.StripPrefix("/auth", browser))
	inside.Handle("/", web)
	wrong, err := pages.New(browser, pages.Config{})
	if err != nil {
		t.Fatal(err)
	}
	inside.Handle("/wrong/", http.StripPrefix("/wrong", wrong))
	proxy := http.StripPrefix("/shop", inside)
	s.disturb(func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasPrefix(r.URL.Path, "/shop/") {
			if r.URL.Path != "/auth/me" { // of the wrong ones
				t.Errorf("the browser asks for %s, which is not behind the proxy", r.URL.Path)
			}
			http.NotFound(w, r)
			return true
		}
		proxy.ServeHTTP(w, r)
		return true
	})
	b := s.profile(t)
	b.do(chromedp.Navigate(s.url(own, "/shop/account")))
	b.at("sign-in")
	b.submit("#sign-in", "email", u.Email, "password", string(authtest.Password))
	b.at("account")
	b.click("nav a", "Organization")
	b.at("organization")
	b.reads("#members", u.Email)
	if at := script[string](b, `location.pathname`); at != "/shop/organization" {
		t.Errorf("the page is at %s", at)
	}
	b.click("#sign-out", "Sign out")
	b.at("sign-in")

	// Without API the pages call what is beside the proxied service. They say so to whoever looks.
	b.do(chromedp.Navigate(s.url(own, "/shop/wrong/account")))
	b.reads("#alert", "cannot answer now")
	if said := b.forget("console.error"); !slices.ContainsFunc(said, func(c string) bool { return strings.Contains(c, "pages.Config") }) {
		t.Errorf("the console has %q", said)
	}
}
