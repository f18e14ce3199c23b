package httpauth_test

import (
	"testing"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/httpauth"
)

// An account without a password sends an empty one, and a fresh login stands in for it.
func TestAnAccountWithoutAPasswordSendsAnEmptyOne(t *testing.T) {
	onEachStore(t, func(t *testing.T, f *fixture) {
		f.account("ada@example.com")
		ctx := t.Context()
		ada, err := f.manager.UserByEmail(ctx, "ada@example.com")
		if err != nil {
			t.Fatal(err)
		}
		const email = "sso@example.com"
		u, err := f.manager.CreateUser(ctx, auth.NewUser{Email: email, FullName: "Ada", OrganizationID: ada.OrganizationID, Role: "member"})
		if err != nil {
			t.Fatal(err)
		}
		login := func(p auth.Proof) string {
			r, err := f.manager.LoginAs(ctx, u.ID, p)
			if err != nil {
				t.Fatal(err)
			}
			return string(r.AccessToken.Token)
		}
		unknown := f.call("POST", "/login", members{"email": "nobody@example.com", "password": password}).want(401, httpauth.CodeInvalidCredentials)
		for _, pw := range []string{password, ""} {
			if a := f.call("POST", "/login", members{"email": email, "password": pw}).want(401); a.raw != unknown.raw {
				t.Errorf("%s differs from %s", a.raw, unknown.raw)
			}
		}

		secret, _ := f.enrol(login(auth.Proof{Method: "oauth"}))
		twice := auth.Proof{Method: "oauth", MultiFactor: true}
		for _, c := range []struct {
			path string
			body members
			code bool
		}{
			{"/backup-codes", members{"password": ""}, true},
			{"/disable-2fa", members{"password": ""}, true},
			{"/change-password", members{"current_password": "", "new_password": "NewPass456!"}, false},
		} {
			send := func(token, pw string) answer {
				f.clock.advance(30 * time.Second)
				for member := range c.body {
					if member != "new_password" {
						c.body[member] = pw
					}
				}
				if c.code {
					c.body["code"] = f.code(secret)
				}
				return f.call("POST", c.path, c.body, bearer(token))
			}
			old := login(twice)
			f.clock.advance(11 * time.Minute)
			a := send(old, "").want(401, httpauth.CodeReauthenticationRequired)
			if got := a.header.Get("WWW-Authenticate"); got != `Bearer realm="auth", error="insufficient_user_authentication"` {
				t.Errorf("%s: the challenge is %q", c.path, got)
			}
			send(old, password).want(401, httpauth.CodeInvalidCredentials)
			send(login(twice), password).want(401, httpauth.CodeInvalidCredentials)
			send(login(twice), "").want(200)
		}
		f.call("POST", "/login", members{"email": email, "password": "NewPass456!"}).want(200)
	})
}
