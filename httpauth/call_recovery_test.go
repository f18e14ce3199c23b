package httpauth_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/httpauth"
)

const newPassword = "NewPass456!"

// OT-12, Advisory 11.
func TestAForgottenPasswordIsReset(t *testing.T) {
	onEachStore(t, func(t *testing.T, f *fixture) {
		token := f.account("ada@example.com")
		secret, _ := f.enrol(token)
		f.call("POST", "/forgot-password", members{"email": "  Ada@EXAMPLE.com "}).want(202).wantMembers("success", "message")
		mail := f.mail(auth.MailResetPassword, "ada@example.com")
		for _, weak := range []string{"short", "ada@example.com", "password1"} {
			f.call("POST", "/reset-password", members{"token": mail, "new_password": weak}).want(400, httpauth.CodeWeakPassword)
		}
		f.call("POST", "/reset-password", members{"token": mail, "new_password": newPassword}).want(200).wantMembers("success", "message")
		f.call("POST", "/reset-password", members{"token": mail, "new_password": newPassword}).want(400, httpauth.CodeInvalidOneTimeToken)
		f.call("GET", "/me", nil, bearer(token)).want(401, httpauth.CodeInvalidToken)
		f.call("POST", "/login", members{"email": "ada@example.com", "password": password}).want(401, httpauth.CodeInvalidCredentials)
		temp := f.call("POST", "/login", members{"email": "ada@example.com", "password": newPassword}).want(200).text("temp_token")
		f.clock.advance(time.Minute)
		token = f.call("POST", "/verify-2fa", members{"temp_token": temp, "code": f.code(secret)}).want(200).text("access_token")
		if a := f.call("GET", "/me", nil, bearer(token)).want(200); a.body["email_verified"] != true {
			t.Errorf("after the proof: %s", a.raw)
		}
	})
}

// OT-10, OT-16: the answer is the same, whoever has the address.
func TestTheAnswersToAddressesDoNotDiffer(t *testing.T) {
	f := newFixture(t, setup{auth: func(c *auth.Config) { c.ConfirmEmailChange, c.RequireVerifiedEmail = true, true }})
	verified := f.register("verified@example.com")
	f.call("POST", "/verify-email", members{"token": f.mail(auth.MailVerifyEmail, "verified@example.com")}).want(200)
	f.register("unverified@example.com")
	f.register("disabled@example.com")
	u, err := f.manager.UserByEmail(t.Context(), "disabled@example.com")
	if err != nil || f.manager.DisableUser(t.Context(), u.ID) != nil || verified == "" {
		t.Fatal(err)
	}
	for _, path := range []string{"/forgot-password", "/resend-verification"} {
		var first answer
		for i, email := range []string{"verified@example.com", "unverified@example.com", "disabled@example.com", "nobody@example.com"} {
			a := f.call("POST", path, members{"email": email}).want(202)
			a.header.Del("Date")
			if i == 0 {
				first = a
			}
			if a.raw != first.raw || !maps.EqualFunc(a.header, first.header, slices.Equal) {
				t.Errorf("%s of %s: %s %v, and of the first: %s %v", path, email, a.raw, a.header, first.raw, first.header)
			}
		}
	}
	f.call("POST", "/login", members{"email": "unverified@example.com", "password": password}).want(403, httpauth.CodeEmailNotVerified)
	f.call("POST", "/login", members{"email": "disabled@example.com", "password": password}).want(401, httpauth.CodeInvalidCredentials)
}

// OT-21: no text of a request is in a mail, and nothing but POST uses a token.
func TestAMailHasNothingOfTheRequestAndOnlyPOSTUsesIt(t *testing.T) {
	f := newFixture(t, setup{})
	f.register("ada@example.com")
	forged := func(r *http.Request) {
		r.Host = "evil.example"
		for _, name := range []string{"X-Forwarded-Host", "X-Original-Host", "X-Host", "Forwarded", "Origin", "Referer"} {
			r.Header.Set(name, "https://evil.example")
		}
	}
	f.call("POST", "/forgot-password", members{"email": "ada@example.com"}, forged).want(202)
	f.call("POST", "/resend-verification", members{"email": "ada@example.com"}, forged).want(202)
	reset := f.mail(auth.MailResetPassword, "ada@example.com")
	f.mail(auth.MailVerifyEmail, "ada@example.com") // of the registration
	verify := f.mail(auth.MailVerifyEmail, "ada@example.com")
	for _, mail := range f.outbox.All() {
		type fields auth.Mail // without its String
		if text := fmt.Sprintf("%+v", fields(mail)); strings.Contains(text, "evil") {
			t.Errorf("the mail has %s", text)
		}
	}
	before := f.store.commits.Load()
	for path, token := range map[string]string{"/reset-password": reset, "/verify-email": verify} {
		for _, method := range []string{"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH"} {
			want := 405
			if method == "OPTIONS" {
				want = 204
			}
			f.call(method, path+"?token="+token+"&new_password="+newPassword, nil).want(want)
		}
	}
	if n := f.store.commits.Load() - before; n != 0 {
		t.Errorf("%d commits", n)
	}
	f.call("POST", "/reset-password", members{"token": reset, "new_password": newPassword}).want(200)
}

// OT-18.
func TestAnAddressIsChangedByTheMailThatWentThere(t *testing.T) {
	onEachStoreWith(t, func(c *auth.Config) { c.ConfirmEmailChange = true }, func(t *testing.T, f *fixture) {
		token := f.account("ada@example.com")
		elsewhere := f.login("ada@example.com")
		f.call("DELETE", "/me/pending-email", nil, bearer(token)).want(404, httpauth.CodeNotFound)
		a := f.call("PATCH", "/me", members{"email": "countess@example.com", "full_name": "Ada King"}, bearer(token)).want(200)
		if a.body["email"] != "ada@example.com" || a.body["pending_email"] != "countess@example.com" || a.body["full_name"] != "Ada King" {
			t.Errorf("after the request: %s", a.raw)
		}
		void := f.mail(auth.MailChangeEmail, "countess@example.com")
		f.call("DELETE", "/me/pending-email", nil, bearer(token)).want(200).wantMembers("success", "message")
		f.call("POST", "/confirm-email", members{"token": void}, bearer(token)).want(400, httpauth.CodeInvalidOneTimeToken)
		if a := f.call("GET", "/me", nil, bearer(token)).want(200); a.body["pending_email"] != nil {
			t.Errorf("after it was canceled: %s", a.raw)
		}
		f.call("PATCH", "/me", members{"email": "countess@example.com"}, bearer(token)).want(200)
		mail := f.mail(auth.MailChangeEmail, "countess@example.com")
		f.call("POST", "/confirm-email", members{"token": mail}, bearer(f.account("eve@example.com"))).want(400, httpauth.CodeInvalidOneTimeToken)
		f.call("POST", "/confirm-email", members{"token": mail}, bearer(token)).want(200).wantMembers("success", "message")
		a = f.call("GET", "/me", nil, bearer(token)).want(200)
		if a.body["email"] != "countess@example.com" || a.body["email_verified"] != true || a.body["pending_email"] != nil {
			t.Errorf("after the confirmation: %s", a.raw)
		}
		f.call("GET", "/me", nil, bearer(elsewhere)).want(401, httpauth.CodeInvalidToken)
		f.call("POST", "/login", members{"email": "ada@example.com", "password": password}).want(401, httpauth.CodeInvalidCredentials)
		f.login("countess@example.com")
	})
}

// A pending address is shown as long as its token is valid.
func TestAPendingAddressEndsWithItsToken(t *testing.T) {
	f := newFixture(t, setup{auth: func(c *auth.Config) { c.ConfirmEmailChange, c.AccessTokenTTL = true, 2*time.Hour }})
	token := f.account("ada@example.com")
	f.call("PATCH", "/me", members{"email": "countess@example.com"}, bearer(token)).want(200)
	for _, pause := range []struct {
		d    time.Duration
		want any
	}{{59 * time.Minute, "countess@example.com"}, {time.Minute, nil}} {
		f.clock.advance(pause.d)
		if a := f.call("GET", "/me", nil, bearer(token)).want(200); a.body["pending_email"] != pause.want {
			t.Errorf("%v later: %s", pause.d, a.raw)
		}
	}
	f.call("DELETE", "/me/pending-email", nil, bearer(token)).want(404, httpauth.CodeNotFound)
}

// Without a Mailer there is no route of a mail, and nothing of one in the document.
func TestWithoutAMailerThereIsNoRouteOfAMail(t *testing.T) {
	h := authtest.With(t, onMemory(t, nil), auth.Config{TrustedDevices: auth.DeviceTrust{TTL: time.Hour}})
	handler, err := httpauth.New(h.Manager, httpauth.Config{})
	if err != nil {
		t.Fatal(err)
	}
	all := newFixture(t, setup{}).handler.Routes()
	gone := difference(all, handler.Routes())
	slices.Sort(gone)
	want := []string{"DELETE /me/pending-email", "POST /confirm-email", "POST /forgot-password", "POST /resend-verification", "POST /reset-password", "POST /verify-email"}
	if !slices.Equal(gone, want) {
		t.Errorf("without it these are gone: %q", gone)
	}
	f := newFixture(t, setup{auth: func(c *auth.Config) { c.Mailer = nil }})
	raw := f.call("GET", "/openapi.json", nil).want(200).raw
	for _, word := range []string{"forgot", "reset-password", "pending-email", "EmailNotVerified", `"Recovery"`, `"Email"`} {
		if strings.Contains(raw, word) {
			t.Errorf("the document has %s", word)
		}
	}
	for _, rt := range gone {
		method, path, _ := strings.Cut(rt, " ")
		f.call(method, path, members{}).want(404, httpauth.CodeNotFound)
	}
}

// PR-6: the name is read, and then cached.
func TestTheProfileHasTheNameOfTheOrganization(t *testing.T) {
	onEachStore(t, func(t *testing.T, f *fixture) {
		f.call("POST", "/register", members{"email": "ada@example.com", "password": password, "full_name": "Ada", "organization_name": "Analytical Engines"}).want(201)
		token := f.login("ada@example.com")
		for range 3 {
			if a := f.call("GET", "/me", nil, bearer(token)).want(200); a.body["organization_name"] != "Analytical Engines" || a.body["email_verified"] != false {
				t.Errorf("%s", a.raw)
			}
		}
	})
}
