package auth_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/memstore"
)

// mailConfig is that of a Manager that sends mails.
func mailConfig() auth.Config {
	return auth.Config{Mailer: &authtest.Mails{}, ConfirmEmailChange: true, Limits: unlimited()}
}

// A mailed user has a token of each purpose that is valid and not used.
type mailed struct {
	*authtest.User
	h      *authtest.Harness
	id     auth.Identity
	wanted string // the address that waits
	tokens map[auth.MailPurpose]auth.Secret
}

func newMailed(t *testing.T, h *authtest.Harness) *mailed {
	t.Helper()
	u := &mailed{User: h.Register(), h: h, tokens: map[auth.MailPurpose]auth.Secret{}}
	u.id, u.wanted = u.Identity(), "moved."+u.Email
	u.tokens[auth.MailVerifyEmail] = h.AwaitMail(auth.MailVerifyEmail, u.Email).Token
	u.tokens[auth.MailResetPassword] = u.forgotten(t)
	u.tokens[auth.MailChangeEmail] = u.requested(t)
	return u
}

// forgotten returns the token of a new mail for a forgotten password.
func (u *mailed) forgotten(t *testing.T) auth.Secret {
	t.Helper()
	if err := u.h.ForgotPassword(t.Context(), u.Email); err != nil {
		t.Fatal(err)
	}
	return u.h.AwaitMail(auth.MailResetPassword, u.Email).Token
}

// requested returns the token of a new mail that confirms u.wanted.
func (u *mailed) requested(t *testing.T) auth.Secret {
	t.Helper()
	now, err := u.h.UpdateProfile(t.Context(), u.id, auth.ProfileChange{Email: &u.wanted})
	if err != nil || now.PendingEmail != u.wanted || now.Email != u.Email {
		t.Fatalf("%+v, %v", now, err)
	}
	return u.h.AwaitMail(auth.MailChangeEmail, u.wanted).Token
}

// redeem uses a token for a purpose.
func (u *mailed) redeem(purpose auth.MailPurpose, token auth.Secret) error {
	ctx := context.Background()
	switch purpose {
	case auth.MailResetPassword:
		return u.h.Manager.ResetPassword(ctx, token, otherPassword)
	case auth.MailVerifyEmail:
		return u.h.Manager.VerifyEmail(ctx, token)
	}
	return u.h.ConfirmEmail(ctx, u.id, token)
}

// purposes are those of a user's own tokens.
var purposes = []auth.MailPurpose{auth.MailVerifyEmail, auth.MailChangeEmail, auth.MailResetPassword}

// OT-1: a token serves its own purpose and account, once. All that is no token is refused alike.
func TestAOneTimeTokenServesItsPurposeAndAccountOnce(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, mailConfig())
		u, other := newMailed(t, h), newMailed(t, h)
		for _, purpose := range purposes {
			wrong := slices.Collect(maps.Values(u.tokens))
			for _, token := range u.tokens {
				upper := auth.Secret(strings.ToUpper(string(token)))
				wrong = append(wrong, "", "x", token[4:], token[:len(token)-1], token+"0", upper, "rst_"+token[4:], "vrf_"+token[4:], "chg_"+token[4:])
			}
			for _, token := range wrong {
				if token == u.tokens[purpose] {
					continue
				}
				if err := u.redeem(purpose, token); !errors.Is(err, auth.ErrInvalidOneTimeToken) {
					t.Errorf("%s with %s: %v", purpose, string(token), err)
				}
			}
			if err := u.redeem(auth.MailChangeEmail, other.tokens[auth.MailChangeEmail]); !errors.Is(err, auth.ErrInvalidOneTimeToken) {
				t.Errorf("with the token of another account: %v", err)
			}
			u.tokens[purpose] = " " + u.tokens[purpose][:30] + "\r\n\t" + u.tokens[purpose][30:] + "\r\n" // as a mail program breaks it
		}
		for _, purpose := range purposes { // what ends other tokens comes last
			if purpose == auth.MailResetPassword {
				u.Email = u.wanted // by now
				u.tokens[purpose] = u.forgotten(t)
			}
			if err := u.redeem(purpose, u.tokens[purpose]); err != nil {
				t.Errorf("%s: %v", purpose, err)
			}
			if err := u.redeem(purpose, u.tokens[purpose]); !errors.Is(err, auth.ErrInvalidOneTimeToken) {
				t.Errorf("%s, again: %v", purpose, err)
			}
		}
	})
}

// OT-2: what changes the credentials or the address of an account ends the tokens that give
// power over it, and what ends the account ends all.
func TestWhatChangesAnAccountEndsItsOneTimeTokens(t *testing.T) {
	const reset, change, verify = auth.MailResetPassword, auth.MailChangeEmail, auth.MailVerifyEmail
	acts := map[string]struct {
		act  func(u *mailed) error
		ends []auth.MailPurpose
	}{
		"nothing": {func(*mailed) error { return nil }, nil},
		"a login": {func(u *mailed) error { u.Login(); return nil }, nil},
		"a change of the password": {func(u *mailed) error {
			return u.h.ChangePassword(context.Background(), u.id, authtest.Password, otherPassword)
		}, []auth.MailPurpose{reset, change}},
		"a password by the program": {func(u *mailed) error { return u.h.SetPassword(context.Background(), u.ID, otherPassword) }, []auth.MailPurpose{reset, change}},
		"a second factor":           {func(u *mailed) error { u.EnableTwoFactor(); return nil }, []auth.MailPurpose{reset, change}},
		"the end of other sessions": {func(u *mailed) error { _, err := u.h.LogoutOthers(context.Background(), u.id); return err }, []auth.MailPurpose{reset, change}},
		"the end of all sessions":   {func(u *mailed) error { return u.h.RevokeSessions(context.Background(), u.ID) }, []auth.MailPurpose{reset, change}},
		"RevokeAll":                 {func(u *mailed) error { _, err := u.h.RevokeAll(context.Background(), auth.Revocation{}); return err }, []auth.MailPurpose{reset, change}},
		"a reset":                   {func(u *mailed) error { return u.redeem(reset, u.tokens[reset]) }, []auth.MailPurpose{reset, change, verify}},
		"a confirmed address":       {func(u *mailed) error { return u.redeem(change, u.tokens[change]) }, []auth.MailPurpose{reset, change, verify}},
		"a verified address":        {func(u *mailed) error { return u.redeem(verify, u.tokens[verify]) }, []auth.MailPurpose{verify}},
		"a canceled change":         {func(u *mailed) error { return u.h.CancelEmailChange(context.Background(), u.id) }, []auth.MailPurpose{change}},
		"another wanted address": {func(u *mailed) error {
			email := "other." + u.Email
			_, err := u.h.UpdateProfile(context.Background(), u.id, auth.ProfileChange{Email: &email})
			return err
		}, []auth.MailPurpose{change}},
		"a disabled account": {func(u *mailed) error { return u.h.DisableUser(context.Background(), u.ID) }, []auth.MailPurpose{reset, change, verify}},
		"a deleted account":  {func(u *mailed) error { return u.h.DeleteUser(context.Background(), u.ID) }, []auth.MailPurpose{reset, change, verify}},
		"an hour":            {func(u *mailed) error { u.h.Clock.Advance(time.Hour); return nil }, []auth.MailPurpose{reset, change}},
		"a day":              {func(u *mailed) error { u.h.Clock.Advance(24 * time.Hour); return nil }, []auth.MailPurpose{reset, change, verify}},
	}
	for name, c := range acts {
		t.Run(name, func(t *testing.T) {
			for _, purpose := range purposes {
				h := authtest.With(t, memstore.New(), mailConfig())
				u := newMailed(t, h)
				if err := c.act(u); err != nil {
					t.Fatal(err)
				}
				err := u.redeem(purpose, u.tokens[purpose])
				if purpose == change && errors.Is(err, auth.ErrInvalidToken) { // the session has ended too
					err = auth.ErrInvalidOneTimeToken
				}
				if ended := errors.Is(err, auth.ErrInvalidOneTimeToken); ended != slices.Contains(c.ends, purpose) || !ended && err != nil {
					t.Errorf("after it a token of %s: %v", purpose, err)
				}
			}
		})
	}
}

// OT-3: of any number of racers with one token, one wins.
func TestOfManyUsesOfAOneTimeTokenOneWins(t *testing.T) {
	everyStore(t, func(t *testing.T, s store.Store) {
		cfg := mailConfig()
		cfg.HashQueue, cfg.HashWait = 500, time.Minute
		h := authtest.With(t, s, cfg)
		twin := twin(t, h, cfg) // another process
		for _, purpose := range purposes {
			u := newMailed(t, h)
			one := &mailed{User: u.User, h: twin, id: u.id}
			errs := atOnce(t, 200, func(i int) error {
				if i%2 == 0 {
					return one.redeem(purpose, u.tokens[purpose])
				}
				return u.redeem(purpose, u.tokens[purpose])
			})
			lost := countIs(errs, auth.ErrInvalidOneTimeToken) + countIs(errs, auth.ErrOverloaded) + countIs(errs, auth.ErrRateLimited)
			if n := countIs(errs, nil); n != 1 || n+lost != len(errs) {
				t.Errorf("%s: %d of %d won, %d lost: %v", purpose, n, len(errs), lost, errors.Join(errs...))
			}
		}
	})
}

// OT-4: nothing in the store is a token or an address that it was sent to.
func TestTheStoreHasNoOneTimeToken(t *testing.T) {
	s := memstore.New()
	h := authtest.With(t, s, mailConfig())
	u := newMailed(t, h)
	for _, token := range u.tokens {
		const user = len("rst_") + 29
		if keys, _ := remains(t, s, h.Now(), string(token[user:user+32])); len(keys) != 0 {
			t.Errorf("%q have a token", keys)
		}
	}
	if keys, _ := remains(t, s, h.Now(), "/mail"); len(keys) == 0 {
		t.Error("no record of tokens was looked at")
	}
}

// OT-5: what fails on other input leaves the token valid.
func TestARefusedPasswordLeavesTheTokenValid(t *testing.T) {
	cfg := mailConfig()
	cfg.PasswordChecker = checkerFunc(func(_ context.Context, pw auth.Secret) (bool, error) { return pw == "breached password", nil })
	h := authtest.With(t, memstore.New(), cfg)
	u := newMailed(t, h)
	for _, pw := range []auth.Secret{"", "short", "password1", auth.Secret(u.Email), "breached password"} {
		if err := h.Manager.ResetPassword(t.Context(), u.tokens[auth.MailResetPassword], pw); !errors.Is(err, auth.ErrWeakPassword) {
			t.Errorf("%q: %v", string(pw), err)
		}
	}
	if err := u.redeem(auth.MailResetPassword, u.tokens[auth.MailResetPassword]); err != nil {
		t.Error(err)
	}
}
