package httpauth_test

import (
	"context"
	"maps"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/httpauth"
)

func TestRegisterAnswersAsTheContractSays(t *testing.T) {
	onEachStore(t, func(t *testing.T, f *fixture) {
		a := f.call("POST", "/register", members{
			"email": "Ada@Example.com", "password": password, "full_name": "Ada Lovelace", "organization_name": "Engines",
			// Unknown members are ignored, never believed.
			"id": "user_1", "role": "owner", "organization_id": "org_1", "two_factor_enabled": true, "created_at": "2001-01-01T00:00:00Z",
		}).want(201).wantMembers("id", "email", "full_name", "organization_id", "role", "created_at")
		if a.text("role") != "admin" || a.text("full_name") != "Ada Lovelace" || a.text("email") != "Ada@Example.com" {
			t.Errorf("got %s", a.raw)
		}
		if !strings.HasPrefix(a.text("id"), "user_") || len(a.text("id")) < 10 || !strings.HasPrefix(a.text("organization_id"), "org_") || len(a.text("organization_id")) < 10 {
			t.Errorf("identifiers in %s", a.raw)
		}
		if a.text("created_at") != f.in(0) {
			t.Errorf("created_at is %q", a.text("created_at"))
		}
		f.call("POST", "/register", members{"email": "ada@example.COM", "password": password, "full_name": "Eve"}).
			want(409, httpauth.CodeEmailTaken)
	})
}

func TestClosedRegistrationIsAnsweredWithItsCode(t *testing.T) {
	onEachStoreWith(t, func(cfg *auth.Config) { cfg.NoRegistration = true }, func(t *testing.T, f *fixture) {
		for _, email := range []string{"ada@example.com", "ada"} {
			a := f.call("POST", "/register", members{"email": email, "password": password, "full_name": "Ada"})
			a.want(403, httpauth.CodeRegistrationClosed)
			if !strings.Contains(a.text("detail"), "invited") {
				t.Errorf("%q does not say who can register", a.text("detail"))
			}
		}
		listed := (validator{f.document}).resolve(dig(f.document, "paths", "/register", "post", "responses", "403"))
		if text := jsonOf(t, listed); !strings.Contains(text, "registration_closed") {
			t.Errorf("the document lists %s", text)
		}
	})
	if open := newFixture(t, setup{}); dig(open.document, "paths", "/register", "post", "responses", "403") != nil {
		t.Error("the document of an open service says that it is closed")
	}
}

func TestTheFirstRoleIsInEveryAnswer(t *testing.T) {
	onEachStoreWith(t, func(cfg *auth.Config) { cfg.FirstRole = "owner" }, func(t *testing.T, f *fixture) {
		a := f.call("POST", "/register", members{"email": "ada@example.com", "password": password, "full_name": "Ada"}).want(201)
		token := f.login("ada@example.com")
		if me := f.call("GET", "/me", nil, bearer(token)).want(200); a.text("role") != "owner" || me.text("role") != "owner" {
			t.Errorf("registered as %s, and is %s", a.raw, me.raw)
		}
	})
}

func TestRegisterWithoutOrganizationNameMakesAPersonalOne(t *testing.T) {
	f := newFixture(t, setup{})
	for email, name := range map[string]any{"a@example.com": nil, "b@example.com": ""} {
		body := members{"email": email, "password": password, "full_name": "Ada Lovelace", "organization_name": name}
		org := f.call("POST", "/register", body).want(201).text("organization_id")
		o, err := f.manager.Organization(context.Background(), org)
		if err != nil || o.Name != "Ada Lovelace" {
			t.Errorf("organization of %v is %+v, %v", name, o, err)
		}
	}
}

func TestRegisterNamesWhatIsWrong(t *testing.T) {
	f := newFixture(t, setup{})
	good := members{"email": "ada@example.com", "password": password, "full_name": "Ada"}
	for _, c := range []struct {
		member string
		value  any
		code   httpauth.Code
		field  string
	}{
		{"email", "not an address", httpauth.CodeInvalidInput, "email:invalid_email"},
		{"email", "Bob <bob@example.com>", httpauth.CodeInvalidInput, "email:invalid_email"},
		{"email", []string{"a@example.com", "b@example.com"}, httpauth.CodeInvalidInput, "email:wrong_type"},
		{"email", nil, httpauth.CodeInvalidInput, "email:required"},
		{"password", "zq9x", httpauth.CodeWeakPassword, "password:too_short"},
		{"password", strings.Repeat("a1", 5000), httpauth.CodeWeakPassword, "password:too_long"},
		{"password", "password123", httpauth.CodeWeakPassword, "password:blocked"},
		{"password", []string{password, "other"}, httpauth.CodeInvalidInput, "password:wrong_type"},
		{"password", 12345678, httpauth.CodeInvalidInput, "password:wrong_type"},
		{"full_name", "a\u202eb", httpauth.CodeInvalidInput, "full_name:invalid_characters"},
		{"full_name", members{"first": "Ada"}, httpauth.CodeInvalidInput, "full_name:wrong_type"},
		{"organization_name", 7, httpauth.CodeInvalidInput, "organization_name:wrong_type"},
	} {
		body := members{}
		for k, v := range good {
			body[k] = v
		}
		body[c.member] = c.value
		a := f.call("POST", "/register", body).want(400, c.code).wantFields(c.field)
		if s, ok := c.value.(string); ok && strings.Contains(a.raw, s) {
			t.Errorf("%s: the value is in the answer: %s", c.field, a.raw)
		}
	}
}

func TestLoginAnswersAsTheContractSays(t *testing.T) {
	onEachStore(t, func(t *testing.T, f *fixture) {
		f.register("ada@example.com")
		a := f.call("POST", "/login", members{"email": "ADA@example.com", "password": password}).want(200).
			wantMembers("access_token", "token_type", "expires_in", "user")
		wantMembers(t, "user", dig(a.body, "user"), "id", "email", "full_name", "role", "organization_id", "two_factor_enabled")
		if a.text("token_type") != "bearer" || a.body["expires_in"] != float64(3600) || !strings.HasPrefix(a.text("access_token"), "eyJhbGciOiJIUzI1NiIs") {
			t.Errorf("got %s", a.raw)
		}
	})
}

// LG-1, Advisory 16 (CVE-2025-22234): nothing tells an unknown email, a wrong password
// and an account that is disabled or deleted apart.
func TestRefusedLoginsAreByteIdentical(t *testing.T) {
	onEachStore(t, func(t *testing.T, f *fixture) {
		f.register("ada@example.com")
		id := f.register("shut@example.com")
		if err := f.manager.DisableUser(context.Background(), id); err != nil {
			t.Fatal(err)
		}
		if err := f.manager.DeleteUser(context.Background(), f.register("gone@example.com")); err != nil {
			t.Fatal(err)
		}
		f.enrol(f.account("two@example.com"))
		first := f.call("POST", "/login", members{"email": "ada@example.com", "password": "wrong password"}).want(401, httpauth.CodeInvalidCredentials)
		for _, body := range []members{
			{"email": "gone@example.com", "password": password},
			{"email": "two@example.com", "password": "wrong password"},
			{"email": "nobody@example.com", "password": "wrong password"},
			{"email": "nobody@example.com", "password": password},
			{"email": "shut@example.com", "password": password},
			{"email": "shut@example.com", "password": "wrong password"},
			{"email": "ada@example.com", "password": strings.Repeat("x", 5000)},
			{"email": "not an address", "password": "wrong password"},
			{"email": "ada@example.com", "password": "x"},
		} {
			a := f.call("POST", "/login", body)
			if a.status != first.status || a.raw != first.raw {
				t.Errorf("%v: %d %s differs from %s", body["email"], a.status, a.raw, first.raw)
			}
			a.header.Del("Date")
			first.header.Del("Date")
			if !equalHeaders(a.header, first.header) {
				t.Errorf("%v: headers differ: %v and %v", body["email"], a.header, first.header)
			}
		}
		if got := first.header.Get("WWW-Authenticate"); got != `Bearer realm="auth"` {
			t.Errorf("challenge is %q: no token was sent", got)
		}
	})
}

// PW-2, PW-3: nothing between the body and the hash trims, folds or cuts a password.
func TestAPasswordIsUsedAsItWasSent(t *testing.T) {
	f := newFixture(t, setup{})
	for i, c := range []struct{ set, other string }{
		{" my password is long ", " my password is long"},
		{" my password is long ", "my password is long "},
		{strings.Repeat("a", 72) + "X", strings.Repeat("a", 72) + "Y"},
		{strings.Repeat("kwzb", 32), strings.Repeat("kwzb", 31) + "kwz"},
		{"  \u00a0\tkwzb\n", "kwzb"},
		{"\U0001f600 \u00e9\u4e16 kwzb", "\U0001f601 \u00e9\u4e16 kwzb"},
	} {
		email := "user" + strconv.Itoa(i) + "@example.com"
		f.call("POST", "/register", members{"email": email, "password": c.set, "full_name": "Ada"}).want(201)
		f.call("POST", "/login", members{"email": email, "password": c.other}).want(401, httpauth.CodeInvalidCredentials)
		token := f.call("POST", "/login", members{"email": email, "password": c.set}).want(200).text("access_token")
		change := members{"current_password": c.other, "new_password": c.set + " "}
		f.call("POST", "/change-password", change, bearer(token)).want(401, httpauth.CodeInvalidCredentials)
		change["current_password"] = c.set
		f.call("POST", "/change-password", change, bearer(token)).want(200)
		f.call("POST", "/login", members{"email": email, "password": c.set}).want(401, httpauth.CodeInvalidCredentials)
		f.call("POST", "/login", members{"email": email, "password": c.set + " "}).want(200)
	}
}

func equalHeaders(a, b http.Header) bool {
	for name := range a {
		if strings.Join(a[name], "\n") != strings.Join(b[name], "\n") {
			return false
		}
	}
	return len(a) == len(b)
}

// HT-11, LG-3, LG-4: who waits as long as Retry-After says is heard again.
func TestTooManyLoginsAreRefusedUntilRetryAfter(t *testing.T) {
	onEachStore(t, func(t *testing.T, f *fixture) {
		f.register("ada@example.com")
		for _, email := range []string{"ada@example.com", "nobody@example.com"} {
			for range 5 {
				f.call("POST", "/login", members{"email": email, "password": "wrong password"}).want(401)
			}
			f.call("POST", "/login", members{"email": email, "password": password}).want(429, httpauth.CodeRateLimited)
		}
		a := f.call("POST", "/login", members{"email": "ada@example.com", "password": password}).want(429)
		wait, err := strconv.Atoi(a.header.Get("Retry-After"))
		if err != nil || wait < 1 {
			t.Fatalf("Retry-After is %q", a.header.Get("Retry-After"))
		}
		f.clock.advance(time.Duration(wait)*time.Second - 2*time.Second)
		f.call("POST", "/login", members{"email": "ada@example.com", "password": password}).want(429)
		f.clock.advance(2 * time.Second)
		f.login("ada@example.com")
	})
}

// PR-6.
func TestProfileAnswersAsTheContractSays(t *testing.T) {
	onEachStore(t, func(t *testing.T, f *fixture) {
		id := f.register("ada@example.com")
		token := f.login("ada@example.com")
		a := f.call("GET", "/me", nil, bearer(token)).want(200).
			wantMembers("id", "email", "email_verified", "full_name", "role", "organization_id", "organization_name", "two_factor_enabled", "assigned_agents", "created_at")
		if list, ok := a.body["assigned_agents"].([]any); !ok || len(list) != 0 {
			t.Errorf("assigned_agents is %v, want an empty list", a.body["assigned_agents"])
		}
		if err := f.manager.SetAssignedAgents(context.Background(), id, []string{"agent_1"}); err != nil {
			t.Fatal(err)
		}
		a = f.call("GET", "/me", nil, bearer(token)).want(200)
		if list := a.body["assigned_agents"].([]any); len(list) != 1 || list[0] != "agent_1" {
			t.Errorf("assigned_agents is %v", list)
		}
	})
}

// PR-1.
func TestProfileChanges(t *testing.T) {
	onEachStore(t, func(t *testing.T, f *fixture) {
		f.register("eve@example.com")
		token := f.account("ada@example.com")
		before := f.call("GET", "/me", nil, bearer(token)).want(200)

		// All that an account has, and more, by the names of answers and of records.
		change := members{"full_name": "Ada King"}
		for name, value := range map[string]any{
			"id": "user_1", "user_id": "user_1", "role": "owner", "roles": []string{"owner"}, "organization_id": "org_1", "organization": "org_1",
			"two_factor_enabled": true, "two_factor": members{"enabled": true}, "assigned_agents": []string{"agent_1"}, "created_at": "2001-01-01T00:00:00Z",
			"state": 1, "disabled": false, "epoch": 99, "email_verified": true, "password": "NewPass456!", "password_hash": "$argon2id$", "auth_time": 1,
		} {
			change[name] = value
		}
		a := f.call("PATCH", "/me", change, bearer(token)).want(200)
		before.body["full_name"] = "Ada King"
		for _, after := range []answer{a, f.call("GET", "/me", nil, bearer(token)).want(200)} {
			for name, want := range before.body {
				if !reflect.DeepEqual(after.body[name], want) {
					t.Errorf("%s became %v, was %v", name, after.body[name], want)
				}
			}
		}
		f.login("ada@example.com") // with the password that it has
		f.call("PATCH", "/me", members{"email": "EVE@example.com"}, bearer(token)).want(409, httpauth.CodeEmailTaken)
		f.call("PATCH", "/me", members{"email": "nonsense"}, bearer(token)).want(400, httpauth.CodeInvalidInput).wantFields("email:invalid_email")
		f.call("PATCH", "/me", members{}, bearer(token)).want(400, httpauth.CodeInvalidInput)
		f.call("PATCH", "/me", members{"email": nil, "full_name": nil}, bearer(token)).want(400, httpauth.CodeInvalidInput)

		if got := f.call("PATCH", "/me", members{"email": "new@example.com"}, bearer(token)).want(200).text("email"); got != "new@example.com" {
			t.Errorf("email is %q", got)
		}
		f.call("POST", "/login", members{"email": "ada@example.com", "password": password}).want(401)
		f.login("new@example.com")
		f.register("ada@example.com") // free at once
	})
}

// PR-2.
func TestNewEmailNeedsAFreshLoginOrThePassword(t *testing.T) {
	f := newFixture(t, setup{})
	token := f.account("ada@example.com")
	f.clock.advance(11 * time.Minute)
	f.call("PATCH", "/me", members{"full_name": "Ada King"}, bearer(token)).want(200)
	a := f.call("PATCH", "/me", members{"email": "new@example.com"}, bearer(token)).want(401, httpauth.CodeReauthenticationRequired)
	if got := a.header.Get("WWW-Authenticate"); !strings.Contains(got, `error="insufficient_user_authentication"`) {
		t.Errorf("challenge is %q", got)
	}
	f.call("PATCH", "/me", members{"email": "new@example.com", "current_password": "wrong password"}, bearer(token)).want(401, httpauth.CodeInvalidCredentials)
	f.call("PATCH", "/me", members{"email": "new@example.com", "current_password": password}, bearer(token)).want(200)
}

// PR-2.
func TestNewEmailNeedsACodeWhereTheSecondFactorIsOn(t *testing.T) {
	onEachStore(t, func(t *testing.T, f *fixture) {
		token := f.account("ada@example.com")
		secret, backup := f.enrol(token)
		change := func(more members) answer {
			t.Helper()
			body := members{"email": "new@example.com", "full_name": "Eve"}
			maps.Copy(body, more)
			return f.call("PATCH", "/me", body, bearer(token))
		}
		f.clock.advance(11 * time.Minute)
		var want answer
		for i, brings := range []members{
			{}, {"current_password": password}, {"current_password": "wrong password"}, {"code": f.code(secret)}, {"current_password": password, "code": ""},
			{"current_password": password, "code": nil},
		} {
			a := change(brings).want(401, httpauth.CodeReauthenticationRequired)
			if got := a.header.Get("WWW-Authenticate"); !strings.Contains(got, `error="insufficient_user_authentication"`) {
				t.Errorf("%v: challenge is %q", brings, got)
			}
			if i == 0 {
				want = a
			}
			if a.raw != want.raw {
				t.Errorf("%v: %s differs from %s", brings, a.raw, want.raw)
			}
		}
		wrong := change(members{"current_password": "wrong password", "code": f.code(secret)}).want(401, httpauth.CodeInvalidCredentials)
		for _, brings := range []members{
			{"current_password": password, "code": "000000"}, {"current_password": "wrong password", "code": "00000000"}, {"current_password": password, "code": "x"},
		} {
			if a := change(brings); a.raw != wrong.raw {
				t.Errorf("%v: %s differs from %s", brings, a.raw, wrong.raw)
			}
		}
		change(members{"current_password": password, "code": 123456}).want(400, httpauth.CodeInvalidInput).wantFields("code:wrong_type")
		if me := f.call("GET", "/me", nil, bearer(token)); me.text("email") != "ada@example.com" || me.text("full_name") == "Eve" {
			t.Errorf("got %s", me.raw)
		}
		if a := change(members{"current_password": password, "code": f.code(secret)}).want(200); a.text("email") != "new@example.com" {
			t.Errorf("got %s", a.raw)
		}
		f.call("PATCH", "/me", members{"email": "ada@example.com", "current_password": password, "code": backup[0]}, bearer(token)).want(200)
	})
}

// PR-4.
func TestChangePassword(t *testing.T) {
	onEachStore(t, func(t *testing.T, f *fixture) {
		token := f.account("ada@example.com")
		other := f.login("ada@example.com")
		change := func(from, to string) answer {
			return f.call("POST", "/change-password", members{"current_password": from, "new_password": to}, bearer(token))
		}
		// PR-4: what is wrong with the new password is said whatever the current one is.
		weak := change(password, "short").want(400, httpauth.CodeWeakPassword).wantFields("new_password:too_short")
		if blind := change("wrong password", "short"); blind.raw != weak.raw {
			t.Errorf("%s differs from %s", blind.raw, weak.raw)
		}
		a := change("wrong password", "NewPass456!").want(401, httpauth.CodeInvalidCredentials)
		if got := a.header.Get("WWW-Authenticate"); got != `Bearer realm="auth"` {
			t.Errorf("challenge is %q: the token was good", got)
		}
		a = change(password, "NewPass456!").want(200).wantMembers("success", "message")
		if a.body["success"] != true || a.text("message") != "Password changed" {
			t.Errorf("got %s", a.raw)
		}
		f.call("GET", "/me", nil, bearer(token)).want(200)
		f.call("GET", "/me", nil, bearer(other)).want(401, httpauth.CodeInvalidToken)
		f.call("POST", "/login", members{"email": "ada@example.com", "password": password}).want(401)
		f.call("POST", "/login", members{"email": "ada@example.com", "password": "NewPass456!"}).want(200)
		for range 5 {
			change("wrong password", "NewPass789!")
		}
		change("NewPass456!", "NewPass789!").want(429, httpauth.CodeRateLimited)
	})
}

// LG-10, LG-14.
func TestTooManyRegistrationsAreRefused(t *testing.T) {
	f := newFixture(t, setup{auth: func(c *auth.Config) {
		c.Limits.RegisterByAddress.Burst, c.Limits.RegisterByAddress.Every = 1, time.Hour
	}})
	f.register("a@example.com")
	a := f.call("POST", "/register", members{"email": "b@example.com", "password": password, "full_name": "B"}).want(429, httpauth.CodeRateLimited)
	if got := a.header.Get("Retry-After"); got != "3600" {
		t.Errorf("Retry-After is %q", got)
	}
}
