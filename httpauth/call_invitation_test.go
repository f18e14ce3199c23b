package httpauth_test

import (
	"strings"
	"testing"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/httpauth"
)

// PR-21, PR-27. Everything that is wrong with a token has one answer, byte for byte.
func TestAnInvitationOverHTTP(t *testing.T) {
	f := newFixture(t, setup{})
	f.account("ada@example.com")
	f.account("bob@example.com")
	admin, bob := f.login("ada@example.com"), f.login("bob@example.com")
	org := f.call("GET", "/me", nil, bearer(admin)).want(200).text("organization_id")
	body := members{"email": "Grace@example.com", "role": "member"}
	made := f.call("POST", "/organization/invitations", body, bearer(admin)).want(201)
	if made.body["invitation_token"] != nil || made.text("email") != "Grace@example.com" || made.text("role") != "member" {
		t.Errorf("made %s", made.raw)
	}
	token := f.mail(auth.MailInvitation, "Grace@example.com")
	list := f.call("GET", "/organization/invitations", nil, bearer(admin)).want(200)
	if strings.Contains(list.raw, "inv_") || !strings.Contains(list.raw, made.text("id")) {
		t.Errorf("the list is %s", list.raw)
	}
	f.call("POST", "/organization/invitations", members{"email": "ADA@example.com", "role": "member"}, bearer(admin)).want(409, httpauth.CodeAlreadyMember)
	f.call("POST", "/organization/invitations", members{"email": "eve@example.com", "role": "operator"}, bearer(admin)).want(403, httpauth.CodeForbidden)
	f.call("DELETE", "/organization/invitations/"+made.text("id"), nil, bearer(bob)).want(404, httpauth.CodeNotFound)

	register := members{"email": "grace@example.com", "password": password, "full_name": "Grace", "invitation_token": token}
	with := func(name string, value any) members {
		m := members{}
		for k, v := range register {
			m[k] = v
		}
		m[name] = value
		return m
	}
	f.call("POST", "/register", with("organization_name", "Looms")).want(400, httpauth.CodeInvalidInput)
	f.call("POST", "/register", with("password", "short")).want(400, httpauth.CodeWeakPassword)
	joined := f.call("POST", "/register", register).want(201)
	if joined.text("organization_id") != org || joined.text("role") != "member" {
		t.Errorf("joined %s", joined.raw)
	}
	if me := f.call("GET", "/me", nil, bearer(f.login("grace@example.com"))).want(200); me.body["email_verified"] != true {
		t.Errorf("who used a mailed token is %s", me.raw)
	}

	f.call("POST", "/organization/invitations", members{"email": "bob@example.com", "role": "admin"}, bearer(admin)).want(201)
	forBob := f.mail(auth.MailInvitation, "bob@example.com")
	answers := map[string]bool{}
	for _, a := range map[string]answer{
		"used":           f.call("POST", "/register", with("email", "grace2@example.com")),
		"other address":  f.call("POST", "/register", with("invitation_token", forBob)),
		"unknown":        f.call("POST", "/accept-invitation", members{"token": "inv_" + strings.Repeat("0", 67)}, bearer(bob)),
		"accepted twice": f.call("POST", "/accept-invitation", members{"token": token}, bearer(bob)),
	} {
		if a.status == 409 { // the address of a member that exists
			continue
		}
		a.want(400, httpauth.CodeInvalidOneTimeToken)
		answers[a.raw] = true
	}
	if len(answers) != 1 {
		t.Errorf("the refusals are %v", answers)
	}
	moved := f.call("POST", "/accept-invitation", members{"token": forBob}, bearer(bob)).want(200)
	if moved.text("organization_id") != org || moved.text("role") != "admin" || moved.body["email_verified"] != true {
		t.Errorf("moved %s", moved.raw)
	}
}

// A service without mail hands the token to the admin, once.
func TestWithoutAMailerAnInvitationIsHandedOver(t *testing.T) {
	f := newFixture(t, setup{auth: func(c *auth.Config) { c.Mailer, c.ConfirmEmailChange = nil, false }})
	f.account("ada@example.com")
	admin := f.login("ada@example.com")
	made := f.call("POST", "/organization/invitations", members{"email": "grace@example.com", "role": "admin"}, bearer(admin)).want(201)
	if list := f.call("GET", "/organization/invitations", nil, bearer(admin)).want(200); strings.Contains(list.raw, "inv_") {
		t.Errorf("the list is %s", list.raw)
	}
	f.call("POST", "/register", members{"email": "grace@example.com", "password": authtest.Password, "full_name": "Grace", "invitation_token": made.text("invitation_token")}).want(201)
}
