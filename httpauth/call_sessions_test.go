package httpauth_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/httpauth"
)

const firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"

// loginAs is a login of a client that calls itself userAgent.
func (f *fixture) loginAs(email, userAgent string) (token string) {
	f.t.Helper()
	return f.call("POST", "/login", members{"email": email, "password": password}, header("User-Agent", userAgent)).want(200).text("access_token")
}

// sessions is what a token lists.
func (f *fixture) sessions(token string) (list []map[string]any) {
	f.t.Helper()
	a := f.call("GET", "/sessions", nil, bearer(token)).want(200).wantMembers("sessions")
	if strings.Contains(a.raw, token) || strings.Contains(a.raw, "eyJ") {
		f.t.Error("a token is in the list")
	}
	for _, s := range a.body["sessions"].([]any) {
		wantMembers(f.t, "listed session", dig(s), "id", "current", "created_at", "refreshed_at", "expires_at", "address", "user_agent", "device", "amr")
		list = append(list, dig(s))
	}
	return list
}

// SE-10.
func TestSessionsAreListedNewestFirstWithTheirDevice(t *testing.T) {
	onEachStore(t, func(t *testing.T, f *fixture) {
		f.register("ada@example.com")
		over := f.loginAs("ada@example.com", "curl/8.5.0")
		f.clock.advance(30 * time.Minute)
		first := f.loginAs("ada@example.com", firefox)
		began := f.in(0)
		f.clock.advance(40 * time.Minute)
		f.call("GET", "/me", nil, bearer(over)).want(401)
		first = f.call("POST", "/refresh", nil, bearer(first)).want(200).text("access_token")
		second := f.loginAs("ada@example.com", "<script>alert(1)</script>")
		f.clock.advance(time.Second)
		list := f.sessions(first)
		if len(list) != 2 {
			t.Fatalf("listed are %v", list)
		}
		newest, oldest := list[0], list[1]
		if newest["current"] != false || newest["device"] != "" || newest["user_agent"] != "<script>alert(1)</script>" || newest["created_at"] != f.in(-time.Second) {
			t.Errorf("the newest is %v", newest)
		}
		if oldest["current"] != true || oldest["device"] != "Firefox on Linux" || oldest["user_agent"] != firefox || oldest["address"] != "127.0.0.1" ||
			oldest["created_at"] != began || oldest["refreshed_at"] != f.in(-time.Second) || oldest["expires_at"] != f.in(time.Hour-time.Second) ||
			fmt.Sprint(oldest["amr"]) != "[pwd]" {
			t.Errorf("the oldest is %v", oldest)
		}
		if list := f.sessions(second); len(list) != 2 || list[0]["current"] != true || list[1]["current"] != false {
			t.Errorf("the other session lists %v", list)
		}
	})
}

// SE-10: ended is what the list has, and nothing else.
func TestASessionIsEndedByItsID(t *testing.T) {
	onEachStore(t, func(t *testing.T, f *fixture) {
		stranger := f.account("eve@example.com")
		lost := f.account("ada@example.com")
		f.clock.advance(time.Second)
		token := f.login("ada@example.com")
		list := f.sessions(token)
		own, lostID := list[0]["id"].(string), list[1]["id"].(string)
		foreign := f.call("DELETE", "/sessions/"+lostID, nil, bearer(stranger)).want(404, httpauth.CodeNotFound)
		for _, other := range []string{"ses_1", "ses_" + strings.Repeat("0", 22), "user_1", "x", "-", strings.Repeat("s", 65)} {
			if a := f.call("DELETE", "/sessions/"+other, nil, bearer(token)).want(404); a.raw != foreign.raw {
				t.Errorf("%s: %s differs from %s", other, a.raw, foreign.raw)
			}
		}
		f.call("GET", "/me", nil, bearer(lost)).want(200)
		a := f.call("DELETE", "/sessions/"+lostID, nil, bearer(token)).want(200).wantMembers("success", "message")
		if a.body["success"] != true || a.text("message") != "Session ended" {
			t.Errorf("got %s", a.raw)
		}
		f.call("GET", "/me", nil, bearer(lost)).want(401, httpauth.CodeInvalidToken)
		f.call("POST", "/refresh", nil, bearer(lost)).want(401, httpauth.CodeInvalidToken)
		f.call("DELETE", "/sessions/"+lostID, nil, bearer(token)).want(404)
		f.call("DELETE", "/sessions/"+own, nil, bearer(token)).want(200).wantMembers("success", "message")
		f.call("GET", "/me", nil, bearer(token)).want(401, httpauth.CodeInvalidToken)
		f.call("GET", "/me", nil, bearer(stranger)).want(200)
	})
}

// SE-10.
func TestLogoutOthersLeavesTheSessionOfTheCall(t *testing.T) {
	onEachStore(t, func(t *testing.T, f *fixture) {
		stranger := f.account("eve@example.com")
		others := []string{f.account("ada@example.com"), f.login("ada@example.com")}
		token := f.login("ada@example.com")
		_, key := f.apiKey(token)
		a := f.call("POST", "/logout-others", nil, bearer(token)).want(200).wantMembers("success", "message", "ended")
		if a.body["success"] != true || a.body["ended"] != 2.0 {
			t.Errorf("got %s", a.raw)
		}
		for _, other := range others {
			f.call("GET", "/me", nil, bearer(other)).want(401, httpauth.CodeInvalidToken)
			f.call("POST", "/refresh", nil, bearer(other)).want(401, httpauth.CodeInvalidToken)
			f.call("POST", "/logout-others", nil, bearer(other)).want(401, httpauth.CodeInvalidToken)
		}
		for _, goesOn := range []string{token, key, stranger} {
			f.call("GET", "/me", nil, bearer(goesOn)).want(200)
		}
		if list := f.sessions(token); len(list) != 1 || list[0]["current"] != true {
			t.Errorf("listed are %v", list)
		}
		if again := f.call("POST", "/logout-others", nil, bearer(token)).want(200); again.body["ended"] != 0.0 {
			t.Errorf("got %s", again.raw)
		}
		f.clock.advance(time.Minute)
		f.call("POST", "/refresh", nil, bearer(token)).want(200)
	})
}

// A session that was made without a request has no address, and says so.
func TestASessionOfNoClientIsListedWithoutOne(t *testing.T) {
	f := newFixture(t, setup{})
	f.register("ada@example.com")
	r, err := f.manager.Login(context.Background(), "ada@example.com", auth.Secret(password))
	if err != nil {
		t.Fatal(err)
	}
	if list := f.sessions(string(r.AccessToken.Token)); len(list) != 1 || list[0]["address"] != "" || list[0]["user_agent"] != "" || list[0]["device"] != "" {
		t.Errorf("listed are %v", list)
	}
}

// HT-13: what a client calls itself is one line of printable text, and no device.
func TestAHostileUserAgentIsCutAndNamesNoDevice(t *testing.T) {
	f := newFixture(t, setup{})
	f.register("ada@example.com")
	token := f.call("POST", "/login", members{"email": "ada@example.com", "password": password}, func(r *http.Request) {
		r.Header.Set("User-Agent", strings.Repeat("A\u202e\xff", 10_000)+" Firefox/1 Linux")
	}).want(200).text("access_token")
	s := f.sessions(token)[0]
	if text := s["user_agent"].(string); len(text) > 210 || strings.ContainsAny(text, "\u202e\ufffd") || s["device"] != "" {
		t.Errorf("%d bytes, %v", len(text), s)
	}
}
