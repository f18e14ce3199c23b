package auth_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/memstore"
)

// OT-12: a reset ends every session and pending login, and never skips the second factor.
func TestAResetEndsSessionsAndKeepsTheSecondFactor(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, mailConfig())
		u := newMailed(t, h)
		u.EnableTwoFactor()
		temp, token := firstStep(t, h, u.Email), u.Login()
		u.tokens[auth.MailResetPassword] = u.forgotten(t)
		if err := u.redeem(auth.MailResetPassword, u.tokens[auth.MailResetPassword]); err != nil {
			t.Fatal(err)
		}
		if verify(t, h.Manager, token) {
			t.Error("a session goes on")
		}
		if _, err := h.VerifyTwoFactor(t.Context(), temp, auth.Secret(u.Code())); !errors.Is(err, auth.ErrInvalidToken) {
			t.Errorf("a login that began before: %v", err)
		}
		if err := login(t.Context(), h.Manager, u.Email, authtest.Password); !errors.Is(err, auth.ErrInvalidCredentials) {
			t.Errorf("the old password: %v", err)
		}
		r, err := h.Login(t.Context(), u.Email, otherPassword)
		if err != nil || !r.TwoFactorRequired() {
			t.Fatalf("the new password: %+v, %v", r, err)
		}
		h.Clock.Advance(time.Minute)
		if r, err = h.VerifyTwoFactor(t.Context(), r.TempToken, auth.Secret(u.Code())); err != nil || !r.User.EmailVerified {
			t.Errorf("with a code: %+v, %v", r.User, err)
		}
	})
}

// OT-13: the budgets of wrong codes are as they were, also after any number of resets.
func TestAResetRefillsNoBudgetOfCodes(t *testing.T) {
	h := authtest.With(t, memstore.New(), auth.Config{Mailer: &authtest.Mails{}})
	u := &mailed{User: h.Register(), h: h}
	u.EnableTwoFactor()
	thief := clientAt(t, "203.0.113.9")
	guesses := 0
	for range 2 { // what the mailbox has room for
		if err := h.Manager.ResetPassword(thief, u.forgotten(t), authtest.Password); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			r, err := h.Login(thief, u.Email, authtest.Password)
			if err != nil {
				break
			}
			for range 5 {
				if _, err := h.VerifyTwoFactor(thief, r.TempToken, "000000"); errors.Is(err, auth.ErrInvalidCode) {
					guesses++
				}
			}
		}
		h.Clock.Advance(time.Minute)
	}
	if guesses > 8 { // CodeByAccount
		t.Errorf("the mailbox is worth %d guesses", guesses)
	}
	if guesses == 0 {
		t.Error("no code was compared")
	}
}

// OT-14: whoever registered somebody else's address loses what they left there, when its owner
// proves the mailbox. What an owner made later lives on, and the notice says so.
func TestTheFirstProofByAResetEndsAPIKeys(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		cfg, sent := noticesOf(mailConfig())
		cfg.MaxAPIKeys = 120 // more than one Commit removes
		h := authtest.With(t, s, cfg)
		u := &mailed{User: h.Register(), h: h}
		var keys []auth.Secret
		for range 110 {
			_, key := newKey(t, h.Manager, u.Identity(), auth.NewAPIKey{})
			keys = append(keys, auth.Secret(key))
		}
		if err := h.Manager.ResetPassword(t.Context(), u.forgotten(t), authtest.Password); err != nil {
			t.Fatal(err)
		}
		for i, key := range keys {
			if _, err := h.VerifyAPIKey(t.Context(), key); !errors.Is(err, auth.ErrInvalidToken) {
				t.Errorf("key %d: %v", i, err)
			}
		}
		u.Login()
		_, key := newKey(t, h.Manager, u.Identity(), auth.NewAPIKey{})
		disabled, _ := newKey(t, h.Manager, u.Identity(), auth.NewAPIKey{}) // which does not live on
		if _, err := h.UpdateAPIKey(t.Context(), u.Identity(), disabled.ID, auth.APIKeyChange{Enabled: new(bool)}); err != nil {
			t.Fatal(err)
		}
		if err := h.Manager.ResetPassword(t.Context(), u.forgotten(t), authtest.Password); err != nil {
			t.Fatal(err)
		}
		if _, err := h.VerifyAPIKey(t.Context(), auth.Secret(key)); err != nil {
			t.Errorf("the key that the owner made: %v", err)
		}
		if err := h.Close(); err != nil {
			t.Fatal(err)
		}
		var got []auth.Notice
		for _, n := range *sent {
			if n.Type == auth.EventPasswordReset {
				got = append(got, n)
			}
		}
		if len(got) != 2 || got[0].EndedAPIKeys != 110 || got[0].APIKeys != 0 || got[1].EndedAPIKeys != 0 || got[1].APIKeys != 1 {
			t.Errorf("the notices are %+v", got)
		}
	})
}

// An account from before there was a Mailer, one that the program made, and one whose address was
// verified keep their keys.
func TestAResetThatIsNotTheFirstProofKeepsAPIKeys(t *testing.T) {
	for name, create := range map[string]func(h *authtest.Harness) *authtest.User{
		"registered without a Mailer": func(h *authtest.Harness) *authtest.User {
			old := authtest.With(t, h.Store, auth.Config{Now: h.Clock.Now})
			u := old.Register()
			u.APIKey()
			return u
		},
		"made by the program": func(h *authtest.Harness) *authtest.User {
			u := h.Register().Colleague("member")
			u.APIKey()
			return u
		},
		"verified": func(h *authtest.Harness) *authtest.User {
			u := h.Register()
			u.VerifyEmail()
			u.APIKey()
			return u
		},
	} {
		h := authtest.With(t, memstore.New(), mailConfig())
		u := &mailed{User: create(h), h: h}
		if err := h.Manager.ResetPassword(t.Context(), u.forgotten(t), authtest.Password); err != nil {
			t.Fatal(err)
		}
		if keys, err := h.UserAPIKeys(t.Context(), u.ID); err != nil || len(keys) != 1 {
			t.Errorf("%s: %d keys, %v", name, len(keys), err)
		}
	}
}

// OT-14: an address that an account has changed to is as unproven as one that was registered,
// wherever the account came from.
func TestTheFirstProofOfAnAddressThatAnAccountChangedToEndsAPIKeys(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		cfg := mailConfig()
		cfg.ConfirmEmailChange = false
		h := authtest.With(t, s, cfg)
		old := authtest.With(t, s, auth.Config{Now: h.Clock.Now, Limits: unlimited()})
		_, made := withoutPassword(t, h)
		for email, id := range map[string]auth.Identity{"v1@example.com": made, "v2@example.com": member(t, old.Manager, "thief@example.com")} {
			_, key, err := h.CreateAPIKey(t.Context(), id, auth.NewAPIKey{Name: "left"})
			if err == nil {
				_, err = h.UpdateProfile(t.Context(), id, auth.ProfileChange{Email: &email})
			}
			if err == nil {
				err = h.ForgotPassword(t.Context(), email)
			}
			if err == nil {
				err = h.Manager.ResetPassword(t.Context(), h.AwaitMail(auth.MailResetPassword, email).Token, otherPassword)
			}
			if err != nil {
				t.Fatal(err)
			}
			if _, err := h.VerifyAPIKey(t.Context(), key); !errors.Is(err, auth.ErrInvalidToken) {
				t.Errorf("%s: the key of whoever took the address: %v", email, err)
			}
		}
	})
}

// OT-14: a key that is made while the mailbox is proven for the first time does not survive.
func TestAKeyThatIsMadeDuringTheFirstProofEnds(t *testing.T) {
	tap := newTapStore(memstore.New())
	h := manyProcesses(authtest.With(t, tap, mailConfig()))
	u := &mailed{User: h.Register(), h: h}
	token, id := u.forgotten(t), u.Identity()
	key := auth.Secret("")
	err := tap.overtaken(t, "/pass", func() error { return h.Manager.ResetPassword(t.Context(), token, otherPassword) }, func() error {
		_, made, err := h.CreateAPIKey(context.Background(), id, auth.NewAPIKey{Name: "left"})
		key = made
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if _, err := h.VerifyAPIKey(t.Context(), key); !errors.Is(err, auth.ErrInvalidToken) {
		t.Errorf("the key: %v", err)
	}
}

// OT-15: strangers who have used up the budgets of an account keep no owner out who has the mailbox.
func TestAResetRefillsTheBudgetsOfPasswords(t *testing.T) {
	h := authtest.With(t, memstore.New(), auth.Config{Mailer: &authtest.Mails{}})
	u := &mailed{User: h.Register(), h: h}
	exhaustAccountBudget(t, h.Manager, u.Email)
	owner := clientAt(t, "198.51.100.1")
	failLogins(owner, t, h.Manager, u.Email, 1) // the one of the day
	if err := login(owner, h.Manager, u.Email, authtest.Password); !errors.Is(err, auth.ErrRateLimited) {
		t.Fatalf("before: %v", err)
	}
	if err := h.Manager.ResetPassword(owner, u.forgotten(t), otherPassword); err != nil {
		t.Fatal(err)
	}
	if err := login(owner, h.Manager, u.Email, otherPassword); err != nil {
		t.Errorf("after: %v", err)
	}
}

// ST-4: a reset that is cut off anywhere is done or not, and can be made again if it is not.
func TestAResetCutOffAnywhereIsDoneOrNot(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		users := map[int]*mailed{}
		afterEveryStop(t, s,
			func(h *authtest.Harness, round int) func(*auth.Manager) error {
				mailing := authtest.With(t, s, auth.Config{Now: h.Now, Mailer: &authtest.Mails{}})
				u := &mailed{User: nil, h: mailing, tokens: map[auth.MailPurpose]auth.Secret{}}
				id := member(t, mailing.Manager, emailOf("ada", round))
				newKey(t, mailing.Manager, id, auth.NewAPIKey{})
				mailing.AwaitMail(auth.MailVerifyEmail, id.User.Email)
				u.id = id
				if err := mailing.ForgotPassword(t.Context(), id.User.Email); err != nil {
					t.Fatal(err)
				}
				u.tokens[auth.MailResetPassword] = mailing.AwaitMail(auth.MailResetPassword, id.User.Email).Token
				users[round] = u
				return func(m *auth.Manager) error {
					return m.ResetPassword(t.Context(), u.tokens[auth.MailResetPassword], otherPassword)
				}
			},
			func(h *authtest.Harness, _ *tapStore, round int, err error) {
				u := users[round]
				if err != nil && !errors.Is(err, auth.ErrUnavailable) {
					t.Errorf("round %d: %v", round, err)
				}
				again := h.ResetPassword(t.Context(), u.tokens[auth.MailResetPassword], otherPassword)
				if err == nil && again == nil || again != nil && !errors.Is(again, auth.ErrInvalidOneTimeToken) {
					t.Errorf("round %d: %v, then %v", round, err, again)
				}
				if err := login(t.Context(), h.Manager, u.id.User.Email, otherPassword); err != nil {
					t.Errorf("round %d: the new password: %v", round, err)
				}
				if keys, err := h.UserAPIKeys(t.Context(), u.id.User.ID); err != nil || len(keys) != 0 {
					t.Errorf("round %d: %d keys live on, %v", round, len(keys), err)
				}
			})
	})
}
