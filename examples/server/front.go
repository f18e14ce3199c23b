package main

import (
	"bytes"
	"compress/gzip"
	"embed"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"path"
	"path/filepath"
	"strings"

	"github.com/swaggest/swgui/v5/static"

	"github.com/datixlab/auth/internal/openstore"
)

//go:embed front
var frontFiles embed.FS

// A front is what people meet first: a page that says what the program is, and the rendered API
// reference. Its fields are what the page shows.
type front struct {
	API  string // its address
	Mail string // "log", "none", or "" for a mail server

	// For operators. They are "" unless the program is reached from this machine alone.
	Store, Secret, Socket string
}

// Mount returns the path of the API, for the templates.
func (front) Mount() string { return mount }

// BrowserMount returns that of the API for pages, for the templates.
func (front) BrowserMount() string { return browserMount }

// ofThisMachine adds what only a user of this machine may know.
func (f front) ofThisMachine(place openstore.Place, secret string, admin administration) front {
	switch place.Kind {
	case "memory":
		f.Store = "In memory: every account is gone when the program ends."
	case "bolt":
		f.Store = absolute(place.Path)
	default:
		f.Store = "On the server that -store names."
	}
	switch secret {
	case "", "AUTH_SECRET":
		f.Secret = secret
	default:
		f.Secret = absolute(secret)
	}
	if admin.path != "" {
		f.Socket = absolute(admin.path)
	}
	return f
}

func absolute(file string) string {
	if full, err := filepath.Abs(file); err == nil {
		return full
	}
	return file
}

// The Content-Security-Policies of both pages. The viewer has its icons as data: in its style.
const (
	homePolicy   = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
	viewerPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)

var mediaTypes = map[string]string{".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}

// A frontFile is one that is read once.
type frontFile struct {
	name, policy string
	body, zipped []byte // one of them
}

// files returns the files of f by their paths. The viewer is of the module swgui. It has its files in
// compressed form alone, and loads nothing from elsewhere.
func (f front) files() (map[string]*frontFile, error) {
	all := map[string]*frontFile{}
	for at, one := range map[string]frontFile{
		"/{$}": {name: "home.html", policy: homePolicy}, "/docs": {name: "docs.html", policy: viewerPolicy}, "/front.css": {name: "front.css"}, "/docs/show.js": {name: "show.js"},
	} {
		text, err := frontFiles.ReadFile("front/" + one.name)
		if err != nil {
			return nil, err
		}
		if one.body = text; one.policy != "" {
			t, err := template.New(one.name).Parse(string(text))
			if err != nil {
				return nil, err
			}
			var b bytes.Buffer
			if err := t.Execute(&b, f); err != nil {
				return nil, err
			}
			one.body = b.Bytes()
		}
		all[at] = &one
	}
	for _, name := range []string{"swagger-ui.css", "swagger-ui-bundle.js"} {
		zipped, err := static.FS.ReadFile(name + ".gz")
		if err != nil {
			return nil, fmt.Errorf("the viewer of the API reference: %w", err)
		}
		all["/docs/"+name] = &frontFile{name: name, zipped: zipped}
	}
	return all, nil
}

// ServeHTTP serves the file by GET and HEAD.
func (f *frontFile) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	head := w.Header()
	head.Set("Content-Type", mediaTypes[path.Ext(f.name)])
	head.Set("X-Content-Type-Options", "nosniff")
	head.Set("Referrer-Policy", "no-referrer")
	if f.policy != "" {
		head.Set("Content-Security-Policy", f.policy)
		head.Set("Cross-Origin-Opener-Policy", "same-origin")
		head.Set("Cache-Control", "no-store")
	} else {
		head.Set("Cache-Control", "max-age=3600")
	}
	if f.zipped == nil {
		_, _ = w.Write(f.body) // fails if the client has gone
		return
	}
	head.Set("Vary", "Accept-Encoding")
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		head.Set("Content-Encoding", "gzip")
		_, _ = w.Write(f.zipped)
		return
	}
	if text, err := gzip.NewReader(bytes.NewReader(f.zipped)); err == nil {
		_, _ = io.Copy(w, text) //nolint:gosec // the text is of this program
	}
}
