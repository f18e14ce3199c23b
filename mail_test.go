package auth_test

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/memstore"
)

// OT-6: a mailbox gets its budget, whoever asks and however many processes there are.
func TestAMailboxGetsNoMoreMailsThanItsBudget(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		cfg := auth.Config{Mailer: &authtest.Mails{}}
		h := authtest.With(t, s, cfg)
		other := twin(t, h, cfg)
		alice := h.Register()
		mails := func() (n int) {
			t.Helper()
			for _, h := range []*authtest.Harness{h, other} {
				if err := h.Close(); err != nil { // which waits for the queue
					t.Fatal(err)
				}
			}
			return len(h.Mails.All())
		}
		errs := atOnce(t, 1000, func(i int) error {
			ctx := auth.WithClient(t.Context(), auth.Client{Addr: netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 1})})
			m := []*auth.Manager{h.Manager, other.Manager}[i%2]
			if i%3 == 0 {
				return m.ResendVerification(ctx, alice.Email)
			}
			return m.ForgotPassword(ctx, strings.ToUpper(alice.Email))
		})
		if n := countIs(errs, nil); n != len(errs) {
			t.Errorf("%d of %d requests were accepted: %v", n, len(errs), errors.Join(errs...))
		}
		if n := mails(); n != 3 {
			t.Errorf("the mailbox got %d mails", n)
		}
		h = twin(t, h, auth.Config{Mailer: h.Mails})
		other = h
		h.Clock.Advance(20 * time.Minute)
		for range 3 {
			for _, ask := range []func(context.Context, string) error{h.ResendVerification, h.ForgotPassword} { // of one of them three may be valid
				if err := ask(t.Context(), alice.Email); err != nil {
					t.Fatal(err)
				}
			}
		}
		if n := mails(); n != 4 {
			t.Errorf("20 minutes later it has %d mails", n)
		}
	})
}

// OT-11: one client asks for no more than its networks have, and the refusal says when to ask again.
func TestAClientThatAsksForManyMailsIsRefused(t *testing.T) {
	h := authtest.With(t, memstore.New(), auth.Config{Mailer: &authtest.Mails{}})
	ctx, asked := clientAt(t, "192.0.2.7"), 0
	var err error
	for ; err == nil; asked++ {
		err = h.ForgotPassword(ctx, emailOf("nobody", asked))
	}
	var wait *auth.RetryError
	if asked != 101 || !errors.As(err, &wait) || !errors.Is(err, auth.ErrRateLimited) || wait.After != 10*time.Second {
		t.Errorf("request %d: %v", asked, err)
	}
	if err := h.VerifyEmail(ctx, "vrf_x"); !errors.Is(err, auth.ErrInvalidOneTimeToken) { // it costs nothing
		t.Errorf("a token: %v", err)
	}
	for _, email := range []string{"", "x", "a b@example.com", "a@example"} {
		if err := h.ForgotPassword(clientAt(t, "198.51.100.1"), email); (email == "a@example") != (err == nil) || err != nil && !errors.Is(err, auth.ErrInvalidInput) {
			t.Errorf("%q: %v", email, err)
		}
	}
}

// OT-7: a token more than three is not made, and the request of a stranger voids none.
func TestAFourthRequestWhileThreeTokensAreValidMailsNothing(t *testing.T) {
	h := authtest.With(t, memstore.New(), mailConfig())
	alice := h.Register()
	alice.VerifyEmail()
	h.Clock.Advance(24 * time.Hour)
	u := &mailed{User: alice, h: h}
	var tokens []auth.Secret
	for range 3 {
		tokens = append(tokens, u.forgotten(t))
	}
	h.Clock.Advance(40 * time.Minute) // the budget has room
	if err := h.ForgotPassword(t.Context(), alice.Email); err != nil {
		t.Error(err)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if n := len(h.Mails.All()); n != 4 {
		t.Errorf("%d mails", n)
	}
	u.h = twin(t, h, mailConfig())
	if err := u.redeem(auth.MailResetPassword, tokens[0]); err != nil {
		t.Errorf("the oldest token: %v", err)
	}
}

// OT-8: what a Mailer does changes no answer, and is an event. After an error the mail does not
// count; where it may have left, the token stays valid.
func TestAMailerThatFailsPanicsOrHangsChangesNoAnswer(t *testing.T) {
	stuck := make(chan struct{})
	defer close(stuck)
	for reason, c := range map[string]struct {
		send  func(ctx context.Context) error
		valid bool
	}{
		"refused": {func(context.Context) error { return errOutage }, false},
		"panic":   {func(context.Context) error { panic("smtp") }, true},
		"timeout": {func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			log := &lockedBuffer{}
			var mu sync.Mutex // a call that is left behind may end beside the next
			var sent []auth.Secret
			var works atomic.Bool
			cfg := mailConfig()
			cfg.Logger = log.logger()
			cfg.Mailer = mailerFunc(func(ctx context.Context, mail auth.Mail) error {
				mu.Lock()
				sent = append(sent, mail.Token)
				mu.Unlock()
				if works.Load() {
					return nil
				}
				return c.send(ctx)
			})
			h := authtest.With(t, memstore.New(), cfg)
			began := time.Now()
			alice := h.Register()
			for range 3 {
				if err := h.ForgotPassword(t.Context(), alice.Email); err != nil {
					t.Errorf("%s: %v", reason, err)
				}
			}
			if took := time.Since(began); took != 0 {
				t.Errorf("%s: the calls took %v", reason, took)
			}
			time.Sleep(time.Minute)
			synctest.Wait()
			works.Store(true)
			if err := h.ForgotPassword(t.Context(), alice.Email); err != nil {
				t.Errorf("%s: %v", reason, err)
			}
			time.Sleep(time.Minute)
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			mails, want := len(sent), 3 // those that may have left count
			if !c.valid {
				want = 5
			}
			if mails != want {
				t.Errorf("%s: the Mailer got %d mails, want %d", reason, mails, want)
			}
			err := h.ResetPassword(t.Context(), sent[1], otherPassword)
			if c.valid != (err == nil) || !c.valid && !errors.Is(err, auth.ErrInvalidOneTimeToken) {
				t.Errorf("%s: the token of such a mail: %v", reason, err)
			}
			if err := h.Close(); err != nil {
				t.Errorf("%s: %v", reason, err)
			}
			e := h.AwaitEvent(alice, auth.EventMailFailed)
			if e.Reason != reason || e.Action != "verify_email" || e.UserID != alice.ID {
				t.Errorf("%s: the event is %+v", reason, e)
			}
			if !strings.Contains(log.String(), "a mail was not sent") || holds([]byte(log.String()), "rst_", "vrf_", "@") != "" {
				t.Errorf("%s: the log is %s", reason, log)
			}
		})
	}
}

// OT-7: a mail server that hangs for an hour does not use up what its users may ask for after it.
func TestATokenWhoseMailMayNotHaveLeftIsValidAndDoesNotCount(t *testing.T) {
	for name, fail := range map[string]func(ctx context.Context) error{
		"panic":   func(context.Context) error { panic("smtp") },
		"timeout": func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
	} {
		synctest.Test(t, func(t *testing.T) {
			var mu sync.Mutex // a call that is left behind may end beside the next
			var sent []auth.Secret
			mails := func() []auth.Secret {
				synctest.Wait()
				mu.Lock()
				defer mu.Unlock()
				return slices.Clone(sent)
			}
			var works atomic.Bool
			cfg := mailConfig()
			cfg.Mailer = mailerFunc(func(ctx context.Context, mail auth.Mail) error {
				mu.Lock()
				sent = append(sent, mail.Token)
				mu.Unlock()
				if works.Load() {
					return nil
				}
				return fail(ctx)
			})
			h := authtest.With(t, memstore.New(), cfg)
			alice := h.Register()
			ask := func(times int) {
				t.Helper()
				for range times {
					if err := h.ResendVerification(t.Context(), alice.Email); err != nil {
						t.Fatal(err)
					}
					time.Sleep(time.Minute)
					h.Clock.Advance(20 * time.Minute) // the budget has room
				}
			}
			ask(3)
			if n := len(mails()); n != 4 {
				t.Fatalf("%s: the Mailer was called %d times", name, n)
			}
			works.Store(true)
			ask(4)
			if n := len(mails()); n != 4+3 {
				t.Errorf("%s: afterwards it sent %d mails, want 3", name, n-4)
			}
			if err := h.VerifyEmail(t.Context(), mails()[1]); err != nil {
				t.Errorf("%s: a token that may have arrived: %v", name, err)
			}
			if err := h.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// A process that is told to stop while its mail server hangs ends in the time that docs/deploy.md
// counts with, and says which mails are lost.
func TestCloseTakesTwentySecondsForMailsNoticesAndEventsTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg, hang := mailConfig(), func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
		cfg.Mailer = mailerFunc(func(ctx context.Context, _ auth.Mail) error { return hang(ctx) })
		cfg.Notifier = notifierFunc(func(ctx context.Context, _ auth.Notice) error { return hang(ctx) })
		h := authtest.With(t, memstore.New(), cfg)
		var users []*authtest.User
		for range 4 {
			u := h.Register() // which waits for a mail
			if err := h.ChangePassword(t.Context(), u.Identity(), authtest.Password, otherPassword); err != nil {
				t.Fatal(err)
			}
			users = append(users, u)
		}
		synctest.Wait()
		began := time.Now()
		if err := h.Close(); err != nil || time.Since(began) > 20*time.Second {
			t.Errorf("Close took %v: %v", time.Since(began), err)
		}
		if e := h.AwaitEvent(users[0], auth.EventMailFailed); e.Reason != "timeout" {
			t.Errorf("the first mail: %+v", e)
		}
		if e := h.AwaitEvent(users[3], auth.EventMailFailed); e.Reason != "queue" {
			t.Errorf("the last mail: %+v", e)
		}
	})
}

// A Mailer that never returns holds up no mail but its own.
func TestAMailerThatIgnoresItsContextIsLeftBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sent atomic.Int64
		stuck := make(chan struct{})
		cfg := mailConfig()
		cfg.Mailer = mailerFunc(func(context.Context, auth.Mail) error {
			if sent.Add(1) == 1 {
				<-stuck
			}
			return nil
		})
		h := authtest.With(t, memstore.New(), cfg)
		alice, bob := h.Register(), h.Register()
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := sent.Load(); n != 2 {
			t.Errorf("%d mails", n)
		}
		if err := h.Close(); err != nil {
			t.Error(err)
		}
		if e := h.AwaitEvent(alice, auth.EventMailFailed); e.Reason != "timeout" {
			t.Errorf("%+v", e)
		}
		h.AwaitEvent(bob, auth.EventMailSent)
		close(stuck)
		synctest.Wait()
	})
}

// OT-9: a mail says who asked and when it ends, and nothing in it is a link or the text of a
// stranger: a name is in none before the address is proven.
func TestAMailHasNoTextThatBecomesALink(t *testing.T) {
	cfg, sent := noticesOf(mailConfig())
	h := authtest.With(t, memstore.New(), cfg)
	ctx, names := clientAt(t, "192.0.2.7"), map[string][]string{}
	for name, want := range map[string]string{
		"Ada Lovelace": "Ada Lovelace", "J.R.R. Tolkien": "J.R.R. Tolkien",
		"Visit evil.example": "", "https://evil.example": "", "Call +1 800 555 1234": "", "a@evil.example": "",
	} {
		email := "n" + strings.ToLower(strings.Map(func(r rune) rune {
			if r >= 'a' && r <= 'z' {
				return r
			}
			return -1
		}, name)) + "@example.com"
		u, err := h.Manager.Register(ctx, auth.Registration{Email: email, Password: authtest.Password, FullName: name})
		if err != nil {
			t.Fatal(err)
		}
		mail := h.AwaitMail(auth.MailVerifyEmail, email)
		if mail.Name != "" || mail.UserID != u.ID || mail.ExpiresAt != h.Now().Add(24*time.Hour) || mail.Client.Addr.String() != "192.0.2.7" {
			t.Errorf("%q: the mail has %q, %s, %v, %v", name, mail.Name, mail.UserID, mail.ExpiresAt, mail.Client)
		}
		reset := &mailed{User: &authtest.User{User: u}, h: h}
		reset.forgotten(t)
		if err := h.Manager.VerifyEmail(ctx, mail.Token); err != nil {
			t.Fatal(err)
		}
		if err := h.ForgotPassword(ctx, email); err != nil {
			t.Fatal(err)
		}
		names[email] = []string{"", want}
		if err := h.SetPassword(ctx, u.ID, otherPassword); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	for _, mail := range h.Mails.All() {
		if mail.Purpose != auth.MailResetPassword {
			continue
		}
		if left := names[mail.To]; len(left) == 0 || mail.Name != left[0] {
			t.Errorf("a mail to %s has the name %q, before and after the proof are due %q", mail.To, mail.Name, left)
		} else {
			names[mail.To] = left[1:]
		}
	}
	for email, left := range names {
		if len(left) > 0 {
			t.Errorf("%s: no mail with %q", email, left)
		}
	}
	if len(*sent) != 6 || slices.ContainsFunc(*sent, func(n auth.Notice) bool { return n.Name != "" && n.Name[0] != 'A' && n.Name[0] != 'J' }) {
		t.Errorf("the notices are %+v", *sent)
	}
}

// OT-10: the answer for an address does not wait for the store to look it up.
func TestARequestOfAMailReadsNothingBeforeItsAnswer(t *testing.T) {
	tap := newTapStore(memstore.New())
	h := authtest.With(t, tap, mailConfig())
	alice := h.Register()
	h.AwaitMail(auth.MailVerifyEmail, alice.Email)
	auth.AwaitBackground(h.Manager)
	release := make(chan struct{})
	tap.tap(func(_ context.Context, c storeCall) error {
		if c.kind != "Hit" { // the budget of the client's network
			<-release
		}
		return nil
	}, nil)
	for _, email := range []string{alice.Email, "nobody@example.com"} {
		if err := h.ForgotPassword(clientAt(t, "192.0.2.7"), email); err != nil {
			t.Error(err)
		}
	}
	close(release)
	h.AwaitMail(auth.MailResetPassword, alice.Email)
}
