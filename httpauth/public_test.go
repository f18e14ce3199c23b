package httpauth_test

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/httpauth"
)

func publicHandler(t *testing.T) http.Handler {
	t.Helper()
	h, err := httpauth.New(authtest.New(t).Manager, httpauth.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// A query is not read where no parameter is: what a stranger writes there is neither parsed
// nor kept.
func TestAQueryCostsNothingWhereNoneIsRead(t *testing.T) {
	h := publicHandler(t)
	cost := func(query string) float64 {
		r := httptest.NewRequest("GET", "/.well-known/jwks.json", nil)
		r.URL.RawQuery = query
		return testing.AllocsPerRun(20, func() {
			rec := httptest.NewRecorder()
			if h.ServeHTTP(rec, r); rec.Code != http.StatusOK {
				t.Fatal(rec.Code, rec.Body)
			}
		})
	}
	none := cost("")
	for _, query := range []string{strings.Repeat("a&", 9000), strings.Repeat("%41=%zz&", 1000), strings.Repeat(";", 1<<20)} {
		if got := cost(query); got > none {
			t.Errorf("%.9s…: %v allocations, %v without a query", query, got, none)
		}
	}
}

// The document is made once for a mount, whether it is sent or the client has it already.
func TestTheDocumentIsNotMadeForEachRequest(t *testing.T) {
	h := publicHandler(t)
	r := httptest.NewRequest("GET", "/openapi.json", nil)
	r.Header.Set("If-None-Match", "*")
	w := discard{}
	h.ServeHTTP(w, r)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 20 {
		clear(w)
		h.ServeHTTP(w, r)
	}
	runtime.ReadMemStats(&after)
	if each := (after.TotalAlloc - before.TotalAlloc) / 20; each > 8<<10 {
		t.Errorf("%d bytes for a document that the client has", each)
	}
}

// A discard is a ResponseWriter that keeps its headers alone.
type discard http.Header

func (d discard) Header() http.Header         { return http.Header(d) }
func (d discard) Write(p []byte) (int, error) { return len(p), nil }
func (d discard) WriteHeader(int)             {}

// Middleware that compresses says so in Content-Encoding before the handler runs, and then
// the length is not that of the body.
func TestALengthIsNotSetUnderAnotherEncoding(t *testing.T) {
	h := publicHandler(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		defer func() { _ = z.Close() }()
		h.ServeHTTP(zipped{w, z}, r)
	}))
	defer server.Close()
	res, err := server.Client().Get(server.URL + "/openapi.json") // its transport takes gzip back
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || !strings.HasPrefix(string(body), `{"openapi":"3.1.0"`) || !strings.HasSuffix(string(body), "}") {
		t.Errorf("%d bytes, %v", len(body), err)
	}
}

type zipped struct {
	http.ResponseWriter
	z io.Writer
}

func (w zipped) Write(p []byte) (int, error) { return w.z.Write(p) }

// HT-8: what is public may be read by a page of any origin, with its ETag; nothing else may.
func TestAPageOfAnyOriginReadsPublicAnswersAndNoOthers(t *testing.T) {
	f := newFixture(t, setup{})
	token := f.account("ada@example.com")
	page := header("Origin", "https://app.example")
	for _, path := range []string{"/openapi.json", "/.well-known/jwks.json"} {
		tag := ""
		for _, method := range []string{"GET", "HEAD"} {
			a := f.call(method, path, nil, page).want(200)
			if tag = a.header.Get("ETag"); a.header.Get("Access-Control-Allow-Origin") != "*" || a.header.Get("Access-Control-Expose-Headers") != "ETag" {
				t.Errorf("%s: %v", a.what, a.header)
			}
		}
		if a := f.call("GET", path, nil, page, header("If-None-Match", tag)).want(304); a.header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s: 304 %v", a.what, a.header)
		}
		a := f.call("OPTIONS", path, nil, page, header("Access-Control-Request-Method", "GET"), header("Access-Control-Request-Headers", "if-none-match")).want(204)
		for name, want := range map[string]string{
			"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Methods": "GET, HEAD", "Access-Control-Allow-Headers": "*, Authorization", "Access-Control-Max-Age": "7200",
		} {
			if got := a.header.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", a.what, name, got, want)
			}
		}
	}
	for _, a := range []answer{
		f.call("GET", "/me", nil, bearer(token), page).want(200),
		f.call("OPTIONS", "/me", nil, page, header("Access-Control-Request-Method", "GET")).want(204),
		f.call("OPTIONS", "/login", nil, page, header("Access-Control-Request-Method", "POST")).want(204),
		f.call("POST", "/openapi.json", nil, page).want(405),
		f.call("GET", "/nothing", nil, page).want(404),
	} {
		for name := range a.header {
			if strings.HasPrefix(name, "Access-Control-") {
				t.Errorf("%s: it has %s", a.what, name)
			}
		}
	}
}

func TestMiddlewareDecidesWhichPagesReadPublicAnswers(t *testing.T) {
	h := publicHandler(t)
	rec := httptest.NewRecorder()
	rec.Header().Set("Access-Control-Allow-Origin", "https://app.example")
	rec.Header().Set("Access-Control-Allow-Credentials", "true")
	h.ServeHTTP(rec, httptest.NewRequest("GET", "/.well-known/jwks.json", nil))
	if got := rec.Header()["Access-Control-Allow-Origin"]; len(got) != 1 || got[0] != "https://app.example" {
		t.Error(got)
	}
}
