package auth_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/memstore"
)

var byOAuth = auth.Proof{Method: "oauth"}

// all closes the harness and returns its events.
func all(h *authtest.Harness) []auth.Event {
	_ = h.Close()
	return h.Events.All()
}

// withoutPassword is a user of LoginAs who has no password, and an identity of theirs.
func withoutPassword(t *testing.T, h *authtest.Harness) (auth.User, auth.Identity) {
	t.Helper()
	u, err := h.CreateUser(t.Context(), auth.NewUser{
		Email: "sso@example.com", FullName: "Ada Lovelace", OrganizationID: h.Register().OrganizationID, Role: "member",
	})
	if err != nil {
		t.Fatal(err)
	}
	return u, loggedInAs(t, h, u.ID, byOAuth)
}

func loggedInAs(t *testing.T, h *authtest.Harness, userID string, p auth.Proof) auth.Identity {
	t.Helper()
	r, err := h.LoginAs(t.Context(), userID, p)
	if err != nil || r.TwoFactorRequired() {
		t.Fatalf("%+v, %v", r, err)
	}
	return identityOf(t, h.Manager, r.AccessToken.Token)
}

func TestLoginAsBeginsASessionThatSaysHowItWasProven(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{})
		u := h.Register()
		if err := login(clientAt(t, "192.0.2.7"), h.Manager, u.Email, authtest.Password); err != nil {
			t.Fatal(err)
		}
		ctx := auth.WithActor(clientAt(t, "198.51.100.9"), "oidc")
		r, err := h.LoginAs(ctx, u.ID, byOAuth)
		if err != nil || !sameUser(r.User, userOf(t, h, u.ID)) || r.EnrollmentOnly {
			t.Fatalf("%+v, %v", r, err)
		}
		id := identityOf(t, h.Manager, r.AccessToken.Token)
		if !reflect.DeepEqual(id.AMR, []string{"oauth"}) || id.MultiFactor() || !id.AuthTime.Equal(h.Clock.Now()) {
			t.Errorf("%+v", id)
		}
		if got := payload(t, r.AccessToken.Token)["amr"]; !reflect.DeepEqual(got, []any{"oauth"}) {
			t.Errorf("the token says %v", got)
		}
		again := identityOf(t, h.Manager, auth.Secret(refreshed(t, h.Manager, string(r.AccessToken.Token))))
		if !reflect.DeepEqual(again.AMR, id.AMR) {
			t.Errorf("after a refresh: %v", again.AMR)
		}
		if e := h.AwaitEvent(u, auth.EventLoginNewNetwork); e.Actor != "oidc" || e.SessionID != id.SessionID {
			t.Errorf("%+v", e)
		}
		// It is a fresh login, and no longer.
		email := "moved@example.com"
		h.Clock.Advance(11 * time.Minute)
		if _, err := h.UpdateProfile(ctx, id, auth.ProfileChange{Email: &email}); !errors.Is(err, auth.ErrReauthenticationRequired) {
			t.Errorf("eleven minutes later: %v", err)
		}
		if _, err := h.UpdateProfile(ctx, loggedInAs(t, h, u.ID, byOAuth), auth.ProfileChange{Email: &email}); err != nil {
			t.Errorf("a fresh one: %v", err)
		}
		i := slices.IndexFunc(all(h), func(e auth.Event) bool { return e.SessionID == id.SessionID })
		if e := all(h)[i]; e.Type != auth.EventLoginSucceeded || e.Actor != "oidc" || e.UserID != u.ID || !slices.Equal(e.AMR, id.AMR) {
			t.Errorf("%+v", e)
		}
	})
}

// TF-10: whoever has a second factor is asked for it, whatever was proven first.
func TestLoginAsLeavesTheSecondFactorDue(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{})
		u := h.Register()
		backup := u.EnableTwoFactor()
		ctx := clientAt(t, "198.51.100.9")
		sessions := func() int {
			all, err := h.Sessions(ctx, u.ID)
			if err != nil {
				t.Fatal(err)
			}
			return len(all)
		}
		before := sessions()
		for _, c := range []struct {
			method string
			code   auth.Secret
			amr    []string
		}{
			{"saml", auth.Secret(u.Code()), []string{"saml", "otp", "mfa"}},
			{"hwk", backup[0], []string{"hwk", "mfa"}},
		} {
			r, err := h.LoginAs(auth.WithActor(ctx, "sso"), u.ID, auth.Proof{Method: c.method, EmailVerified: true})
			if err != nil || !r.TwoFactorRequired() || r.AccessToken.Token != "" || sessions() != before {
				t.Fatalf("%+v, %v", r, err)
			}
			if err := secondStep(ctx, h.Manager, r.TempToken, wrongCode(string(c.code))); !errors.Is(err, auth.ErrInvalidCode) {
				t.Errorf("a wrong code: %v", err)
			}
			// A login with the password waits meanwhile, and keeps its own method.
			other := firstStep(t, h, u.Email)
			r, err = h.VerifyTwoFactor(ctx, r.TempToken, c.code)
			if err != nil {
				t.Fatal(err)
			}
			id := identityOf(t, h.Manager, r.AccessToken.Token)
			if !slices.Equal(id.AMR, c.amr) {
				t.Errorf("amr is %v, want %v", id.AMR, c.amr)
			}
			h.Clock.Advance(step)
			if r, err = h.VerifyTwoFactor(ctx, other, auth.Secret(u.Code())); err != nil {
				t.Fatal(err)
			}
			if id := identityOf(t, h.Manager, r.AccessToken.Token); !slices.Equal(id.AMR, []string{"pwd", "otp", "mfa"}) {
				t.Errorf("beside it: amr is %v", id.AMR)
			}
			before = sessions()
			h.Clock.Advance(step)
		}

		r, err := h.LoginAs(ctx, u.ID, auth.Proof{Method: "saml", MultiFactor: true})
		if err != nil || r.TwoFactorRequired() {
			t.Fatalf("a proof of two factors: %+v, %v", r, err)
		}
		id := identityOf(t, h.Manager, r.AccessToken.Token)
		if !slices.Equal(id.AMR, []string{"saml", "mfa"}) || !id.MultiFactor() {
			t.Errorf("amr is %v", id.AMR)
		}
		for range 23 {
			h.Clock.Advance(time.Hour - time.Minute)
			r.AccessToken.Token = auth.Secret(refreshed(t, h.Manager, string(r.AccessToken.Token)))
		}
		h.Clock.Advance(time.Hour)
		if verify(t, h.Manager, string(r.AccessToken.Token)) {
			t.Error("it lives for longer than MultiFactorSessionTTL")
		}
		var told []string
		for _, e := range all(h) {
			if e.Type == auth.EventSecondFactorRequired || e.Type == auth.EventLoginSucceeded {
				told = append(told, fmt.Sprintf("%s %v %v %v", e.Type, strings.HasPrefix(e.Actor, "ses_"), e.Actor == "sso", e.AMR))
			}
		}
		want := []string{
			"login_succeeded true false [pwd]", // by the harness
			"second_factor_required false true [saml]", "second_factor_required false false []",
			"login_succeeded true false [saml otp mfa]", "login_succeeded true false [pwd otp mfa]",
			"second_factor_required false true [hwk]", "second_factor_required false false []",
			"login_succeeded true false [hwk mfa]", "login_succeeded true false [pwd otp mfa]",
			"login_succeeded false false [saml mfa]",
		}
		if !slices.Equal(told, want) {
			t.Errorf("events: %q", told)
		}
	})
}

// Nobody comes in by this door without an account that is enabled.
func TestLoginAsRefusesWhoCannotLogIn(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{})
		disabled, deleted := disabledAndDeleted(t, h)
		for _, p := range []auth.Proof{byOAuth, {Method: "oauth", MultiFactor: true, EmailVerified: true}} {
			for userID, want := range map[string]error{
				disabled.ID: auth.ErrInvalidCredentials, deleted.ID: auth.ErrNotFound,
				"user_" + strings.Repeat("0", 29): auth.ErrNotFound, "": auth.ErrNotFound, disabled.Email: auth.ErrNotFound,
			} {
				if r, err := h.LoginAs(t.Context(), userID, p); !errors.Is(err, want) || !reflect.DeepEqual(r, auth.LoginResult{}) {
					t.Errorf("%s: %+v, %v", userID, r, err)
				}
			}
		}
		if e := last(t, h, auth.EventLoginFailed); e.UserID != disabled.ID || e.Actor != "host" || e.Reason != "disabled" || e.AMR[0] != "oauth" {
			t.Errorf("%+v", e)
		}
	})
}

// A proof of the address counts at once, for the address that the account has then.
func TestLoginAsMarksTheAddressThatWasProven(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{
			Mailer: nowhere{}, ConfirmEmailChange: true, RequireVerifiedEmail: true, Limits: unlimited(),
		})
		proof := auth.Proof{Method: "oauth", EmailVerified: true}
		u, err := signUp(h.Manager, "ada@example.com")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.LoginAs(t.Context(), u.ID, auth.Proof{Method: "oauth", MultiFactor: true}); !errors.Is(err, auth.ErrEmailNotVerified) {
			t.Errorf("without a proof of the address: %v", err)
		}
		if userOf(t, h, u.ID).EmailVerified {
			t.Error("what was refused has marked it")
		}
		r, err := h.LoginAs(t.Context(), u.ID, proof)
		if err != nil || !r.User.EmailVerified || !userOf(t, h, u.ID).EmailVerified {
			t.Errorf("%+v, %v", r, err)
		}
		if err := login(t.Context(), h.Manager, u.Email, authtest.Password); err != nil {
			t.Errorf("a login by password afterwards: %v", err)
		}
		for range 2 { // once is told
			_ = loggedInAs(t, h, u.ID, proof)
		}
		disabled, err := signUp(h.Manager, "b@example.com")
		if err == nil {
			err = h.DisableUser(t.Context(), disabled.ID)
		}
		if _, refused := h.LoginAs(t.Context(), disabled.ID, proof); err != nil || !errors.Is(refused, auth.ErrInvalidCredentials) || userOf(t, h, disabled.ID).EmailVerified {
			t.Errorf("a disabled user: %v, %v", err, refused)
		}
		told := slices.DeleteFunc(all(h), func(e auth.Event) bool { return e.Type != auth.EventEmailVerified })
		if len(told) != 1 || told[0].Actor != "host" || told[0].UserID != u.ID {
			t.Errorf("%+v", told)
		}
	})
}

// A proof of one address marks no other, also if the user changes it during the login.
func TestLoginAsMarksNoOtherAddressThanTheOneThatWasProven(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		tap := newTapStore(s)
		h := manyProcesses(authtest.With(t, tap, raced()))
		other := manyProcesses(twin(t, h, raced()))
		u := h.Register()
		victim := "victim@example.com"
		proof := auth.Proof{Method: "oauth", EmailVerified: true, Email: strings.ToUpper(u.Email)}
		login := func() error { _, err := other.LoginAs(t.Context(), u.ID, proof); return err }
		err := tap.overtaken(t, "/acct", login, func() error {
			_, err := h.UpdateProfile(t.Context(), u.Identity(), auth.ProfileChange{Email: &victim})
			return err
		})
		if got := userOf(t, h, u.ID); err != nil || got.Email != victim || got.EmailVerified {
			t.Errorf("an address that was taken meanwhile: %+v, %v", got, err)
		}
		for _, proof.Email = range []string{"nobody@example.com", "no address", "Victim@EXAMPLE.com"} {
			if marked := loggedInAs(t, h, u.ID, proof).User.EmailVerified; marked != (proof.Email == "Victim@EXAMPLE.com") {
				t.Errorf("a proof of %q: %v", proof.Email, marked)
			}
		}
	})
}

func TestLoginAsMarksTheAddressWhereASecondFactorIsDue(t *testing.T) {
	h := authtest.New(t)
	u := h.Register()
	u.EnableTwoFactor()
	r, err := h.LoginAs(t.Context(), u.ID, auth.Proof{Method: "oauth", EmailVerified: true})
	if err != nil || !r.TwoFactorRequired() || !userOf(t, h, u.ID).EmailVerified {
		t.Fatalf("%+v, %v", r, err)
	}
	if err := secondStep(t.Context(), h.Manager, r.TempToken, auth.Secret(u.Code())); err != nil {
		t.Error(err)
	}
}

type nowhere struct{}

func (nowhere) Send(context.Context, auth.Mail) error { return nil }

func TestTheMethodOfAProofIsAWordThatIsNotTheManagersOwn(t *testing.T) {
	h := authtest.New(t)
	u := h.Register()
	for _, good := range []string{"oauth", "saml", "link", "hwk", "o", "oidc-2", "a_b", strings.Repeat("x", 32)} {
		if _, err := h.LoginAs(t.Context(), u.ID, auth.Proof{Method: good}); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{"", "pwd", "otp", "mfa", "OAuth", "o auth", "1st", "-x", `x","mfa`, "ö", "x\n", strings.Repeat("x", 33)} {
		_, err := h.LoginAs(t.Context(), u.ID, auth.Proof{Method: bad})
		if !errors.Is(err, auth.ErrInvalidInput) || !slices.Equal(fieldCodes(err), []string{"method: invalid_method"}) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// TF-10: another door does not lead around the policy.
func TestLoginAsKeepsToThePolicyOfSecondFactors(t *testing.T) {
	h := authtest.With(t, memstore.New(), auth.Config{TwoFactorPolicy: auth.TwoFactorPolicy{Of: auth.Everyone}})
	u, err := signUp(h.Manager, "ada@example.com")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []auth.Proof{byOAuth, {Method: "oauth", MultiFactor: true}} {
		r, err := h.LoginAs(t.Context(), u.ID, p)
		if err != nil || !r.EnrollmentOnly {
			t.Errorf("%+v: %+v, %v", p, r, err)
		}
		if _, err := h.VerifyAccessToken(t.Context(), r.AccessToken.Token); !errors.Is(err, auth.ErrTwoFactorSetupRequired) {
			t.Errorf("%+v: %v", p, err)
		}
	}
	if e := last(t, h, auth.EventTwoFactorDue); e.Actor != "host" || e.Reason != "enrollment_only" {
		t.Errorf("%+v", e)
	}
}

// LG-8: whoever can prove the first factor alone does not push out the logins of the owner.
func TestFirstStepsOfLoginAsHaveALimitOnlyWhileTheyWait(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{})
		u := h.Register()
		u.EnableTwoFactor()
		proven := func(ctx context.Context) (auth.LoginResult, error) { return h.LoginAs(ctx, u.ID, byOAuth) }
		home, thief := clientAt(t, "192.0.2.7"), clientAt(t, "198.51.100.9")
		for round := range 12 { // more than are allowed to wait
			r, err := proven(home)
			if err != nil {
				t.Fatalf("round %d: %v", round, err)
			}
			if err := secondStep(home, h.Manager, r.TempToken, auth.Secret(u.Code())); err != nil {
				t.Fatalf("round %d: %v", round, err)
			}
			h.Clock.Advance(step)
		}
		mine, err := proven(home)
		if err != nil {
			t.Fatal(err)
		}
		passed := 0
		for range 50 {
			_, err := proven(thief)
			if err == nil {
				passed++
			} else if retryAfter(t, err) > 3*time.Minute {
				t.Errorf("%v", err)
			}
		}
		if passed != 10 {
			t.Errorf("%d of 50 wait, want 5 and a budget of 5", passed)
		}
		if err := secondStep(home, h.Manager, mine.TempToken, auth.Secret(u.Code())); err != nil {
			t.Errorf("the owner at home: %v", err)
		}
		if _, err := h.Login(thief, u.Email, authtest.Password); err != nil {
			t.Errorf("the password from there: %v", err)
		}
	})
}

// RC-9, RC-13: a LoginAs that is to be written when the account changes.
func TestALoginAsThatIsOvertakenHasTheAccountAsItIsThen(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		tap := newTapStore(s)
		h := manyProcesses(authtest.With(t, tap, raced()))
		other := manyProcesses(twin(t, h, raced()))
		ctx := t.Context()
		for what, fast := range map[string]func(u *authtest.User, pending auth.TwoFactorEnrollment) error{
			"disabled": func(u *authtest.User, _ auth.TwoFactorEnrollment) error { return h.DisableUser(ctx, u.ID) },
			"deleted":  func(u *authtest.User, _ auth.TwoFactorEnrollment) error { return h.DeleteUser(ctx, u.ID) },
			"second factor": func(u *authtest.User, pending auth.TwoFactorEnrollment) error {
				return h.ConfirmTwoFactor(ctx, u.Identity(), codeAt(pending, h.Clock.Now()))
			},
			"sessions ended": func(u *authtest.User, _ auth.TwoFactorEnrollment) error { return h.RevokeSessions(ctx, u.ID) },
		} {
			u := h.Register()
			pending := enrol(t, h, u.Identity())
			var r auth.LoginResult
			err := tap.overtaken(t, "/acct",
				func() (err error) { r, err = other.LoginAs(ctx, u.ID, byOAuth); return err }, func() error { return fast(u, pending) })
			got := fmt.Sprint(r.AccessToken.Token != "", r.TempToken != "", err)
			want := map[string]string{
				"disabled": fmt.Sprint(false, false, auth.ErrInvalidCredentials), "deleted": fmt.Sprint(false, false, auth.ErrNotFound),
				"second factor": "false true <nil>", "sessions ended": "true false <nil>",
			}[what]
			if got != want || r.AccessToken.Token != "" && !verify(t, h.Manager, string(r.AccessToken.Token)) {
				t.Errorf("%s: %s, want %s", what, got, want)
			}
		}
	})
}

// Where no password was asked for, nobody is told that somebody knows it.
func TestTheNoticeOfAWrongCodeSaysWhatWasProvenBefore(t *testing.T) {
	h := authtest.New(t)
	u := h.RegisterTwoFactor()
	ctx, wrong := t.Context(), auth.Secret("000000")
	if wrong == auth.Secret(u.Code()) {
		wrong = "000001"
	}
	proofs := []func() (auth.LoginResult, error){
		func() (auth.LoginResult, error) { return h.Manager.Login(ctx, u.Email, authtest.Password) },
		func() (auth.LoginResult, error) { return h.LoginAs(ctx, u.ID, byOAuth) },
	}
	for _, proven := range proofs {
		r, err := proven()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.VerifyTwoFactor(ctx, r.TempToken, wrong); !errors.Is(err, auth.ErrInvalidCode) {
			t.Fatal(err)
		}
	}

	none, err := h.CreateUser(ctx, auth.NewUser{Email: "none@example.com", FullName: "None", OrganizationID: u.OrganizationID, Role: "member"})
	if err != nil {
		t.Fatal(err)
	}
	id := loggedInAs(t, h, none.ID, byOAuth)
	started, err := h.EnableTwoFactor(ctx, id, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := h.ConfirmTwoFactor(ctx, id, auth.Secret(authtest.TOTPCode(started.Secret, h.Clock.Now()))); err != nil {
		t.Fatal(err)
	}
	if _, err := h.ReplaceBackupCodes(ctx, id, "", auth.Secret(authtest.TOTPCode(started.Secret, h.Clock.Now().Add(-time.Hour)))); !errors.Is(err, auth.ErrInvalidCredentials) {
		t.Fatal(err)
	}
	if err := h.Close(); err != nil { // all is sent
		t.Fatal(err)
	}
	var methods []string
	for _, n := range h.Notices.All() {
		if n.Type == auth.EventSecondFactorFailed {
			methods = append(methods, n.Method)
		}
	}
	slices.Sort(methods)
	if !slices.Equal(methods, []string{"oauth", "oauth", "pwd"}) {
		t.Errorf("%q", methods)
	}
}
