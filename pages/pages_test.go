package pages_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/httpauth"
	"github.com/datixlab/auth/pages"
	"github.com/datixlab/auth/store/memstore"
)

// full is the configuration with every part that a page is about.
var full = auth.Config{Mailer: &authtest.Mails{}, TrustedDevices: auth.DeviceTrust{TTL: 1e15}}

func newPages(t *testing.T, cfg auth.Config, web httpauth.Config, look pages.Config) (*pages.Pages, error) {
	t.Helper()
	handler, err := httpauth.New(authtest.With(t, memstore.New(), cfg).Manager, web)
	if err != nil {
		t.Fatal(err)
	}
	return pages.New(handler.Browser(httpauth.BrowserConfig{}), look)
}

func mustPages(t *testing.T, look pages.Config) *pages.Pages {
	t.Helper()
	p, err := newPages(t, full, httpauth.Config{}, look)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func get(h http.Handler, path string, head ...string) *httptest.ResponseRecorder {
	r, w := httptest.NewRequest("GET", path, nil), httptest.NewRecorder()
	for i := 0; i < len(head); i += 2 {
		r.Header.Set(head[i], head[i+1])
	}
	h.ServeHTTP(w, r)
	return w
}

// named returns the names of the pages.
func named(p *pages.Pages) (names []string) {
	for _, path := range p.Paths() {
		if path != "/assets/" {
			names = append(names, path)
		}
	}
	return names
}

// strictest is the policy of every page. A change of it is a change of what a page may do.
const strictest = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// BR-3. What a page may do is in its headers, and it needs no exception.
func TestNoPageHasAnythingInline(t *testing.T) {
	t.Parallel()
	p := mustPages(t, pages.Config{Title: `<b>"Example"</b>`, Logo: []byte("<svg/>"), Links: []pages.Link{{Text: "Terms", URL: "https://example.com/terms"}}})
	inline := regexp.MustCompile(`(?i)<style|\sstyle=|\son[a-z]+=|<script[^>]*>[^<]|javascript:|\bdata:|https?://[^e"]|<b>`)
	for _, name := range append(named(p), "/nothing", "/assets/none.js") {
		for _, lang := range []string{"en", "de"} {
			w := get(p, name, "Accept-Language", lang)
			if found := inline.FindString(w.Body.String()); found != "" {
				t.Errorf("%s has %q", name, found)
			}
			if csp := w.Header().Get("Content-Security-Policy"); csp != strictest {
				t.Errorf("%s: %s", name, csp)
			}
			for header, want := range map[string]string{
				"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cross-Origin-Opener-Policy": "same-origin",
				"Cross-Origin-Resource-Policy": "same-origin", "X-Frame-Options": "DENY", "Access-Control-Allow-Origin": "", "Set-Cookie": "",
			} {
				if got := w.Header().Get(header); got != want {
					t.Errorf("%s: %s is %q", name, header, got)
				}
			}
		}
	}
	script := get(p, "/assets/app.js").Body.String()
	for _, word := range []string{"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "localStorage", "sessionStorage", "document.cookie", "indexedDB", "postMessage", "setTimeout(\"", ".style", "window.name"} {
		if strings.Contains(script, word) {
			t.Errorf("the script has %s", word)
		}
	}
}

// What middleware of the host answers by, a cache must know too.
func TestThePagesKeepTheVaryOfTheHost(t *testing.T) {
	t.Parallel()
	p := mustPages(t, pages.Config{})
	for path, want := range map[string]string{"/sign-in": "Origin|Accept-Encoding, Accept-Language", "/assets/app.js": "Origin|Accept-Encoding"} {
		w := httptest.NewRecorder()
		w.Header().Set("Vary", "Origin")
		p.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if got := strings.Join(w.Header()["Vary"], "|"); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}

// A notFoundWriter is 404 unless its handler says otherwise, as in the NoRoute of gin.
type notFoundWriter struct {
	http.ResponseWriter
	status int
}

func (w *notFoundWriter) WriteHeader(status int) { w.status = status }

func TestAPageIsFoundBehindARouterThatHasSet404(t *testing.T) {
	t.Parallel()
	p := mustPages(t, pages.Config{})
	for _, method := range []string{"GET", "HEAD"} {
		for _, path := range []string{"/sign-in", "/assets/app.js"} {
			w := &notFoundWriter{httptest.NewRecorder(), http.StatusNotFound}
			if p.ServeHTTP(w, httptest.NewRequest(method, path, nil)); w.status != http.StatusOK {
				t.Errorf("%s %s: %d", method, path, w.status)
			}
		}
	}
}

// A page is small, with all that it loads, on the way to a browser. The script can be read in one sitting.
func TestAPageIsUnder60KB(t *testing.T) {
	t.Parallel()
	p := mustPages(t, pages.Config{})
	sent := func(path string) int {
		return get(p, path, "Accept-Language", "de", "Accept-Encoding", "gzip, deflate, br, zstd").Body.Len()
	}
	for _, name := range named(p) {
		if size := sent(name) + sent("/assets/app.js") + sent("/assets/style.css"); size > 60_000 {
			t.Errorf("%s: %d bytes", name, size)
		}
	}
	if size := get(p, "/assets/app.js").Body.Len(); size > 48_000 {
		t.Errorf("the script has %d bytes", size)
	}
}

func TestACompressedPageIsTheSame(t *testing.T) {
	t.Parallel()
	p := mustPages(t, pages.Config{})
	plain := get(p, "/account")
	for accepted, want := range map[string]string{"": "", "br": "", "gzip;q=0": "", "gzip; q=0.0": "", "gzip": "gzip", "br, GZIP;q=0.5": "gzip"} {
		a := get(p, "/account", "Accept-Encoding", accepted)
		if got := a.Header().Get("Content-Encoding"); got != want {
			t.Errorf("%q is answered with %q", accepted, got)
			continue
		}
		if want == "gzip" {
			r, err := gzip.NewReader(a.Body)
			if err != nil {
				t.Fatal(err)
			}
			if body, err := io.ReadAll(r); err != nil || !bytes.Equal(body, plain.Body.Bytes()) {
				t.Errorf("%q: another page, %v", accepted, err)
			}
		}
		if a := get(p, "/account", "Accept-Encoding", accepted, "If-None-Match", plain.Header().Get("ETag")); a.Code != 304 || a.Body.Len() > 0 {
			t.Errorf("%q: %d for a page that is known", accepted, a.Code)
		}
	}
}

func TestAPageIsInALanguageThatTheBrowserAsksFor(t *testing.T) {
	t.Parallel()
	p := mustPages(t, pages.Config{Languages: []pages.Language{
		{Tag: "fr", Texts: map[string]string{"sign_in.title": "Se connecter"}},
		{Tag: "DE", Texts: map[string]string{"sign_in.title": "Einloggen"}},
	}})
	for accept, want := range map[string]string{
		"": "en", "de": "de", "de-AT": "de", "de-CH-1996,en;q=0.5": "de", "fr-CA;q=0.9, en;q=0.8": "fr", "ja, fr;q=0.5": "fr", "ja": "en", "*": "en", "DE": "de",
		",,;q=1": "en", "-": "en", strings.Repeat("x-", 1000): "en",
	} {
		w := get(p, "/sign-in", "Accept-Language", accept)
		if !strings.Contains(w.Body.String(), `<html lang="`+want+`"`) || w.Header().Get("Vary") != "Accept-Encoding, Accept-Language" {
			t.Errorf("%q: %.80s, Vary %q", accept, w.Body, w.Header().Get("Vary"))
		}
		if title := map[string]string{"en": "Sign in", "de": "Einloggen", "fr": "Se connecter"}[want]; !strings.Contains(w.Body.String(), "<h1>"+title+"</h1>") {
			t.Errorf("%q: no %s", accept, title)
		}
	}
	for name, bad := range map[string]pages.Language{
		"no tag": {Tag: "französisch"}, "a key that is none": {Tag: "fr", Texts: map[string]string{"sign_in.titel": "x"}},
		"without a slot": {Tag: "fr", Texts: map[string]string{"error.wait_seconds": "Trop d'essais."}},
	} {
		if _, err := newPages(t, full, httpauth.Config{}, pages.Config{Languages: []pages.Language{bad}}); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

// Every language has every text, and the script and the templates use each of them.
func TestEveryTextIsThereAndIsUsed(t *testing.T) {
	t.Parallel()
	texts := map[string]map[string]string{}
	for _, tag := range []string{"en", "de"} {
		raw, err := os.ReadFile("text/" + tag + ".json")
		if err != nil {
			t.Fatal(err)
		}
		var of map[string]string
		if err := json.Unmarshal(raw, &of); err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(raw), "\n  \""); n != len(of) {
			t.Errorf("%s has %d lines for %d keys: one is there twice", tag, n, len(of))
		}
		texts[tag] = of
	}
	for _, key := range slices.Sorted(maps.Keys(texts["en"])) {
		german, ok := texts["de"][key]
		if !ok || german == "" || texts["en"][key] == "" {
			t.Errorf("%s: %q, in German %q", key, texts["en"][key], german)
		}
	}
	if len(texts["de"]) != len(texts["en"]) {
		t.Errorf("German has %d texts, English %d", len(texts["de"]), len(texts["en"]))
	}
	var source strings.Builder
	paths, err := filepath.Glob("static/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		source.Write(raw)
	}
	for key := range texts["en"] {
		// The script looks up an error by its code, and a template a field by its name.
		_, byCode := strings.CutPrefix(key, "error.")
		name, byName := strings.CutPrefix(key, "field.")
		name = strings.TrimSuffix(name, ".hint")
		begin := key[:strings.LastIndexAny(key, "._")+1] // of a key that the script makes, such as "say.role." + role
		used := strings.Contains(source.String(), `"`+key+`"`) || strings.Contains(source.String(), `"`+begin+`"`)
		if !byCode && !used && (!byName || !strings.Contains(source.String(), "/"+name+`"`)) {
			t.Errorf("nothing uses %s", key)
		}
	}
	for _, key := range regexp.MustCompile(`"((?:say|error)\.[a-z_.]+[a-z])"`).FindAllStringSubmatch(source.String(), -1) {
		if _, ok := texts["en"][key[1]]; !ok {
			t.Errorf("the script says %s, which is no text", key[1])
		}
	}
}

// BR-4. A form that is submitted before the script runs would have its fields in the URL.
func TestNoFormSendsItsFieldsByItself(t *testing.T) {
	t.Parallel()
	p := mustPages(t, pages.Config{})
	form := regexp.MustCompile(`<form [^>]*>`)
	for _, name := range named(p) {
		w := get(p, name)
		if csp := w.Header().Get("Content-Security-Policy"); !strings.Contains(csp, "form-action 'none'") {
			t.Errorf("%s: %s", name, csp)
		}
		for _, found := range form.FindAllString(w.Body.String(), -1) {
			if !strings.Contains(found, `method="post"`) && !strings.Contains(found, `method="dialog"`) {
				t.Errorf("%s: %s", name, found)
			}
		}
	}
}

func TestAPageHasTheDirectionOfItsLanguage(t *testing.T) {
	t.Parallel()
	p := mustPages(t, pages.Config{Languages: []pages.Language{{Tag: "ar-EG"}, {Tag: "he"}, {Tag: "fa-Latn"}, {Tag: "fr"}}})
	for tag, want := range map[string]string{"ar-EG": "rtl", "he": "rtl", "fa-Latn": "ltr", "fr": "ltr", "de": "ltr", "en": "ltr"} {
		if body := get(p, "/sign-in", "Accept-Language", tag).Body.String(); !strings.Contains(body, `<html lang="`+tag+`" dir="`+want+`"`) {
			t.Errorf("%s: %.80s", tag, body)
		}
	}
}

func TestPagesAreThereForWhatTheBrowserServes(t *testing.T) {
	t.Parallel()
	p, err := newPages(t, auth.Config{}, httpauth.Config{Without: []httpauth.Tag{httpauth.TagRegistration, httpauth.TagAPIKeys}}, pages.Config{})
	if err != nil {
		t.Fatal(err)
	}
	for _, gone := range []string{"/register", "/forgot-password", "/reset-password", "/verify-email", "/confirm-email", "/api-keys"} {
		if w := get(p, gone); w.Code != 404 {
			t.Errorf("%s: %d", gone, w.Code)
		}
	}
	for _, there := range []string{"/", "/sign-in", "/account", "/security", "/organization"} {
		w := get(p, there)
		if w.Code != 200 {
			t.Errorf("%s: %d", there, w.Code)
		}
		for _, gone := range []string{`href="register"`, `href="forgot-password"`, `href="api-keys"`, "trust_device"} {
			if strings.Contains(w.Body.String(), gone) {
				t.Errorf("%s has %s", there, gone)
			}
		}
	}
	if _, err := newPages(t, full, httpauth.Config{Without: []httpauth.Tag{httpauth.TagDocument}}, pages.Config{}); err == nil {
		t.Error("pages of a Browser without a document")
	}
	if _, err := pages.New(nil, pages.Config{}); err == nil {
		t.Error("pages without a Browser")
	}
}

func TestAssetsAreCachedForAsLongAsTheyAreTheSame(t *testing.T) {
	t.Parallel()
	p := mustPages(t, pages.Config{Logo: []byte("<svg/>"), Accent: "#ffff00", AccentDark: "#000080"})
	page := get(p, "/sign-in")
	for _, asset := range regexp.MustCompile(`"(assets/[^"]+)"`).FindAllStringSubmatch(page.Body.String(), -1) {
		w := get(p, "/"+asset[1])
		if w.Code != 200 || !strings.Contains(w.Header().Get("Cache-Control"), "immutable") {
			t.Errorf("%s: %d, %s", asset[1], w.Code, w.Header().Get("Cache-Control"))
		}
		bare, _, _ := strings.Cut(asset[1], "?")
		status, caching := 200, "no-cache"
		if bare == "assets/app.js" {
			status, caching = 404, "no-store" // it does not go with the page that asks for it
		}
		if w := get(p, "/"+bare+"?v=old"); w.Code != status || w.Header().Get("Cache-Control") != caching {
			t.Errorf("%s of another version: %d, %s", bare, w.Code, w.Header().Get("Cache-Control"))
		}
	}
	if w := get(p, "/sign-in", "If-None-Match", page.Header().Get("ETag")); w.Code != 304 || w.Body.Len() != 0 {
		t.Errorf("unchanged: %d", w.Code)
	}
	if page.Header().Get("Cache-Control") != "no-cache" {
		t.Error("a page is cached")
	}
	style := get(p, "/assets/style.css").Body.String()
	if !strings.Contains(style, "--accent:#ffff00;--on-accent:#000000") || !strings.Contains(style, "--accent:#000080;--on-accent:#ffffff") {
		t.Errorf("the colours: %.200s", style)
	}
	r, w := httptest.NewRequest("POST", "/sign-in", nil), httptest.NewRecorder()
	p.ServeHTTP(w, r)
	if w.Code != 405 || w.Header().Get("Allow") == "" || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("POST: %d %v", w.Code, w.Header())
	}
	if w := get(p, "/nothing"); w.Code != 404 || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("no page: %d %v", w.Code, w.Header())
	}
}

func TestTheConfigOfThePagesIsChecked(t *testing.T) {
	t.Parallel()
	for name, bad := range map[string]pages.Config{
		"a colour by name": {Accent: "red"}, "a colour with more": {AccentDark: "#000000;}"}, "a short colour": {Accent: "#000"},
		"a script": {Links: []pages.Link{{Text: "x", URL: "javascript:alert(1)"}}}, "another host": {Links: []pages.Link{{Text: "x", URL: "//evil.example"}}},
		"a link without text": {Links: []pages.Link{{URL: "/terms"}}}, "plain http": {Links: []pages.Link{{Text: "x", URL: "http://example.com"}}},
		"a home elsewhere": {Home: "https://evil.example"}, "a home of another host": {Home: "//evil.example"}, "a backslash": {Home: `/\evil.example`},
		"an API elsewhere": {API: "https://api.example.com"}, "an API with a slash": {API: "/auth/"}, "an API without": {API: "auth"},
	} {
		if _, err := newPages(t, full, httpauth.Config{}, bad); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	p := mustPages(t, pages.Config{Home: "/app", API: "/v1/browser", Links: []pages.Link{{Text: "Terms", URL: "/terms"}}})
	if body := get(p, "/sign-in").Body.String(); !strings.Contains(body, `data-home="/app"`) || !strings.Contains(body, `data-api="/v1/browser"`) || !strings.Contains(body, `href="/terms"`) {
		t.Errorf("%.300s", body)
	}
}
