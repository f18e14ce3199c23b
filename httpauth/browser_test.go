package httpauth_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/httpauth"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/memstore"
)

const (
	sessionCookie = "__Host-auth"
	stepCookie    = "__Host-auth-2fa"
	deviceCookie  = "__Host-auth-device"
)

// A browserFixture is a Browser at /auth/, a Handler at /v1/auth/ and routes of a host, on a server with TLS.
type browserFixture struct {
	*authtest.Harness
	t        *testing.T
	browser  *httpauth.Browser
	server   *httptest.Server
	document map[string]any
}

func newBrowserFixture(t *testing.T, s store.Store, cfg auth.Config) *browserFixture {
	t.Helper()
	cfg.Mailer, cfg.TrustedDevices = &authtest.Mails{}, auth.DeviceTrust{TTL: 30 * 24 * time.Hour}
	f := &browserFixture{Harness: authtest.With(t, s, cfg), t: t}
	handler, err := httpauth.New(f.Manager, httpauth.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	f.browser = handler.Browser(httpauth.BrowserConfig{})
	mux := http.NewServeMux()
	mux.Handle("/v1/auth/", http.StripPrefix("/v1/auth", handler))
	mux.Handle("/auth/", http.StripPrefix("/auth", f.browser))
	mux.Handle("/agents", f.browser.Require()(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, _ := auth.IdentityFrom(r.Context())
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		_, _ = io.WriteString(w, `{"user":"`+id.User.ID+`"}`)
	})))
	f.server = httptest.NewTLSServer(mux)
	t.Cleanup(f.server.Close)
	f.document = f.open().do("GET", "/auth/openapi.json", nil).body
	return f
}

// A page is one of the origin, in a browser with its cookies.
type page struct {
	f    *browserFixture
	http *http.Client
}

// open returns a page in a browser that has no cookies.
func (f *browserFixture) open() *page {
	jar, _ := cookiejar.New(nil)
	return &page{f: f, http: &http.Client{Transport: f.server.Client().Transport, Jar: jar}}
}

// do sends a request as a script of the page does. Every answer is held against the document, and is
// searched for tokens.
func (p *page) do(method, path string, body any, changes ...with) answer {
	p.f.t.Helper()
	changes = append([]with{header("Sec-Fetch-Site", "same-origin")}, changes...)
	r := newRequest(p.f.t, method, p.f.server.URL+path, body, changes)
	a := exchange(p.f.t, p.http, r, path, "text/plain; charset=utf-8")
	for _, one := range (&http.Response{Header: a.header}).Cookies() {
		if one.MaxAge > 0 && strings.Contains(a.raw, one.Value) || !one.HttpOnly || !one.Secure || one.Path != "/" || one.Domain != "" || one.SameSite != http.SameSiteLaxMode {
			p.f.t.Errorf("%s: sets %v, and answers %s", a.what, one, a.raw)
		}
	}
	for _, token := range []string{"access_token", "temp_token", "device_token", "eyJ", "temp_"} {
		if strings.Contains(a.raw, token) && path != "/auth/openapi.json" {
			p.f.t.Errorf("%s: the answer has a token: %s", a.what, a.raw)
		}
	}
	if !strings.HasPrefix(path, "/v1/") && (a.header.Get("Cross-Origin-Resource-Policy") != "same-origin" || a.header.Get("Access-Control-Allow-Origin") != "") {
		p.f.t.Errorf("%s: headers %v", a.what, a.header)
	}
	if inner, ok := strings.CutPrefix(path, "/auth"); ok && p.f.document != nil {
		public := inner == "/openapi.json" || inner == "/.well-known/jwks.json"
		if !public && r.Header.Get("Upgrade") == "" { // which the document does not speak of
			inspectPrivate(p.f.t, p.f.document, method, inner, a)
		}
	}
	return a
}

// cookie returns the value of a cookie of the browser.
func (p *page) cookie(name string) string {
	at, _ := url.Parse(p.f.server.URL)
	for _, c := range p.http.Jar.Cookies(at) {
		if c.Name == name {
			return c.Value
		}
	}
	return ""
}

// put gives the browser a cookie.
func (p *page) put(name, value string) {
	at, _ := url.Parse(p.f.server.URL)
	p.http.Jar.SetCookies(at, []*http.Cookie{{Name: name, Value: value, Path: "/", Secure: true}})
}

func credentials(u *authtest.User) members {
	return members{"email": u.Email, "password": authtest.Password}
}

// cleared returns the names of the cookies that an answer ends.
func cleared(a answer) (names []string) {
	for _, c := range (&http.Response{Header: a.header}).Cookies() {
		if c.MaxAge < 0 {
			names = append(names, c.Name)
		}
	}
	return names
}

// BR-1. A whole life of a browser, without a token in any answer.
func TestABrowserHasItsTokensInCookiesAlone(t *testing.T) {
	t.Parallel()
	f := newBrowserFixture(t, memstore.New(), auth.Config{RefreshAfterExpiry: 14 * 24 * time.Hour})
	p := f.open()
	p.do("POST", "/auth/register", members{"email": "ada@example.com", "password": authtest.Password, "full_name": "Ada", "organization_name": "Analytical"}).want(201)
	if a := p.do("GET", "/auth/me", nil).want(401, httpauth.CodeAuthenticationRequired); strings.Contains(a.text("detail"), "Bearer") {
		t.Errorf("a page is told to send a token: %s", a.raw)
	}
	in := p.do("POST", "/auth/login", members{"email": "ada@example.com", "password": authtest.Password}).want(200).wantMembers("expires_in", "user")
	if c := (&http.Response{Header: in.header}).Cookies()[0]; c.Name != sessionCookie || c.MaxAge != 3600+14*24*3600 {
		t.Errorf("it sets %v", c)
	}
	if p.do("GET", "/auth/me", nil).want(200).body["email"] != "ada@example.com" {
		t.Error("another profile")
	}
	if got := p.do("GET", "/agents", nil).want(200).body["user"]; got != dig(in.body, "user")["id"] {
		t.Errorf("the route of the host has user %v", got)
	}
	first := p.cookie(sessionCookie)
	f.Clock.Advance(2 * time.Hour) // the token has expired, and the session goes on
	if gone := cleared(p.do("GET", "/auth/me", nil).want(401, httpauth.CodeInvalidToken)); gone != nil {
		t.Errorf("an expired token clears %v", gone)
	}
	p.do("POST", "/auth/refresh", nil).want(200).wantMembers("expires_in")
	if p.cookie(sessionCookie) == first {
		t.Error("the cookie has the same token")
	}
	p.do("GET", "/auth/me", nil).want(200)
	if gone := cleared(p.do("POST", "/auth/logout", nil, bearer(f.Register().Token())).want(200)); gone != nil {
		t.Errorf("a logout by a header clears %v, of another session", gone)
	}
	if gone := cleared(p.do("POST", "/auth/logout", nil).want(200)); !slices.Contains(gone, sessionCookie) || p.cookie(sessionCookie) != "" {
		t.Errorf("a logout clears %v", gone)
	}
	for _, path := range []string{"/auth/me", "/agents"} {
		p.put(sessionCookie, first)
		if gone := cleared(p.do("GET", path, nil).want(401)); !slices.Contains(gone, sessionCookie) {
			t.Errorf("a session that is over clears %v at %s", gone, path)
		}
	}
}

// BR-1. The second step, and a device that two people share.
func TestTheSecondStepAndATrustedDeviceAreCookiesToo(t *testing.T) {
	t.Parallel()
	f := newBrowserFixture(t, memstore.New(), auth.Config{})
	ada, bob := f.Register(), f.Register()
	ada.EnableTwoFactor()
	bob.EnableTwoFactor()
	p := f.open()
	p.do("POST", "/auth/login", credentials(ada)).want(200).wantMembers("requires_2fa")
	if p.cookie(stepCookie) == "" || p.cookie(sessionCookie) != "" {
		t.Error("after the password there is a session, or no second step")
	}
	p.do("GET", "/auth/me", nil).want(401, httpauth.CodeAuthenticationRequired)
	p.put(sessionCookie, p.cookie(stepCookie)) // a temp token opens nothing
	p.do("GET", "/auth/me", nil).want(401, httpauth.CodeInvalidToken)
	p.do("POST", "/auth/verify-2fa", members{"code": "000000"}).want(401, httpauth.CodeInvalidCode)
	p.do("POST", "/auth/verify-2fa", members{"code": ada.Code(), "trust_device": true}).want(200).wantMembers("expires_in", "user")
	if p.cookie(stepCookie) != "" || p.cookie(deviceCookie) == "" {
		t.Error("the second step is left, or the device is not trusted")
	}
	p.do("POST", "/auth/logout", nil).want(200)
	if gone := cleared(p.do("POST", "/auth/verify-2fa", members{"code": ada.Code()}).want(401, httpauth.CodeInvalidToken)); !slices.Contains(gone, stepCookie) {
		t.Errorf("a second step that is over clears %v", gone)
	}
	p.do("POST", "/auth/login", credentials(ada)).want(200).wantMembers("expires_in", "user") // by the device
	p.do("POST", "/auth/logout", nil).want(200)
	device := p.cookie(deviceCookie)
	if gone := cleared(p.do("POST", "/auth/login", credentials(bob)).want(200).wantMembers("requires_2fa")); gone != nil {
		t.Errorf("the login of another user clears %v", gone)
	}
	if slices.ContainsFunc(f.Events.All(), func(e auth.Event) bool { return e.Type == auth.EventSecondFactorFailed && e.UserID == bob.ID }) {
		t.Error("it counts as a wrong code of that user")
	}
	p.do("POST", "/auth/verify-2fa", members{"code": bob.Code()}).want(200)
	shouted := credentials(ada)
	shouted["email"] = " " + strings.ToUpper(ada.Email)
	p.do("POST", "/auth/login", shouted).want(200).wantMembers("expires_in", "user")
	moved := "moved." + ada.Email
	if _, err := f.UpdateUser(t.Context(), ada.ID, auth.UserChange{Email: &moved}); err != nil {
		t.Fatal(err)
	}
	ada.Email = moved
	p.do("POST", "/auth/login", credentials(ada)).want(200).wantMembers("expires_in", "user") // it is the same account
	id := ada.Identity()
	for _, d := range must(f.TrustedDevices(t.Context(), ada.ID)) {
		if err := f.RemoveTrustedDevice(t.Context(), id, d.ID); err != nil {
			t.Fatal(err)
		}
	}
	if p.cookie(deviceCookie) != device {
		t.Fatal("the cookie of the device has changed")
	}
	if gone := cleared(p.do("POST", "/auth/login", credentials(ada)).want(200).wantMembers("requires_2fa")); !slices.Contains(gone, deviceCookie) {
		t.Errorf("the token of a removed device is kept: %v", gone)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// HT-9, BR-2. Who may send what, by all that a browser says about the page.
func TestNoPageOfAnotherOriginChangesAnything(t *testing.T) {
	t.Parallel()
	f := newBrowserFixture(t, memstore.New(), auth.Config{})
	u := f.Register()
	token := u.Token()
	replaced := f.Register().Token() // a login ends its session
	own := func(r *http.Request) { r.Header.Set("Origin", f.server.URL) }
	nothing := func(r *http.Request) { r.Header.Del("Sec-Fetch-Site") }
	site := func(value string) with { return func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", value) } }
	old := func(origin string) with { // a browser without Sec-Fetch-Site
		return func(r *http.Request) { nothing(r); r.Header.Set("Origin", origin) }
	}
	pages := []struct {
		name  string
		sent  with
		legal bool // with a cookie
	}{
		{"same origin", site("same-origin"), true},
		{"typed by the user", site("none"), true},
		{"a sibling subdomain", site("same-site"), false},
		{"another site", site("cross-site"), false},
		{"a word that nobody knows", site("same-origin, cross-site"), false},
		{"null", old("null"), false},
		{"an old browser, same origin", func(r *http.Request) { nothing(r); own(r) }, true},
		{"an old browser, another origin", old("https://evil.example"), false},
		{"an old browser, a suffix", old(f.server.URL + ".evil.example"), false},
		{"an old browser, the same host without TLS", old("http" + strings.TrimPrefix(f.server.URL, "https")), false},
		{"no headers", nothing, false},
	}
	upgrade := header("Upgrade", "websocket")
	calls := []struct {
		method, path string
		body         any
		change       with
		safe         bool
	}{
		{"GET", "/auth/me", nil, nil, true},
		{"HEAD", "/auth/me", nil, nil, true},
		{"GET", "/agents", nil, nil, true},
		{"PATCH", "/auth/me", members{"full_name": "Ada"}, nil, false},
		{"POST", "/auth/logout-others", nil, nil, false},
		{"POST", "/auth/login", credentials(u), nil, false},
		{"POST", "/agents", nil, nil, false},
		{"GET", "/agents", nil, upgrade, false},
		{"GET", "/auth/me", nil, upgrade, false},
		{"GET", "/agents", nil, func(r *http.Request) { r.Header["Upgrade"] = []string{"", "websocket"} }, false},
		{"PROPFIND", "/auth/me", nil, nil, false},
	}
	for _, from := range pages {
		for _, call := range calls {
			for _, by := range []string{"cookie", "header", "both", "neither"} {
				p := f.open()
				changes := []with{from.sent}
				if call.change != nil {
					changes = append(changes, call.change)
				}
				if by == "cookie" || by == "both" {
					p.put(sessionCookie, token)
					if call.path == "/auth/login" {
						p.put(sessionCookie, replaced)
					}
				}
				if by == "header" || by == "both" {
					changes = append(changes, bearer(token))
				}
				got := p.do(call.method, call.path, call.body, changes...)
				cookie := by == "cookie" || by == "both"
				refused := !call.safe && !from.legal && (cookie || from.name != "no headers")
				want := 200
				switch {
				case refused:
					want = 403
				case call.method == "PROPFIND":
					want = 405
				case by == "neither" && call.path != "/auth/login":
					want = 401
				}
				if got.status != want {
					t.Errorf("%s, %s %s by %s: %d, want %d: %s", from.name, call.method, call.path, by, got.status, want, got.raw)
				}
				if refused && got.header["Set-Cookie"] != nil {
					t.Errorf("%s, %s %s by %s: it sets a cookie", from.name, call.method, call.path, by)
				}
			}
		}
	}
}

// BR-5. A route of the host says nothing of caches, or says it itself.
func TestWhatACookieOpensIsKeptByNoSharedCache(t *testing.T) {
	t.Parallel()
	f := newBrowserFixture(t, memstore.New(), auth.Config{})
	token := f.Register().Token()
	for own, want := range map[string]string{"": "private, no-cache", "public, max-age=60": "public, max-age=60"} {
		route := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if own != "" {
				w.Header().Set("Cache-Control", own)
			}
		})
		r, w := httptest.NewRequest("GET", "https://example.com/report.pdf", nil), httptest.NewRecorder()
		r.AddCookie(&http.Cookie{Name: sessionCookie, Value: token})
		f.browser.Require()(route).ServeHTTP(w, r)
		if got := w.Header().Get("Cache-Control"); w.Code != 200 || got != want || w.Header().Get("Cross-Origin-Resource-Policy") != "same-origin" {
			t.Errorf("%q: %d %v", own, w.Code, w.Header())
		}
	}
}

// BR-2. Behind a proxy that has the TLS, the Browser knows the scheme from X-Forwarded-Proto alone.
func TestAPageOfPlainHTTPChangesNothingBehindAProxyWithTLS(t *testing.T) {
	t.Parallel()
	f := newBrowserFixture(t, memstore.New(), auth.Config{})
	token := f.Register().Token()
	for proto, want := range map[string]int{"https": 403, "http": 200, "": 200} { // by plain HTTP the page is of the same origin
		r := httptest.NewRequest("POST", "http://example.com/logout-others", nil)
		r.AddCookie(&http.Cookie{Name: sessionCookie, Value: token})
		r.Header.Set("Origin", "http://example.com")
		if proto != "" {
			r.Header.Set("X-Forwarded-Proto", proto)
		}
		w := httptest.NewRecorder()
		f.browser.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("X-Forwarded-Proto %q: %d %s", proto, w.Code, w.Body)
		}
	}
}

// BR-2. Every route, so that a new one is held to it too.
func TestEveryRouteOfABrowserIsForPagesOfItsOrigin(t *testing.T) {
	t.Parallel()
	f := newBrowserFixture(t, memstore.New(), auth.Config{})
	u := f.Register()
	for _, rt := range f.browser.Routes() {
		method, path, _ := strings.Cut(rt, " ")
		path = "/auth" + filled(path)
		for name, site := range map[string]string{"cross-site": "cross-site", "same-site": "same-site", "neither header": ""} {
			p := f.open()
			p.put(sessionCookie, u.Token())
			a := p.do(method, path, members{}, func(r *http.Request) {
				r.Header.Del("Sec-Fetch-Site")
				if site != "" {
					r.Header.Set("Sec-Fetch-Site", site)
				}
			})
			if refused := a.status == 403 && a.body["code"] == "forbidden" && a.header["Set-Cookie"] == nil; refused == (method == "GET") {
				t.Errorf("%s %s: %d %s", name, rt, a.status, a.raw)
			}
		}
		fresh := f.open()
		fresh.put(sessionCookie, f.Register().Token())
		if a := fresh.do(method, path, members{}); a.body["code"] == "authentication_required" || a.status == 403 {
			t.Errorf("same-origin %s: %d %s", rt, a.status, a.raw)
		}
	}
}

// BR-1, HT-10. One cookie of a name, and only where there is no header.
func TestOneCredentialCountsAtABrowser(t *testing.T) {
	t.Parallel()
	f := newBrowserFixture(t, memstore.New(), auth.Config{})
	u, other := f.Register(), f.Register()
	token, key := u.Token(), u.APIKey()
	cookies := func(line string) with { return func(r *http.Request) { r.Header.Set("Cookie", line) } }
	for name, c := range map[string]struct {
		sent   []with
		status int
	}{
		"one cookie":                     {[]with{cookies(sessionCookie + "=" + token)}, 200},
		"in quotes":                      {[]with{cookies(sessionCookie + `="` + token + `"`)}, 200},
		"beside others":                  {[]with{cookies("a=b; " + sessionCookie + "=" + token + "; auth=x; __host-auth=y")}, 200},
		"two":                            {[]with{cookies(sessionCookie + "=" + token + "; " + sessionCookie + "=" + other.Token())}, 400},
		"twice the same":                 {[]with{cookies(sessionCookie + "=" + token + "; " + sessionCookie + "=" + token)}, 400},
		"two and a header":               {[]with{cookies(sessionCookie + "=a; " + sessionCookie + "=b"), bearer(token)}, 200},
		"another space before the name":  {[]with{cookies("\u2000" + sessionCookie + "=" + token)}, 401},
		"$Version":                       {[]with{cookies("$Version=1; " + sessionCookie + "=" + token)}, 200},
		"another case":                   {[]with{cookies("__host-auth=" + token)}, 401},
		"empty":                          {[]with{cookies(sessionCookie + "=")}, 401},
		"a key":                          {[]with{cookies(sessionCookie + "=" + key)}, 401},
		"a key in a header":              {[]with{header("X-API-Key", key)}, 200},
		"a dead header beats the cookie": {[]with{cookies(sessionCookie + "=" + token), bearer(token + "x")}, 401},
		"Basic of a proxy":               {[]with{cookies(sessionCookie + "=" + token), header("Authorization", "Basic eDp5")}, 200},
	} {
		for _, path := range []string{"/auth/me", "/agents"} {
			if got := f.open().do("GET", path, nil, c.sent...); got.status != c.status {
				t.Errorf("%s at %s: %d, want %d: %s", name, path, got.status, c.status, got.raw)
			}
		}
	}
	// At the Handler no cookie is a credential.
	p := f.open()
	p.put(sessionCookie, token)
	p.do("GET", "/v1/auth/me", nil).want(401, httpauth.CodeAuthenticationRequired)
	r := httptest.NewRequest("POST", "/", nil)
	r.Header.Set("Cookie", sessionCookie+"="+token)
	if _, err := f.browser.Check(r); !errors.Is(err, auth.ErrForbidden) {
		t.Errorf("Check of a request without headers: %v", err)
	}
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	if id, err := f.browser.Check(r); err != nil || id.User.ID != u.ID {
		t.Errorf("Check: %+v, %v", id.User, err)
	}
}

// Tabs share the cookie, and none of them loses it.
func TestSeveralTabsRefreshAtOnce(t *testing.T) {
	t.Parallel()
	f := newBrowserFixture(t, memstore.New(), auth.Config{RefreshAfterExpiry: time.Hour})
	u := f.Register()
	p := f.open()
	p.do("POST", "/auth/login", credentials(u)).want(200)
	old := p.cookie(sessionCookie)
	f.Clock.Advance(90 * time.Minute)
	var tabs sync.WaitGroup
	for range 8 {
		tabs.Go(func() {
			tab := f.open()
			tab.put(sessionCookie, old)
			if a := tab.do("POST", "/auth/refresh", nil); a.status != 200 {
				t.Errorf("a tab: %d %s", a.status, a.raw)
			}
			tab.do("GET", "/auth/me", nil).want(200)
		})
	}
	tabs.Wait()
	p.do("POST", "/auth/refresh", nil).want(200)
	// The answer to a request with the old token comes late. It must not take away the new one.
	f.Clock.Advance(time.Minute)
	late := f.open()
	late.put(sessionCookie, old)
	if gone := cleared(late.do("GET", "/auth/me", nil).want(401)); gone != nil {
		t.Errorf("the late answer clears %v", gone)
	}
	p.do("GET", "/auth/me", nil).want(200)
	p.do("POST", "/auth/delete-account", members{"password": authtest.Password}).want(200)
	if p.cookie(sessionCookie) != "" {
		t.Error("the cookie of a deleted account is left")
	}
}

// A keepsSessions is a store that meets a fault when it ends one session.
type keepsSessions struct {
	store.Store
	fault func() error
}

func (s *keepsSessions) Commit(ctx context.Context, ops ...store.Op) error {
	if s.fault != nil && len(ops) == 1 && ops[0].Write == store.Remove {
		return s.fault()
	}
	return s.Store.Commit(ctx, ops...)
}

// BR-6. The browser forgets the token of the session that it had before, and nobody else has it.
func TestALoginEndsTheSessionWhoseCookieItReplaces(t *testing.T) {
	t.Parallel()
	s := &keepsSessions{Store: memstore.New()}
	f := newBrowserFixture(t, s, auth.Config{})
	ada, bob := f.Register(), f.Register()
	bob.EnableTwoFactor()
	sessions := func(u *authtest.User) int { return len(must(f.Sessions(t.Context(), u.ID))) }
	elsewhere, strangers := sessions(ada), sessions(bob)
	p := f.open()
	for range 3 {
		p.do("POST", "/auth/login", credentials(ada)).want(200)
	}
	if got := sessions(ada); got != elsewhere+1 {
		t.Errorf("after three logins in a browser it has %d sessions", got-elsewhere)
	}
	p.do("GET", "/auth/me", nil).want(200)
	p.do("POST", "/auth/login", members{"email": ada.Email, "password": "not the password"}).want(401)
	p.do("POST", "/auth/login", credentials(bob)).want(200).wantMembers("requires_2fa")
	if got := sessions(ada); got != elsewhere+1 {
		t.Errorf("before the second step, or a wrong password, it has %d sessions", got-elsewhere)
	}
	p.do("POST", "/auth/verify-2fa", members{"code": bob.Code()}).want(200)
	if got := [2]int{sessions(ada), sessions(bob)}; got != [2]int{elsewhere, strangers + 1} {
		t.Errorf("after the login of another user they have %v sessions, not %d and %d", got, elsewhere, strangers+1)
	}
	if e := f.AwaitEvent(ada, auth.EventLoggedOut); e.Reason != "replaced" {
		t.Errorf("the event is %+v", e)
	}

	// The login has succeeded, whatever becomes of the other session.
	for name, fault := range map[string]func() error{"fails": func() error { return errDisk }, "panics": func() error { panic("bolt: page 7 is damaged") }} {
		before := p.cookie(sessionCookie)
		s.fault = fault
		p.do("POST", "/auth/login", credentials(ada)).want(200)
		if s.fault = nil; p.cookie(sessionCookie) == before {
			t.Errorf("the store %s: the new session is lost", name)
		}
		p.do("GET", "/auth/me", nil).want(200)
	}
	for name, cookie := range map[string]string{"a key": ada.APIKey(), "nonsense": "x", "two": "x; " + sessionCookie + "=" + p.cookie(sessionCookie)} {
		fresh := f.open()
		fresh.do("POST", "/auth/login", credentials(ada), header("Cookie", sessionCookie+"="+cookie)).want(200)
		if fresh.cookie(sessionCookie) == "" {
			t.Errorf("%s: no session", name)
		}
	}
	p.do("GET", "/auth/me", nil).want(200)
}

func TestAStoreThatDoesNotAnswerClearsNoCookie(t *testing.T) {
	t.Parallel()
	s := &faultyStore{Store: memstore.New()}
	f := newBrowserFixture(t, s, auth.Config{MaxRemembered: -1})
	p := f.open()
	p.do("POST", "/auth/login", credentials(f.Register())).want(200)
	s.fail()
	for _, call := range []string{"GET /auth/me", "POST /auth/refresh", "POST /auth/logout", "GET /agents"} {
		method, path, _ := strings.Cut(call, " ")
		if a := p.do(method, path, nil).want(503); a.header["Set-Cookie"] != nil {
			t.Errorf("%s sets %v", call, a.header["Set-Cookie"])
		}
	}
}

// HT-15. A store that panics while a Browser asks whether a session is over leaves the refusal as it is.
func TestAStoreThatPanicsBehindARefusalChangesNoAnswer(t *testing.T) {
	t.Parallel()
	s := &faultyStore{Store: memstore.New()}
	f := newBrowserFixture(t, s, auth.Config{MaxRemembered: -1})
	u := f.Register()
	token := u.Token()
	p := f.open()
	p.put(sessionCookie, token)
	p.do("POST", "/auth/logout", nil).want(200)
	for _, path := range []string{"/auth/me", "/agents"} {
		p.put(sessionCookie, token)
		reads := 0
		s.fault.Store(func(ctx context.Context) error {
			if !ofRequest(ctx) {
				return nil
			}
			if reads++; reads > 1 { // the first one refuses the token
				panic("bolt: page 7 is damaged")
			}
			return nil
		})
		if a := p.do("GET", path, nil).want(401); reads != 2 || a.header["Set-Cookie"] != nil {
			t.Errorf("%s: %d reads, and it sets %v", path, reads, a.header["Set-Cookie"])
		}
	}
}

func TestEachServiceOnAHostHasCookiesOfItsOwn(t *testing.T) {
	t.Parallel()
	h := authtest.New(t)
	handler, err := httpauth.New(h.Manager, httpauth.Config{Without: []httpauth.Tag{httpauth.TagRegistration}})
	if err != nil {
		t.Fatal(err)
	}
	u := h.Register()
	browser := handler.Browser(httpauth.BrowserConfig{Name: "billing"})
	r := httptest.NewRequest("POST", "https://example.com/login", strings.NewReader(fmt.Sprintf(`{"email":%q,"password":%q}`, u.Email, authtest.Password)))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	browser.ServeHTTP(w, r)
	if got := w.Header().Get("Set-Cookie"); w.Code != 200 || !strings.HasPrefix(got, "__Host-billing=") {
		t.Errorf("%d sets %q", w.Code, got)
	}
	w = httptest.NewRecorder()
	browser.ServeHTTP(w, httptest.NewRequest("POST", "https://example.com/register", nil))
	if w.Code != 404 {
		t.Errorf("a route that is left out: %d", w.Code)
	}
	for _, bad := range []string{"a b", "a;b", "a=b", "é", strings.Repeat("a", 33), "a\n"} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("the name %q is taken", bad)
				}
			}()
			handler.Browser(httpauth.BrowserConfig{Name: bad})
		}()
	}
}
