//go:build look

package browsertest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
)

const day = 24 * time.Hour

// TestHowThePagesLook holds every page, in its states, against axe-core at two widths, light and dark.
// AXE is the file axe.min.js of the package axe-core of npm. With SCREENS it writes pictures to that
// directory. `make look` runs it.
func TestHowThePagesLook(t *testing.T) {
	axe, err := os.ReadFile(os.Getenv("AXE"))
	if err != nil {
		t.Fatal(err)
	}
	s := newService(t, auth.Config{})
	s.later.Store(int64(-day))
	u := s.Register()
	u.Colleague("member")
	key := auth.Secret(u.APIKey())
	for ago := day; ago >= 0; ago -= time.Hour { // so that its usage is a chart
		s.later.Store(int64(-ago))
		for range 1 + int(ago/time.Hour)*7%5 {
			if _, err := s.VerifyAPIKey(t.Context(), key); err != nil {
				t.Fatal(err)
			}
		}
	}
	b := s.profile(t)
	look := func(name string) {
		t.Helper()
		for _, width := range []int64{320, 1280} {
			for _, scheme := range []string{"light", "dark"} {
				b.do(chromedp.EmulateViewport(width, 900))
				if _, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
					Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
				}); err != nil {
					t.Fatal(err)
				}
				what := fmt.Sprintf("%s-%d-%s", name, width, scheme)
				script[chromedp.Void](b, "%s", axe)
				for _, violation := range script[[]string](b, `axe.run().then((r) => r.violations.flatMap((v) => v.nodes.map((n) => v.id + ": " + n.html)))`) {
					t.Errorf("%s: %s", what, violation)
				}
				if over := script[int](b, `document.documentElement.scrollWidth - innerWidth`); over > 0 {
					t.Errorf("%s is %d pixels too wide", what, over)
				}
				if dir := os.Getenv("SCREENS"); dir != "" {
					if err := os.WriteFile(filepath.Join(dir, what+".png"), run(b, chromedp.FullScreenshot(100)), 0o644); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
	}
	for _, page := range []string{"sign-in", "register", "forgot-password", "reset-password#token=x", "verify-email#token=x", "invitation#token=x"} {
		b.open("/" + page)
		name, _, _ := strings.Cut(page, "#")
		look(name)
	}
	b.open("/register")
	b.submit("#register", "email", "nobody", "password", "short")
	b.reads(".error", "fill")
	look("register-refused")
	b.open("/sign-in")
	b.submit("#sign-in", "email", u.Email, "password", string(authtest.Password))
	b.at("account")
	for _, page := range []string{"account", "confirm-email#token=x", "security", "api-keys", "organization"} {
		b.open("/" + page)
		name, _, _ := strings.Cut(page, "#")
		look(name)
	}
	b.open("/security")
	b.click("#factor button", "Set it up")
	b.do(chromedp.WaitVisible(chromedp.CSS("#confirm-2fa")))
	look("security-set-up")
	b.open("/api-keys")
	b.submit("#new-key", "name", "nightly export")
	b.do(chromedp.WaitVisible(chromedp.CSS("#new-key-shown .secret")))
	look("api-keys-new")
	b.takeKey()
	b.reads("#keys h3", "nightly export") // the list is a new one
	b.press("test", "Usage")
	b.reads("#keys figcaption", "Uses")
	look("api-keys-usage")
	b.open("/account")
	b.click("#delete", "Delete")
	b.do(chromedp.WaitVisible(chromedp.CSS("#proof")))
	look("account-proof")
}
