// Package pages has the web pages of a service that uses package auth: signing in and registering,
// forgotten passwords, the account with its second factor, sessions and API keys, and the organization.
//
// They are static files and one script, which calls an [httpauth.Browser] of the same origin as any
// client does. So they decide nothing, and a service can replace any of them by its own. Serve them by
// HTTPS: browsers keep no session otherwise.
//
//	browser := handler.Browser(httpauth.BrowserConfig{})
//	web, err := pages.New(browser, pages.Config{Title: "Example"})
//	…
//	mux.Handle("/auth/", http.StripPrefix("/auth", browser))
//	mux.Handle("/", web)
//
// No page has an inline script or style, nothing is loaded from elsewhere, and nothing is kept in the
// browser but the cookies of the Browser.
package pages

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/datixlab/auth/httpauth"
)

//go:embed static text
var files embed.FS

// policy is the Content-Security-Policy of every page.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// script is the name of the script of the pages.
const script = "app.js"

// Pages serves the pages. Any number of goroutines may call it.
type Pages struct {
	fallback string // a language
	pages    map[string]map[string]*file
	assets   map[string]*file
	tags     []string // of the languages; fallback is the first
}

// A file is an answer that is made once.
type file struct {
	media, version string
	body           []byte
	zipped         func() []byte // compressed, at the first request for it
}

func newFile(media string, body []byte) *file {
	sum := sha256.Sum256(body)
	return &file{media, base64.RawURLEncoding.EncodeToString(sum[:12]), body, sync.OnceValue(func() []byte { return zipped(body) })}
}

func zipped(body []byte) []byte {
	var b bytes.Buffer
	w, _ := gzip.NewWriterLevel(&b, gzip.BestCompression)
	_, _ = w.Write(body) // a Buffer takes everything
	_ = w.Close()
	return b.Bytes()
}

// New returns the pages of browser. The pages show what the Browser serves: those about mail, trusted
// devices and registration are there if it has their routes. The error says which field of cfg is wrong.
func New(browser *httpauth.Browser, cfg Config) (*Pages, error) {
	if browser == nil {
		return nil, errors.New("pages: no browser")
	}
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	languages, err := texts(cfg.Languages)
	if err != nil {
		return nil, err
	}
	api, err := read(browser)
	if err != nil {
		return nil, err
	}
	p := &Pages{fallback: languages[0].Tag, pages: map[string]map[string]*file{}, assets: map[string]*file{}}
	if err := p.addAssets(cfg); err != nil {
		return nil, err
	}
	for _, l := range languages {
		p.tags = append(p.tags, l.Tag)
		if p.pages[l.Tag], err = p.render(cfg, api, l); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// An api is what the pages need to know of a Browser, from its OpenAPI document.
type api struct {
	routes                   map[string]bool // "POST /login"
	MinPassword, MaxPassword int             // characters
	Roles                    []string        // that members give each other, the lowest first
	Open                     bool            // whether anyone may register, without an invitation
}

// read asks the Browser for its document.
func read(browser *httpauth.Browser) (*api, error) {
	r, err := http.NewRequest(http.MethodGet, "/openapi.json", nil)
	if err != nil {
		return nil, err
	}
	var w answer
	browser.ServeHTTP(&w, r)
	var document struct {
		Paths      map[string]map[string]json.RawMessage
		Components struct {
			Schemas map[string]struct {
				Properties map[string]struct {
					MinLength, MaxLength int
					Enum                 []any
				}
			}
		}
	}
	if err := json.Unmarshal(w.body.Bytes(), &document); err != nil || len(document.Paths) == 0 {
		return nil, errors.New("pages: the Browser serves no OpenAPI document, which says what pages there are: httpauth.TagDocument is left out")
	}
	a := &api{routes: map[string]bool{}}
	for path, methods := range document.Paths {
		for method := range methods {
			a.routes[strings.ToUpper(method)+" "+path] = true
		}
	}
	for _, role := range document.Components.Schemas["InviteBody"].Properties["role"].Enum {
		a.Roles = append(a.Roles, fmt.Sprint(role))
	}
	registering := document.Paths["/register"]["post"] // its 403 has a name that says why
	a.Open = registering != nil && !bytes.Contains(registering, []byte("RegistrationClosed"))
	for _, schema := range document.Components.Schemas {
		if limits, ok := schema.Properties["new_password"]; ok {
			a.MinPassword, a.MaxPassword = limits.MinLength, limits.MaxLength
		}
	}
	return a, nil
}

// An answer keeps what a handler writes.
type answer struct {
	head http.Header
	body bytes.Buffer
}

// Header implements [http.ResponseWriter].
func (a *answer) Header() http.Header {
	if a.head == nil {
		a.head = http.Header{}
	}
	return a.head
}

// Write implements [http.ResponseWriter].
func (a *answer) Write(b []byte) (int, error) { return a.body.Write(b) }

// WriteHeader implements [http.ResponseWriter].
func (a *answer) WriteHeader(int) {}

// addAssets adds the files that every page has.
func (p *Pages) addAssets(cfg Config) error {
	for name, media := range map[string]string{script: "text/javascript; charset=utf-8", "style.css": "text/css; charset=utf-8", "icon.svg": "image/svg+xml"} {
		body, err := files.ReadFile("static/" + name)
		if err != nil {
			return err
		}
		if name == "style.css" {
			body = append(theme(cfg), body...)
		}
		p.assets[name] = newFile(media, body)
	}
	if cfg.Logo != nil {
		p.assets["logo.svg"] = newFile("image/svg+xml", bytes.Clone(cfg.Logo))
	}
	return nil
}

// theme returns the colours of cfg as CSS.
func theme(cfg Config) []byte {
	return fmt.Appendf(nil, ":root{--accent:%s;--on-accent:%s}\n@media(prefers-color-scheme:dark){:root{--accent:%s;--on-accent:%s}}\n",
		cfg.Accent, textOn(cfg.Accent), cfg.AccentDark, textOn(cfg.AccentDark))
}

// layouts are the templates of the pages.
var layouts = sync.OnceValue(func() map[string]*template.Template {
	all := map[string]*template.Template{}
	for _, name := range slices.Concat(outside, inside) {
		all[name] = template.Must(template.New("layout.html").ParseFS(files, "static/layout.html", "static/"+name+".html"))
	}
	return all
})

// spokenTexts is what every page in a language has for the script.
var spokenTexts = template.Must(template.New("texts").Parse(`{{range .}}<p data-key="{{.Key}}">{{.Text}}</p>{{end}}`))

// render returns the pages in a language.
func (p *Pages) render(cfg Config, a *api, l Language) (map[string]*file, error) {
	var texts strings.Builder
	if err := spokenTexts.Execute(&texts, spoken(l.Texts)); err != nil {
		return nil, err
	}
	all := map[string]*file{}
	for _, name := range slices.Concat(outside, inside) {
		v := &view{
			Config: cfg, Name: name, Lang: l.Tag, api: a, words: l.Texts,
			Texts:  template.HTML(texts.String()), //nolint:gosec // G203: the template has escaped them
			Script: p.url(script), Style: p.url("style.css"), Logo: p.url("logo.svg"), Icon: cmp.Or(p.url("logo.svg"), p.url("icon.svg")),
		}
		if route := needs[name]; route != "" && !v.Has(route) {
			continue
		}
		var b bytes.Buffer
		if err := layouts()[name].Execute(&b, v); err != nil {
			return nil, fmt.Errorf("pages: %s in %s: %w", name, l.Tag, err)
		}
		all[name] = newFile("text/html; charset=utf-8", b.Bytes())
	}
	return all, nil
}

// Paths returns the paths that are served, as patterns of an [http.ServeMux]: for a service that has
// something else at "/".
func (p *Pages) Paths() (all []string) {
	for name := range p.pages[p.fallback] {
		all = append(all, "/"+name)
	}
	slices.Sort(all)
	return append(all, "/assets/")
}

// url returns the URL of an asset, relative to a page. It changes with the content, or is "".
func (p *Pages) url(name string) string {
	f := p.assets[name]
	if f == nil {
		return ""
	}
	return "assets/" + name + "?v=" + f.version
}

// ServeHTTP serves the pages by GET and HEAD. It answers any other path with 404, and the script of another
// release too: a page that is open or was kept then says that it needs to be loaded again. If you mount it
// under a prefix, remove the prefix with [http.StripPrefix].
func (p *Pages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	head := w.Header()
	head.Set("Content-Security-Policy", policy)
	head.Set("Cross-Origin-Opener-Policy", "same-origin")
	head.Set("Cross-Origin-Resource-Policy", "same-origin")
	head.Set("Referrer-Policy", "no-referrer")
	head.Set("X-Content-Type-Options", "nosniff")
	head.Set("X-Frame-Options", "DENY")
	name := strings.TrimPrefix(r.URL.Path, "/")
	if name == "" {
		name = "sign-in"
	}
	f, caching := p.pages[p.languageOf(r)][name], "no-cache"
	if asset, ok := strings.CutPrefix(name, "assets/"); ok {
		f = p.assets[asset]
		switch v := r.URL.Query().Get("v"); {
		case f != nil && v == f.version:
			caching = "public, max-age=31536000, immutable"
		case asset == script && v != "":
			f = nil // a page of another release: it would be half right with this script, and says what to do without
		}
		head.Add("Vary", "Accept-Encoding")
	} else {
		head.Add("Vary", "Accept-Encoding, Accept-Language")
	}
	switch {
	case f == nil:
		head.Set("Cache-Control", "no-store") // another process may have it, while a service is upgraded
		http.Error(w, "404 page not found", http.StatusNotFound)
		return
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		head.Set("Allow", "GET, HEAD")
		head.Set("Cache-Control", "no-store")
		http.Error(w, "405 method not allowed", http.StatusMethodNotAllowed)
		return
	}
	head.Set("Content-Type", f.media)
	head.Set("Cache-Control", caching)
	etag := `W/"` + f.version + `"` // weak: compressed or not, it is the same (RFC 9110, 8.8.1)
	head.Set("ETag", etag)
	if r.Header.Get("If-None-Match") == etag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	body := f.body
	if takesGzip(r) { // everybody gets the same text, so its length gives nothing away
		head.Set("Content-Encoding", "gzip")
		body = f.zipped()
	}
	w.WriteHeader(http.StatusOK) // gin has set 404 before it calls its NoRoute
	if r.Method == http.MethodGet {
		_, _ = w.Write(body)
	}
}

// takesGzip reports whether the Accept-Encoding of r has gzip (RFC 9110, 12.5.3).
func takesGzip(r *http.Request) bool {
	for _, one := range strings.Split(strings.Join(r.Header["Accept-Encoding"], ","), ",") {
		name, weight, weighted := strings.Cut(strings.ReplaceAll(one, " ", ""), ";q=")
		if strings.EqualFold(name, "gzip") {
			q, err := strconv.ParseFloat(weight, 64)
			return !weighted || err == nil && q > 0
		}
	}
	return false
}
