// Package browsertest has the tests of package pages and of httpauth.Browser in a real Chromium.
package browsertest

import (
	"context"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/audits"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/input"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/pquerna/otp"
	"github.com/pquerna/otp/totp"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/httpauth"
	"github.com/datixlab/auth/pages"
	"github.com/datixlab/auth/store/memstore"
)

// The hosts of the tests: that of the service, another of the same site, and one of another site. All
// of them are this machine.
const (
	own     = "app.example.test"
	sibling = "other.example.test"
	foreign = "evil.test"
)

// patience is how long a page may take for one step. Machines that test may be busy.
const patience = 30 * time.Second

// pause is how long a test waits before it looks again. To look at every frame would draw 60 in a second.
const pause = 20 * time.Millisecond

// A service is one with pages and cookies, on all three hosts.
type service struct {
	*authtest.Harness
	server *httptest.Server
	mux    *http.ServeMux
	port   string
	later  atomic.Int64 // how far the service's clock is ahead
	way    atomic.Pointer[func(w http.ResponseWriter, r *http.Request) bool]
}

// disturb puts a bad network before the service: what meet reports to have answered goes no further.
func (s *service) disturb(meet func(w http.ResponseWriter, r *http.Request) bool) { s.way.Store(&meet) }

func newService(t *testing.T, cfg auth.Config) *service {
	t.Helper()
	cfg.Mailer, cfg.Notifier = &authtest.Mails{}, &authtest.Notices{}
	cfg.TrustedDevices, cfg.RefreshAfterExpiry = auth.DeviceTrust{TTL: 30 * 24 * time.Hour}, 14*24*time.Hour
	s := &service{}
	cfg.Now = func() time.Time { return time.Now().Add(time.Duration(s.later.Load())) } // as the browser's clock
	h := authtest.With(t, memstore.New(), cfg)
	handler, err := httpauth.New(h.Manager, httpauth.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	browser := handler.Browser(httpauth.BrowserConfig{})
	web, err := pages.New(browser, pages.Config{Title: "Example"})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/auth/", http.StripPrefix("/auth", browser))
	mux.Handle("/v1/auth/", http.StripPrefix("/v1/auth", handler))
	mux.Handle("/guarded", browser.Require()(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "yes") })))
	mux.HandleFunc("/blank", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, "<!doctype html><title>blank</title>")
	})
	mux.Handle("/", web)
	s.Harness, s.mux, s.server = h, mux, httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if meet := s.way.Load(); meet == nil || !(*meet)(w, r) {
			mux.ServeHTTP(w, r)
		}
	}))
	s.server.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.server.StartTLS()
	t.Cleanup(s.server.Close)
	_, s.port, _ = strings.Cut(s.server.Listener.Addr().String(), ":")
	return s
}

// url returns the URL of a path on a host.
func (s *service) url(host, path string) string { return "https://" + host + ":" + s.port + path }

// A tab is one of a browser profile. What its pages complain of fails the test.
type tab struct {
	t   *testing.T
	s   *service
	ctx context.Context

	mu         sync.Mutex
	complaints []string
}

// profile opens a tab in a browser profile of its own.
func (s *service) profile(t *testing.T) *tab {
	t.Helper()
	return s.tab(t, newProfile(t))
}

// another opens a second tab of the same profile.
func (b *tab) another() *tab {
	b.t.Helper()
	ctx, cancel := chromedp.NewContext(b.ctx)
	b.t.Cleanup(cancel)
	return b.s.tab(b.t, ctx)
}

func (s *service) tab(t *testing.T, ctx context.Context) *tab {
	t.Helper()
	b := &tab{t: t, s: s, ctx: ctx}
	listening := chromedp.Listen(ctx, func(event any) {
		switch e := event.(type) {
		case *runtime.EventExceptionThrown:
			b.complain("exception: " + (&chromedp.ExceptionError{ExceptionDetails: e.ExceptionDetails}).Error())
		case *runtime.EventConsoleAPICalled:
			if e.Type == "error" || e.Type == "warning" {
				b.complain(fmt.Sprintf("console.%s: %s", e.Type, e.Args[0].Value))
			}
		case *cdplog.EventEntryAdded: // a refusal of the API is an entry of the network, and no mistake
			if e.Entry.Source != cdplog.EntrySourceNetwork {
				b.complain(fmt.Sprintf("%s: %s", e.Entry.Source, e.Entry.Text))
			}
		case *audits.EventIssueAdded:
			if e.Issue.Code == audits.InspectorIssueCodeContentSecurityPolicyIssue {
				b.complain("a CSP report")
			}
		}
	})
	if listening != nil {
		t.Fatal(listening)
	}
	for _, enable := range []cdp.Command[cdp.Empty, cdp.Empty]{audits.Enable, cdplog.Enable} {
		if _, err := chromedp.Call(ctx, enable, cdp.Empty{}); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, complaint := range b.complaints {
			t.Error(complaint)
		}
	})
	return b
}

// forget drops and returns the complaints from these sources, which a test has caused on purpose.
func (b *tab) forget(sources ...string) (forgotten []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.complaints = slices.DeleteFunc(b.complaints, func(c string) bool {
		source, _, _ := strings.Cut(c, ":")
		if slices.Contains(sources, source) {
			forgotten = append(forgotten, c)
			return true
		}
		return false
	})
	return forgotten
}

func (b *tab) complain(of string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.complaints = append(b.complaints, of)
}

// do runs actions, and ends the test with a picture of the page's text if they do not succeed.
func (b *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	run(b, chromedp.Steps(actions...))
}

// run is do for an action with a result.
func run[T any](b *tab, action chromedp.Action[T]) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, action)
	if err != nil {
		text, _ := chromedp.Run(b.ctx, chromedp.Evaluate[string](`location.href + "\n" + document.body.innerText`))
		b.mu.Lock()
		defer b.mu.Unlock()
		b.t.Fatalf("%v: %s\n%v", err, text, b.complaints)
	}
	return v
}

// script returns the value of an expression in the page.
func script[T any](b *tab, expression string, values ...any) T {
	b.t.Helper()
	return run(b, chromedp.Evaluate[T](fmt.Sprintf(expression, values...), chromedp.EvalAwaitPromise))
}

// open opens a page of the service, and waits until its script has run.
func (b *tab) open(page string) {
	b.t.Helper()
	b.do(chromedp.Navigate(b.s.url(own, page)))
	name, _, _ := strings.Cut(strings.TrimPrefix(page, "/"), "#")
	b.at(name)
}

// at waits until the page with this name is there. Nothing is left where a script could read it.
func (b *tab) at(name string) {
	b.t.Helper()
	b.do(chromedp.WaitReady(chromedp.CSS(`html[data-page="` + name + `"][data-ready]`)))
	left := script[string](b, `document.cookie + JSON.stringify(localStorage) + JSON.stringify(sessionStorage) + location.hash + location.search`)
	if left != "{}{}" {
		b.t.Errorf("%s leaves %q", name, left)
	}
}

// fill puts text into the inputs of a form, by their names, as a password manager or an input method does.
func (b *tab) fill(form string, fields ...string) {
	b.t.Helper()
	for i := 0; i < len(fields); i += 2 {
		selector := form + ` [name="` + fields[i] + `"]`
		b.do(chromedp.WaitVisible(chromedp.CSS(selector)))
		script[chromedp.Void](b, `{ const input = document.querySelector(%q); input.focus(); input.select(); }`, selector)
		if _, err := chromedp.Call(b.ctx, input.InsertText, input.InsertTextParams{Text: fields[i+1]}); err != nil {
			b.t.Fatal(err)
		}
	}
}

// submit fills a form and presses the button that submits it.
func (b *tab) submit(form string, fields ...string) {
	b.t.Helper()
	b.fill(form, fields...)
	b.do(chromedp.Click(chromedp.CSS(form + ` button[type="submit"]`)))
}

// seen is an expression for the visible elements that have a text.
const seen = `[...document.querySelectorAll(%q)].filter((e) => e.checkVisibility() && e.textContent.includes(%q))`

// reads waits until an element has a text.
func (b *tab) reads(selector, text string) {
	b.t.Helper()
	there := chromedp.Poll[bool](fmt.Sprintf(seen+".length > 0", selector, text), chromedp.WithPollingInterval(pause), chromedp.WithPollingTimeout(patience))
	run(b, func(ctx context.Context, t *chromedp.Target) (bool, error) {
		for {
			found, err := there(ctx, t)
			if err == nil || ctx.Err() != nil || !strings.Contains(err.Error(), "(-32000)") { // the page has been left
				return found, err
			}
		}
	})
}

// click presses the first element that has a text.
func (b *tab) click(selector, text string) {
	b.t.Helper()
	b.reads(selector, text)
	script[chromedp.Void](b, seen+"[0].click()", selector, text)
}

// press presses a button of the row of a list that has a text.
func (b *tab) press(row, label string) {
	b.t.Helper()
	const found = `[...document.querySelectorAll("li")].filter((li) => li.textContent.includes(%q)).flatMap((li) => [...li.querySelectorAll("button")]).filter((b) => b.checkVisibility() && b.textContent === %q)`
	run(b, chromedp.Poll[bool](fmt.Sprintf(found+".length > 0", row, label), chromedp.WithPollingInterval(pause), chromedp.WithPollingTimeout(patience)))
	script[chromedp.Void](b, found+"[0].click()", row, label)
}

// text returns the text of an element.
func (b *tab) text(selector string) string {
	b.t.Helper()
	return run(b, chromedp.Text(chromedp.CSS(selector)))
}

// code returns a code of an authenticator that was set up with a picture: what stands in its otpauth URL.
func (s *service) code(t *testing.T, key *otp.Key) string {
	t.Helper()
	s.later.Add(int64(30 * time.Second)) // each is good once
	code, err := totp.GenerateCode(key.Secret(), s.Now())
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// scan reads the QR code on the screen.
func (b *tab) scan(selector string) *otp.Key {
	b.t.Helper()
	path := filepath.Join(b.t.TempDir(), "screen.png")
	picture := run(b, chromedp.ScreenshotScale(chromedp.CSS(selector), 2))
	if err := os.WriteFile(path, picture, 0o600); err != nil {
		b.t.Fatal(err)
	}
	found, err := exec.Command("zbarimg", "--raw", "--quiet", path).Output()
	if err != nil {
		b.t.Fatalf("zbarimg: %v", err)
	}
	key, err := otp.NewKeyFromURL(strings.TrimSpace(string(found)))
	if err != nil {
		b.t.Fatal(err)
	}
	return key
}

// fetch calls a URL with fetch in the page, and returns the status: 0 if the browser lets the page
// read nothing.
func (b *tab) fetch(url, options string) int {
	b.t.Helper()
	return script[int](b, `fetch(%q, %s).then((r) => r.status, () => 0)`, url, options)
}

// mail opens the link of a mail, as its reader does.
func (b *tab) mail(purpose auth.MailPurpose, to, page string) {
	b.t.Helper()
	m := b.s.AwaitMail(purpose, to)
	b.open("/" + page + "#token=" + string(m.Token))
}
