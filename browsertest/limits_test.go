package browsertest

import (
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/datixlab/auth"
)

// A form that does nothing when it is sent needs a word. It comes once the script should have been there,
// and goes when it is.
func TestAPageSaysThatItsScriptHasNotLoaded(t *testing.T) {
	t.Parallel()
	s := newService(t, auth.Config{})
	s.disturb(func(w http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, ".js") {
			w.WriteHeader(http.StatusServiceUnavailable)
			return true
		}
		return false
	})
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
