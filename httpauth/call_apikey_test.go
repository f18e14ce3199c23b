package httpauth_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/httpauth"
)

// AK-2, AK-5.
func TestAPIKeyLife(t *testing.T) {
	onEachStore(t, func(t *testing.T, f *fixture) {
		token := f.account("ada@example.com")
		if list := f.call("GET", "/api-keys", nil, bearer(token)).want(200).wantMembers("api_keys").body["api_keys"].([]any); len(list) != 0 {
			t.Errorf("list is %v", list)
		}
		made := f.call("POST", "/api-keys", members{"name": "Production", "description": "Nightly export", "expires_in_days": 90, "user_id": "user_1"}, bearer(token)).
			want(201).wantMembers("id", "name", "key", "created_at", "expires_at")
		id, key := made.text("id"), made.text("key")
		if !strings.HasPrefix(id, "key_") || !strings.HasPrefix(key, "sk_live_") || made.text("name") != "Production" {
			t.Errorf("got %s", made.raw)
		}
		if made.text("created_at") != f.in(0) || made.text("expires_at") != f.in(90*24*time.Hour) {
			t.Errorf("times are %s and %s", made.text("created_at"), made.text("expires_at"))
		}
		listed := func() map[string]any {
			t.Helper()
			a := f.call("GET", "/api-keys", nil, bearer(token)).want(200)
			if strings.Contains(a.raw, key) {
				t.Error("the key is in the list")
			}
			list := a.body["api_keys"].([]any)
			if len(list) != 1 {
				t.Fatalf("list is %v", list)
			}
			return dig(list[0])
		}
		k := listed()
		wantMembers(t, "listed key", k, "id", "name", "description", "key_prefix", "created_at", "expires_at", "last_used_at", "enabled")
		prefix, dots := strings.CutSuffix(fmt.Sprint(k["key_prefix"]), "...")
		if !dots || !strings.HasPrefix(key, prefix) || !strings.HasPrefix(prefix, "sk_live_") || len(prefix) > len("sk_live_")+6 {
			t.Errorf("key_prefix is %v", k["key_prefix"])
		}
		if k["id"] != id || k["expires_at"] != made.text("expires_at") || k["last_used_at"] != nil {
			t.Errorf("listed as %v", k)
		}

		f.clock.advance(time.Minute)
		f.call("GET", "/me", nil, bearer(key)).want(200)
		if k := listed(); k["last_used_at"] != f.in(0) {
			t.Errorf("last_used_at is %v", k["last_used_at"])
		}
		if me := f.call("GET", "/me", nil, header("X-API-Key", key)).want(200); me.text("email") != "ada@example.com" {
			t.Errorf("got %s", me.raw)
		}

		// AK-6: a foreign id, an unknown one and one that is none are the same 404.
		stranger := f.account("eve@example.com")
		foreign := f.call("DELETE", "/api-keys/"+id, nil, bearer(stranger)).want(404, httpauth.CodeNotFound)
		for _, other := range []string{"key_1", "key_" + strings.Repeat("0", 27), "user_1", "x", "-", strings.Repeat("k", 65)} {
			if a := f.call("DELETE", "/api-keys/"+other, nil, bearer(token)).want(404); a.raw != foreign.raw {
				t.Errorf("%s: %s differs from %s", other, a.raw, foreign.raw)
			}
		}
		f.call("GET", "/me", nil, bearer(key)).want(200)

		a := f.call("DELETE", "/api-keys/"+id, nil, bearer(token)).want(200).wantMembers("success", "message")
		if a.body["success"] != true || a.text("message") != "API key revoked" {
			t.Errorf("got %s", a.raw)
		}
		f.call("DELETE", "/api-keys/"+id, nil, bearer(token)).want(404)
		gone := f.call("GET", "/me", nil, bearer(key)).want(401, httpauth.CodeInvalidToken)
		if got := gone.header.Get("WWW-Authenticate"); got != `Bearer realm="auth", error="invalid_token"` {
			t.Errorf("challenge is %q", got)
		}
		f.call("GET", "/me", nil, header("X-API-Key", key)).want(401, httpauth.CodeInvalidToken)
	})
}

func TestAPIKeyExpiryInDays(t *testing.T) {
	f := newFixture(t, setup{})
	token := f.account("ada@example.com")
	for _, c := range []struct{ days, field string }{
		{"0", "expires_in_days:out_of_range"},
		{"-1", "expires_in_days:out_of_range"},
		{"-0", "expires_in_days:out_of_range"},
		{"3651", "expires_in_days:out_of_range"},
		{"99999999999999999999999999", "expires_in_days:out_of_range"},
		{"1.5", "expires_in_days:wrong_type"},
		{"-0.0", "expires_in_days:out_of_range"},
		{"0e999999999999999999999", "expires_in_days:out_of_range"},
		{"1e4", "expires_in_days:out_of_range"},
		{"1e999999999999999999999", "expires_in_days:out_of_range"},
		{"-1e999999999999999999999", "expires_in_days:out_of_range"},
		{"1e-1", "expires_in_days:wrong_type"},
		{"1e-999999999999999999999", "expires_in_days:wrong_type"},
		{"30.0000000000000000000000000001", "expires_in_days:wrong_type"},
		{"0.30e0", "expires_in_days:wrong_type"},
		{`"30"`, "expires_in_days:wrong_type"},
		{"true", "expires_in_days:wrong_type"},
		{"[30]", "expires_in_days:wrong_type"},
		{"{}", "expires_in_days:wrong_type"},
	} {
		f.call("POST", "/api-keys", `{"name":"x","expires_in_days":`+c.days+`}`, bearer(token)).
			want(400, httpauth.CodeInvalidInput).wantFields(c.field)
	}
	for days, expires := range map[string]string{
		`,"expires_in_days":1`:    "2026-01-16T10:30:00Z",
		`,"expires_in_days":3650`: "2036-01-13T10:30:00Z",
		`,"expires_in_days":null`: "2027-01-15T10:30:00Z", // the default, 365 days

		// The integers of JSON Schema.
		`,"expires_in_days":1.0`:                                    "2026-01-16T10:30:00Z",
		`,"expires_in_days":1e0`:                                    "2026-01-16T10:30:00Z",
		`,"expires_in_days":0.1E+1`:                                 "2026-01-16T10:30:00Z",
		`,"expires_in_days":3.65E3`:                                 "2036-01-13T10:30:00Z",
		`,"expires_in_days":36500e-1`:                               "2036-01-13T10:30:00Z",
		`,"expires_in_days":3650.000000000000000000000000000000000`: "2036-01-13T10:30:00Z",
		`,"expires_in_days":0.000000000000000000000000000000001e33`: "2026-01-16T10:30:00Z",
		``: "2027-01-15T10:30:00Z",
	} {
		if got := f.call("POST", "/api-keys", `{"name":"x"`+days+`}`, bearer(token)).want(201).text("expires_at"); got != expires {
			t.Errorf("%q: expires_at is %s, want %s", days, got, expires)
		}
	}
}

func TestAPIKeyExpires(t *testing.T) {
	f := newFixture(t, setup{})
	key := f.call("POST", "/api-keys", members{"name": "x", "expires_in_days": 1}, bearer(f.account("ada@example.com"))).want(201).text("key")
	f.clock.advance(24*time.Hour - time.Second)
	f.call("GET", "/me", nil, bearer(key)).want(200)
	f.clock.advance(time.Second)
	f.call("GET", "/me", nil, bearer(key)).want(401, httpauth.CodeInvalidToken)
}

func TestAPIKeyThatNeverExpiresSaysNull(t *testing.T) {
	f := newFixture(t, setup{auth: func(c *auth.Config) { c.APIKeyTTL = -1 }})
	token := f.account("ada@example.com")
	a := f.call("POST", "/api-keys", members{"name": "x"}, bearer(token)).want(201)
	if v, ok := a.body["expires_at"]; !ok || v != nil {
		t.Errorf("expires_at is %v", v)
	}
	list := f.call("GET", "/api-keys", nil, bearer(token)).want(200).body["api_keys"].([]any)
	if v, ok := dig(list[0])["expires_at"]; !ok || v != nil {
		t.Errorf("listed expires_at is %v", v)
	}
}

func TestAPIKeyNames(t *testing.T) {
	f := newFixture(t, setup{})
	token := f.account("ada@example.com")
	f.call("POST", "/api-keys", members{"name": "<script>alert(1)</script>"}, bearer(token)).want(201)
	f.call("POST", "/api-keys", members{"description": "no name"}, bearer(token)).want(400, httpauth.CodeInvalidInput).wantFields("name:required")
	for _, name := range []string{"a\nb", "a\u202eb", strings.Repeat("n", 101), " "} {
		f.call("POST", "/api-keys", members{"name": name}, bearer(token)).want(400, httpauth.CodeInvalidInput)
	}
}

func TestAPIKeysAreLimited(t *testing.T) {
	f := newFixture(t, setup{auth: func(c *auth.Config) { c.MaxAPIKeys = 2 }})
	token := f.account("ada@example.com")
	f.apiKey(token)
	f.apiKey(token)
	f.call("POST", "/api-keys", members{"name": "one too many"}, bearer(token)).want(403, httpauth.CodeAPIKeyLimit)
}

// AK-8.
func TestMakingAKeyNeedsAFreshLoginOrThePasswordWhereThatIsAskedFor(t *testing.T) {
	f := newFixture(t, setup{auth: func(c *auth.Config) { c.APIKeysNeedFreshLogin = true }})
	token := f.account("ada@example.com")
	f.apiKey(token)
	f.clock.advance(11 * time.Minute)
	for _, body := range []members{{"name": "x"}, {"name": "x", "password": nil}, {"name": "x", "password": ""}} {
		f.call("POST", "/api-keys", body, bearer(token)).want(403, httpauth.CodeReauthenticationRequired)
	}
	f.call("POST", "/api-keys", members{"name": "x", "password": "wrong password"}, bearer(token)).want(401, httpauth.CodeInvalidCredentials)
	f.call("POST", "/api-keys", members{"name": "x", "password": 7}, bearer(token)).want(400, httpauth.CodeInvalidInput).wantFields("password:wrong_type")
	f.call("POST", "/api-keys", members{"name": "x", "password": password}, bearer(token)).want(201).
		wantMembers("id", "name", "key", "created_at", "expires_at")
	for range 5 { // the right one refilled the budget
		f.call("POST", "/api-keys", members{"name": "x", "password": "wrong password"}, bearer(token)).want(401, httpauth.CodeInvalidCredentials)
	}
	f.call("POST", "/api-keys", members{"name": "x", "password": password}, bearer(token)).want(429, httpauth.CodeRateLimited)
	f.call("POST", "/login", members{"email": "ada@example.com", "password": password}).want(429, httpauth.CodeRateLimited)
}

// AK-8.
func TestMakingAKeyNeedsACodeBesideThePasswordWhereTheFactorIsOn(t *testing.T) {
	f := newFixture(t, setup{auth: func(c *auth.Config) { c.APIKeysNeedFreshLogin = true }})
	token := f.account("ada@example.com")
	secret, backup := f.enrol(token)
	f.clock.advance(11 * time.Minute)
	for _, body := range []members{
		{"name": "x"}, {"name": "x", "password": password}, {"name": "x", "password": password, "code": nil}, {"name": "x", "code": f.code(secret)},
	} {
		f.call("POST", "/api-keys", body, bearer(token)).want(403, httpauth.CodeReauthenticationRequired)
	}
	f.call("POST", "/api-keys", members{"name": "x", "password": password, "code": "12345"}, bearer(token)).want(401, httpauth.CodeInvalidCredentials)
	f.call("POST", "/api-keys", members{"name": "x", "password": password, "code": 7}, bearer(token)).want(400, httpauth.CodeInvalidInput).wantFields("code:wrong_type")
	for _, code := range []string{f.code(secret), backup[0]} {
		f.call("POST", "/api-keys", members{"name": "x", "password": password, "code": code}, bearer(token)).want(201)
		f.call("POST", "/api-keys", members{"name": "x", "password": password, "code": code}, bearer(token)).want(401, httpauth.CodeInvalidCredentials)
	}
}

func TestAFreshLoginForKeysIsAskedForNowhereElse(t *testing.T) {
	f := newFixture(t, setup{})
	token := f.account("ada@example.com")
	f.clock.advance(11 * time.Minute)
	f.call("POST", "/api-keys", members{"name": "x"}, bearer(token)).want(201)
	for range 10 { // which are no guesses
		f.call("POST", "/api-keys", members{"name": "x", "password": "wrong password"}, bearer(token)).want(201)
	}
	f.login("ada@example.com")
}

// AK-11, Advisory 24 (CVE-2026-56216): the scopes of a key are shown with it, a key without
// any has the members that it always had, and no list means all.
func TestAPIKeyScopes(t *testing.T) {
	onEachStore(t, func(t *testing.T, f *fixture) {
		token := f.account("ada@example.com")
		made := f.call("POST", "/api-keys", members{"name": "x", "scopes": []string{"b:read", "a"}}, bearer(token)).
			want(201).wantMembers("id", "name", "key", "created_at", "expires_at", "scopes")
		f.apiKey(token)
		null := f.call("POST", "/api-keys", `{"name":"x","scopes":null,"description":null}`, bearer(token)).
			want(201).wantMembers("id", "name", "key", "created_at", "expires_at")
		f.call("DELETE", "/api-keys/"+null.text("id"), nil, bearer(token)).want(200)
		list := f.call("GET", "/api-keys", nil, bearer(token)).want(200).body["api_keys"].([]any)
		limited := 0
		for _, k := range list {
			if names := []string{"id", "name", "description", "key_prefix", "created_at", "expires_at", "last_used_at", "enabled"}; dig(k)["id"] == made.text("id") {
				wantMembers(t, "key with scopes", dig(k), append(names, "scopes")...)
				if fmt.Sprint(dig(k)["scopes"], made.body["scopes"]) != "[a b:read] [a b:read]" {
					t.Errorf("the scopes are %v and %v", dig(k)["scopes"], made.body["scopes"])
				}
				limited++
			} else {
				wantMembers(t, "key without scopes", dig(k), names...)
			}
		}
		if limited != 1 || len(list) != 2 {
			t.Errorf("listed are %v", list)
		}
		f.call("GET", "/me", nil, bearer(made.text("key"))).want(200)
		for scopes, field := range map[string]string{
			`[]`: "scopes:required", `["a",null]`: "scopes:wrong_type", `"a"`: "scopes:wrong_type",
			`"*"`: "scopes:wrong_type", `{}`: "scopes:wrong_type", `true`: "scopes:wrong_type", `1`: "scopes:wrong_type", `[1]`: "scopes:wrong_type",
			`[["a"]]`: "scopes:wrong_type", `[""]`: "scopes:invalid_characters", `["a b"]`: "scopes:invalid_characters",
			`["a\"b"]`: "scopes:invalid_characters", `["a","a"]`: "scopes:duplicate", `["` + strings.Repeat("a", 65) + `"]`: "scopes:too_long",
			`["a"` + strings.Repeat(`,"a"`, 32) + `]`: "scopes:too_many",
		} {
			f.call("POST", "/api-keys", `{"name":"x","scopes":`+scopes+`}`, bearer(token)).want(400, httpauth.CodeInvalidInput).wantFields(field)
		}
		f.call("POST", "/api-keys", `{"name":"x","Scopes":["a"]}`, bearer(token)).want(400, httpauth.CodeInvalidInput).wantFields("scopes:wrong_case")
		if list := f.call("GET", "/api-keys", nil, bearer(token)).want(200).body["api_keys"].([]any); len(list) != 2 {
			t.Errorf("%d keys were made of what is no list of scopes", len(list)-2)
		}
	})
}

// AK-5: a disabled key is answered as a revoked one, byte for byte.
func TestAnAPIKeyIsDisabledAndEnabled(t *testing.T) {
	onEachStoreWith(t, func(c *auth.Config) { c.APIKeysNeedFreshLogin = true }, func(t *testing.T, f *fixture) {
		token := f.account("ada@example.com")
		id, key := f.apiKey(token)
		goneID, gone := f.apiKey(token)
		f.call("DELETE", "/api-keys/"+goneID, nil, bearer(token)).want(200)
		for range 2 { // which remembers it
			f.call("GET", "/me", nil, bearer(key)).want(200)
		}
		f.clock.advance(11 * time.Minute)
		change := func(body any) answer { return f.call("PATCH", "/api-keys/"+id, body, bearer(token)) }
		listed := []string{"id", "name", "description", "key_prefix", "created_at", "expires_at", "last_used_at", "enabled"}
		changed := change(members{"name": " Staging ", "description": "Nightly", "enabled": false, "scopes": []string{"x"}, "expires_in_days": 1, "id": goneID}).
			want(200).wantMembers(listed...)
		if changed.text("id") != id || changed.text("name") != "Staging" || changed.text("description") != "Nightly" || changed.body["enabled"] != false {
			t.Errorf("changed to %s", changed.raw)
		}
		if list := f.call("GET", "/api-keys", nil, bearer(token)).want(200); list.raw != `{"api_keys":[`+changed.raw+`]}` || strings.Contains(list.raw, key) {
			t.Errorf("listed as %s, answered as %s", list.raw, changed.raw)
		}
		disabled, revoked := f.call("GET", "/me", nil, bearer(key)).want(401), f.call("GET", "/me", nil, bearer(gone)).want(401, httpauth.CodeInvalidToken)
		if disabled.raw != revoked.raw || disabled.header.Get("WWW-Authenticate") != revoked.header.Get("WWW-Authenticate") {
			t.Errorf("disabled: %s, revoked: %s", disabled.raw, revoked.raw)
		}
		guarded(f, nil, header("X-API-Key", key)).want(401, httpauth.CodeInvalidToken)
		f.call("POST", "/api-keys/"+id+"/rotate", members{"password": password}, bearer(token)).want(409, httpauth.CodeAPIKeyNotActive)

		change(members{"enabled": true}).want(403, httpauth.CodeReauthenticationRequired)
		change(members{"enabled": true, "name": "x", "password": "wrong password"}).want(401, httpauth.CodeInvalidCredentials)
		f.call("GET", "/me", nil, bearer(key)).want(401)
		if on := change(members{"enabled": true, "password": password}).want(200); on.text("name") != "Staging" || on.body["enabled"] != true {
			t.Errorf("enabled: %s", on.raw)
		}
		f.call("GET", "/me", nil, bearer(key)).want(200)

		stranger := f.account("eve@example.com")
		foreign := f.call("PATCH", "/api-keys/"+id, members{"enabled": false}, bearer(stranger)).want(404, httpauth.CodeNotFound)
		for _, other := range []string{"key_1", goneID, "user_1", "x", "-"} {
			if a := f.call("PATCH", "/api-keys/"+other, members{"enabled": false}, bearer(token)).want(404); a.raw != foreign.raw {
				t.Errorf("%s: %s differs from %s", other, a.raw, foreign.raw)
			}
		}
		f.call("GET", "/me", nil, bearer(key)).want(200)
	})
}

// AK-11: the old key works for the overlap, and every answer to it says so in the syntax of RFC
// 9745, section 2.1, and RFC 8594, section 3. The date is never later than the end.
func TestARotatedAPIKeySaysWhenItEnds(t *testing.T) {
	onEachStore(t, func(t *testing.T, f *fixture) {
		token := f.account("ada@example.com")
		silent := func(credential string) {
			t.Helper()
			for _, a := range []answer{f.call("GET", "/me", nil, bearer(credential)).want(200), guarded(f, nil, bearer(credential)).want(200)} {
				if a.header["Deprecation"] != nil || a.header["Sunset"] != nil {
					t.Errorf("%s: %v", a.what, a.header)
				}
			}
		}
		for _, tc := range []struct {
			body any
			left time.Duration
		}{
			{nil, 24 * time.Hour},
			{members{}, 24 * time.Hour},
			{`{"overlap_hours":null}`, 24 * time.Hour},
			{members{"overlap_hours": 1}, time.Hour},
			{`{"overlap_hours":7.2e2}`, 48 * time.Hour}, // the key's own end
			{members{"overlap_hours": 0}, 0},
		} {
			made := f.call("POST", "/api-keys", members{"name": "Production", "scopes": []string{"a"}, "expires_in_days": 2}, bearer(token)).want(201)
			id, key := made.text("id"), made.text("key")
			silent(key)
			rotated := f.call("POST", "/api-keys/"+id+"/rotate", tc.body, bearer(token)).want(201).
				wantMembers("id", "name", "key", "created_at", "expires_at", "replaces", "scopes")
			if rotated.text("replaces") != id || rotated.text("id") == id || rotated.text("key") == key || rotated.text("name") != "Production" ||
				rotated.text("created_at") != f.in(0) || rotated.text("expires_at") != f.in(48*time.Hour) || fmt.Sprint(rotated.body["scopes"]) != "[a]" {
				t.Errorf("rotated: %s", rotated.raw)
			}
			f.call("POST", "/api-keys/"+id+"/rotate", nil, bearer(token)).want(409, httpauth.CodeAPIKeyNotActive)
			at, end := f.clock.Now(), f.clock.Now().Add(tc.left)
			for _, k := range f.call("GET", "/api-keys", nil, bearer(token)).want(200).body["api_keys"].([]any) {
				if k := dig(k); k["id"] == id && (k["replaced_by"] != rotated.text("id") || k["sunset_at"] != f.in(tc.left) || k["expires_at"] != f.in(tc.left)) ||
					k["id"] == rotated.text("id") && (k["replaced_by"] != nil || k["sunset_at"] != nil) {
					t.Errorf("listed as %v", k)
				}
			}
			silent(rotated.text("key"))
			silent(token)
			if tc.left > 0 {
				f.clock.advance(tc.left - 1)
				token = f.login("ada@example.com")
				scope := guarded(f, []httpauth.Rule{httpauth.Scope("a")}, header("X-API-Key", key)).want(200)
				for _, a := range []answer{scope, f.call("GET", "/me", nil, bearer(key)).want(200), f.call("HEAD", "/me", nil, bearer(key)).want(200)} {
					if got, want := fmt.Sprint(a.header["Deprecation"]), fmt.Sprintf("[@%d]", at.Unix()); got != want {
						t.Errorf("%s: Deprecation is %s, want %s", a.what, got, want)
					}
					if got, want := fmt.Sprint(a.header["Sunset"]), end.UTC().Format("[Mon, 02 Jan 2006 15:04:05 GMT]"); got != want {
						t.Errorf("%s: Sunset is %s, want %s", a.what, got, want)
					}
				}
				f.clock.advance(1)
			}
			for _, a := range []answer{f.call("GET", "/me", nil, bearer(key)).want(401, httpauth.CodeInvalidToken), guarded(f, nil, bearer(key)).want(401)} {
				if a.header["Deprecation"] != nil || a.header["Sunset"] != nil {
					t.Errorf("%s, at the end: %v", a.what, a.header)
				}
			}
			f.call("POST", "/api-keys/"+id+"/rotate", nil, bearer(token)).want(409, httpauth.CodeAPIKeyNotActive)
		}
	})
}

func TestWhatIsNoOverlapRotatesNothing(t *testing.T) {
	f := newFixture(t, setup{auth: func(c *auth.Config) { c.MaxAPIKeys = 2; c.APIKeysNeedFreshLogin = true }})
	token := f.account("ada@example.com")
	id, key := f.apiKey(token)
	rotate := func(body any, credential string) answer {
		return f.call("POST", "/api-keys/"+id+"/rotate", body, bearer(credential))
	}
	for hours, field := range map[string]string{
		"-1": "out_of_range", "721": "out_of_range", "1e9": "out_of_range", "99999999999999999999999": "out_of_range",
		"0.5": "wrong_type", `"24"`: "wrong_type", "[24]": "wrong_type", "true": "wrong_type",
	} {
		rotate(`{"overlap_hours":`+hours+`}`, token).want(400, httpauth.CodeInvalidInput).wantFields("overlap_hours:" + field)
	}
	if a, b := rotate(nil, f.account("eve@example.com")).want(404, httpauth.CodeNotFound), f.call("POST", "/api-keys/key_1/rotate", nil, bearer(token)).want(404); a.raw != b.raw {
		t.Errorf("another's: %s, unknown: %s", a.raw, b.raw)
	}
	f.clock.advance(11 * time.Minute)
	rotate(nil, token).want(403, httpauth.CodeReauthenticationRequired)
	rotate(members{"password": "wrong password"}, token).want(401, httpauth.CodeInvalidCredentials)
	f.call("POST", "/api-keys", members{"name": "second", "password": password}, bearer(token)).want(201)
	rotate(members{"password": password}, token).want(403, httpauth.CodeAPIKeyLimit)
	if a := f.call("GET", "/me", nil, bearer(key)).want(200); a.header["Deprecation"] != nil {
		t.Errorf("it was replaced: %v", a.header)
	}
}

func TestTheUsageOfAnAPIKey(t *testing.T) {
	onEachStore(t, func(t *testing.T, f *fixture) {
		token := f.account("ada@example.com")
		id, key := f.apiKey(token)
		usage := func() answer {
			t.Helper()
			return f.call("GET", "/api-keys/"+id+"/usage", nil, bearer(token)).want(200).wantMembers("total", "last_used_at", "last_used_address", "networks", "hours")
		}
		if got, want := usage().raw, `{"total":0,"last_used_at":null,"last_used_address":null,"networks":[],"hours":[]}`; got != want {
			t.Errorf("before its first use: %s", got)
		}
		at := f.clock.Now()
		for range 3 {
			f.call("GET", "/me", nil, bearer(key)).want(200)
		}
		second := func(t time.Time) string { return t.UTC().Format(time.RFC3339) }
		want := fmt.Sprintf(`{"total":3,"last_used_at":%q,"last_used_address":"127.0.0.1/32","networks":[{"network":"127.0.0.0/24","first_seen":%q,"last_seen":%q}],"hours":[{"from":%q,"uses":3}]}`,
			second(at), second(at), second(at), second(at.Truncate(time.Hour)))
		if got := usage().raw; got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
		stranger := f.account("eve@example.com")
		foreign := f.call("GET", "/api-keys/"+id+"/usage", nil, bearer(stranger)).want(404, httpauth.CodeNotFound)
		if unknown := f.call("GET", "/api-keys/key_1/usage", nil, bearer(token)).want(404); unknown.raw != foreign.raw {
			t.Errorf("another's: %s, unknown: %s", foreign.raw, unknown.raw)
		}
	})
}

// AK-7, Advisory 24 (CVE-2026-21621): a key reads the profile and manages nothing,
// whatever its scopes are called.
func TestAPIKeyManagesNothing(t *testing.T) {
	for _, scopes := range [][]string{nil, {"read"}, {"*"}, {"admin", "api-keys", "api-keys:write", "all", "auth:*", "full", "profile:write", "user_1"}} {
		keyManagesNothing(t, scopes)
	}
}

func keyManagesNothing(t *testing.T, scopes []string) {
	f := newFixture(t, setup{})
	token := f.account("ada@example.com")
	id, key := f.apiKey(token, scopes...)
	bodies := map[string]any{
		"/confirm-2fa":     members{"code": "123456"},
		"/backup-codes":    members{"password": password, "code": "123456"},
		"/disable-2fa":     members{"password": password, "code": "123456"},
		"/api-keys":        members{"name": "child", "scopes": []string{"read"}},
		"/me":              members{"full_name": "Eve"},
		"/change-password": members{"current_password": password, "new_password": "NewPass456!"},
	}
	for _, rt := range f.handler.Routes() {
		method, path, _ := strings.Cut(rt, " ")
		if !authenticated(f, method, path) {
			continue
		}
		body := bodies[path]
		path = filled(strings.Replace(path, "{key_id}", id, 1))
		for _, credential := range []with{bearer(key), header("X-API-Key", key)} {
			a := f.call(method, path, body, credential)
			if rt == "GET /me" {
				a.want(200)
			} else {
				a.want(403, httpauth.CodeForbidden)
			}
		}
		if rt != "GET /me" { // and what it sends is not read
			f.call(method, path, "{", bearer(key)).want(403, httpauth.CodeForbidden)
		}
		// A key that is none is no better than any other bad token.
		f.call(method, path, body, bearer(key+"x")).want(401, httpauth.CodeInvalidToken)
	}
	if me := f.call("GET", "/me", nil, bearer(token)).want(200); me.text("full_name") != "Ada Lovelace" {
		t.Errorf("profile is %s", me.raw)
	}
	f.call("GET", "/me", nil, bearer(key)).want(200)
}

func TestAPIKeySeesItsOwnerAsOfNow(t *testing.T) {
	f := newFixture(t, setup{})
	user := f.register("ada@example.com")
	_, key := f.apiKey(f.login("ada@example.com"))
	if err := f.manager.SetRole(context.Background(), user, "viewer"); err != nil {
		t.Fatal(err)
	}
	if me := f.call("GET", "/me", nil, bearer(key)).want(200); me.text("role") != "viewer" {
		t.Errorf("got %s", me.raw)
	}
	if err := f.manager.DisableUser(context.Background(), user); err != nil {
		t.Fatal(err)
	}
	f.call("GET", "/me", nil, bearer(key)).want(401, httpauth.CodeInvalidToken)
}

// authenticated reports whether the document says that a route needs a credential.
func authenticated(f *fixture, method, path string) bool {
	security, _ := dig(f.document, "paths", path, strings.ToLower(method))["security"].([]any)
	return len(security) > 0
}
