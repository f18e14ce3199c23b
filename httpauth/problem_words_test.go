package httpauth_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/datixlab/auth/httpauth"
)

// The table of docs/clients.md, "When an answer is lost".
func TestACallThatIsRepeatedAfterALostAnswerEndsWhereTheFirstDid(t *testing.T) {
	onEachStore(t, func(t *testing.T, f *fixture) {
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
		says(other.want(401, httpauth.CodeInvalidCode), "the digits of the authenticator")
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

func TestAnAddressThatIsNoneSaysWhatAnAddressIs(t *testing.T) {
	f := newFixture(t, setup{})
	for _, email := range []string{"\u00fc@example.com", "ada @example.com", "\"a b\"@example.com"} {
		a := f.call("POST", "/register", members{"email": email, "password": password, "full_name": "Ada"}).want(400, httpauth.CodeInvalidInput)
		if !strings.Contains(a.raw, "in ASCII, without spaces and quotes") {
			t.Errorf("%q: %s", email, a.raw)
		}
	}
}
