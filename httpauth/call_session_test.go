package httpauth_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/httpauth"
)

func TestRefreshContinuesTheSession(t *testing.T) {
	onEachStore(t, func(t *testing.T, f *fixture) {
		first := f.account("ada@example.com")
		f.clock.advance(time.Minute)
		a := f.call("POST", "/refresh", nil, bearer(first)).want(200).wantMembers("access_token", "token_type", "expires_in")
		second := a.text("access_token")
		if second == first || a.text("token_type") != "bearer" || a.body["expires_in"] != float64(3600) {
			t.Errorf("got %s", a.raw)
		}
		// Two tabs: the old token is good for its grace, and takes the same new one.
		f.call("GET", "/me", nil, bearer(first)).want(200)
		f.call("GET", "/me", nil, bearer(second)).want(200)
		if again := f.call("POST", "/refresh", nil, bearer(first)).want(200).text("access_token"); again != second {
			t.Error("the other tab got another token")
		}
		f.clock.advance(11 * time.Second)
		a = f.call("GET", "/me", nil, bearer(first)).want(401, httpauth.CodeInvalidToken)
		if got := a.header.Get("WWW-Authenticate"); got != `Bearer realm="auth", error="invalid_token"` {
			t.Errorf("challenge is %q", got)
		}
		f.call("GET", "/me", nil, bearer(second)).want(200)
		// Refreshing it now is theft: the session ends.
		f.call("POST", "/refresh", nil, bearer(first)).want(401, httpauth.CodeInvalidToken)
		f.call("GET", "/me", nil, bearer(second)).want(401, httpauth.CodeInvalidToken)
	})
}

// SE-2.
func TestRefreshNeedsALiveToken(t *testing.T) {
	f := newFixture(t, setup{})
	token := f.account("ada@example.com")
	f.call("POST", "/refresh", nil).want(401, httpauth.CodeAuthenticationRequired)
	f.call("POST", "/refresh", nil, bearer("nonsense")).want(401, httpauth.CodeInvalidToken)
	f.clock.advance(time.Hour)
	f.call("POST", "/refresh", nil, bearer(token)).want(401, httpauth.CodeInvalidToken)
}

// SE-2.
func TestRefreshAfterLunchNeedsTheSetting(t *testing.T) {
	f := newFixture(t, setup{auth: func(c *auth.Config) { c.RefreshAfterExpiry = 24 * time.Hour }})
	token := f.account("ada@example.com")
	f.clock.advance(2 * time.Hour)
	f.call("GET", "/me", nil, bearer(token)).want(401, httpauth.CodeInvalidToken)
	a := f.call("POST", "/refresh", nil, bearer(token)).want(200)
	f.call("GET", "/me", nil, bearer(a.text("access_token"))).want(200)
	if a.body["expires_in"] != float64(3600) {
		t.Errorf("got %s", a.raw)
	}
	f.clock.advance(25 * time.Hour)
	f.call("POST", "/refresh", nil, bearer(a.text("access_token"))).want(401, httpauth.CodeInvalidToken)
}

func TestLogoutEndsTheSessionAndEveryTokenOfIt(t *testing.T) {
	onEachStore(t, func(t *testing.T, f *fixture) {
		first := f.account("ada@example.com")
		other := f.login("ada@example.com")
		second := f.call("POST", "/refresh", nil, bearer(first)).want(200).text("access_token")
		a := f.call("POST", "/logout", nil, bearer(second)).want(200).wantMembers("success", "message")
		if a.body["success"] != true || a.text("message") != "Logged out successfully" {
			t.Errorf("got %s", a.raw)
		}
		for _, token := range []string{first, second} {
			f.call("GET", "/me", nil, bearer(token)).want(401, httpauth.CodeInvalidToken)
			f.call("POST", "/logout", nil, bearer(token)).want(401, httpauth.CodeInvalidToken)
			f.call("POST", "/refresh", nil, bearer(token)).want(401, httpauth.CodeInvalidToken)
		}
		f.call("GET", "/me", nil, bearer(other)).want(200)
	})
}

// SE-7
func TestLogoutTakesATokenThatOpensNothingAnyMore(t *testing.T) {
	onEachStore(t, func(t *testing.T, f *fixture) {
		f.account("ada@example.com")
		for name, old := range map[string]func(token string){
			"superseded": func(token string) {
				f.call("POST", "/refresh", nil, bearer(token)).want(200)
				f.clock.advance(time.Minute)
			},
			"expired": func(string) { f.clock.advance(2 * time.Hour) },
		} {
			token := f.login("ada@example.com")
			old(token)
			f.call("GET", "/me", nil, bearer(token)).want(401, httpauth.CodeInvalidToken)
			a := f.call("POST", "/logout", nil, bearer(token)).want(200).wantMembers("success", "message")
			if a.body["success"] != true || a.text("message") != "Logged out successfully" {
				t.Errorf("%s: got %s", name, a.raw)
			}
			f.call("POST", "/logout", nil, bearer(token)).want(401, httpauth.CodeInvalidToken)
		}
	})
}

func TestCallsWithoutBodyIgnoreOne(t *testing.T) {
	f := newFixture(t, setup{})
	token := f.account("ada@example.com")
	for _, contentType := range []string{"", "text/plain", "application/json"} {
		f.call("POST", "/refresh", "{{{{", bearer(token), func(r *http.Request) { r.Header.Set("Content-Type", contentType) }).want(200)
	}
	f.call("GET", "/me", `{"id":"user_1"}`, bearer(token)).want(200)
	f.call("POST", "/logout", `{"`, bearer(token)).want(200)
}
