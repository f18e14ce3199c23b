package httpauth_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/httpauth"
)

// The table of docs/clients.md, "When an answer is lost".
func TestACallThatIsRepeatedAfterALostAnswerEndsWhereTheFirstDid(t *testing.T) {
	onEveryStore(t, func(t *testing.T, f *fixture) {
		says := func(a answer, words string) {
			t.Helper()
			if !strings.Contains(a.text("detail"), words) {
				t.Errorf("the detail does not say %q: %s", words, a.raw)
			}
		}
		token := f.account("ada@example.com")
		again := f.call("POST", "/register", members{"email": "ada@example.com", "password": password, "full_name": "Ada"})
		says(again.want(http.StatusConflict, httpauth.CodeEmailTaken), "log in")

		first := f.call("POST", "/refresh", nil, bearer(token)).want(200).text("access_token")
		if second := f.call("POST", "/refresh", nil, bearer(token)).want(200).text("access_token"); second != first {
			t.Error("a repeated refresh returned another token")
		}
		token = first
		for range 2 {
			f.call("PATCH", "/me", members{"email": "countess@example.com"}, bearer(token)).want(200)
		}

		f.call("POST", "/enable-2fa", nil, bearer(token)).want(200)
		secret := f.call("POST", "/enable-2fa", nil, bearer(token)).want(200).text("secret")
		code := f.code(secret)
		other := f.call("POST", "/confirm-2fa", members{"code": code + "0"}, bearer(token))
		says(other.want(401, httpauth.CodeInvalidCode), "digits that the authenticator shows for the last QR code")
		says(other, "clock")
		f.call("POST", "/confirm-2fa", members{"code": " " + code[:3] + "\t" + code[3:] + "\n"}, bearer(token)).want(200)
		says(f.call("POST", "/confirm-2fa", members{"code": code}, bearer(token)).want(409, httpauth.CodeTwoFactorAlreadyEnabled), "is on")

		_, key := f.apiKey(token)
		list := f.call("GET", "/api-keys", nil, bearer(token)).want(200)
		if strings.Contains(list.raw, key) || !strings.Contains(list.raw, key[:11]) {
			t.Errorf("the list does not name the key that was made, or shows it whole: %s", list.raw)
		}
	})
}

func TestARefusalOfACodeSaysWhatHelps(t *testing.T) {
	f := newFixture(t, setup{})
	says := func(a answer, words string) {
		t.Helper()
		if !strings.Contains(a.text("detail"), words) {
			t.Errorf("the detail does not say %q: %s", words, a.raw)
		}
	}
	token := f.account("ada@example.com")
	nothing := f.call("POST", "/confirm-2fa", members{"code": "123456"}, bearer(token)).want(400, httpauth.CodeTwoFactorNotEnabled)
	says(nothing, "call enable-2fa again")

	earlier := f.call("POST", "/enable-2fa", nil, bearer(token)).want(200).text("secret")
	last := f.call("POST", "/enable-2fa", nil, bearer(token)).want(200)
	wrong := f.call("POST", "/confirm-2fa", members{"code": f.code(earlier)}, bearer(token)).want(401, httpauth.CodeInvalidCode)
	says(wrong, "the last QR code")
	if wrong.wantFields("code:invalid_code"); strings.Contains(wrong.raw, "backup") {
		t.Errorf("a backup code is offered, which confirms nothing: %s", wrong.raw)
	}
	code := f.code(last.text("secret"))
	f.call("POST", "/confirm-2fa", members{"code": code}, bearer(token)).want(200)

	says(f.call("POST", "/verify-2fa", members{"temp_token": "temp_over", "code": code}).want(401, httpauth.CodeInvalidToken), "log in again")
	for path, body := range map[string]members{
		"/disable-2fa":  {"password": password, "code": code},
		"/backup-codes": {"password": password, "code": code},
		"/me":           {"email": "countess@example.com", "current_password": password, "code": code},
	} {
		method := "POST"
		if path == "/me" {
			method = "PATCH"
		}
		f.clock.advance(10 * time.Minute) // for the budget of passwords
		used := f.call(method, path, body, bearer(token)).want(401, httpauth.CodeInvalidCredentials)
		says(used, "the code was used before")
		body["password"], body["current_password"] = "wrong, and long enough", "wrong, and long enough"
		if other := f.call(method, path, body, bearer(token)); other.raw != used.raw {
			t.Errorf("%s tells a wrong password from a used code:\n%s\n%s", path, other.raw, used.raw)
		}
	}
}

func TestAnAddressThatIsNoneSaysWhatAnAddressIs(t *testing.T) {
	f := newFixture(t, setup{})
	for _, email := range []string{"\u00fc@example.com", "ada @example.com", "\"a b\"@example.com"} {
		a := f.call("POST", "/register", members{"email": email, "password": password, "full_name": "Ada"}).want(400, httpauth.CodeInvalidInput)
		if !strings.Contains(a.raw, "in ASCII, without spaces and quotes") {
			t.Errorf("%q: %s", email, a.raw)
		}
	}
}

func TestARefusedInvitationSaysWhatToDoNext(t *testing.T) {
	for _, closed := range []bool{false, true} {
		f := newFixture(t, setup{auth: func(cfg *auth.Config) { cfg.NoRegistration = closed }})
		says := func(a answer, words string) {
			t.Helper()
			if !strings.Contains(a.text("detail"), words) {
				t.Errorf("closed %v: the detail does not say %q: %s", closed, words, a.raw)
			}
		}
		org, err := f.manager.CreateOrganization(t.Context(), "Looms")
		if err != nil {
			t.Fatal(err)
		}
		add := func(email, role string) (token string) {
			t.Helper()
			u := auth.NewUser{Email: email, Password: password, FullName: "Ada", OrganizationID: org.ID, Role: role}
			if _, err := f.manager.CreateUser(t.Context(), u); err != nil {
				t.Fatal(err)
			}
			return f.login(email)
		}
		admin, guest := add("ada@example.com", "admin"), add("bob@example.com", "member")
		wanted := members{"email": "eve@example.com", "role": "member"}
		says(f.call("POST", "/organization/invitations", wanted, bearer(guest)).want(403, httpauth.CodeForbidden), "Only an admin")
		wanted["role"] = "Member"
		says(f.call("POST", "/organization/invitations", wanted, bearer(admin)).want(403, httpauth.CodeForbidden), "roles that the service has")

		void := members{"email": "eve@example.com", "password": password, "full_name": "Eve", "invitation_token": "inv_" + strings.Repeat("0", 67)}
		registered := f.call("POST", "/register", void)
		says(registered, "If you have used")
		says(registered, "log in")
		says(f.call("POST", "/accept-invitation", members{"token": void["invitation_token"]}, bearer(guest)).want(400, httpauth.CodeInvalidOneTimeToken), "another email")

		if org, err = f.manager.CreateOrganization(t.Context(), "Engines"); err != nil {
			t.Fatal(err)
		}
		elsewhere := add("cid@example.com", "admin")
		f.call("POST", "/organization/invitations", members{"email": "bob@example.com", "role": "member"}, bearer(elsewhere)).want(201)
		full := f.call("POST", "/accept-invitation", members{"token": f.mail(auth.MailInvitation, "bob@example.com")}, bearer(guest))
		full.want(409, httpauth.CodeOrganizationNotEmpty)
		if leave := strings.Contains(full.text("detail"), "Leave it first"); leave == closed { // there leaving disables the account
			t.Errorf("closed %v: the detail says %s", closed, full.raw)
		}
	}
}
