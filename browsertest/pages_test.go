package browsertest

import (
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/datixlab/auth"
)

const (
	email    = "ada@example.com"
	password = "a sentence that nobody else has"
)

func TestAPersonGetsThroughTheirWholeLife(t *testing.T) {
	t.Parallel()
	s := newService(t, auth.Config{})
	b := s.profile(t, newAllocator(t))

	b.open("/register")
	b.submit("#register", "full_name", "Ada Lovelace", "email", email, "password", "short")
	b.reads("#register-password-error", "too short")
	b.submit("#register", "password", password, "organization_name", "Analytical")
	b.at("account")
	b.mail(auth.MailVerifyEmail, email, "verify-email")
	b.submit("#verify-email")
	b.reads("#notice", "verified")
	b.open("/account")
	b.click("#sign-out", "Sign out")
	b.at("sign-in")
	b.submit("#sign-in", "email", email, "password", "another password")
	b.reads("#alert", "wrong")

	b.click("a", "Forgotten password?")
	b.at("forgot-password")
	b.submit("#forgot-password", "email", email)
	b.reads("#notice", "on its way")
	b.mail(auth.MailResetPassword, email, "reset-password")
	b.submit("#reset-password", "new_password", "password")
	b.reads("#reset-password-new_password-error", "tried first")
	const changed = "another sentence that nobody else has"
	b.submit("#reset-password", "new_password", changed)
	b.reads("#notice", "is set")
	b.do(chromedp.Navigate(s.url(own, "/account")))
	b.at("sign-in")
	b.submit("#sign-in", "email", email, "password", changed)
	b.at("account")
}
