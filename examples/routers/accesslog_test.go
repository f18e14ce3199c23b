package main

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/httpauth"
)

type callerKey struct{}

// accessLog is middleware around the whole router. It logs who called, as noteCaller says.
func accessLog(log *slog.Logger, router http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller := new(atomic.Pointer[auth.Identity])
		router.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), callerKey{}, caller)))
		user := ""
		if id := caller.Load(); id != nil {
			user = id.User.ID
		}
		log.Info("request", "method", r.Method, "path", r.URL.Path, "user", user)
	})
}

// noteCaller is httpauth.Config.OnIdentity.
func noteCaller(r *http.Request, id auth.Identity) {
	if caller, ok := r.Context().Value(callerKey{}).(*atomic.Pointer[auth.Identity]); ok {
		caller.Store(&id)
	}
}

func TestTheAccessLogHasTheCaller(t *testing.T) {
	for name, newRouter := range guarded {
		t.Run(name, func(t *testing.T) {
			h := authtest.New(t)
			user := h.Register()
			handler := newHandler(t, h)
			for _, c := range []struct {
				rules []httpauth.Rule
				token string
				want  int
				user  string
			}{
				{nil, user.Token(), 200, user.ID},
				{[]httpauth.Rule{httpauth.Role("operator")}, user.Token(), 403, user.ID},
				{nil, "forged", 401, `""`},
			} {
				var log bytes.Buffer
				w, r := httptest.NewRecorder(), httptest.NewRequest("GET", "/one/sub/two", nil)
				r.Header.Set("Authorization", "Bearer "+c.token)
				accessLog(slog.New(slog.NewTextHandler(&log, nil)), newRouter(handler.Require(c.rules...))).ServeHTTP(w, r)
				if line := log.String(); w.Code != c.want || !strings.HasSuffix(line, "user="+c.user+"\n") {
					t.Errorf("%d, want %d, of user %s: %s", w.Code, c.want, c.user, line)
				}
			}
		})
	}
}
