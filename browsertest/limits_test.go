package browsertest

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/pquerna/otp"

	"github.com/datixlab/auth"
)

// A form that does nothing when it is sent needs a word. It comes once the script should have been there,
// and goes when it is.
func TestAPageSaysThatItsScriptHasNotLoaded(t *testing.T) {
	t.Parallel()
	s := newService(t, auth.Config{})
	s.disturb(withoutScript)
	b := s.profile(t)
	b.do(chromedp.Navigate(s.url(own, "/sign-in")))
	const shown = `document.querySelector("#late")?.checkVisibility({visibilityProperty: true}) ?? false`
	if script[bool](b, shown) {
		t.Error("it is there at once")
	}
	b.fill("#sign-in", "email", email)
	script[chromedp.Void](b, `void document.getAnimations().forEach((one) => one.finish())`) // five seconds
	b.reads("#late", "load the page again")
	if !script[bool](b, shown) {
		t.Error("it is not there after five seconds")
	}
	s.disturb(func(http.ResponseWriter, *http.Request) bool { return false })
	b.open("/sign-in")
	if script[bool](b, shown) {
		t.Error("it is there beside the script")
	}
	b.forget("network")
}

// lose lets the service do what the next call of a path asks for, and cuts its answer off.
func (s *service) lose(path string) {
	var lost atomic.Bool
	s.disturb(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodGet || !strings.HasPrefix(r.URL.Path, path) || lost.Swap(true) {
			return false
		}
		s.server.Config.Handler.ServeHTTP(httptest.NewRecorder(), r)
		_, _ = io.WriteString(w, `{"`)
		return true
	})
}

// A change whose answer is lost is made all the same. The page says so, or goes on.
func TestALostAnswerLeavesNobodyInDoubt(t *testing.T) {
	t.Parallel()
	s := newService(t, auth.Config{})
	b := s.profile(t)

	s.lose("/auth/register")
	b.open("/register")
	b.submit("#register", "full_name", "Ada Lovelace", "email", email, "password", password)
	b.at("account")

	// The key that nobody has seen is named, and focused.
	b.open("/api-keys")
	s.lose("/auth/api-keys")
	b.submit("#new-key", "name", "robot")
	b.reads("#alert", "key robot, sk_live_")
	b.press("robot", "Rotate")
	s.lose("/auth/api-keys")
	b.submit("#rotate-key", "overlap_hours", "1")
	b.reads("#keys dd", "Replaced by")
	b.reads("#alert", "key robot, sk_live_")
	const focused = `document.activeElement.closest("#keys li")?.textContent.includes("Replaced") === false && document.querySelectorAll("#keys li").length === 2`
	if !script[bool](b, focused) {
		t.Error("the focus is not on the key that appeared")
	}
	s.disturb(func(w http.ResponseWriter, r *http.Request) bool { return r.Method != http.MethodGet })
	b.submit("#new-key", "name", "another robot")
	b.reads("#alert", "Are you online?")
	s.disturb(func(w http.ResponseWriter, r *http.Request) bool { return r.URL.Path == "/auth/api-keys" })
	b.submit("#new-key", "name", "another robot")
	b.reads("#alert", "load this page again")

	b.open("/organization")
	s.lose("/auth/organization/invitations")
	b.submit("#invite", "email", "Grace@example.com")
	b.reads("#alert", "Grace@example.com is invited")
	b.reads("#invited", "Grace@example.com")

	b.open("/security")
	b.click("#factor button", "Set it up")
	b.do(chromedp.WaitVisible(chromedp.CSS("#authenticator, #qr")))
	key, err := otp.NewKeyFromURL(script[string](b, `document.querySelector("#authenticator").href`))
	if err != nil {
		t.Fatal(err)
	}
	s.lose("/auth/confirm-2fa")
	b.submit("#confirm-2fa", "code", s.code(t, key))
	b.reads("#notice", "is on")
	b.click("#codes button", "I have stored them")
	b.click("#factor button", "New backup codes")
	s.lose("/auth/backup-codes")
	b.submit("#proof", "password", password, "code", s.code(t, key))
	b.reads("#alert", "may have ended")

	b.open("/account")
	s.lose("/auth/change-password")
	b.submit("#password", "current_password", password, "new_password", changed)
	b.reads("#alert", "the new one is set already")
	b.submit("#password", "current_password", password, "new_password", changed)
	b.reads("#password-current_password-error", "not your password")
	b.click("#delete", "Delete")
	s.lose("/auth/delete-account")
	b.submit("#proof", "password", changed, "code", s.code(t, key))
	b.reads("#notice", "is deleted")
	b.do(chromedp.Navigate(s.url(own, "/account")))
	b.at("sign-in")
	b.reads("#notice", "not signed in")
	b.forget("network")
}
