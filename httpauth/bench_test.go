package httpauth_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/httpauth"
)

// What [httpauth.Handler.Require] adds to a handler: the difference to "bare".
func BenchmarkRequire(b *testing.B) {
	h := authtest.New(b)
	guard, err := httpauth.New(h.Manager, httpauth.Config{})
	if err != nil {
		b.Fatal(err)
	}
	alice := h.Register()
	bare := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusNoContent) })
	named := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if id, ok := auth.IdentityFrom(r.Context()); !ok || id.User.ID != alice.ID {
			b.Error("nobody is named")
		}
		w.WriteHeader(http.StatusNoContent)
	})
	for _, c := range []struct {
		name, credential string
		handler          http.Handler
	}{
		{"bare", "", bare},
		{"token", string(alice.Token()), guard.Require()(named)},
		{"key", string(alice.APIKey()), guard.Require()(named)},
		{"rules", string(alice.Token()), guard.Require(httpauth.SessionOnly, httpauth.Role("admin"))(named)},
	} {
		b.Run(c.name, func(b *testing.B) {
			r := httptest.NewRequest(http.MethodGet, "/v1/agents", nil)
			r.Header.Set("User-Agent", "bench/1.0")
			if c.credential != "" {
				r.Header.Set("Authorization", "Bearer "+c.credential)
			}
			w := new(discard)
			b.ReportAllocs()
			for b.Loop() {
				if c.handler.ServeHTTP(w, r); w.status != http.StatusNoContent {
					b.Fatal(w.status)
				}
			}
		})
	}
}

type discard struct{ status int }

func (d *discard) Header() http.Header         { return http.Header{} }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
func (d *discard) WriteHeader(status int)      { d.status = status }
