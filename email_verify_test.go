package auth_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/memstore"
)

// OT-16: with RequireVerifiedEmail the right password alone is told that the address is not
// verified. Accounts that nobody was asked to prove are let in.
func TestAnUnverifiedAccountCannotLogInWhereThatIsRequired(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		plain := authtest.With(t, s, auth.Config{})
		before := plain.Register()
		cfg := auth.Config{Mailer: &authtest.Mails{}, ConfirmEmailChange: true, RequireVerifiedEmail: true}
		h := twin(t, plain, cfg)
		u, err := signUp(h.Manager, "new@example.com")
		if err != nil || u.EmailVerified {
			t.Fatalf("%+v, %v", u, err)
		}
		ctx := clientAt(t, "192.0.2.7")
		for range 20 { // it counts as no wrong password
			if err := login(ctx, h.Manager, u.Email, authtest.Password); !errors.Is(err, auth.ErrEmailNotVerified) {
				t.Fatalf("the right password: %v", err)
			}
		}
		if err := login(ctx, h.Manager, u.Email, "a wrong one"); !errors.Is(err, auth.ErrInvalidCredentials) {
			t.Errorf("a wrong password: %v", err)
		}
		if err := h.VerifyEmail(ctx, h.AwaitMail(auth.MailVerifyEmail, u.Email).Token); err != nil {
			t.Fatal(err)
		}
		if err := login(ctx, h.Manager, u.Email, authtest.Password); err != nil {
			t.Errorf("verified: %v", err)
		}
		if err := login(ctx, h.Manager, before.Email, authtest.Password); err != nil {
			t.Errorf("from before the Mailer: %v", err)
		}
		made, err := h.CreateUser(ctx, auth.NewUser{Email: "made@example.com", Password: authtest.Password, FullName: "Eve", OrganizationID: u.OrganizationID, Role: "member"})
		if err != nil || made.EmailVerified || login(ctx, h.Manager, made.Email, authtest.Password) != nil {
			t.Errorf("made by the program: %+v, %v", made, err)
		}
		if known, err := h.CreateUser(ctx, auth.NewUser{Email: "known@example.com", Password: authtest.Password, FullName: "Eve", OrganizationID: u.OrganizationID, Role: "member", EmailVerified: true}); err != nil || !known.EmailVerified {
			t.Errorf("with proof: %+v, %v", known, err)
		}
	})
}

// OT-17: an address is verified, not an account. A new spelling of it is verified too.
func TestOnlyTheAddressThatWasProvenIsVerified(t *testing.T) {
	h := authtest.With(t, memstore.New(), auth.Config{Mailer: &authtest.Mails{}})
	alice := h.Register()
	alice.VerifyEmail()
	spelled := "USER1@Example.com"
	u, err := h.UpdateProfile(t.Context(), alice.Identity(), auth.ProfileChange{Email: &spelled})
	if err != nil || !u.EmailVerified || u.Email != spelled {
		t.Errorf("another spelling: %+v, %v", u, err)
	}
	other := "other@example.com"
	for _, email := range []string{"another@example.com", spelled, other} { // an address may have had another owner since
		u, err = h.UpdateProfile(t.Context(), alice.Identity(), auth.ProfileChange{Email: &email})
		if err != nil || u.EmailVerified {
			t.Errorf("another address: %+v, %v", u, err)
		}
	}
	alice.Email = other
	alice.VerifyEmail() // by the mail that the change has sent
	if u, err = h.User(t.Context(), alice.ID); err != nil || !u.EmailVerified {
		t.Errorf("verified again: %+v, %v", u, err)
	}
}

// OT-18: until the new address is confirmed, the old one stays the account's and the new one is
// nobody's. Then it moves, with an end of all else.
func TestAConfirmedChangeOfAddress(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		cfg, sent := noticesOf(mailConfig())
		h := authtest.With(t, s, cfg)
		u := newMailed(t, h)
		old, elsewhere := u.Email, ""
		if r, err := h.Login(t.Context(), old, authtest.Password); err == nil {
			elsewhere = string(r.AccessToken.Token)
		}
		if now, err := h.User(t.Context(), u.ID); err != nil || now.Email != old || now.PendingEmail != u.wanted || !now.PendingEmailUntil.Equal(h.Now().Add(time.Hour)) {
			t.Errorf("before: %+v, %v", now, err)
		}
		if _, err := h.UserByEmail(t.Context(), u.wanted); !errors.Is(err, auth.ErrNotFound) {
			t.Errorf("the new address: %v", err)
		}
		if err := u.redeem(auth.MailChangeEmail, u.tokens[auth.MailChangeEmail]); err != nil {
			t.Fatal(err)
		}
		now, err := h.UserByEmail(t.Context(), u.wanted)
		if err != nil || now.ID != u.ID || !now.EmailVerified || now.PendingEmail != "" {
			t.Errorf("after: %+v, %v", now, err)
		}
		if !verify(t, h.Manager, u.Token()) || verify(t, h.Manager, elsewhere) {
			t.Error("the caller's session ended, or another did not")
		}
		if _, err := h.UserByEmail(t.Context(), old); !errors.Is(err, auth.ErrNotFound) {
			t.Errorf("the old address: %v", err)
		}
		if _, err := signUp(h.Manager, old); err != nil {
			t.Errorf("it is not free: %v", err)
		}
		if err := h.Close(); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, n := range *sent {
			got = append(got, string(n.Type)+" "+n.To)
		}
		want := []string{"email_change_requested " + old, "email_changed " + old, "email_changed " + u.wanted}
		if len(got) != 3 || got[0] != want[0] || got[1] != want[1] || got[2] != want[2] {
			t.Errorf("the notices are %q", got)
		}
	})
}

// OT-19: an address that somebody else gets meanwhile is theirs, and the token stays valid.
func TestAnAddressIsNotHeldWhileItWaits(t *testing.T) {
	h := authtest.With(t, memstore.New(), mailConfig())
	u := newMailed(t, h)
	other, err := signUp(h.Manager, u.wanted)
	if err != nil {
		t.Fatal(err)
	}
	if err := u.redeem(auth.MailChangeEmail, u.tokens[auth.MailChangeEmail]); !errors.Is(err, auth.ErrEmailTaken) {
		t.Errorf("taken: %v", err)
	}
	if err := h.DeleteUser(t.Context(), other.ID); err != nil {
		t.Fatal(err)
	}
	if err := u.redeem(auth.MailChangeEmail, u.tokens[auth.MailChangeEmail]); err != nil {
		t.Errorf("free again: %v", err)
	}
}

// What the mail queue is late with ends when the account stops waiting, so that GET /me shows and
// DELETE /me/pending-email ends whatever a token can still do. What is not sent is not charged.
func TestAMailThatWaitedIsValidAsLongAsItsAddressWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hold, cfg, mails := make(chan struct{}), mailConfig(), &authtest.Mails{}
		cfg.Mailer = mailerFunc(func(ctx context.Context, mail auth.Mail) error {
			<-hold
			return mails.Send(ctx, mail)
		})
		h := authtest.With(t, memstore.New(), cfg)
		alice := h.Register() // whose mail holds up the others
		id, wanted := alice.Identity(), "moved@example.com"
		ask := func() error {
			_, err := h.UpdateProfile(t.Context(), id, auth.ProfileChange{Email: &wanted})
			return err
		}
		for range 2 {
			if err := errors.Join(ask(), h.CancelEmailChange(t.Context(), id)); err != nil {
				t.Fatal(err)
			}
		}
		if err := ask(); err != nil {
			t.Fatal(err)
		}
		until := h.Now().Add(time.Hour)
		if err := h.CancelEmailChange(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		close(hold)
		synctest.Wait()
		if n := len(mails.All()); n != 1 {
			t.Errorf("%d mails, and no change waits", n)
		}
		hold = make(chan struct{})
		if err := errors.Join(h.ResendVerification(t.Context(), alice.Email), ask()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		h.Clock.Advance(30 * time.Minute)
		close(hold)
		synctest.Wait()
		mail, ok := mails.Await(auth.MailChangeEmail, wanted)
		if !ok || !mail.ExpiresAt.Equal(until) {
			t.Errorf("the mail: %v, %v, want until %v", mail, ok, until)
		}
		h.Clock.Advance(30 * time.Minute)
		if err := h.CancelEmailChange(t.Context(), id); !errors.Is(err, auth.ErrNotFound) {
			t.Errorf("canceled: %v", err)
		}
		if err := h.ConfirmEmail(t.Context(), id, mail.Token); err == nil {
			t.Error("a change that does not wait any more was made")
		}
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
}

// OT-20: one account cannot mail strangers without end.
func TestAnAccountMailsFewAddresses(t *testing.T) {
	h := authtest.With(t, memstore.New(), mailConfig())
	id, made := h.Register().Identity(), 0
	for range 20 {
		email := string(rune('a'+made)) + "@example.com"
		_, err := h.UpdateProfile(t.Context(), id, auth.ProfileChange{Email: &email})
		if err == nil {
			made++
		} else if !errors.Is(err, auth.ErrRateLimited) {
			t.Fatal(err)
		}
	}
	if made != 5 {
		t.Errorf("%d addresses were mailed", made)
	}
}

// ST-4.
func TestAConfirmationCutOffAnywhereLeavesBothAddressesOwnedOrFree(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		type change struct {
			id    auth.Identity
			token auth.Secret
		}
		changes := map[int]change{}
		afterEveryStop(t, s,
			func(h *authtest.Harness, round int) func(*auth.Manager) error {
				cfg := mailConfig()
				cfg.Now = h.Now
				mailing := authtest.With(t, s, cfg)
				id, email := member(t, mailing.Manager, emailOf("old", round)), emailOf("new", round)
				if _, err := mailing.UpdateProfile(t.Context(), id, auth.ProfileChange{Email: &email}); err != nil {
					t.Fatal(err)
				}
				c := change{id, mailing.AwaitMail(auth.MailChangeEmail, email).Token}
				if err := mailing.Close(); err != nil {
					t.Fatal(err)
				}
				changes[round] = c
				return func(m *auth.Manager) error { return m.ConfirmEmail(context.Background(), c.id, c.token) }
			},
			func(h *authtest.Harness, tap *tapStore, round int, err error) {
				c := changes[round]
				u, userErr := h.User(t.Context(), c.id.User.ID)
				moved := u.Email == emailOf("new", round)
				if userErr != nil || err == nil && !moved || err != nil && !errors.Is(err, auth.ErrUnavailable) || moved != u.EmailVerified {
					t.Errorf("round %d: %v, and the account is %+v, %v", round, err, u, userErr)
				}
				again := h.ConfirmEmail(t.Context(), c.id, c.token)
				if moved != errors.Is(again, auth.ErrInvalidOneTimeToken) || !moved && again != nil {
					t.Errorf("round %d: moved is %v, and again: %v", round, moved, again)
				}
				tap.checkOwners(t, h.Manager)
				checkOwnedOrFree(t, h.Manager, emailOf("old", round))
				checkOwnedOrFree(t, h.Manager, emailOf("new", round))
				tap.checkOwners(t, h.Manager)
			})
	})
}
