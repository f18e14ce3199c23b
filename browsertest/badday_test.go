package browsertest

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
)

// signIn signs a user in, who has no second factor.
func (b *tab) signIn(u *authtest.User) {
	b.t.Helper()
	b.open("/sign-in")
	b.submit("#sign-in", "email", u.Email, "password", string(authtest.Password))
	b.at("account")
}

// withoutScript is a network on which no script arrives.
func withoutScript(w http.ResponseWriter, r *http.Request) bool {
	if !strings.HasSuffix(r.URL.Path, ".js") {
		return false
	}
	w.WriteHeader(http.StatusServiceUnavailable)
	return true
}

// BR-4. The network may be slow, so that a form is submitted before the script runs.
func TestAFormSendsNothingWithoutTheScript(t *testing.T) {
	t.Parallel()
	s := newService(t, auth.Config{})
	var sent atomic.Pointer[string]
	s.disturb(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodGet || strings.Contains(r.URL.RawQuery, "password") {
			what := r.Method + " " + r.URL.String()
			sent.Store(&what)
		}
		return withoutScript(w, r)
	})
	b := s.profile(t)
	b.do(chromedp.Navigate(s.url(own, "/sign-in")))
	script[chromedp.Void](b, `addEventListener("securitypolicyviolation", (e) => { document.querySelector("h1").textContent = e.violatedDirective; })`)
	b.submit("#sign-in", "email", email, "password", password)
	b.reads("h1", "form-action")
	if what := sent.Load(); what != nil {
		t.Errorf("the browser sends %s", *what)
	}
	b.forget("security", "a CSP report")
}

// BR-4. On a shared computer the next person presses the back button.
func TestTheBackButtonShowsNothingOfWhoHasSignedOut(t *testing.T) {
	t.Parallel()
	s := newService(t, auth.Config{})
	u := s.Register()
	b := s.profile(t)
	// A browser that keeps the page it leaves says so to the page. The shell keeps none, so the test says it.
	leave := func(page string) {
		t.Helper()
		if left := script[string](b, `(dispatchEvent(new PageTransitionEvent("pagehide", {persisted: true})), document.body.checkVisibility() + [...document.querySelectorAll("[type=email], [type=password]")].map((i) => i.value).join(""))`); left != "false" {
			t.Errorf("of %s the browser keeps %q", page, left)
		}
	}
	b.open("/sign-in")
	b.fill("#sign-in", "email", u.Email, "password", string(authtest.Password))
	leave("sign-in")
	b.signIn(u)
	b.reads("#profile", u.Email)
	leave("account")
	script[chromedp.Void](b, `fetch("/auth/logout", {method: "POST"}).then(() => void setTimeout(() => dispatchEvent(new PageTransitionEvent("pageshow", {persisted: true}))))`)
	b.at("sign-in")
	b.signIn(u)
	b.do(chromedp.Navigate(s.url(own, "/blank")))
	b.open("/organization")
	b.reads("#members", u.Email)
	b.click("#sign-out", "Sign out")
	b.at("sign-in")
	for range 4 {
		script[chromedp.Void](b, `document.documentElement.dataset.left = "", void setTimeout(() => history.back())`)
		b.do(chromedp.WaitReady(chromedp.CSS(`html[data-page="sign-in"][data-ready]:not([data-left])`)))
		left := `[...document.querySelectorAll("input")].map((i) => i.value).join() + document.body.innerText`
		if left := script[string](b, "%s", left); strings.Contains(left, u.Email) || strings.Contains(left, string(authtest.Password)) {
			t.Errorf("back to %s", left)
		}
	}
}

// BR-4. The tabs of a browser share its cookie.
func TestATabActsForNobodyElseThanItShows(t *testing.T) {
	t.Parallel()
	s := newService(t, auth.Config{})
	ada, grace := s.Register(), s.Register()
	one := s.profile(t)
	one.signIn(ada)
	two := one.another()
	two.open("/account")
	two.click("#sign-out", "Sign out")
	two.at("sign-in")
	two.signIn(grace)
	one.reads("#profile", ada.Email)
	focused := func() { script[chromedp.Void](one, `void dispatchEvent(new Event("focus"))`) }
	focused()
	one.reads("#profile", grace.Email)
	two.click("#sign-out", "Sign out")
	two.at("sign-in")
	focused()
	one.at("sign-in")
}

// What the network answers instead of the service is no success, and the page says what to do.
func TestAPageTellsTheTruthOnABadNetwork(t *testing.T) {
	t.Parallel()
	s := newService(t, auth.Config{})
	u := s.Register()
	u.APIKey()
	b := s.profile(t)
	answer := func(status int, media, body string) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method == http.MethodGet {
				return false
			}
			w.Header().Set("Content-Type", media)
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
			return true
		}
	}
	lost := func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodGet {
			panic(http.ErrAbortHandler)
		}
		return false
	}
	b.open("/forgot-password")
	for _, c := range []struct {
		meet func(http.ResponseWriter, *http.Request) bool
		says string
	}{
		{answer(200, "text/html", "<title>Hotel</title>Buy an hour."), "No answer"},
		{answer(200, "application/json", `{"message": "If`), "No answer"},
		{answer(502, "text/html", "<h1>Bad Gateway</h1>"), "cannot answer now"},
		{answer(503, "application/problem+json", `{"code": "overloaded", "retry_after": 5}`), "is busy"},
		{answer(429, "application/problem+json", `{"code": "rate_limited", "retry_after": 5}`), "again in 5 seconds"},
		{answer(429, "application/problem+json", `{"code": "rate_limited", "retry_after": 301}`), "again in 6 minutes"},
		{lost, "No answer"},
	} {
		s.disturb(c.meet)
		b.submit("#forgot-password", "email", u.Email)
		b.reads("#alert", c.says)
	}
	s.disturb(func(http.ResponseWriter, *http.Request) bool { return false })
	b.submit("#forgot-password", "email", u.Email)
	b.reads("#notice", "on its way")

	// Who presses Cancel while the answer is on its way sees it all the same.
	b.signIn(u)
	b.open("/api-keys")
	b.click("#keys button", "Edit")
	begun, end := make(chan struct{}), make(chan struct{})
	s.disturb(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPatch {
			close(begun)
			<-end
		}
		return false
	})
	b.submit("#edit-key", "name", "a slow one")
	<-begun
	b.do(chromedp.Click(chromedp.CSS("#edit-key [data-close]")))
	close(end)
	b.reads("#notice", "Saved")
	b.reads("#keys", "a slow one")
	if script[bool](b, `document.querySelector("#edit-key").open`) {
		t.Error("the dialog stays")
	}
}

// The browser's clock may be wrong, and its cookies off.
func TestAPageGoesByTheClockOfTheService(t *testing.T) {
	t.Parallel()
	s := newService(t, auth.Config{})
	u := s.Register()
	u.APIKey()
	b := s.profile(t)
	b.signIn(u)
	for _, years := range []int{2, -4} { // each on top of those before
		const wrong = `{ const right = Date.now; Date = class extends Date { constructor(...of) { of.length ? super(...of) : super(Date.now()); } static now() { return right() + %d * 31557600000; } }; }`
		if _, err := chromedp.Call(b.ctx, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: fmt.Sprintf(wrong, years)}); err != nil {
			t.Fatal(err)
		}
		b.open("/api-keys")
		b.reads("#keys dd", "Enabled")
	}
	u.EnableTwoFactor()
	b.open("/sign-in")
	b.submit("#sign-in", "email", u.Email, "password", string(authtest.Password))
	b.do(chromedp.WaitVisible(chromedp.CSS("#second-step")))
	if _, err := chromedp.Call(b.ctx, network.ClearBrowserCookies, cdp.Empty{}); err != nil {
		t.Fatal(err)
	}
	script[chromedp.Void](b, `void Object.defineProperty(navigator, "cookieEnabled", {value: false})`)
	b.submit("#second-step", "code", "123456")
	b.reads("#alert", "Allow cookies")
}

// The script of docs/browser.md, as it stands there.
func TestTheRecipeForCookiesWorks(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docs/browser.md")
	if err != nil {
		t.Fatal(err)
	}
	_, recipe, _ := strings.Cut(string(text), "```js\n")
	recipe, _, _ = strings.Cut(recipe, "```")
	s := newService(t, auth.Config{})
	u := s.Register()
	s.disturb(func(w http.ResponseWriter, r *http.Request) bool {
		switch r.URL.Path {
		case "/mine":
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			_, _ = io.WriteString(w, `<!doctype html><title>mine</title><p></p><script type="module" src="/mine.js"></script>`)
		case "/mine.js":
			w.Header().Set("Content-Type", "text/javascript")
			_, _ = io.WriteString(w, recipe+`
				const guarded = await call("GET", "/guarded");
				document.querySelector("p").textContent = data?.email + " " + guarded.status;`)
		default:
			return false
		}
		return true
	})
	b := s.profile(t)
	b.do(chromedp.Navigate(s.url(own, "/mine")))
	b.at("sign-in")
	b.signIn(u)
	for range 2 {
		b.do(chromedp.Navigate(s.url(own, "/mine")))
		b.reads("p", u.Email+" 200")
		s.later.Add(int64(2 * time.Hour)) // the access token is over
	}
	s.later.Add(int64(40 * 24 * time.Hour))
	b.do(chromedp.Navigate(s.url(own, "/mine")))
	b.at("sign-in")
}
