package browsertest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
)

const (
	email    = "ada@example.com"
	password = "a sentence that nobody else has"
	changed  = "another sentence that nobody else has"
)

// BR-3. From the registration to the deletion. What the pages complain of, and what they leave where a
// script could read it, fails the test at each step.
func TestAPersonGetsThroughTheirWholeLife(t *testing.T) {
	t.Parallel()
	s := newService(t, auth.Config{})
	b := s.profile(t)

	// A registration, and the mail.
	b.open("/register")
	b.submit("#register", "full_name", "Ada Lovelace", "email", email, "password", "short")
	b.reads("#register-password-error", "too short")
	b.submit("#register", "password", password, "organization_name", "Analytical")
	b.at("account")
	b.mail(auth.MailVerifyEmail, email, "verify-email")
	b.submit("#verify-email")
	b.reads("#notice", "verified")

	// A second factor, by the picture on the screen.
	b.open("/security")
	b.click("#factor button", "Set it up")
	b.do(chromedp.WaitVisible(chromedp.CSS("#qr")))
	key := b.scan("#qr")
	if secret := strings.ReplaceAll(b.text("#secret"), " ", ""); secret != key.Secret() || key.AccountName() != email {
		t.Errorf("the picture is of %s with %s, and the text says %s", key.AccountName(), key.Secret(), secret)
	}
	b.submit("#confirm-2fa", "code", "000000")
	b.reads("#confirm-2fa-code-error", "wrong")
	code := s.code(t, key)
	b.submit("#confirm-2fa", "code", code[:3]+" "+code[3:])
	b.reads("#notice", "is on")
	backup := script[[]string](b, `[...document.querySelectorAll("#codes ol li")].map((li) => li.textContent)`)
	b.click("#codes button", "I have stored them")
	if left := script[string](b, `document.querySelector("#codes ol").textContent + document.querySelector("#secret").textContent`); len(backup) != 10 || left != "" {
		t.Errorf("%d backup codes, and %q is left on the page", len(backup), left)
	}

	// Out, and in with it.
	b.click("#sign-out", "Sign out")
	b.at("sign-in")
	b.submit("#sign-in", "email", email, "password", changed)
	b.reads("#alert", "wrong")
	b.submit("#sign-in", "email", email, "password", password)
	b.submit("#second-step", "code", "123 456")
	b.reads("#second-step-code-error", "wrong")
	b.submit("#second-step", "code", s.code(t, key))
	b.at("account")

	// An API key: made, used, rotated and revoked.
	b.open("/api-keys")
	b.submit("#new-key", "name", "nightly export", "scopes", "reports:read")
	first := b.takeKey()
	if status := b.fetch("/v1/auth/me", fmt.Sprintf(`{headers: {"X-API-Key": %q}}`, first)); status != 200 {
		t.Errorf("the key opens with %d", status)
	}
	b.press("nightly export", "Usage")
	b.reads("#keys dl", "Uses")
	b.press("nightly export", "Rotate")
	b.submit("#rotate-key", "overlap_hours", "0")
	second := b.takeKey()
	for key, want := range map[string]int{first: 401, second: 200} {
		if status := b.fetch("/v1/auth/me", fmt.Sprintf(`{headers: {"X-API-Key": %q}}`, key)); status != want {
			t.Errorf("after the rotation %.12s… opens with %d", key, status)
		}
	}
	b.press(second[:len("sk_live_")+3], "Revoke")
	b.submit("#confirm")
	b.reads("#notice", "is revoked")
	if status := b.fetch("/v1/auth/me", fmt.Sprintf(`{headers: {"X-API-Key": %q}}`, second)); status != 401 {
		t.Errorf("after the revocation it opens with %d", status)
	}

	// Another device, whose session ends.
	other := s.profile(t)
	other.open("/sign-in")
	other.submit("#sign-in", "email", email, "password", password)
	other.submit("#second-step", "code", backup[0])
	other.at("account")
	b.open("/security")
	b.reads("#sessions h3", "this one")
	b.click("#sessions button", "End")
	b.reads("#notice", "is ended")
	other.do(chromedp.Navigate(s.url(own, "/account")))
	other.at("sign-in")

	// A colleague, in a browser of their own.
	const guest = "grace@example.com"
	b.open("/organization")
	b.submit("#invite", "email", guest)
	b.reads("#notice", "is invited")
	colleague := s.profile(t)
	colleague.mail(auth.MailInvitation, guest, "invitation")
	colleague.submit("#invitation-new")
	colleague.at("register")
	colleague.submit("#register", "full_name", "Grace Hopper", "email", guest, "password", password)
	colleague.at("account")
	colleague.reads("#profile", "Analytical")
	b.open("/organization")
	b.reads("#members", "Grace Hopper")
	script[chromedp.Void](b, `document.querySelector('[aria-label="Role of Grace Hopper"]').value = "admin"`)
	b.press("Grace Hopper", "Change role")
	b.reads("#notice", "Grace Hopper")
	colleague.open("/organization")
	colleague.reads("#rename button", "Change the name")

	// A forgotten password.
	b.click("#sign-out", "Sign out")
	b.at("sign-in")
	b.click("a", "Forgotten password?")
	b.at("forgot-password")
	b.submit("#forgot-password", "email", email)
	b.reads("#notice", "on its way")
	b.mail(auth.MailResetPassword, email, "reset-password")
	b.submit("#reset-password", "new_password", "password")
	b.reads("#reset-password-new_password-error", "tried first")
	b.submit("#reset-password", "new_password", changed)
	b.reads("#notice", "is set")
	b.do(chromedp.Navigate(s.url(own, "/account")))
	b.at("sign-in")
	b.submit("#sign-in", "email", email, "password", changed)
	b.submit("#second-step", "code", s.code(t, key))
	b.at("account")

	// The end.
	b.click("#delete", "Delete")
	b.submit("#proof", "password", changed, "code", s.code(t, key))
	b.reads("#notice", "is deleted")
	if status := b.fetch("/auth/me", `{}`); status != 401 {
		t.Errorf("afterwards the profile is answered with %d", status)
	}
	colleague.open("/organization")
	colleague.reads("#size", "Members: 1")
}

// takeKey returns a key that is shown once, and says that it is stored.
func (b *tab) takeKey() string {
	b.t.Helper()
	b.do(chromedp.WaitVisible(chromedp.CSS("#new-key-shown .secret")))
	key := b.text("#new-key-shown .secret")
	b.do(chromedp.Click(chromedp.CSS(`#new-key-shown button[type="submit"]`)))
	b.do(chromedp.WaitNotVisible(chromedp.CSS("#new-key-shown")))
	if left := b.text("#new-key-shown .secret"); left != "" {
		b.t.Errorf("the key is left on the page: %q", left)
	}
	return key
}

// BR-4. Before the script has run, or without it, a page shows its form and says what it needs. What is
// typed there goes nowhere.
func TestWithoutItsScriptAPageShowsItsFormAndSendsNothing(t *testing.T) {
	t.Parallel()
	s := newService(t, auth.Config{})
	b := s.profile(t)
	if _, err := chromedp.Call(b.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}); err != nil {
		t.Fatal(err)
	}
	b.do(chromedp.Navigate(s.url(own, "/sign-in")))
	b.submit("#sign-in", "email", email, "password", password)
	b.reads("noscript .alert", "JavaScript")
	if at := script[string](b, `location.href`); at != s.url(own, "/sign-in") {
		t.Errorf("the form is sent to %s", at)
	}
	b.forget("a CSP report", "security") // that the form was not sent
}

// From the login to a changed name without a mouse. Focus is where the next key acts, also after what a
// page opens by itself.
func TestAKeyboardIsEnough(t *testing.T) {
	t.Parallel()
	s := newService(t, auth.Config{})
	u := s.Register()
	b := s.profile(t)
	focused := func() string { // what a screen reader says, in short
		return script[string](b, `(document.activeElement.labels?.[0] ?? document.activeElement).textContent.trim()`)
	}
	to := func(label string) {
		t.Helper()
		for range 40 {
			b.do(chromedp.KeyEvent("\t"))
			if focused() == label {
				return
			}
		}
		t.Fatalf("no Tab leads to %q, and the last is %q", label, focused())
	}
	write := func(text string) { b.do(chromedp.KeyEvent(text)) }
	b.open("/sign-in")
	to("Email")
	write(u.Email)
	to("Password")
	write(string(authtest.Password) + "\r")
	b.at("account")
	to("Security")
	write("\r")
	b.at("security")
	to("Set it up")
	write("\r")
	b.do(chromedp.WaitVisible(chromedp.CSS("#confirm-2fa")))
	to("Code")
	write("000000\r")
	b.reads("#confirm-2fa-code-error", "wrong")
	if focused() != "Code" {
		t.Errorf("after a wrong code the focus is on %q", focused())
	}
	to("Cancel")
	write("\r")
	to("Account")
	write("\r")
	b.at("account")
	to("Delete the account")
	write("\r")
	b.do(chromedp.WaitVisible(chromedp.CSS("#proof")))
	to("Password")
	write(string(authtest.Password) + "\r")
	b.reads("#notice", "deleted")
}
