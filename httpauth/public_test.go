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
