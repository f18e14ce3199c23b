package httpauth_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/httpauth"
)

// HT-6, HT-7: whatever the answer is, no client keeps it, guesses its type, frames it or
// learns of it by a referrer. Every answer of every test is held to it; here is one of
// each status.
func TestEveryAnswerHasItsHeaders(t *testing.T) {
	f := newFixture(t, setup{})
	token := f.account("ada@example.com")
	_, key := f.apiKey(token)
	seen := map[int]bool{}
	check := func(a answer) {
		t.Helper()
		seen[a.status] = true
		media := "application/json; charset=utf-8"
		if a.status >= 400 {
			media = "application/problem+json; charset=utf-8"
		}
		caching := "no-store"
		if strings.HasSuffix(a.what, " /openapi.json") && a.status == 200 { // the same for every caller
			caching = "public, max-age=300"
		}
		for name, want := range map[string]string{
			"Cache-Control": caching, "Content-Type": media, "X-Content-Type-Options": "nosniff",
			"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'", "Referrer-Policy": "no-referrer",
		} {
			if got := a.header.Values(name); len(got) != 1 || got[0] != want {
				t.Errorf("%s: %d has %s %q, want %q", a.what, a.status, name, got, want)
			}
		}
	}
	check(f.call("GET", "/openapi.json", nil))
	check(f.call("GET", "/me", nil, bearer(token)))
	check(f.call("POST", "/api-keys", members{"name": "x"}, bearer(token)))
	check(f.call("POST", "/login", "{"))
	check(f.call("GET", "/me", nil))
	check(f.call("GET", "/api-keys", nil, bearer(key)))
	check(f.call("GET", "/nothing", nil))
	check(f.call("DELETE", "/login", nil))
	check(f.call("POST", "/register", members{"email": "ada@example.com", "password": password, "full_name": "Eve"}))
	check(f.call("POST", "/login", strings.Repeat(" ", httpauth.MaxBody+1)))
	check(f.call("POST", "/login", "{}", func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }))
	for range 6 {
		check(f.call("POST", "/login", members{"email": "ada@example.com", "password": "wrong password"}))
	}
	f.store.fail()
	check(f.call("GET", "/me", nil, bearer(token)))
	f.store.heal()
	f.store.panic()
	check(f.call("GET", "/me", nil, bearer(token)))
	f.store.heal()
	for _, status := range []int{200, 201, 400, 401, 403, 404, 405, 409, 413, 415, 429, 500, 503} {
		if !seen[status] {
			t.Errorf("no answer was %d", status)
		}
	}
}

// HT-9: a browser sends cookies by itself, so none is accepted on a route, under any name.
func TestACookieIsAcceptedOnNoRoute(t *testing.T) {
	f := newFixture(t, setup{})
	token := f.account("ada@example.com")
	_, key := f.apiKey(token)
	for _, rt := range f.handler.Routes() {
		method, path, _ := strings.Cut(rt, " ")
		if !authenticated(f, method, path) {
			continue
		}
		path = filled(path)
		for _, name := range []string{"access_token", "token", "session", "Authorization", "__Host-session", sessionCookie, "jwt", "api_key"} {
			for _, value := range []string{token, key} {
				f.call(method, path, members{}, header("Cookie", name+"="+value)).want(401, httpauth.CodeAuthenticationRequired)
			}
		}
	}
}

// AK-6, Advisory 1 (CVE-2025-61928, GHSA-99h5-pjcv-gr6v): whatever user is named in a body or
// a query, a key is its maker's and has its maker's rights, and without a credential none
// is made or taken away.
func TestABodyMakesAKeyForItsSenderOnly(t *testing.T) {
	onEachStore(t, func(t *testing.T, f *fixture) {
		victimID := f.register("victim@example.com")
		victim := f.login("victim@example.com")
		victimKeyID, victimKey := f.apiKey(victim)
		eve := f.account("eve@example.com")
		evil := members{
			"name": "x", "user_id": victimID, "userId": victimID, "owner": victimID, "id": victimKeyID, "organization_id": "org_1",
			"role": "admin", "scopes": []string{"*"}, "permissions": members{"all": true}, "rate_limit": 0, "remaining": 1_000_000, "key": victimKey,
		}
		f.call("POST", "/api-keys?user_id="+victimID, evil).want(401, httpauth.CodeAuthenticationRequired)
		f.call("DELETE", "/api-keys/"+victimKeyID, evil).want(401, httpauth.CodeAuthenticationRequired)
		key := f.call("POST", "/api-keys?user_id="+victimID, evil, bearer(eve)).want(201).text("key")
		if got := f.call("GET", "/me", nil, bearer(key)).want(200).text("email"); got != "eve@example.com" {
			t.Errorf("the key is of %s", got)
		}
		f.call("DELETE", "/api-keys/"+victimKeyID, evil, bearer(eve)).want(404, httpauth.CodeNotFound)
		f.call("GET", "/me", nil, bearer(victimKey)).want(200)
		if list := f.call("GET", "/api-keys", nil, bearer(victim)).want(200).body["api_keys"].([]any); len(list) != 1 {
			t.Errorf("the victim has %d keys", len(list))
		}
	})
}

// TT-1, BC-4: the temp token alone says whose second step it is.
func TestABodyCannotMakeASecondStepOfAnotherUser(t *testing.T) {
	onEachStore(t, func(t *testing.T, f *fixture) {
		victimID := f.register("victim@example.com")
		f.enrol(f.login("victim@example.com"))
		secret, _ := f.enrol(f.account("eve@example.com"))
		temp := f.call("POST", "/login", members{"email": "eve@example.com", "password": password}).want(200).text("temp_token")
		a := f.call("POST", "/verify-2fa?user_id="+victimID, members{
			"temp_token": temp, "code": f.code(secret), "user_id": victimID, "email": "victim@example.com", "account": victimID, "sub": victimID,
		}, header("Cookie", "account=victim@example.com")).want(200)
		if got := dig(a.body, "user")["email"]; got != "eve@example.com" {
			t.Errorf("logged in as %v", got)
		}
		if got := f.call("GET", "/me", nil, bearer(a.text("access_token"))).want(200).text("email"); got != "eve@example.com" {
			t.Errorf("the token is of %s", got)
		}
	})
}

// TF-8, TF-11, PR-4, Advisory 29, Advisory 18 (CVE-2024-0227): whoever has a session and
// not the password learns nothing of it from a call that asks for it, and has the tries
// of a login for all of them together.
func TestCallsThatAskForThePasswordAreNoOracle(t *testing.T) {
	onEachStore(t, func(t *testing.T, f *fixture) {
		token := f.account("ada@example.com")
		secret, _ := f.enrol(token)
		f.clock.advance(11 * time.Minute)
		disable := func(password, code string) answer {
			t.Helper()
			return f.call("POST", "/disable-2fa", members{"password": password, "code": code}, bearer(token))
		}
		first := disable("wrong password", "000000").want(401, httpauth.CodeInvalidCredentials)
		for _, a := range []answer{
			disable(password, "000000"), // the password is right
			disable("wrong password", f.code(secret)),
			f.call("PATCH", "/me", members{"email": "new@example.com", "current_password": "wrong password", "code": f.code(secret)}, bearer(token)),
		} {
			if a.status != first.status || a.raw != first.raw {
				t.Errorf("%s: %d %s, want %s", a.what, a.status, a.raw, first.raw)
			}
			a.header.Del("Date")
			first.header.Del("Date")
			if !equalHeaders(a.header, first.header) {
				t.Errorf("%s: headers %v, want %v", a.what, a.header, first.header)
			}
		}
		f.call("POST", "/change-password", members{"current_password": "wrong password", "new_password": "NewPass456!"}, bearer(token)).
			want(401, httpauth.CodeInvalidCredentials)
		for range 5 {
			disable("wrong password", f.code(secret))
		}
		disable(password, f.code(secret)).want(429, httpauth.CodeRateLimited)
		f.call("POST", "/change-password", members{"current_password": password, "new_password": "NewPass456!"}, bearer(token)).want(429, httpauth.CodeRateLimited)
		f.call("POST", "/login", members{"email": "ada@example.com", "password": password}).want(429, httpauth.CodeRateLimited)
	})
}

// Advisory 5 (GHSA-x732-6j76-qmhm): a limit is the call's, not the path's: no other
// spelling of the path of a login is heard at all.
func TestNoSpellingOfAPathIsAWayAroundALimit(t *testing.T) {
	f := newFixture(t, setup{})
	f.register("ada@example.com")
	for range 5 {
		f.call("POST", "/login", members{"email": "ada@example.com", "password": "wrong password"}).want(401)
	}
	for path, want := range map[string]int{
		"/login": 429, "/login?x=1": 429, "//login": 404, "/./login": 404, "/login/": 404, "/LOGIN": 404, "/%6cogin": 404, "/login%2f": 404,
		"/x/../login": 404, "/login;x=1": 404, "/login%00": 404, "/login%20": 404,
	} {
		r := httptest.NewRequest("POST", path, strings.NewReader(`{"email":"ada@example.com","password":"`+password+`"}`))
		r.RemoteAddr = "127.0.0.1:1" // as the wrong ones came from
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		f.handler.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%s: %d %s, want %d", path, w.Code, w.Body, want)
		}
	}
}

// Advisory 6: nothing that a client writes of its own address is believed, in any of the
// headers that proxies use, unless a named proxy stands between.
func TestNoHeaderMakesAnotherAddress(t *testing.T) {
	f := newFixture(t, setup{auth: func(c *auth.Config) {
		c.Limits.RegisterByAddress.Burst, c.Limits.RegisterByAddress.Every = 1, time.Hour
	}})
	f.register("a@example.com")
	for _, name := range []string{
		"X-Forwarded-For", "Forwarded", "X-Real-IP", "X-Client-IP", "True-Client-IP", "CF-Connecting-IP", "X-Cluster-Client-IP", "X-Originating-IP", "X-Remote-Addr", "Via",
	} {
		f.call("POST", "/register", members{"email": "b@example.com", "password": password, "full_name": "B"}, header(name, "203.0.113.9")).want(429, httpauth.CodeRateLimited)
	}
}
