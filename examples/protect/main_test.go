package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/httpauth"
)

func TestEachRouteAdmitsTheCallersOfItsRules(t *testing.T) {
	h := authtest.New(t)
	guard, err := httpauth.New(h.Manager, httpauth.Config{})
	if err != nil {
		t.Fatal(err)
	}
	mux := routes(guard)

	stale := h.Register().Token()
	h.Clock.Advance(6 * time.Minute)
	admin, member, customer := h.Register(), h.Register(), h.Register()
	if err := h.SetRole(t.Context(), member.ID, "member"); err != nil {
		t.Fatal(err)
	}
	if err := h.SetAssignedAgents(t.Context(), customer.ID, []string{"agent_1"}); err != nil {
		t.Fatal(err)
	}
	callers := []struct{ name, credential string }{
		{"nobody", ""}, {"admin", admin.Token()}, {"member", member.Token()}, {"key", admin.APIKey()},
		{"stale", stale}, {"customer", customer.Token()}, {"importer", admin.ScopedAPIKey("imports:write")}, {"other", admin.ScopedAPIKey("exports:read")},
	}
	for _, c := range []struct {
		method, path string
		want         []int // in the order of callers
	}{
		{"GET", "/reports", []int{401, 200, 200, 200, 200, 200, 200, 200}},
		{"GET", "/members", []int{401, 200, 403, 403, 200, 200, 403, 403}},
		{"POST", "/imports", []int{401, 403, 403, 200, 403, 403, 200, 403}},
		{"DELETE", "/organization", []int{401, 200, 403, 403, 401, 200, 403, 403}},
		{"GET", "/agents", []int{401, 403, 403, 403, 403, 200, 403, 403}},
		{"GET", "/v1/auth/me", []int{401, 200, 200, 200, 200, 200, 200, 200}},
	} {
		for i, caller := range callers {
			r := httptest.NewRequest(c.method, c.path, nil)
			if caller.credential != "" {
				r.Header.Set("Authorization", "Bearer "+caller.credential)
			}
			w := httptest.NewRecorder()
			mux.ServeHTTP(w, r)
			if w.Code != c.want[i] {
				t.Errorf("%s %s as %s: %d, want %d", c.method, c.path, caller.name, w.Code, c.want[i])
			}
			challenge := w.Header().Get("WWW-Authenticate")
			if w.Code == http.StatusUnauthorized && !strings.HasPrefix(challenge, "Bearer ") {
				t.Errorf("%s %s as %s: 401 with the challenge %q", c.method, c.path, caller.name, challenge)
			}
		}
	}
}

func TestTheCredentialsThatItPrintsAreMade(t *testing.T) {
	if err := introduce(authtest.New(t).Manager); err != nil {
		t.Error(err)
	}
}
