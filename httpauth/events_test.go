package httpauth_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/httpauth"
)

// LO-1: what the guard refuses is an event, with its caller.
func TestWhatTheGuardRefusesIsAnEvent(t *testing.T) {
	events := &authtest.Events{}
	f := newFixture(t, setup{auth: func(c *auth.Config) { c.Events, c.Mailer = events, nil }})
	token := f.account("ada@example.com")
	_, key := f.apiKey(token)
	fault := httpauth.Rule(func(httpauth.Access) error { return errors.New("secret of the host's") })

	guarded(f, nil)
	guarded(f, nil, bearer(token))
	guarded(f, nil, bearer(token), header("X-API-Key", key))
	guarded(f, nil, header("X-API-Key", "a b"))
	guarded(f, rules(httpauth.SessionOnly), bearer(key))
	guarded(f, rules(httpauth.Role("owner")), bearer(token))
	guarded(f, rules(httpauth.MultiFactor), bearer(token))
	guarded(f, rules(fault), bearer(token))
	guarded(f, nil, bearer("nonsense"))
	f.call("GET", "/api-keys", nil, bearer(key)).want(403, httpauth.CodeForbidden)
	f.call("POST", "/refresh", nil, bearer(key)).want(403, httpauth.CodeForbidden)
	f.call("POST", "/refresh", nil, bearer(token), header("X-API-Key", key)).want(400, httpauth.CodeInvalidRequest)
	f.call("POST", "/refresh", nil).want(401, httpauth.CodeAuthenticationRequired)
	if err := f.manager.Close(); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range events.All()[3:] { // of the account and its key
		actor, _, _ := strings.Cut(e.Actor, "_")
		got = append(got, strings.TrimSpace(fmt.Sprintf("%s:%s %s", e.Type, e.Reason, actor)))
		if (actor == "") != (e.UserID == "") || !e.Client.Addr.IsValid() {
			t.Errorf("the event is %+v", e)
		}
	}
	want := []string{
		"access_denied:invalid_request", "api_key_refused:malformed", "access_denied:forbidden key", "access_denied:forbidden ses",
		"access_denied:reauthentication_required ses", "access_denied:internal_error ses", "token_refused:malformed",
		"access_denied:forbidden key", "access_denied:forbidden key", "access_denied:invalid_request",
		"api_key_new_network: key", // f.call comes from another than guarded
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// The id of a request comes from the configured header, and from nowhere else.
func TestTheRequestIDIsReadOnlyWhereItIsConfigured(t *testing.T) {
	for name, tc := range map[string]struct{ header, want string }{
		"by default":  {"", "from the context"},
		"of a header": {"x-request-id", "from the header?[31m"},
		"of another":  {"X-Trace", ""},
	} {
		events := &authtest.Events{}
		f := newFixture(t, setup{
			auth: func(c *auth.Config) { c.Events = events },
			http: func(c *httpauth.Config) { c.RequestIDHeader = tc.header },
		})
		r := httptest.NewRequest("GET", "/me", nil)
		r = r.WithContext(auth.WithClient(r.Context(), auth.Client{RequestID: "from the context"}))
		r.Header.Set("Authorization", "Bearer nonsense")
		r.Header["X-Request-Id"] = []string{"from the header\x1b[31m"}
		f.handler.ServeHTTP(httptest.NewRecorder(), r)
		f.handler.Require()(http.NotFoundHandler()).ServeHTTP(httptest.NewRecorder(), r)
		if err := f.manager.Close(); err != nil {
			t.Fatal(err)
		}
		if len(events.All()) != 2 {
			t.Fatalf("%s: %d events", name, len(events.All()))
		}
		for _, e := range events.All() {
			if e.Client.RequestID != tc.want || e.Client.Addr.String() != "192.0.2.1" {
				t.Errorf("%s: %+v, want %q", name, e.Client, tc.want)
			}
		}
	}
}
