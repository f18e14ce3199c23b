//go:build !race

package httpauth_test

import (
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/httpauth"
)

// DO-2: a stranger pays for a long request with what it costs to send. It makes a refusal neither
// slow nor large.
func TestARefusalOfALongRequestCostsWhatThatOfAShortOneDoes(t *testing.T) {
	h := authtest.New(t)
	handler, err := httpauth.New(h.Manager, httpauth.Config{RequestIDHeader: "X-Request-Id"})
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("\xffa", 450_000) // a header may have any byte but control characters
	cost := func(path, name, value string) int {
		const rounds = 50 // of which the first few are reported
		requests := make([]*http.Request, rounds)
		for i := range requests {
			r := httptest.NewRequest("GET", "/me", nil)
			r.URL.Path, r.RequestURI = path, path
			r.Header = http.Header{"Authorization": {"Bearer nonsense"}}
			if name == "X-Api-Key" {
				r.Header = http.Header{}
			}
			if name != "" {
				r.Header[name] = []string{value}
			}
			requests[i] = r
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for _, r := range requests {
			handler.ServeHTTP(httptest.NewRecorder(), r)
		}
		runtime.ReadMemStats(&after)
		return int(after.TotalAlloc-before.TotalAlloc) / rounds
	}
	short := cost("/me", "", "")
	for _, name := range []string{"User-Agent", "X-Request-Id", "Authorization", "X-Api-Key", "Cookie", "Accept", "If-None-Match", "X-Forwarded-For", "Origin"} {
		value := long
		if name == "Authorization" {
			value = "Bearer " + long
		}
		if got := cost("/me", name, value); got > short+8<<10 {
			t.Errorf("with a long %s a refusal allocates %d bytes, with a short one %d", name, got, short)
		}
	}
	if got := cost("/me/"+long, "", ""); got > short+8<<10 {
		t.Errorf("with a long path a refusal allocates %d bytes, with a short one %d", got, short)
	}
}
