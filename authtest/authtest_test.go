package authtest_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/memstore"
)

func TestAUserATokenACodeAndAKeyWorkInOneLineEach(t *testing.T) {
	h := authtest.New(t)
	ctx := context.Background()
	alice := h.Register()
	if _, err := h.VerifyAccessToken(ctx, auth.Secret(alice.Token())); err != nil {
		t.Errorf("token: %v", err)
	}
	if _, err := h.VerifyAPIKey(ctx, auth.Secret(alice.APIKey())); err != nil {
		t.Errorf("API key: %v", err)
	}
	if codes := alice.EnableTwoFactor(); len(codes) != 10 {
		t.Errorf("%d backup codes", len(codes))
	}
	old := alice.Token()
	if alice.Login(); !alice.Identity().MultiFactor() {
		t.Error("a login with a code is not multi-factor")
	}
	h.Clock.Advance(2 * time.Hour)
	if _, err := h.VerifyAccessToken(ctx, auth.Secret(old)); !errors.Is(err, auth.ErrInvalidToken) {
		t.Errorf("an expired token: %v", err)
	}
	if bob := h.Register(); bob.ID == alice.ID || bob.OrganizationID == alice.OrganizationID {
		t.Error("two users are one")
	}
	_ = h.Close()
	if len(h.Events.All()) == 0 {
		t.Error("no event was kept")
	}
}

func TestATestOfAServiceWithClosedRegistrationHasUsers(t *testing.T) {
	for role, cfg := range map[string]auth.Config{"admin": {NoRegistration: true}, "owner": {NoRegistration: true, FirstRole: "owner"}} {
		h := authtest.With(t, memstore.New(), cfg)
		alice, carol := h.Register(), h.RegisterTwoFactor()
		bob := alice.Colleague("operator")
		if alice.Role != role || bob.Role != "operator" || bob.OrganizationID != alice.OrganizationID || carol.OrganizationID == alice.OrganizationID {
			t.Errorf("alice %+v, bob %+v, carol %+v", alice.User, bob.User, carol.User)
		}
		if !carol.Identity().MultiFactor() {
			t.Error("carol did not log in with a second factor")
		}
	}
}

// The budgets of one address end at 200 logins and at 60 new second factors.
func TestATestMayHaveAnyNumberOfUsers(t *testing.T) {
	for name, h := range map[string]*authtest.Harness{"New": authtest.New(t), "With": authtest.With(t, memstore.New(), auth.Config{})} {
		seen := map[string]bool{}
		for range 450 {
			u := h.Register()
			seen[u.ID], seen[u.Email] = true, true
		}
		alice := h.Register()
		for range 210 {
			u := alice.Colleague("member")
			seen[u.ID], seen[u.Email] = true, true
		}
		if len(seen) != 2*660 {
			t.Errorf("%s: %d ids and addresses of 660 users", name, len(seen))
		}
		for range 70 {
			if u := h.RegisterTwoFactor(); !u.Identity().MultiFactor() {
				t.Fatalf("%s: logged in without the second factor", name)
			}
		}
		for range 30 { // of one user
			alice.Login()
		}
	}
}

func TestAColleagueIsInTheSameOrganizationWithTheRole(t *testing.T) {
	h := authtest.With(t, memstore.New(), auth.Config{FirstRole: "owner"})
	alice := h.Register()
	bob := alice.Colleague("reader")
	if bob.OrganizationID != alice.OrganizationID || bob.ID == alice.ID || bob.Email == alice.Email {
		t.Errorf("the two are %+v and %+v", alice.User, bob.User)
	}
	if alice.Identity().User.Role != "owner" || bob.Identity().User.Role != "reader" {
		t.Errorf("the roles are %q and %q", alice.Identity().User.Role, bob.Identity().User.Role)
	}
	bob.EnableTwoFactor()
	if bob.Login(); !bob.Identity().MultiFactor() {
		t.Error("a colleague has no second factor")
	}
	if _, err := h.VerifyAPIKey(t.Context(), auth.Secret(bob.ScopedAPIKey("reports:read"))); err != nil {
		t.Errorf("a colleague's key: %v", err)
	}
	if cat := bob.Colleague("admin"); cat.OrganizationID != alice.OrganizationID {
		t.Error("a colleague's colleague is elsewhere")
	}
}

func TestWhatIsSentCanBeAwaited(t *testing.T) {
	h := authtest.New(t)
	for range 50 {
		alice, bob := h.RegisterTwoFactor(), h.Register()
		if e := h.AwaitEvent(alice, auth.EventTwoFactorEnabled); e.SessionID == "" {
			t.Errorf("the event is %+v", e)
		}
		if n := h.AwaitNotice(alice, auth.EventTwoFactorEnabled); n.To != alice.Email || n.Name != alice.FullName {
			t.Errorf("the notice is %+v", n)
		}
		if e := h.AwaitEvent(bob, auth.EventLoginSucceeded); e.UserID != bob.ID {
			t.Errorf("the event is of %+v", e)
		}
	}
	sent := &authtest.Notices{}
	other := authtest.With(t, memstore.New(), auth.Config{Notifier: sent})
	carol := other.RegisterTwoFactor()
	if other.AwaitNotice(carol, auth.EventTwoFactorEnabled); len(sent.All()) != 1 || other.Notices != sent {
		t.Errorf("the notices are %+v", sent.All())
	}
}

// A slowStore answers as on a machine that does much else.
type slowStore struct{ store.Store }

func (s slowStore) Get(ctx context.Context, keys ...string) ([][]byte, error) {
	time.Sleep(10 * time.Second)
	return s.Store.Get(ctx, keys...)
}

func TestNoCallFailsOnABusyMachine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := authtest.With(t, slowStore{memstore.New()}, auth.Config{})
		h.Register().EnableTwoFactor()
	})
}

func TestTheCodesOfAHarnessAreThoseOfItsManagersClock(t *testing.T) {
	s, clock := memstore.New(), authtest.NewClock()
	clock.Advance(time.Hour)
	u := authtest.With(t, s, auth.Config{Now: clock.Now}).Register()
	u.EnableTwoFactor()
	clock.Advance(30 * time.Second)
	u.Login()
}

// A failing test keeps why it failed, and does not fail the test around it.
type failing struct {
	testing.TB
	why string
}

func (f *failing) Helper() {}

func (f *failing) Fatalf(format string, args ...any) {
	f.why = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func TestAHarnessSaysWhatATestForgot(t *testing.T) {
	for _, c := range []struct {
		cfg  auth.Config
		call func(h *authtest.Harness, u *authtest.User)
		says string
	}{
		{auth.Config{}, func(_ *authtest.Harness, u *authtest.User) { u.Code() }, "before EnableTwoFactor"},
		{auth.Config{}, func(h *authtest.Harness, u *authtest.User) { h.AwaitNotice(u, auth.EventAPIKeyCreated) }, "the Notifier of the Config is no *authtest.Notices"},
		{auth.Config{Events: &authtest.Events{}}, func(h *authtest.Harness, u *authtest.User) { h.AwaitEvent(u, auth.EventRegistered) }, "the Config has Events of its own"},
	} {
		synctest.Test(t, func(t *testing.T) { // whose ten seconds take no time
			f := &failing{TB: t}
			h := authtest.With(f, memstore.New(), c.cfg)
			done := make(chan struct{})
			go func() {
				defer close(done)
				c.call(h, h.Register())
			}()
			<-done
			if !strings.Contains(f.why, c.says) {
				t.Errorf("it says %q, want %q", f.why, c.says)
			}
			_ = h.Close()
		})
	}
}

func TestTheFlowsOfMailsAreOneLineEach(t *testing.T) {
	h := authtest.With(t, memstore.New(), auth.Config{Mailer: &authtest.Mails{}, ConfirmEmailChange: true, RequireVerifiedEmail: true})
	alice := h.Register() // which verifies the address
	alice.ChangeEmail("countess@example.com")
	if u := alice.Identity().User; u.Email != "countess@example.com" || !u.EmailVerified {
		t.Errorf("%+v", u)
	}
	alice.ResetPassword("another long password")
	if alice.Login() == "" || len(h.Mails.All()) != 3 {
		t.Errorf("%d mails", len(h.Mails.All()))
	}
	bob := authtest.New(t).Register()
	bob.VerifyEmail()
	if !bob.Identity().User.EmailVerified {
		t.Error("not verified")
	}
}

// A host's test deletes an account without waiting for anything.
func TestANewUserCanDeleteTheAccountAtOnce(t *testing.T) {
	for range 20 {
		h := authtest.New(t)
		if err := h.DeleteAccount(t.Context(), h.Register().Identity(), authtest.Password, ""); err != nil {
			t.Fatal(err)
		}
	}
}
