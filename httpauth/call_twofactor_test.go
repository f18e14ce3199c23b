package httpauth_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"image/png"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pquerna/otp"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/httpauth"
	"github.com/datixlab/auth/store"
)

func TestTwoFactorLife(t *testing.T) {
	onEachStore(t, func(t *testing.T, f *fixture) {
		token := f.account("ada@example.com")
		other := f.login("ada@example.com")

		f.call("POST", "/confirm-2fa", members{"code": "123456"}, bearer(token)).want(400, httpauth.CodeTwoFactorNotEnabled)
		e := f.call("POST", "/enable-2fa", nil, bearer(token)).want(200).wantMembers("secret", "otpauth_url", "qr_code", "backup_codes")
		image, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(e.text("qr_code"), "data:image/png;base64,"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := png.Decode(bytes.NewReader(image)); err != nil {
			t.Errorf("qr_code: %v", err)
		}
		if key, err := otp.NewKeyFromURL(e.text("otpauth_url")); err != nil || key.Type() != "totp" || key.Secret() != e.text("secret") || key.AccountName() != "ada@example.com" {
			t.Errorf("otpauth_url %s: %v", e.text("otpauth_url"), err)
		}
		if n := len(e.body["backup_codes"].([]any)); n != 10 {
			t.Errorf("%d backup codes", n)
		}

		// Pending: login asks for no code yet.
		f.login("ada@example.com")
		f.call("POST", "/confirm-2fa", members{"code": "000000x"}, bearer(token)).want(401, httpauth.CodeInvalidCode)
		a := f.call("POST", "/confirm-2fa", members{"code": f.code(e.text("secret"))}, bearer(token)).want(200).wantMembers("success", "message")
		if a.body["success"] != true || a.text("message") != "Two-factor authentication enabled" {
			t.Errorf("got %s", a.raw)
		}
		f.call("GET", "/me", nil, bearer(other)).want(401, httpauth.CodeInvalidToken)
		if me := f.call("GET", "/me", nil, bearer(token)).want(200); me.body["two_factor_enabled"] != true {
			t.Errorf("got %s", me.raw)
		}
		f.call("POST", "/enable-2fa", nil, bearer(token)).want(409, httpauth.CodeTwoFactorAlreadyEnabled)

		// The second step.
		f.clock.advance(time.Minute)
		step := f.call("POST", "/login", members{"email": "ada@example.com", "password": password}).want(200).wantMembers("requires_2fa", "temp_token")
		if step.body["requires_2fa"] != true || !strings.HasPrefix(step.text("temp_token"), "temp_") {
			t.Errorf("got %s", step.raw)
		}
		code := f.code(e.text("secret"))
		s := f.call("POST", "/verify-2fa", members{"temp_token": step.text("temp_token"), "code": code}).want(200).
			wantMembers("access_token", "token_type", "expires_in", "user")
		if dig(s.body, "user")["two_factor_enabled"] != true {
			t.Errorf("got %s", s.raw)
		}
		// Temp token and code work once.
		a = f.call("POST", "/verify-2fa", members{"temp_token": step.text("temp_token"), "code": code}).want(401, httpauth.CodeInvalidToken)
		if got := a.header.Get("WWW-Authenticate"); got != `Bearer realm="auth"` {
			t.Errorf("challenge is %q: no token was in the header", got)
		}
		step = f.call("POST", "/login", members{"email": "ada@example.com", "password": password}).want(200)
		f.call("POST", "/verify-2fa", members{"temp_token": step.text("temp_token"), "code": code}).want(401, httpauth.CodeInvalidCode)
		backup := e.body["backup_codes"].([]any)
		f.call("POST", "/verify-2fa", members{"temp_token": step.text("temp_token"), "code": backup[0]}).want(200)

		// Off again.
		off := func(password string, code any) answer {
			return f.call("POST", "/disable-2fa", members{"password": password, "code": code}, bearer(token))
		}
		wrong := off("wrong password", backup[1]).want(401, httpauth.CodeInvalidCredentials)
		for _, a := range []answer{off(password, "00000000"), off("wrong password", "00000000"), off(password, backup[0])} {
			if a.raw != wrong.raw {
				t.Errorf("%s differs from %s", a.raw, wrong.raw)
			}
		}
		a = off(password, backup[1]).want(200).wantMembers("success", "message")
		if a.body["success"] != true || a.text("message") != "Two-factor authentication disabled" {
			t.Errorf("got %s", a.raw)
		}
		f.call("GET", "/me", nil, bearer(s.text("access_token"))).want(401, httpauth.CodeInvalidToken)
		off(password, backup[2]).want(400, httpauth.CodeTwoFactorNotEnabled)
		f.login("ada@example.com")
	})
}

func TestTheStateOfTheSecondFactorIsReadByItsOwner(t *testing.T) {
	onEachStore(t, func(t *testing.T, f *fixture) {
		token := f.account("ada@example.com")
		state := func(enabledAt any, left int) {
			t.Helper()
			a := f.call("GET", "/two-factor", nil, bearer(token)).want(200).wantMembers("enabled", "enabled_at", "backup_codes_left", "required", "required_from")
			want := members{"enabled": enabledAt != nil, "enabled_at": enabledAt, "backup_codes_left": float64(left), "required": false, "required_from": nil}
			if !maps.Equal(a.body, want) {
				t.Errorf("got %s, want %v", a.raw, want)
			}
		}
		state(nil, 0)
		f.call("POST", "/enable-2fa", nil, bearer(token)).want(200)
		state(nil, 0) // not confirmed yet
		since := f.in(0)
		secret, backup := f.enrol(token)
		state(since, 10)
		f.call("POST", "/backup-codes", members{"password": password, "code": "00000000"}, bearer(token)).want(401)
		state(since, 10)
		f.clock.advance(11 * time.Minute)
		f.call("PATCH", "/me", members{"email": "new@example.com", "current_password": password, "code": backup[0]}, bearer(token)).want(200)
		state(since, 9)
		f.call("POST", "/backup-codes", members{"password": password, "code": backup[1]}, bearer(token)).want(200)
		state(since, 10)
		f.call("POST", "/disable-2fa", members{"password": password, "code": f.code(secret)}, bearer(token)).want(200)
		state(nil, 0)
	})
}

// A session that may only enrol learns why, and from when on the others will have to.
func TestTheStateOfTheSecondFactorSaysWhatThePolicyDemands(t *testing.T) {
	from := time.Date(2100, time.March, 1, 0, 0, 0, 0, time.FixedZone("", 3600))
	for name, tc := range map[string]struct {
		edit     func(*auth.TwoFactorPolicy)
		required bool
		from     any
	}{
		"now":         {func(*auth.TwoFactorPolicy) {}, true, nil},
		"later":       {func(p *auth.TwoFactorPolicy) { p.From = from }, true, "2100-02-28T23:00:00Z"},
		"report only": {func(p *auth.TwoFactorPolicy) { p.From, p.ReportOnly = from, true }, false, nil},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, setup{auth: func(c *auth.Config) {
				c.TwoFactorPolicy.Of = auth.Admins
				tc.edit(&c.TwoFactorPolicy)
			}})
			token := f.account("ada@example.com")
			state := func(enabled bool) {
				t.Helper()
				a := f.call("GET", "/two-factor", nil, bearer(token)).want(200)
				if a.body["enabled"] != enabled || a.body["required"] != tc.required || a.body["required_from"] != tc.from {
					t.Errorf("got %s", a.raw)
				}
			}
			state(false)
			f.enrol(token)
			state(true)
		})
	}
}

// The state is read by the id of the account, after the token was checked.
func TestTheStateOfADeletedAccountIsReadByNobody(t *testing.T) {
	f := newFixture(t, setup{})
	id := f.register("ada@example.com")
	token := f.login("ada@example.com")
	var reads atomic.Int64
	f.store.fault.Store(func(ctx context.Context) error {
		if !ofRequest(ctx) || reads.Add(1) != 2 { // after the read that checks the token
			return nil
		}
		return f.manager.DeleteUser(t.Context(), id)
	})
	f.call("GET", "/two-factor", nil, bearer(token)).want(401, httpauth.CodeInvalidToken)
	if reads.Load() < 2 {
		t.Errorf("the account was not deleted during the call: %d reads", reads.Load())
	}
}

// BC-4.
func TestNewBackupCodesNeedBothProofsAndVoidTheOldOnes(t *testing.T) {
	onEachStore(t, func(t *testing.T, f *fixture) {
		token := f.account("ada@example.com")
		replace := func(body members) answer {
			t.Helper()
			return f.call("POST", "/backup-codes", body, bearer(token))
		}
		replace(members{"password": password, "code": "123456"}).want(400, httpauth.CodeTwoFactorNotEnabled)
		secret, old := f.enrol(token)

		replace(members{}).want(400, httpauth.CodeInvalidInput).wantFields("password:required", "code:required")
		replace(members{"password": password}).want(400, httpauth.CodeInvalidInput).wantFields("code:required")
		replace(members{"code": old[0]}).want(400, httpauth.CodeInvalidInput).wantFields("password:required")
		wrong := replace(members{"password": "wrong password", "code": old[0]}).want(401, httpauth.CodeInvalidCredentials)
		for _, a := range []answer{replace(members{"password": password, "code": "00000000"}), replace(members{"password": "", "code": ""})} {
			if a.raw != wrong.raw {
				t.Errorf("%s differs from %s", a.raw, wrong.raw)
			}
		}

		a := replace(members{"password": password, "code": f.code(secret)}).want(200).wantMembers("backup_codes")
		if got := a.header.Get("Cache-Control"); got != "no-store" {
			t.Errorf("Cache-Control is %q", got)
		}
		var fresh []string
		for _, code := range list(a.body["backup_codes"]) {
			fresh = append(fresh, code.(string))
		}
		if len(fresh) != 10 {
			t.Fatalf("got %s", a.raw)
		}
		for _, code := range old {
			if slices.Contains(fresh, code) {
				t.Errorf("%s is in both sets", code)
			}
		}
		second := func(code string) answer {
			t.Helper()
			temp := f.call("POST", "/login", members{"email": "ada@example.com", "password": password}).want(200).text("temp_token")
			return f.call("POST", "/verify-2fa", members{"temp_token": temp, "code": code})
		}
		second(old[1]).want(401, httpauth.CodeInvalidCode)
		second(fresh[0]).want(200)
		replace(members{"password": password, "code": fresh[0]}).want(401, httpauth.CodeInvalidCredentials)
		f.clock.advance(time.Minute)
		replace(members{"password": password, "code": fresh[1]}).want(200)
	})
}

// BC-5, TF-8: the budgets are those of the method, and codes have one for all calls.
func TestNewBackupCodesOverHTTPAreLimited(t *testing.T) {
	f := newFixture(t, setup{})
	token := f.account("ada@example.com")
	secret, _ := f.enrol(token)
	for i := range 12 {
		a := f.call("POST", "/backup-codes", members{"password": password, "code": f.code(secret)}, bearer(token))
		if i < 10 {
			a.want(200)
			f.clock.advance(30 * time.Second)
		} else {
			a.want(429, httpauth.CodeRateLimited)
		}
	}

	statuses := map[int]int{}
	eve := f.account("eve@example.com")
	_, backup := f.enrol(eve)
	for range 10 {
		statuses[f.call("POST", "/backup-codes", members{"password": password, "code": "000000"}, bearer(eve)).status]++
	}
	if statuses[401] == 0 || statuses[401] > 8 || statuses[401]+statuses[429] != 10 {
		t.Errorf("statuses of wrong codes are %v", statuses)
	}
	f.call("POST", "/disable-2fa", members{"password": password, "code": backup[0]}, bearer(eve)).want(429, httpauth.CodeRateLimited)
}

// BC-6: end to end.
func TestLongBackupCodesServeWhereverACodeDoes(t *testing.T) {
	f := newFixture(t, setup{auth: func(c *auth.Config) { c.BackupCodeLength = 20 }})
	token := f.account("ada@example.com")
	_, backup := f.enrol(token)
	for _, code := range backup {
		if len(code) != 20 {
			t.Errorf("a code of %d digits", len(code))
		}
	}
	login := func(code string) answer {
		t.Helper()
		step := f.call("POST", "/login", members{"email": "ada@example.com", "password": password}).want(200)
		return f.call("POST", "/verify-2fa", members{"temp_token": step.text("temp_token"), "code": code})
	}
	login(backup[0][:8]).want(401, httpauth.CodeInvalidCode)
	login(backup[0]).want(200)
	login(backup[0]).want(401, httpauth.CodeInvalidCode)
	f.clock.advance(11 * time.Minute)
	f.call("PATCH", "/me", members{"email": "new@example.com", "current_password": password, "code": backup[1]}, bearer(token)).want(200)
	f.call("POST", "/disable-2fa", members{"password": password, "code": backup[1]}, bearer(token)).want(401, httpauth.CodeInvalidCredentials)
	f.call("POST", "/disable-2fa", members{"password": password, "code": backup[2]}, bearer(token)).want(200)
}

// TF-7, LG-12, Advisory 14 (CVE-2025-6014, CVE-2025-6015).
func TestEveryWrongCodeHasTheSameAnswer(t *testing.T) {
	f := newFixture(t, setup{})
	f.enrol(f.account("ada@example.com"))
	var first answer
	for i, code := range []string{"000000", "00000000", "", "12345", "abcdef", " 1 234567 ", "123\u00a0456", "１２３４５６", strings.Repeat("1", 5000), "123456\x00"} {
		f.clock.advance(time.Hour)
		step := f.call("POST", "/login", members{"email": "ada@example.com", "password": password}).want(200)
		a := f.call("POST", "/verify-2fa", members{"temp_token": step.text("temp_token"), "code": code}).
			want(401, httpauth.CodeInvalidCode).wantFields("code:invalid_code")
		if i == 0 {
			first = a
		}
		if a.raw != first.raw {
			t.Errorf("%q: %s differs from %s", code, a.raw, first.raw)
		}
	}
	for _, code := range []any{123456, []string{"000000", "111111"}, true, members{}} {
		f.call("POST", "/verify-2fa", members{"temp_token": "temp_1", "code": code}).want(400, httpauth.CodeInvalidInput).wantFields("code:wrong_type")
	}
	for _, body := range []members{{"temp_token": "temp_1"}, {"temp_token": "temp_1", "code": nil}} {
		f.call("POST", "/verify-2fa", body).want(400, httpauth.CodeInvalidInput).wantFields("code:required")
	}
}

// TT-4: the refusal of a temp token does not say why.
func TestEveryEndedTempTokenHasTheSameAnswer(t *testing.T) {
	f := newFixture(t, setup{auth: func(c *auth.Config) {
		many := store.Limit{Burst: 1000, Every: time.Second}
		c.Limits.LoginByAccount, c.Limits.LoginByAccountAddress, c.Limits.CodeByAccount = many, many, many
	}})
	secret, backup := f.enrol(f.account("ada@example.com"))
	first := func() string {
		return f.call("POST", "/login", members{"email": "ada@example.com", "password": password}).want(200).text("temp_token")
	}
	second := func(temp, code string) answer {
		return f.call("POST", "/verify-2fa", members{"temp_token": temp, "code": code})
	}
	expired := first()
	f.clock.advance(5*time.Minute + time.Second)
	pushedOut := first()
	for range 10 {
		first()
	}
	used, tried := first(), first()
	second(used, backup[0]).want(200)
	for range 5 {
		second(tried, "00000000").want(401, httpauth.CodeInvalidCode)
	}
	unknown := second("temp_"+strings.Repeat("A", len(used)-len("temp_")), f.code(secret)).want(401, httpauth.CodeInvalidToken)
	unknown.header.Del("Date")
	for name, temp := range map[string]string{
		"used": used, "expired": expired, "tried five times": tried, "pushed out": pushedOut, "malformed": "temp_1", "empty": "", "cut": used[:len(used)-1],
	} {
		for _, code := range []string{f.code(secret), "000000", "00000000", "x"} {
			a := second(temp, code)
			a.header.Del("Date")
			if a.status != unknown.status || a.raw != unknown.raw || !equalHeaders(a.header, unknown.header) {
				t.Errorf("%s: %d %s %v\nunknown: %d %s %v", name, a.status, a.raw, a.header, unknown.status, unknown.raw, unknown.header)
			}
		}
	}
}

// TF-8, Advisory 12 (CVE-2026-35597).
func TestWrongCodesAreLimited(t *testing.T) {
	onEachStore(t, func(t *testing.T, f *fixture) {
		token := f.account("ada@example.com")
		_, backup := f.enrol(token)
		statuses := map[int]int{}
		for range 4 {
			step := f.call("POST", "/login", members{"email": "ada@example.com", "password": password})
			if step.status != 200 {
				continue
			}
			for range 4 {
				statuses[f.call("POST", "/verify-2fa", members{"temp_token": step.text("temp_token"), "code": "000000"}).status]++
			}
		}
		if statuses[401] != 8 || statuses[429] == 0 {
			t.Errorf("statuses are %v, want 401 for 8 codes and 429 for the rest", statuses)
		}
		f.call("POST", "/disable-2fa", members{"password": password, "code": backup[0]}, bearer(token)).want(429, httpauth.CodeRateLimited)
	})
}

// TF-1.
func TestEnablingNeedsAFreshLoginOrThePassword(t *testing.T) {
	f := newFixture(t, setup{})
	token := f.account("ada@example.com")
	f.clock.advance(11 * time.Minute)
	for _, body := range []any{nil, "", members{}, members{"password": nil}} {
		f.call("POST", "/enable-2fa", body, bearer(token)).want(403, httpauth.CodeReauthenticationRequired)
	}
	// Chunked: that there is no body is known only when it ends.
	f.call("POST", "/enable-2fa", "", bearer(token), func(r *http.Request) {
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader("")), -1
		r.Header.Del("Content-Type")
	}).want(403, httpauth.CodeReauthenticationRequired)
	f.call("POST", "/enable-2fa", members{"password": "wrong password"}, bearer(token)).want(401, httpauth.CodeInvalidCredentials)
	f.call("POST", "/enable-2fa", members{"password": 7}, bearer(token)).want(400, httpauth.CodeInvalidInput).wantFields("password:wrong_type")
	f.call("POST", "/enable-2fa", members{"password": password}, bearer(token)).want(200)
}

// TF-10, Advisory 2 (GHSA-xg6x-h9c9-2m83, CVE-2026-9091): a temp token is accepted by its one call
// and nothing else.
func TestATempTokenIsAcceptedForTheSecondStepOnly(t *testing.T) {
	f := newFixture(t, setup{})
	f.enrol(f.account("ada@example.com"))
	temp := f.call("POST", "/login", members{"email": "ada@example.com", "password": password}).want(200).text("temp_token")
	for _, rt := range f.handler.Routes() {
		method, path, _ := strings.Cut(rt, " ")
		if !authenticated(f, method, path) {
			continue
		}
		path = filled(path)
		f.call(method, path, members{}, bearer(temp)).want(401, httpauth.CodeInvalidToken)
		f.call(method, path, members{}, header("X-API-Key", temp)).want(401, httpauth.CodeInvalidToken)
	}
}
