package auth_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/netip"
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

// A stage is what a scenario of the audit acts on. What it does with ctx is what is
// looked at; what it does without is preparation.
type stage struct {
	*authtest.Harness
	t       *testing.T
	ctx     context.Context
	tap     *tapStore
	u       *authtest.User
	id      auth.Identity
	secrets []string // that no event may tell

	notifier auth.Notifier
}

// mailing calls act with a Manager on the same store that sends mails to new addresses too, and
// returns the token of the last one. The Mailer fails with mailErr.
func (s *stage) mailing(mailErr error, act func(h *authtest.Harness)) auth.Secret {
	var token auth.Secret
	h := authtest.With(s.t, s.Store, auth.Config{
		Now: s.Clock.Now, Events: s.Events, Notifier: s.notifier, UsageInterval: rarely, ConfirmEmailChange: true,
		Mailer: mailerFunc(func(_ context.Context, mail auth.Mail) error {
			token = s.secret(string(mail.Token))
			return mailErr
		}),
	})
	act(h)
	if err := h.Close(); err != nil { // which waits for the mails
		s.t.Error(err)
	}
	return token
}

// requested asks for newEmail with a fresh login, and returns the token of its mail.
func (s *stage) requested(ctx context.Context) auth.Secret {
	return s.mailing(nil, func(h *authtest.Harness) {
		_, _ = h.UpdateProfile(ctx, s.id, auth.ProfileChange{Email: &newEmail})
	})
}

// forgotten asks for a reset, and returns the token of its mail.
func (s *stage) forgotten(ctx context.Context) auth.Secret {
	return s.mailing(nil, func(h *authtest.Harness) { _ = h.ForgotPassword(ctx, s.u.Email) })
}

type mailerFunc func(context.Context, auth.Mail) error

func (f mailerFunc) Send(ctx context.Context, mail auth.Mail) error { return f(ctx, mail) }

// secret notes a secret and returns it.
func (s *stage) secret(text string) auth.Secret {
	if text != "" {
		s.secrets = append(s.secrets, text)
	}
	return auth.Secret(text)
}

// invited returns an invitation by the user, and its token.
func (s *stage) invited(email string) (auth.Invitation, auth.Secret) {
	made, token, _ := s.Invite(s.ctx, s.id, auth.NewInvitation{Email: email, Role: "member"})
	return made, s.secret(string(token))
}

func (s *stage) key() (id string, key auth.Secret) {
	made, text := newKey(s.t, s.Manager, s.id, auth.NewAPIKey{})
	return made.ID, s.secret(text)
}

func (s *stage) keyIdentity() auth.Identity {
	_, key := s.key()
	id, err := s.VerifyAPIKey(context.Background(), key)
	if err != nil {
		s.t.Fatal(err)
	}
	return id
}

// twoFactor turns the second factor on and begins a login.
func (s *stage) twoFactor() (temp auth.Secret, backup []auth.Secret) {
	backup = s.u.EnableTwoFactor()
	for _, code := range backup {
		s.secret(string(code))
	}
	return s.first(), backup
}

// trusted turns the second factor on and trusts a device.
func (s *stage) trusted() auth.Secret {
	s.twoFactor()
	return s.secret(string(s.u.TrustDevice()))
}

func (s *stage) first() auth.Secret {
	s.t.Helper()
	return s.secret(string(firstStep(s.t, s.Harness, s.u.Email)))
}

func (s *stage) code() auth.Secret { return s.secret(s.u.Code()) }

// broken makes every call of the kind fail from now on.
func (s *stage) broken(kind string) {
	s.tap.tap(func(_ context.Context, c storeCall) error {
		if c.kind == kind {
			return errOutage
		}
		return nil
	}, nil)
}

// shed fills the hashing slot until the scenario is over.
func (s *stage) shed() { s.t.Cleanup(s.OccupyHashing()) }

const noCode = auth.Secret("000000")

var (
	newName  = "Ada King"
	newEmail = "new@example.com"
)

// audited is what each call of a Manager emits and which notices it sends, done or refused. An
// event is its type, .action, :reason, +amr, =role, #count, and who acted on whose
// account; a notice has an arrow.
var audited = map[string]struct {
	act  func(s *stage)
	want string
}{
	"Register":             {func(s *stage) { _, _ = s.Manager.Register(s.ctx, registration("b@example.com")) }, "registered=admin of another"},
	"Register: taken":      {func(s *stage) { _, _ = s.Manager.Register(s.ctx, registration(s.u.Email)) }, "email_taken.register"},
	"Register: bad input":  {func(s *stage) { _, _ = s.Manager.Register(s.ctx, registration("nowhere")) }, ""},
	"Register: overloaded": {func(s *stage) { s.shed(); _, _ = s.Manager.Register(s.ctx, registration("b@example.com")) }, "overloaded"},
	"Register: closed": {func(s *stage) {
		closed := authtest.With(s.t, s.Store, auth.Config{NoRegistration: true, Events: s.Events})
		_, _ = closed.Manager.Register(s.ctx, registration("b@example.com"))
		_ = closed.Close()
	}, ""},
	"RegistrationOpen": {func(s *stage) { _ = s.RegistrationOpen() }, ""},
	"Register: too many": {func(s *stage) {
		for range 3 {
			_, _ = s.Manager.Register(s.ctx, registration(s.u.Email))
		}
	}, "email_taken.register; email_taken.register; rate_limited:register"},

	"Login":                 {func(s *stage) { _, _ = s.Login(s.ctx, s.u.Email, authtest.Password) }, "login_succeeded+pwd by ses of u"},
	"Login: wrong password": {func(s *stage) { _, _ = s.Login(s.ctx, s.u.Email, "a wrong one") }, "login_failed of u"},
	"Login: nobody":         {func(s *stage) { _, _ = s.Login(s.ctx, "x@example.com", "a wrong one") }, "login_failed"},
	"Login: no address":     {func(s *stage) { _, _ = s.Login(s.ctx, "x", "a wrong one") }, "login_failed"},
	"Login: too many": {func(s *stage) {
		for range 6 {
			_, _ = s.Login(s.ctx, s.u.Email, "a wrong one")
		}
	}, "login_failed of u; login_failed of u; login_failed of u; login_failed of u; login_failed of u; rate_limited:account_address of u"},
	"Login: second factor": {func(s *stage) { s.twoFactor(); _, _ = s.Login(s.ctx, s.u.Email, authtest.Password) }, "second_factor_required of u"},
	"Login: disabled": {func(s *stage) {
		_ = s.DisableUser(context.Background(), s.u.ID)
		_, _ = s.Login(s.ctx, s.u.Email, authtest.Password)
	}, "login_failed of u"},
	"Login: overloaded": {func(s *stage) { s.shed(); _, _ = s.Login(s.ctx, s.u.Email, authtest.Password) }, "overloaded"},
	"Login: no store":   {func(s *stage) { s.broken("Get"); _, _ = s.Login(s.ctx, s.u.Email, authtest.Password) }, "store_failed:get by manager"},
	"Login: no counter": {func(s *stage) { s.broken("Hit"); _, _ = s.Login(s.ctx, s.u.Email, authtest.Password) }, "store_failed:hit by manager"},
	"Login: no write":   {func(s *stage) { s.broken("Commit"); _, _ = s.Login(s.ctx, s.u.Email, authtest.Password) }, "store_failed:commit by manager; login_succeeded:unknown+pwd by ses of u"},
	"Login: no list":    {func(s *stage) { s.broken("List"); _, _ = s.Login(s.ctx, s.u.Email, authtest.Password) }, "store_failed:list by manager"},
	"Login: new network": {func(s *stage) {
		_ = login(clientAt(s.t, "198.51.100.1"), s.Manager, s.u.Email, authtest.Password)
		_, _ = s.Login(s.ctx, s.u.Email, authtest.Password)
		_, _ = s.Login(s.ctx, s.u.Email, authtest.Password)
	}, "login_succeeded+pwd by ses of u; login_new_network by ses of u; login_succeeded+pwd by ses of u; → login_new_network u"},

	"LoginAs":          {func(s *stage) { _, _ = s.LoginAs(s.ctx, s.u.ID, byOAuth) }, "login_succeeded+oauth by host of u"},
	"LoginAs: actor":   {func(s *stage) { _, _ = s.LoginAs(auth.WithActor(s.ctx, "sso"), s.u.ID, byOAuth) }, "login_succeeded+oauth by sso of u"},
	"LoginAs: nobody":  {func(s *stage) { _, _ = s.LoginAs(s.ctx, "user_x", byOAuth) }, ""},
	"LoginAs: method":  {func(s *stage) { _, _ = s.LoginAs(s.ctx, s.u.ID, auth.Proof{Method: "pwd"}) }, ""},
	"LoginAs: no list": {func(s *stage) { s.broken("List"); _, _ = s.LoginAs(s.ctx, s.u.ID, byOAuth) }, "store_failed:list by manager"},
	"LoginAs: no write": {func(s *stage) { s.broken("Commit"); _, _ = s.LoginAs(s.ctx, s.u.ID, byOAuth) },
		"store_failed:commit by manager; login_succeeded:unknown+oauth by host of u"},
	"LoginAs: disabled": {func(s *stage) {
		_ = s.DisableUser(context.Background(), s.u.ID)
		_, _ = s.LoginAs(s.ctx, s.u.ID, byOAuth)
	}, "login_failed:disabled+oauth by host of u"},
	"LoginAs: second factor": {func(s *stage) { s.twoFactor(); _, _ = s.LoginAs(s.ctx, s.u.ID, byOAuth) },
		"second_factor_required+oauth by host of u"},
	"LoginAs: two factors": {func(s *stage) {
		s.twoFactor()
		_, _ = s.LoginAs(s.ctx, s.u.ID, auth.Proof{Method: "saml", MultiFactor: true})
	}, "login_succeeded+saml+mfa by host of u"},
	"LoginAs: too many": {func(s *stage) {
		s.twoFactor()
		for range 11 {
			_, _ = s.LoginAs(s.ctx, s.u.ID, byOAuth)
		}
	}, strings.Repeat("second_factor_required+oauth by host of u; ", 10) + "rate_limited:account_address of u"},

	"VerifyTwoFactor": {func(s *stage) { temp, _ := s.twoFactor(); _, _ = s.VerifyTwoFactor(s.ctx, temp, s.code()) },
		"login_succeeded+pwd+otp+mfa by ses of u"},
	"VerifyTwoFactor: backup code": {func(s *stage) { temp, codes := s.twoFactor(); _, _ = s.VerifyTwoFactor(s.ctx, temp, codes[0]) },
		"login_succeeded+pwd+mfa by ses of u; backup_code_used.login#9 by ses of u; → backup_code_used u, 9 left"},
	"VerifyTwoFactor: wrong": {func(s *stage) { temp, _ := s.twoFactor(); _, _ = s.VerifyTwoFactor(s.ctx, temp, noCode) },
		"second_factor_failed.login:wrong of u; → second_factor_failed u"},
	"VerifyTwoFactor: malformed": {func(s *stage) { temp, _ := s.twoFactor(); _, _ = s.VerifyTwoFactor(s.ctx, temp, "12") },
		"second_factor_failed.login:malformed of u"},
	"VerifyTwoFactor: replayed": {func(s *stage) {
		temp, _ := s.twoFactor()
		code := s.code()
		_, _ = s.VerifyTwoFactor(context.Background(), temp, code)
		_, _ = s.VerifyTwoFactor(s.ctx, s.first(), code)
	}, "second_factor_failed.login:replayed of u; → second_factor_failed u"},
	"VerifyTwoFactor: backup code replayed": {func(s *stage) {
		temp, codes := s.twoFactor()
		_, _ = s.VerifyTwoFactor(context.Background(), temp, codes[3])
		_, _ = s.VerifyTwoFactor(s.ctx, s.first(), codes[3])
		_, _ = s.VerifyTwoFactor(s.ctx, s.first(), "00000000")
	}, "second_factor_failed.login:replayed of u; second_factor_failed.login:wrong of u; → second_factor_failed u; → second_factor_failed u"},
	"VerifyTwoFactor: temp token used": {func(s *stage) {
		temp, codes := s.twoFactor()
		_, _ = s.VerifyTwoFactor(context.Background(), temp, codes[3])
		_, _ = s.VerifyTwoFactor(s.ctx, temp, codes[4])
	}, "temp_token_refused:ended of u"},
	"VerifyTwoFactor: no temp token": {func(s *stage) { _, _ = s.VerifyTwoFactor(s.ctx, "temp_nonsense", noCode) }, "temp_token_refused:malformed"},
	"VerifyTwoFactor: tries": {func(s *stage) {
		temp, _ := s.twoFactor()
		for range 5 {
			_, _ = s.VerifyTwoFactor(context.Background(), temp, noCode)
		}
		_, _ = s.VerifyTwoFactor(s.ctx, temp, noCode)
	}, "temp_token_refused:tries of u"},

	"VerifyAccessToken":            {func(s *stage) { _, _ = s.VerifyAccessToken(s.ctx, auth.Secret(s.u.Token())) }, ""},
	"VerifyAccessToken: malformed": {func(s *stage) { _, _ = s.VerifyAccessToken(s.ctx, auth.Secret(s.u.Token()[1:])) }, "token_refused:malformed"},
	"VerifyAccessToken: expired": {func(s *stage) {
		s.Clock.Advance(2 * time.Hour)
		_, _ = s.VerifyAccessToken(s.ctx, auth.Secret(s.u.Token()))
	}, "token_refused:expired of u"},
	"VerifyAccessToken: logged out": {func(s *stage) {
		_ = s.Logout(context.Background(), s.id)
		_, _ = s.VerifyAccessToken(s.ctx, auth.Secret(s.u.Token()))
	}, "token_refused:ended of u"},
	"VerifyAccessToken: disabled": {func(s *stage) {
		_ = s.DisableUser(context.Background(), s.u.ID)
		_, _ = s.VerifyAccessToken(s.ctx, auth.Secret(s.u.Token()))
	}, "token_refused:disabled of u"},
	"VerifyAccessToken: superseded": {func(s *stage) {
		_, _ = s.Refresh(context.Background(), auth.Secret(s.u.Token()))
		s.Clock.Advance(time.Minute)
		_, _ = s.VerifyAccessToken(s.ctx, auth.Secret(s.u.Token()))
	}, "token_refused:superseded of u"},
	"VerifyAccessToken: damaged": {func(s *stage) {
		damage(s.t, s.Store, "u."+strings.TrimPrefix(s.u.ID, "user_")+"/acct")
		_, _ = s.VerifyAccessToken(s.ctx, auth.Secret(s.u.Token()))
	}, "store_failed:damaged by manager"},
	"VerifyAccessToken: policy": {func(s *stage) {
		_ = s.SetRole(context.Background(), s.u.ID, "bound")
		_, _ = s.VerifyAccessToken(s.ctx, auth.Secret(s.u.Token()))
	}, "access_denied:two_factor_setup_required by ses of u"},
	"VerifyForEnrollment":            {func(s *stage) { _, _ = s.VerifyForEnrollment(s.ctx, auth.Secret(s.u.Token())) }, ""},
	"VerifyForEnrollment: malformed": {func(s *stage) { _, _ = s.VerifyForEnrollment(s.ctx, auth.Secret(s.u.Token()[1:])) }, "token_refused:malformed"},

	"VerifyAPIKey":            {func(s *stage) { _, key := s.key(); _, _ = s.VerifyAPIKey(s.ctx, key) }, ""},
	"VerifyAPIKey: malformed": {func(s *stage) { _, key := s.key(); _, _ = s.VerifyAPIKey(s.ctx, key[1:]) }, "api_key_refused:malformed"},
	"VerifyAPIKey: expired": {func(s *stage) {
		_, key := s.key()
		s.Clock.Advance(366 * 24 * time.Hour)
		_, _ = s.VerifyAPIKey(s.ctx, key)
	}, "api_key_refused:expired of u"},
	"VerifyAPIKey: revoked": {func(s *stage) {
		keyID, key := s.key()
		_ = s.RevokeAPIKey(context.Background(), s.id, keyID)
		_, _ = s.VerifyAPIKey(s.ctx, key)
	}, "api_key_refused:unknown"},
	"VerifyAPIKey: disabled": {func(s *stage) {
		_, key := s.key()
		_ = s.DisableUser(context.Background(), s.u.ID)
		_, _ = s.VerifyAPIKey(s.ctx, key)
	}, "api_key_refused:disabled of u"},
	"VerifyAPIKey: no store": {func(s *stage) { _, key := s.key(); s.broken("Get"); _, _ = s.VerifyAPIKey(s.ctx, key) }, "store_failed:get by manager"},
	"Authenticate": {func(s *stage) {
		_, _ = s.Authenticate(s.ctx, "nonsense")
		_, _ = s.Authenticate(s.ctx, "sk_live_nonsense")
	}, "token_refused:malformed; api_key_refused:malformed"},

	"Refresh": {func(s *stage) { _, _ = s.Refresh(s.ctx, auth.Secret(s.u.Token())) }, "token_refreshed by ses of u"},
	"Refresh: again": {func(s *stage) {
		_, _ = s.Refresh(s.ctx, auth.Secret(s.u.Token()))
		_, _ = s.Refresh(s.ctx, auth.Secret(s.u.Token()))
		s.Clock.Advance(time.Minute)
		_, _ = s.Refresh(s.ctx, auth.Secret(s.u.Token()))
	}, "token_refreshed by ses of u; token_refreshed:again by ses of u"},
	"Refresh: reuse": {func(s *stage) {
		fresh, _ := s.Refresh(s.ctx, auth.Secret(s.u.Token()))
		_, _ = s.VerifyAccessToken(context.Background(), fresh.Token)
		s.Clock.Advance(time.Minute)
		_, _ = s.Refresh(s.ctx, auth.Secret(s.u.Token()))
	}, "token_refreshed by ses of u; token_reused by ses of u"},
	"Refresh: nonsense":      {func(s *stage) { _, _ = s.Refresh(s.ctx, "nonsense") }, "token_refused:malformed"},
	"Logout":                 {func(s *stage) { _ = s.Logout(s.ctx, s.id) }, "logged_out by ses of u"},
	"Logout: twice":          {func(s *stage) { _ = s.Logout(context.Background(), s.id); _ = s.Logout(s.ctx, s.id) }, "token_refused:ended of u"},
	"LogoutToken":            {func(s *stage) { _ = s.LogoutToken(s.ctx, auth.Secret(s.u.Token())) }, "logged_out by ses of u"},
	"LogoutToken: malformed": {func(s *stage) { _ = s.LogoutToken(s.ctx, auth.Secret(s.u.Token()[1:])) }, "token_refused:malformed"},
	"LogoutToken: twice": {func(s *stage) {
		_ = s.LogoutToken(context.Background(), auth.Secret(s.u.Token()))
		_ = s.LogoutToken(s.ctx, auth.Secret(s.u.Token()))
	}, "token_refused:ended of u"},
	"LogoutToken: superseded": {func(s *stage) {
		_, _ = s.Refresh(context.Background(), auth.Secret(s.u.Token()))
		s.Clock.Advance(time.Minute)
		_ = s.LogoutToken(s.ctx, auth.Secret(s.u.Token()))
	}, "logged_out:superseded by ses of u"},
	"LogoutToken: expired": {func(s *stage) {
		s.Clock.Advance(time.Hour)
		_ = s.LogoutToken(s.ctx, auth.Secret(s.u.Token()))
	}, "logged_out:expired by ses of u"},
	"LogoutToken: disabled": {func(s *stage) {
		_ = s.DisableUser(context.Background(), s.u.ID)
		_ = s.LogoutToken(s.ctx, auth.Secret(s.u.Token()))
	}, "token_refused:disabled of u"},
	"SessionEnded":       {func(s *stage) { _, _ = s.SessionEnded(s.ctx, auth.Secret(s.u.Token())) }, ""},
	"EndReplacedSession": {func(s *stage) { _ = s.EndReplacedSession(s.ctx, auth.Secret(s.u.Token())) }, "logged_out:replaced by ses of u"},
	"EndReplacedSession: over": {func(s *stage) {
		token := auth.Secret(s.u.Token())
		_ = s.RevokeSessions(context.Background(), s.u.ID)
		_ = s.EndReplacedSession(s.ctx, token)
	}, ""},
	"SessionEnded: nonsense": {func(s *stage) { _, _ = s.SessionEnded(s.ctx, "nonsense") }, ""},
	"LogoutSession": {func(s *stage) {
		s.u.Login()
		_ = s.LogoutSession(s.ctx, s.u.Identity(), s.id.SessionID)
	}, "session_revoked by another ses of u"},
	"LogoutSession: one's own": {func(s *stage) { _ = s.LogoutSession(s.ctx, s.id, s.id.SessionID) }, "logged_out by ses of u"},
	"LogoutSession: another's": {func(s *stage) { _ = s.LogoutSession(s.ctx, s.id, s.Register().Identity().SessionID) }, "access_denied:not_found by another ses of u"},
	"LogoutSession: nonsense":  {func(s *stage) { _ = s.LogoutSession(s.ctx, s.id, "ses_\nlevel=INFO") }, "access_denied:not_found by another ses of u"},
	"LogoutSession: API key":   {func(s *stage) { _ = s.LogoutSession(s.ctx, s.keyIdentity(), s.id.SessionID) }, "access_denied:api_key by key of u"},
	"LogoutOthers":             {func(s *stage) { _ = s.u.Login(); _, _ = s.LogoutOthers(s.ctx, s.id) }, "session_revoked:others#1 by ses of u"},
	"LogoutOthers: API key":    {func(s *stage) { _, _ = s.LogoutOthers(s.ctx, s.keyIdentity()) }, "access_denied:api_key by key of u"},
	"LogoutOthers: logged out": {func(s *stage) {
		_ = s.Logout(context.Background(), s.id)
		_, _ = s.LogoutOthers(s.ctx, s.id)
	}, "token_refused:ended of u"},
	"Logout: API key": {func(s *stage) { _ = s.Logout(s.ctx, s.keyIdentity()) }, "access_denied:api_key by key of u"},

	"ChangePassword": {func(s *stage) { _ = s.ChangePassword(s.ctx, s.id, authtest.Password, otherPassword) },
		"password_changed by ses of u; → password_changed u"},
	"ChangePassword: wrong": {func(s *stage) { _ = s.ChangePassword(s.ctx, s.id, "a wrong one", otherPassword) }, "reauthentication_failed by ses of u"},
	"ChangePassword: first, not fresh": {func(s *stage) {
		_, id := withoutPassword(s.t, s.Harness)
		s.Clock.Advance(time.Hour - time.Minute)
		_ = s.ChangePassword(s.ctx, id, "", otherPassword)
	}, "access_denied:reauthentication_required by ses of another"},
	"ChangePassword: weak":    {func(s *stage) { _ = s.ChangePassword(s.ctx, s.id, authtest.Password, "short") }, ""},
	"ChangePassword: API key": {func(s *stage) { _ = s.ChangePassword(s.ctx, s.keyIdentity(), authtest.Password, otherPassword) }, "access_denied:api_key by key of u"},
	"ChangePassword: logged out": {func(s *stage) {
		_ = s.Logout(context.Background(), s.id)
		_ = s.ChangePassword(s.ctx, s.id, authtest.Password, otherPassword)
	}, "token_refused:ended of u"},

	"UpdateProfile": {func(s *stage) { _, _ = s.UpdateProfile(s.ctx, s.id, auth.ProfileChange{FullName: &newName}) }, "profile_changed by ses of u"},
	"UpdateProfile: email": {func(s *stage) { _, _ = s.UpdateProfile(s.ctx, s.id, auth.ProfileChange{Email: &newEmail}) },
		"email_changed by ses of u; → email_changed u; → email_changed new"},
	"UpdateProfile: wrong password": {func(s *stage) {
		_, _ = s.UpdateProfile(s.ctx, s.id, auth.ProfileChange{Email: &newEmail, CurrentPassword: "a wrong one"})
	}, "reauthentication_failed by ses of u"},
	"UpdateProfile: not fresh": {func(s *stage) {
		s.Clock.Advance(time.Hour - time.Minute)
		_, _ = s.UpdateProfile(s.ctx, s.id, auth.ProfileChange{Email: &newEmail})
	}, "access_denied:reauthentication_required by ses of u"},
	"UpdateProfile: second factor": {func(s *stage) {
		s.twoFactor()
		_, _ = s.UpdateProfile(s.ctx, s.u.Identity(), auth.ProfileChange{Email: &newEmail, CurrentPassword: authtest.Password, Code: s.code()})
	}, "email_changed by ses of u; → email_changed u; → email_changed new"},
	"UpdateProfile: backup code": {func(s *stage) {
		_, codes := s.twoFactor()
		_, _ = s.UpdateProfile(s.ctx, s.u.Identity(), auth.ProfileChange{Email: &newEmail, CurrentPassword: authtest.Password, Code: codes[0]})
	}, "backup_code_used.change_email#9 by ses of u; email_changed by ses of u; → backup_code_used u, 9 left; → email_changed u; → email_changed new"},
	"UpdateProfile: wrong code": {func(s *stage) {
		s.twoFactor()
		_, _ = s.UpdateProfile(s.ctx, s.u.Identity(), auth.ProfileChange{Email: &newEmail, CurrentPassword: authtest.Password, Code: noCode})
	}, "second_factor_failed.change_email:wrong by ses of u; → second_factor_failed u"},
	"UpdateProfile: wrong password and a code": {func(s *stage) {
		s.twoFactor()
		_, _ = s.UpdateProfile(s.ctx, s.u.Identity(), auth.ProfileChange{Email: &newEmail, CurrentPassword: "a wrong one", Code: s.code()})
	}, "reauthentication_failed by ses of u"},
	"UpdateProfile: no code": {func(s *stage) {
		s.twoFactor()
		s.Clock.Advance(time.Hour - time.Minute)
		_, _ = s.UpdateProfile(s.ctx, s.u.Identity(), auth.ProfileChange{Email: &newEmail, CurrentPassword: authtest.Password})
	}, "access_denied:reauthentication_required by ses of u"},
	"UpdateProfile: taken": {func(s *stage) {
		other := s.Register()
		_, _ = s.UpdateProfile(s.ctx, s.id, auth.ProfileChange{Email: &other.Email})
	}, "email_taken.change_email by ses of u"},

	"UpdateProfile: email to confirm": {func(s *stage) { s.requested(s.ctx) },
		"email_change_requested by ses of u; mail_sent.change_email by manager of u; → email_change_requested u"},
	"ConfirmEmail": {func(s *stage) { _ = s.ConfirmEmail(s.ctx, s.id, s.requested(context.Background())) },
		"email_changed by ses of u; → email_changed u; → email_changed new"},
	"ConfirmEmail: malformed": {func(s *stage) { _ = s.ConfirmEmail(s.ctx, s.id, "chg_\nlevel=INFO") }, "mail_token_refused.change_email:malformed of u"},
	"ConfirmEmail: used": {func(s *stage) {
		token := s.requested(context.Background())
		_ = s.ConfirmEmail(context.Background(), s.id, token)
		_ = s.ConfirmEmail(s.ctx, s.id, token)
	}, "mail_token_refused.change_email:ended of u"},
	"ConfirmEmail: taken": {func(s *stage) {
		token := s.requested(context.Background())
		_, _ = s.Manager.Register(context.Background(), registration(newEmail))
		_ = s.ConfirmEmail(s.ctx, s.id, token)
	}, "email_taken.change_email by ses of u"},
	"ConfirmEmail: API key":   {func(s *stage) { _ = s.ConfirmEmail(s.ctx, s.keyIdentity(), "chg_x") }, "access_denied:api_key by key of u"},
	"CancelEmailChange":       {func(s *stage) { s.requested(context.Background()); _ = s.CancelEmailChange(s.ctx, s.id) }, "email_change_canceled by ses of u"},
	"CancelEmailChange: none": {func(s *stage) { _ = s.CancelEmailChange(s.ctx, s.id) }, ""},

	"DeleteAccount":           {func(s *stage) { _ = s.DeleteAccount(s.ctx, s.id, authtest.Password, "") }, "user_deleted by ses of u; → user_deleted u"},
	"DeleteAccount: wrong":    {func(s *stage) { _ = s.DeleteAccount(s.ctx, s.id, "a wrong one", "") }, "reauthentication_failed by ses of u"},
	"DeleteAccount: no proof": {func(s *stage) { _ = s.DeleteAccount(s.ctx, s.id, "", "") }, "access_denied:reauthentication_required by ses of u"},
	"DeleteAccount: last admin": {func(s *stage) {
		_ = s.u.Colleague("reader")
		_ = s.DeleteAccount(s.ctx, s.id, authtest.Password, "")
	}, ""},
	"DeleteAccount: backup code": {func(s *stage) {
		_, codes := s.twoFactor()
		_ = s.DeleteAccount(s.ctx, s.u.Identity(), authtest.Password, codes[0])
	}, "backup_code_used.delete_account#9 by ses of u; user_deleted by ses of u; → backup_code_used u, 9 left; → user_deleted u"},
	"DeleteAccount: API key": {func(s *stage) { _ = s.DeleteAccount(s.ctx, s.keyIdentity(), authtest.Password, "") }, "access_denied:api_key by key of u"},
	"ExportAccount":          {func(s *stage) { _, _ = s.ExportAccount(s.ctx, s.id, "", "") }, "data_exported by ses of u; → data_exported u"},
	"ExportAccount: not fresh": {func(s *stage) {
		s.Clock.Advance(time.Hour - time.Minute)
		_, _ = s.ExportAccount(s.ctx, s.id, "", "")
	}, "access_denied:reauthentication_required by ses of u"},
	"ForgotPassword": {func(s *stage) { s.forgotten(s.ctx) }, "mail_sent.reset_password by manager of u"},
	"ForgotPassword: nobody": {func(s *stage) {
		s.mailing(nil, func(h *authtest.Harness) { _ = h.ForgotPassword(s.ctx, "x@example.com") })
	}, ""},
	"ForgotPassword: failed": {func(s *stage) {
		s.mailing(errOutage, func(h *authtest.Harness) { _ = h.ForgotPassword(s.ctx, s.u.Email) })
	}, "mail_failed.reset_password:refused by manager of u"},
	"ForgotPassword: too many for the mailbox": {func(s *stage) {
		for range 3 {
			s.forgotten(context.Background())
		}
		_ = s.RevokeSessions(context.Background(), s.u.ID) // the tokens are void, and the budget is not full again
		s.forgotten(s.ctx)
	}, "rate_limited:mail of u"},
	"ResendVerification": {func(s *stage) {
		s.mailing(nil, func(h *authtest.Harness) { _ = h.ResendVerification(s.ctx, s.u.Email) })
	}, "mail_sent.verify_email by manager of u"},
	"Register: mail": {func(s *stage) {
		s.mailing(nil, func(h *authtest.Harness) { _, _ = h.Manager.Register(s.ctx, registration("b@example.com")) })
	}, "registered=admin of another; mail_sent.verify_email by manager of another"},
	"VerifyEmail": {func(s *stage) {
		token := s.mailing(nil, func(h *authtest.Harness) { _ = h.ResendVerification(context.Background(), s.u.Email) })
		_ = s.VerifyEmail(s.ctx, token)
		_ = s.VerifyEmail(s.ctx, token)
	}, "email_verified of u; mail_token_refused.verify_email:ended of u"},
	"VerifyEmail: another purpose": {func(s *stage) { _ = s.VerifyEmail(s.ctx, s.forgotten(context.Background())) }, "mail_token_refused.verify_email:malformed"},
	"ResetPassword": {func(s *stage) { s.key(); _ = s.ResetPassword(s.ctx, s.forgotten(context.Background()), otherPassword) },
		"password_reset#1 of u; → password_reset u"},
	"ResetPassword: used": {func(s *stage) {
		token := s.forgotten(context.Background())
		_ = s.ResetPassword(context.Background(), token, otherPassword)
		_ = s.ResetPassword(s.ctx, token, otherPassword)
	}, "mail_token_refused.reset_password:ended of u"},
	"ResetPassword: weak": {func(s *stage) { _ = s.ResetPassword(s.ctx, s.forgotten(context.Background()), "short") }, ""},
	"ResetPassword: overloaded": {func(s *stage) {
		token := s.forgotten(context.Background())
		s.shed()
		_ = s.ResetPassword(s.ctx, token, otherPassword)
	}, "overloaded"},
	"SendsMail":             {func(s *stage) { s.SendsMail() }, ""},
	"RequiresVerifiedEmail": {func(s *stage) { s.RequiresVerifiedEmail() }, ""},
	"OrganizationName":      {func(s *stage) { _, _ = s.OrganizationName(s.ctx, s.u.OrganizationID) }, ""},

	"EnableTwoFactor": {func(s *stage) { s.enrol(s.ctx) }, "two_factor_started by ses of u"},
	"EnableTwoFactor: not fresh": {func(s *stage) { s.Clock.Advance(time.Hour); _, _ = s.EnableTwoFactor(s.ctx, s.id, "") },
		"access_denied:reauthentication_required by ses of u"},
	"EnableTwoFactor: wrong password": {func(s *stage) { _, _ = s.EnableTwoFactor(s.ctx, s.id, "a wrong one") }, "reauthentication_failed by ses of u"},
	"EnableTwoFactor: too many": {func(s *stage) {
		for range 11 {
			_, _ = s.EnableTwoFactor(s.ctx, s.id, "")
		}
	}, strings.Repeat("two_factor_started by ses of u; ", 10) + "rate_limited:new_factor of u"},
	"EnableTwoFactor: on already": {func(s *stage) { s.twoFactor(); _, _ = s.EnableTwoFactor(s.ctx, s.u.Identity(), "") }, ""},
	"ConfirmTwoFactor": {func(s *stage) {
		e := s.enrol(context.Background())
		_ = s.ConfirmTwoFactor(s.ctx, s.id, s.secret(authtest.TOTPCode(e.Secret, s.Clock.Now())))
	}, "two_factor_enabled by ses of u; → two_factor_enabled u"},
	"ConfirmTwoFactor: wrong": {func(s *stage) {
		s.enrol(context.Background())
		_ = s.ConfirmTwoFactor(s.ctx, s.id, noCode)
		_ = s.ConfirmTwoFactor(s.ctx, s.id, "12")
	}, "second_factor_failed.confirm:wrong by ses of u; second_factor_failed.confirm:malformed by ses of u"},
	"ConfirmTwoFactor: nothing to confirm": {func(s *stage) { _ = s.ConfirmTwoFactor(s.ctx, s.id, noCode) }, ""},
	"DisableTwoFactor": {func(s *stage) {
		s.twoFactor()
		_ = s.DisableTwoFactor(s.ctx, s.u.Identity(), authtest.Password, s.code())
	},
		"two_factor_disabled by ses of u; → two_factor_disabled u"},
	"DisableTwoFactor: backup code": {func(s *stage) {
		_, codes := s.twoFactor()
		_ = s.DisableTwoFactor(s.ctx, s.u.Identity(), authtest.Password, codes[0])
	}, "backup_code_used.disable#9 by ses of u; two_factor_disabled by ses of u; → two_factor_disabled u"},
	"DisableTwoFactor: wrong code": {func(s *stage) {
		s.twoFactor()
		_ = s.DisableTwoFactor(s.ctx, s.u.Identity(), authtest.Password, noCode)
	}, "second_factor_failed.disable:wrong by ses of u; → second_factor_failed u"},
	"DisableTwoFactor: wrong password": {func(s *stage) {
		s.twoFactor()
		_ = s.DisableTwoFactor(s.ctx, s.u.Identity(), "a wrong one", s.code())
	}, "reauthentication_failed by ses of u"},
	"ReplaceBackupCodes": {func(s *stage) {
		s.twoFactor()
		codes, _ := s.ReplaceBackupCodes(s.ctx, s.u.Identity(), authtest.Password, s.code())
		for _, code := range codes {
			s.secret(string(code))
		}
	}, "backup_codes_replaced by ses of u; → backup_codes_replaced u"},
	"ReplaceBackupCodes: backup code": {func(s *stage) {
		_, codes := s.twoFactor()
		fresh, _ := s.ReplaceBackupCodes(s.ctx, s.u.Identity(), authtest.Password, codes[0])
		for _, code := range fresh {
			s.secret(string(code))
		}
	}, "backup_code_used.replace_codes#9 by ses of u; backup_codes_replaced by ses of u; → backup_codes_replaced u"},
	"ReplaceBackupCodes: wrong code": {func(s *stage) {
		s.twoFactor()
		_, _ = s.ReplaceBackupCodes(s.ctx, s.u.Identity(), authtest.Password, noCode)
	}, "second_factor_failed.replace_codes:wrong by ses of u; → second_factor_failed u"},
	"ReplaceBackupCodes: no factor": {func(s *stage) { _, _ = s.ReplaceBackupCodes(s.ctx, s.id, authtest.Password, noCode) }, ""},

	"TrustsDevices":  {func(s *stage) { s.TrustsDevices() }, ""},
	"TrustedDevices": {func(s *stage) { s.trusted(); _, _ = s.TrustedDevices(s.ctx, s.u.ID) }, ""},
	"VerifyTwoFactorAndTrust": {func(s *stage) {
		temp, _ := s.twoFactor()
		r, _ := s.Manager.VerifyTwoFactorAndTrust(s.ctx, temp, s.code())
		s.secret(string(r.DeviceToken))
	}, "login_succeeded+pwd+otp+mfa by ses of u; device_trusted by ses of u; → device_trusted u"},
	"VerifyTwoFactorAndTrust: wrong code": {func(s *stage) {
		temp, _ := s.twoFactor()
		_, _ = s.Manager.VerifyTwoFactorAndTrust(s.ctx, temp, noCode)
	}, "second_factor_failed.login:wrong of u; → second_factor_failed u"},
	"LoginWithDevice": {func(s *stage) {
		_, _ = s.LoginWithDevice(s.ctx, s.u.Email, authtest.Password, s.trusted())
	}, "login_succeeded:trusted_device+pwd by ses of u"},
	"LoginWithDevice: unknown": {func(s *stage) {
		s.trusted()
		r, _ := s.LoginWithDevice(s.ctx, s.u.Email, authtest.Password, auth.Secret("dev_"+strings.Repeat("0", 43)))
		s.secret(string(r.TempToken))
	}, "second_factor_failed.device:ended of u; second_factor_required of u"},
	"LoginWithDevice: malformed": {func(s *stage) {
		s.trusted()
		r, _ := s.LoginWithDevice(s.ctx, s.u.Email, authtest.Password, "dev_x")
		s.secret(string(r.TempToken))
	}, "second_factor_failed.device:malformed of u; second_factor_required of u"},
	"LoginWithDevice: wrong password": {func(s *stage) {
		_, _ = s.LoginWithDevice(s.ctx, s.u.Email, "a wrong one", s.trusted())
	}, "login_failed of u"},
	"RemoveTrustedDevice": {func(s *stage) {
		s.trusted()
		list, _ := s.TrustedDevices(context.Background(), s.u.ID)
		_ = s.RemoveTrustedDevice(s.ctx, s.u.Identity(), list[0].ID)
	}, "device_removed by ses of u"},
	"RemoveTrustedDevice: unknown": {func(s *stage) { _ = s.RemoveTrustedDevice(s.ctx, s.id, "device_1") }, "access_denied:not_found by ses of u"},
	"RemoveTrustedDevice: API key": {func(s *stage) { _ = s.RemoveTrustedDevice(s.ctx, s.keyIdentity(), "device_1") }, "access_denied:api_key by key of u"},

	"Ready": {func(s *stage) { s.broken("Get"); _ = s.Ready(s.ctx) }, ""},

	"CreateOrganization":            {func(s *stage) { _, _ = s.CreateOrganization(s.ctx, "Engines") }, "organization_created by host"},
	"CreateOrganization: bad input": {func(s *stage) { _, _ = s.CreateOrganization(s.ctx, "") }, ""},
	"CreateOrganization: no write": {func(s *stage) { s.broken("Commit"); _, _ = s.CreateOrganization(s.ctx, "Engines") },
		"store_failed:commit by manager; organization_created:unknown by host"},
	"DeleteOrganization": {func(s *stage) {
		auth.AwaitBackground(s.Manager)
		_ = s.DeleteOrganization(auth.WithActor(s.ctx, "admin:jane"), s.u.OrganizationID)
		_ = s.DeleteOrganization(s.ctx, s.u.OrganizationID)
	}, "organization_deleted by admin:jane; user_deleted by admin:jane of u"},
	"DeleteOrganization: nobody's": {func(s *stage) {
		auth.AwaitBackground(s.Manager)
		_ = s.DeleteOrganization(s.ctx, "org_"+strings.Repeat("0", 29))
	}, ""},

	"Members":            {func(s *stage) { _, _ = s.Members(s.ctx, s.id, auth.MemberQuery{}) }, ""},
	"Members: bad input": {func(s *stage) { _, _ = s.Members(s.ctx, s.id, auth.MemberQuery{After: "x"}) }, ""},
	"Members: API key":   {func(s *stage) { _, _ = s.Members(s.ctx, s.keyIdentity(), auth.MemberQuery{}) }, "access_denied:api_key by key of u"},
	"MemberCount":        {func(s *stage) { _, _ = s.MemberCount(s.ctx, s.u.OrganizationID) }, ""},
	"Roles":              {func(s *stage) { s.Roles() }, ""},
	"SetMemberRole": {func(s *stage) { _, _ = s.SetMemberRole(s.ctx, s.id, s.u.Colleague("member").ID, "admin", "", "") },
		"role_changed=admin by another ses of another; → role_changed another"},
	"SetMemberRole: the same role": {func(s *stage) { _, _ = s.SetMemberRole(s.ctx, s.id, s.u.Colleague("member").ID, "member", "", "") }, ""},
	"SetMemberRole: bad input":     {func(s *stage) { _, _ = s.SetMemberRole(s.ctx, s.id, s.u.ID, "", "", "") }, ""},
	"SetMemberRole: by the host's": {func(s *stage) { _, _ = s.SetMemberRole(s.ctx, s.id, s.u.ID, "operator", "", "") }, "access_denied:role by ses of u"},
	"SetMemberRole: no admin": {func(s *stage) {
		_, _ = s.SetMemberRole(s.ctx, s.u.Colleague("member").Identity(), s.u.ID, "member", "", "")
	}, "access_denied:role by ses of another"},
	"SetMemberRole: last admin": {func(s *stage) {
		s.u.Colleague("member")
		_, _ = s.SetMemberRole(s.ctx, s.id, s.u.ID, "member", "", "")
	}, "access_denied:last_admin by ses of u"},
	"SetMemberRole: nobody":  {func(s *stage) { _, _ = s.SetMemberRole(s.ctx, s.id, s.Register().ID, "member", "", "") }, "access_denied:not_found by ses of u"},
	"SetMemberRole: API key": {func(s *stage) { _, _ = s.SetMemberRole(s.ctx, s.keyIdentity(), s.u.ID, "member", "", "") }, "access_denied:api_key by key of u"},
	"RemoveMember": {func(s *stage) { _ = s.RemoveMember(s.ctx, s.id, s.u.Colleague("member").ID, "", "") },
		"member_removed by another ses of another; → member_removed another"},
	"RemoveMember: with a key": {func(s *stage) {
		u := s.u.Colleague("member")
		s.secret(u.APIKey())
		_ = s.RemoveMember(s.ctx, s.id, u.ID, "", "")
	}, "member_removed by another ses of another; api_key_revoked:moved by another ses of another; → member_removed another"},
	"RemoveMember: not fresh": {func(s *stage) {
		u := s.u.Colleague("member")
		s.Clock.Advance(time.Hour - time.Minute)
		_ = s.RemoveMember(s.ctx, s.id, u.ID, "", "")
	}, "access_denied:reauthentication_required by ses of u"},
	"RemoveMember: too many": {func(s *stage) {
		for range 101 {
			_ = s.RemoveMember(s.ctx, s.id, "user_x", "", "")
		}
	}, strings.Repeat("access_denied:not_found by ses of u; ", 20) + "rate_limited:members of u; events_omitted:access_denied:not_found#80 by manager"},
	"LeaveOrganization": {func(s *stage) { _ = s.LeaveOrganization(s.ctx, s.id, "", "") }, "member_left by ses of u; → member_left u"},
	"LeaveOrganization: last admin": {func(s *stage) {
		s.u.Colleague("member")
		_ = s.LeaveOrganization(s.ctx, s.id, "", "")
	}, "access_denied:last_admin by ses of u"},
	"Invite": {func(s *stage) {
		_, token, _ := s.Invite(s.ctx, s.id, auth.NewInvitation{Email: "eve@example.com", Role: "member"})
		s.secret(string(token))
	}, "invitation_created=member by ses of u"},
	"Invite: mailed": {func(s *stage) {
		s.mailing(nil, func(h *authtest.Harness) {
			_, _, _ = h.Invite(s.ctx, s.id, auth.NewInvitation{Email: "eve@example.com", Role: "member"})
		})
	}, "invitation_created=member by ses of u; mail_sent.invitation by manager of u"},
	"Invite: refused by the Mailer": {func(s *stage) {
		s.mailing(errOutage, func(h *authtest.Harness) {
			_, _, _ = h.Invite(s.ctx, s.id, auth.NewInvitation{Email: "eve@example.com", Role: "member"})
		})
	}, "invitation_created=member by ses of u; mail_failed.invitation:refused by manager of u"},
	"Invite: again":     {func(s *stage) { s.invited("eve@example.com"); s.invited("EVE@example.com") }, "invitation_created=member by ses of u; invitation_created:replaced=member by ses of u"},
	"Invite: a member":  {func(s *stage) { s.invited(s.u.Email) }, "access_denied:already_member by ses of u"},
	"Invite: bad input": {func(s *stage) { s.invited("") }, ""},
	"Invite: no admin": {func(s *stage) {
		_, _, _ = s.Invite(s.ctx, s.u.Colleague("member").Identity(), auth.NewInvitation{Email: "eve@example.com", Role: "member"})
	}, "access_denied:role by ses of another"},
	"Invitations":          {func(s *stage) { _, _ = s.Invitations(s.ctx, s.id) }, ""},
	"Invitations: API key": {func(s *stage) { _, _ = s.Invitations(s.ctx, s.keyIdentity()) }, "access_denied:api_key by key of u"},
	"RevokeInvitation": {func(s *stage) {
		made, _ := s.invited("eve@example.com")
		_ = s.RevokeInvitation(s.ctx, s.id, made.ID)
	}, "invitation_created=member by ses of u; invitation_revoked by ses of u"},
	"RevokeInvitation: unknown": {func(s *stage) { _ = s.RevokeInvitation(s.ctx, s.id, "invitation_x") }, "access_denied:not_found by ses of u"},
	"AcceptInvitation": {func(s *stage) {
		other := s.Register()
		_, token := s.invited(other.Email)
		_, _ = s.AcceptInvitation(s.ctx, other.Identity(), token, "", "")
	}, "invitation_created=member by ses of u; invitation_accepted=member by ses of another"},
	"AcceptInvitation: malformed": {func(s *stage) { _, _ = s.AcceptInvitation(s.ctx, s.id, "inv_x", "", "") }, "mail_token_refused.invitation:malformed of u"},
	"AcceptInvitation: another's": {func(s *stage) {
		_, token := s.invited("eve@example.com")
		_, _ = s.AcceptInvitation(s.ctx, s.Register().Identity(), token, "", "")
	}, "invitation_created=member by ses of u; mail_token_refused.invitation:ended of another"},
	"AcceptInvitation: with others": {func(s *stage) {
		other := s.Register()
		other.Colleague("member")
		_, token := s.invited(other.Email)
		_, _ = s.AcceptInvitation(s.ctx, other.Identity(), token, "", "")
	}, "invitation_created=member by ses of u; access_denied:organization_not_empty by ses of another"},
	"AcceptInvitation: not fresh": {func(s *stage) {
		s.Clock.Advance(time.Hour - time.Minute)
		_, token := s.invited("eve@example.com")
		_, _ = s.AcceptInvitation(s.ctx, s.id, token, "", "")
	}, "invitation_created=member by ses of u; access_denied:reauthentication_required by ses of u"},
	"Register: by an invitation": {func(s *stage) {
		_, token := s.invited("eve@example.com")
		_, _ = registerBy(s.ctx, s.Manager, "eve@example.com", token)
	}, "invitation_created=member by ses of u; registered=member of another; invitation_accepted=member of another"},
	"Register: by another's invitation": {func(s *stage) {
		_, token := s.invited("eve@example.com")
		_, _ = registerBy(s.ctx, s.Manager, "mallory@example.com", token)
	}, "invitation_created=member by ses of u; mail_token_refused.invitation:ended"},
	"RenameOrganization":            {func(s *stage) { _, _ = s.RenameOrganization(s.ctx, s.id, "Looms") }, "organization_renamed by ses of u"},
	"RenameOrganization: bad input": {func(s *stage) { _, _ = s.RenameOrganization(s.ctx, s.id, "") }, ""},
	"RenameOrganization: no admin": {func(s *stage) { _, _ = s.RenameOrganization(s.ctx, s.u.Colleague("member").Identity(), "Looms") },
		"access_denied:role by ses of another"},

	"CreateAPIKey": {func(s *stage) {
		_, key, _ := s.CreateAPIKey(s.ctx, s.id, auth.NewAPIKey{Name: "ci"})
		s.secret(string(key))
	}, "api_key_created by ses of u; → api_key_created u"},
	"CreateAPIKey: API key":   {func(s *stage) { _, _, _ = s.CreateAPIKey(s.ctx, s.keyIdentity(), auth.NewAPIKey{Name: "ci"}) }, "access_denied:api_key by key of u"},
	"CreateAPIKey: bad input": {func(s *stage) { _, _, _ = s.CreateAPIKey(s.ctx, s.id, auth.NewAPIKey{}) }, ""},
	"CreateAPIKey: too many": {func(s *stage) { s.key(); s.key(); _, _, _ = s.CreateAPIKey(s.ctx, s.id, auth.NewAPIKey{Name: "ci"}) },
		"access_denied:api_key_limit by ses of u"},
	"CreateAPIKey: not fresh": {func(s *stage) {
		s.Clock.Advance(time.Hour - time.Minute)
		_, _, _ = s.CreateAPIKey(s.ctx, s.id, auth.NewAPIKey{Name: "ci"})
	}, "access_denied:reauthentication_required by ses of u"},
	"CreateAPIKey: wrong password": {func(s *stage) {
		_, _, _ = s.CreateAPIKey(s.ctx, s.id, auth.NewAPIKey{Name: "ci", Password: "a wrong one"})
	}, "reauthentication_failed by ses of u"},
	"RotateAPIKey: not fresh": {func(s *stage) {
		keyID, _ := s.key()
		s.Clock.Advance(time.Hour - time.Minute)
		_, _, _ = s.RotateAPIKey(s.ctx, s.id, keyID, 0, "", "")
	}, "access_denied:reauthentication_required by ses of u"},
	"RotateAPIKey": {func(s *stage) {
		keyID, _ := s.key()
		_, key, _ := s.RotateAPIKey(s.ctx, s.id, keyID, time.Hour, "", "")
		s.secret(string(key))
	}, "api_key_created by ses of u; api_key_rotated by ses of u; → api_key_created u"},
	"RotateAPIKey: another's": {func(s *stage) { _, _, _ = s.RotateAPIKey(s.ctx, s.id, anothersKey(s), 0, "", "") }, "access_denied:not_found by ses of u"},
	"RotateAPIKey: too many":  {func(s *stage) { keyID, _ := s.key(); s.key(); _, _, _ = s.RotateAPIKey(s.ctx, s.id, keyID, 0, "", "") }, "access_denied:api_key_limit by ses of u"},
	"RotateAPIKey: replaced": {func(s *stage) {
		keyID, _ := s.key()
		_, _, _ = s.RotateAPIKey(context.Background(), s.id, keyID, time.Hour, "", "")
		_, _, _ = s.RotateAPIKey(s.ctx, s.id, keyID, time.Hour, "", "")
	}, "access_denied:api_key_not_active by ses of u"},
	"UpdateAPIKey": {func(s *stage) {
		keyID, _ := s.key()
		_, _ = s.UpdateAPIKey(s.ctx, s.id, keyID, auth.APIKeyChange{Name: &s.u.ID})
	},
		"api_key_changed by ses of u"},
	"UpdateAPIKey: off, with a name": {func(s *stage) {
		keyID, _ := s.key()
		_, _ = s.UpdateAPIKey(s.ctx, s.id, keyID, auth.APIKeyChange{Name: &s.u.ID, Enabled: new(bool)})
	}, "api_key_disabled by ses of u; api_key_changed by ses of u"},
	"UpdateAPIKey: on": {func(s *stage) {
		keyID, _ := s.key()
		_, _ = s.UpdateAPIKey(context.Background(), s.id, keyID, auth.APIKeyChange{Enabled: new(bool)})
		_, _ = s.UpdateAPIKey(s.ctx, s.id, keyID, auth.APIKeyChange{Enabled: enabled()})
	}, "api_key_enabled by ses of u; → api_key_enabled u"},
	"UpdateAPIKey: as it was": {func(s *stage) {
		keyID, _ := s.key()
		_, _ = s.UpdateAPIKey(s.ctx, s.id, keyID, auth.APIKeyChange{Enabled: enabled()})
	}, ""},
	"UpdateAPIKey: not fresh": {func(s *stage) {
		keyID, _ := s.key()
		s.Clock.Advance(time.Hour - time.Minute)
		_, _ = s.UpdateAPIKey(s.ctx, s.id, keyID, auth.APIKeyChange{Enabled: enabled()})
	}, "access_denied:reauthentication_required by ses of u"},
	"UpdateAPIKey: another's": {func(s *stage) {
		_, _ = s.UpdateAPIKey(s.ctx, s.id, anothersKey(s), auth.APIKeyChange{Enabled: new(bool)})
	}, "access_denied:not_found by ses of u"},
	"UpdateAPIKey: nonsense": {func(s *stage) {
		_, _ = s.UpdateAPIKey(s.ctx, s.id, "key_\nlevel=INFO", auth.APIKeyChange{Enabled: new(bool)})
	}, "access_denied:not_found by ses of u"},
	"UpdateAPIKey: nothing": {func(s *stage) { keyID, _ := s.key(); _, _ = s.UpdateAPIKey(s.ctx, s.id, keyID, auth.APIKeyChange{}) }, ""},
	"VerifyAPIKey: disabled key": {func(s *stage) {
		keyID, key := s.key()
		_, _ = s.UpdateAPIKey(context.Background(), s.id, keyID, auth.APIKeyChange{Enabled: new(bool)})
		_, _ = s.VerifyAPIKey(s.ctx, key)
	}, "api_key_refused:disabled_key of u"},
	"CheckAPIKeyChange":       {func(s *stage) { _ = s.CheckAPIKeyChange(auth.APIKeyChange{}) }, ""},
	"APIKeyUsage":             {func(s *stage) { keyID, _ := s.key(); _, _ = s.APIKeyUsage(s.ctx, s.id, keyID) }, ""},
	"APIKeyUsage: another's":  {func(s *stage) { _, _ = s.APIKeyUsage(s.ctx, s.id, anothersKey(s)) }, "access_denied:not_found by ses of u"},
	"APIKeyUsage: API key":    {func(s *stage) { _, _ = s.APIKeyUsage(s.ctx, s.keyIdentity(), "") }, "access_denied:api_key by key of u"},
	"RevokeAPIKey":            {func(s *stage) { keyID, _ := s.key(); _ = s.RevokeAPIKey(s.ctx, s.id, keyID) }, "api_key_revoked by ses of u"},
	"RevokeAPIKey: another's": {func(s *stage) { _ = s.RevokeAPIKey(s.ctx, s.id, anothersKey(s)) }, "access_denied:not_found by ses of u"},
	"RevokeAPIKey: nonsense":  {func(s *stage) { _ = s.RevokeAPIKey(s.ctx, s.id, "key_\nlevel=INFO") }, "access_denied:not_found by ses of u"},
	"APIKeys":                 {func(s *stage) { _, _ = s.APIKeys(s.ctx, s.id) }, ""},
	"APIKeys: API key":        {func(s *stage) { _, _ = s.APIKeys(s.ctx, s.keyIdentity()) }, "access_denied:api_key by key of u"},
	"ReportDenied":            {func(s *stage) { s.ReportDenied(s.ctx, s.id, "not\nhere") }, "access_denied:not?here by ses of u"},
	"RevokeSession":           {func(s *stage) { _ = s.RevokeSession(s.ctx, s.u.ID, s.id.SessionID) }, "session_revoked by host of u"},
	"RevokeSessions":          {func(s *stage) { _ = s.RevokeSessions(s.ctx, s.u.ID) }, "session_revoked:all by host of u"},
	"SetRole":                 {func(s *stage) { _ = s.SetRole(s.ctx, s.u.ID, "reader") }, "role_changed=reader by host of u"},
	"SetRole: by an operator": {func(s *stage) { _ = s.SetRole(auth.WithActor(s.ctx, "admin:jane\n"), s.u.ID, "reader") }, "role_changed=reader by admin:jane? of u"},
	"SetRole: last admin":     {func(s *stage) { s.u.Colleague("member"); _ = s.SetRole(s.ctx, s.u.ID, "member") }, ""},
	"DisableUser: forced": {func(s *stage) {
		s.u.Colleague("member")
		_ = s.DisableUser(auth.WithForce(s.ctx), s.u.ID)
	}, "user_disabled by host of u; organization_without_admin by host of u"},
	"SetRole: nobody":      {func(s *stage) { _ = s.SetRole(s.ctx, "user_x", "reader") }, ""},
	"SetAssignedAgents":    {func(s *stage) { _ = s.SetAssignedAgents(s.ctx, s.u.ID, nil) }, "assigned_agents_changed by host of u"},
	"DisableUser":          {func(s *stage) { _ = s.DisableUser(s.ctx, s.u.ID) }, "user_disabled by host of u"},
	"EnableUser":           {func(s *stage) { _ = s.EnableUser(s.ctx, s.u.ID) }, "user_enabled by host of u"},
	"DeleteUser":           {func(s *stage) { _ = s.DeleteUser(s.ctx, s.u.ID) }, "user_deleted by host of u"},
	"UnlockUser":           {func(s *stage) { _ = s.UnlockUser(s.ctx, s.u.ID) }, "user_unlocked by host of u"},
	"ResetTwoFactor":       {func(s *stage) { s.twoFactor(); _ = s.ResetTwoFactor(s.ctx, s.u.ID) }, "two_factor_reset by host of u; user_unlocked by host of u; → two_factor_reset u"},
	"SetPassword":          {func(s *stage) { _ = s.SetPassword(s.ctx, s.u.ID, otherPassword) }, "password_changed:host by host of u; → password_changed u"},
	"RevokeAll":            {func(s *stage) { s.key(); s.Register(); _, _ = s.RevokeAll(s.ctx, auth.Revocation{}) }, "all_revoked#2 by host"},
	"RevokeAll: actor":     {func(s *stage) { _, _ = s.RevokeAll(auth.WithActor(s.ctx, "admin:jane"), auth.Revocation{}) }, "all_revoked#1 by admin:jane"},
	"RevokeAll: no write":  {func(s *stage) { s.broken("Commit"); _, _ = s.RevokeAll(s.ctx, auth.Revocation{}) }, "store_failed:commit by manager; all_revoked:unfinished by host"},
	"RevokeUserAPIKey":     {func(s *stage) { keyID, _ := s.key(); _ = s.RevokeUserAPIKey(s.ctx, s.u.ID, keyID) }, "api_key_revoked:host by host of u"},
	"HasPassword":          {func(s *stage) { _, _ = s.HasPassword(s.ctx, s.u.ID) }, ""},
	"CreateUser":           {func(s *stage) { s.createUser("b@example.com") }, "registered=reader by host of another"},
	"CreateUser: taken":    {func(s *stage) { s.createUser(s.u.Email) }, "email_taken.create_user by host"},
	"ImportUser":           {func(s *stage) { s.importUser("b@example.com") }, "registered:imported=member by host of another"},
	"ImportUser: taken":    {func(s *stage) { s.importUser(s.u.Email) }, "email_taken.import_user by host"},
	"ImportUser: no write": {func(s *stage) { s.broken("Commit"); s.importUser("b@example.com") }, "store_failed:commit by manager; store_failed:commit by manager"},
	"CheckImport":          {func(s *stage) { _, _ = s.CheckImport(s.ctx, auth.ImportedUser{Email: s.u.Email}) }, ""},
	"Sessions":             {func(s *stage) { _, _ = s.Sessions(s.ctx, s.u.ID) }, ""},
	"TwoFactorStatus":      {func(s *stage) { _, _ = s.TwoFactorStatus(s.ctx, s.u.ID) }, ""},
	"User":                 {func(s *stage) { _, _ = s.User(s.ctx, s.u.ID) }, ""},
	"UserByEmail":          {func(s *stage) { _, _ = s.UserByEmail(s.ctx, s.u.Email) }, ""},
	"Users":                {func(s *stage) { _, _ = s.Users(s.ctx, auth.UserQuery{}) }, ""},
	"UpdateUser":           {func(s *stage) { _, _ = s.UpdateUser(s.ctx, s.u.ID, auth.UserChange{FullName: &newName}) }, "profile_changed by host of u"},
	"UpdateUser: email": {func(s *stage) {
		yes := true
		_, _ = s.UpdateUser(auth.WithActor(s.ctx, "jane"), s.u.ID, auth.UserChange{FullName: &newName, Email: &newEmail, EmailVerified: &yes})
	}, "email_changed by jane of u; email_verified by jane of u; profile_changed by jane of u; → email_changed u; → email_changed new"},
	"UpdateUser: taken": {func(s *stage) {
		email := s.Register().Email
		_, _ = s.UpdateUser(s.ctx, s.u.ID, auth.UserChange{Email: &email})
	}, "email_taken.change_email by host of u"},
	"UpdateUser: bad input": {func(s *stage) { _, _ = s.UpdateUser(s.ctx, s.u.ID, auth.UserChange{}) }, ""},
	"UserLocks":             {func(s *stage) { _, _ = s.UserLocks(s.ctx, s.u.ID) }, ""},
	"SendPasswordReset": {func(s *stage) {
		s.mailing(nil, func(h *authtest.Harness) { _ = h.SendPasswordReset(auth.WithActor(s.ctx, "jane"), s.u.ID) })
	}, "password_reset_sent by jane of u; mail_sent.reset_password by manager of u"},
	"SendPasswordReset: none": {func(s *stage) { _ = s.SendPasswordReset(s.ctx, s.u.ID) }, ""},
	"Backup":                  {func(s *stage) { _ = s.Backup(s.ctx, io.Discard) }, ""},
	"Backup: made": {func(s *stage) {
		h := authtest.With(s.t, backedUp{s.Store}, auth.Config{Events: s.Events})
		_ = h.Backup(auth.WithActor(s.ctx, "jane"), io.Discard)
		_ = h.Backup(s.ctx, nil)
		_ = h.Close()
	}, "backup_made by jane; backup_made:unfinished by host"},
	"Backups":            {func(s *stage) { s.Backups() }, ""},
	"Doctor":             {func(s *stage) { _, _ = s.Doctor(s.ctx) }, ""},
	"Stats":              {func(s *stage) { s.Stats() }, ""},
	"Organizations":      {func(s *stage) { _, _ = s.Organizations(s.ctx, auth.OrganizationQuery{}) }, ""},
	"UserAPIKeys":        {func(s *stage) { _, _ = s.UserAPIKeys(s.ctx, s.u.ID) }, ""},
	"Organization":       {func(s *stage) { _, _ = s.Organization(s.ctx, s.u.OrganizationID) }, ""},
	"IsAPIKey":           {func(s *stage) { s.IsAPIKey("x") }, ""},
	"Now":                {func(s *stage) { s.Manager.Now() }, ""},
	"JWKS":               {func(s *stage) { s.JWKS() }, ""},
	"CheckRegistration":  {func(s *stage) { _ = s.CheckRegistration(auth.Registration{}) }, ""},
	"CheckProfileChange": {func(s *stage) { _ = s.CheckProfileChange(auth.ProfileChange{}, "") }, ""},
	"CheckNewPassword":   {func(s *stage) { _ = s.CheckNewPassword("x", "") }, ""},
	"CheckNewAPIKey":     {func(s *stage) { _ = s.CheckNewAPIKey(auth.NewAPIKey{}) }, ""},
	"InputLimits":        {func(s *stage) { s.InputLimits() }, ""},
	"String":             {func(s *stage) { _ = s.String() }, ""},
	"Format":             {func(s *stage) { _ = fmt.Sprint(s.Manager) }, ""},
	"LogValue":           {func(s *stage) { s.LogValue() }, ""},
	"WaitingToHash":      {func(s *stage) { s.WaitingToHash() }, ""},
	"WithoutTurns":       {func(s *stage) { s.WithoutTurns() }, ""},
	"OccupyHashing":      {func(s *stage) { s.OccupyHashing()() }, ""},
	"OccupyLargeHashing": {func(s *stage) { s.OccupyLargeHashing()() }, ""},
	"OccupyPictures":     {func(s *stage) { s.OccupyPictures()() }, ""},
	"Close": {func(s *stage) {
		for range 25 {
			_, _ = s.VerifyAccessToken(s.ctx, "nonsense")
		}
	}, strings.Repeat("token_refused:malformed; ", 20) + "events_omitted:token_refused:malformed#5 by manager"},
}

func registration(email string) auth.Registration {
	return auth.Registration{Email: email, Password: authtest.Password, FullName: "Ada Lovelace"}
}

// A backedUp store writes nothing, and fails without a place for it.
type backedUp struct{ store.Store }

func (backedUp) Backup(_ context.Context, w io.Writer) error {
	if w == nil {
		return errOutage
	}
	return nil
}

func anothersKey(s *stage) string {
	made, _ := newKey(s.t, s.Manager, s.Register().Identity(), auth.NewAPIKey{})
	return made.ID
}

func (s *stage) enrol(ctx context.Context) auth.TwoFactorEnrollment {
	e, err := s.EnableTwoFactor(ctx, s.id, "")
	if err != nil && ctx != s.ctx {
		s.t.Fatal(err)
	}
	s.secret(string(e.Secret))
	for _, code := range e.BackupCodes {
		s.secret(string(code))
	}
	return e
}

func (s *stage) createUser(email string) {
	_, _ = s.CreateUser(s.ctx, auth.NewUser{
		Email: email, Password: authtest.Password, FullName: "Ada Lovelace", OrganizationID: s.u.OrganizationID, Role: "reader",
	})
}

func (s *stage) importUser(email string) {
	_, _ = s.ImportUser(s.ctx, auth.ImportedUser{
		Email: email, PasswordHash: s.secret(bcryptOf(s.t, authtest.Password)), TOTPSecret: s.secret("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"),
		FullName: "Ada Lovelace", OrganizationID: s.u.OrganizationID,
	})
}

// LO-1, LO-2.
func TestEveryActIsAuditedAndSaysNoSecret(t *testing.T) {
	t.Parallel()
	tested := map[string]bool{}
	for scenario := range audited {
		method, _, _ := strings.Cut(scenario, ":")
		tested[method] = true
	}
	for m := range reflect.TypeFor[*auth.Manager]().Methods() {
		if !tested[m.Name] {
			t.Errorf("%s has no scenario: say what it emits", m.Name)
		}
	}
	for _, scenario := range slices.Sorted(maps.Keys(audited)) {
		t.Run(scenario, func(t *testing.T) { audit(t, audited[scenario].act, audited[scenario].want) })
	}
}

// audited acts on this Config.
func auditedConfig(log *slog.Logger) auth.Config {
	return auth.Config{
		Logger: log, HashSlots: 1, HashQueue: -1, MaxAPIKeys: 2, UsageInterval: rarely, APIKeysNeedFreshLogin: true, TrustedDevices: auth.DeviceTrust{TTL: time.Hour},
		Limits:          auth.Limits{RegisterByAddress: store.Limit{Burst: 2, Every: time.Hour}},
		TwoFactorPolicy: auth.TwoFactorPolicy{Of: bound},
	}
}

// newStage makes the user of a scenario. Its act has a context of its own, from the client
// 192.0.2.7.
func newStage(t *testing.T, tap *tapStore, cfg auth.Config) *stage {
	h := authtest.With(t, tap, cfg)
	auth.AwaitBackground(h.Manager) // before it nobody knows who is the last admin
	s := &stage{Harness: h, t: t, tap: tap, u: h.Register(), notifier: cfg.Notifier}
	s.id = s.u.Identity()
	s.secret(s.u.Token())
	s.secret(authtest.Password)
	s.secret("a wrong one")
	s.secret(string(otherPassword))
	s.ctx = auth.WithClient(context.Background(), auth.Client{
		Addr: netip.MustParseAddr("192.0.2.7"), UserAgent: "a\nlevel=INFO msg=ok\x1b[31m", RequestID: "r\r\n1",
	})
	return s
}

func audit(t *testing.T, act func(*stage), want string) {
	log := &lockedBuffer{}
	cfg, sent := noticesOf(auditedConfig(log.logger()))
	tap := newTapStore(memstore.New())
	s := newStage(t, tap, cfg)
	h := s.Harness
	act(s)
	s.secret(s.u.Token())
	tap.tap(nil, nil)
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if w := holds([]byte(log.String()), append(s.secrets, "@")...); w != "" {
		t.Errorf("the log tells %q: %s", w, log)
	}
	var got []string
	for _, e := range h.Events.All() {
		s.inspect(e)
		if e.Client.RequestID == "" && e.Type != auth.EventOmitted {
			continue // of the preparation
		}
		if e.Type != auth.EventOmitted && (e.Client.Addr.String() != "192.0.2.7" || e.Client.UserAgent != "a?level=INFO msg=ok?[31m" || e.Client.RequestID != "r??1") {
			t.Errorf("%s is from %+v", e.Type, e.Client)
		}
		got = append(got, s.phrase(e))
	}
	for _, n := range *sent {
		if n.Client.RequestID == "" {
			continue
		}
		who := map[string]string{s.u.Email: "u", newEmail: "new"}[n.To]
		if n.UserID != s.u.ID {
			who = "another"
		}
		word := "→ " + string(n.Type) + " " + who
		if n.Type == auth.EventBackupCodeUsed {
			word += fmt.Sprintf(", %d left", n.Left)
		}
		if n.UserID == "" || n.Name == "" || n.Time.IsZero() {
			t.Errorf("the notice is %+v", n)
		}
		got = append(got, word)
	}
	if strings.Join(got, "; ") != want {
		t.Errorf("got  %q\nwant %q", strings.Join(got, "; "), want)
	}
}

// enabled is what a change says that enables a key.
func enabled() *bool { on := true; return &on }

func (s *stage) phrase(e auth.Event) string {
	word := string(e.Type)
	for _, part := range []struct{ sign, text string }{
		{".", e.Action}, {":", e.Reason}, {"+", strings.Join(e.AMR, "+")}, {"=", e.Role},
	} {
		if part.text != "" {
			word += part.sign + part.text
		}
	}
	if e.Count != 0 {
		word += fmt.Sprintf("#%d", e.Count)
	}
	switch actor, _, _ := strings.Cut(e.Actor, "_"); {
	case actor == "ses" && e.Actor == e.SessionID, actor == "key" && e.Actor == e.APIKeyID:
		word += " by " + actor
	case actor == "ses": // which did something to another, or for an API key
		word += " by another ses"
	case e.Actor != "":
		word += " by " + e.Actor
	}
	switch e.UserID {
	case "":
	case s.u.ID:
		word += " of u"
	default:
		word += " of another"
	}
	return word
}

// inspect fails the test if an event tells what it must not, or is more than one record.
func (s *stage) inspect(e auth.Event) {
	var b bytes.Buffer
	auth.LogEvents(slog.New(slog.NewTextHandler(&b, nil))).HandleEvent(context.Background(), e)
	fmt.Fprintf(&b, "%+v", e)
	if bytes.Count(b.Bytes(), []byte("\n")) != 1 || bytes.ContainsAny(b.Bytes(), "\x1b\r") {
		s.t.Errorf("not one record: %q", b.Bytes())
	}
	if w := holds(b.Bytes(), append(s.secrets, "@")...); w != "" {
		s.t.Errorf("an event tells %q: %s", w, b.Bytes())
	}
	if e.Time.IsZero() || e.Time.Location() != time.UTC {
		s.t.Errorf("%s: at %v", e.Type, e.Time)
	}
	if fields := undocumented(e); fields != nil {
		s.t.Errorf("%s: the table of Event has no %q", e.Type, fields)
	}
	if e.Count != 0 && !strings.Contains(b.String(), fmt.Sprintf("event.count=%d", e.Count)) {
		s.t.Errorf("%s: the log has no count: %s", e.Type, b.Bytes())
	}
}

// An account gets the notice of a new network for its own sake and not for each address
// that a user roams through, and none for its first login.
func TestNoticesOfNewNetworksAreBounded(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		cfg, sent := noticesOf(auth.Config{Limits: unlimited()})
		h := authtest.With(t, s, cfg)
		other := twin(t, h, cfg)
		if _, err := signUp(h.Manager, "ada@example.com"); err != nil {
			t.Fatal(err)
		}
		for i := range 20 {
			for _, m := range []*auth.Manager{h.Manager, other.Manager} {
				if err := login(clientAt(t, fmt.Sprintf("192.0.2.%d", i)), m, "ada@example.com", authtest.Password); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := errors.Join(h.Close(), other.Close()); err != nil {
			t.Fatal(err)
		}
		told := 0
		for _, e := range h.Events.All() {
			if e.Type == auth.EventLoginNewNetwork {
				told++
			}
		}
		if told != 19 || len(*sent) != 5 {
			t.Errorf("%d events and %d notices of 19 new networks, want 19 and 5", told, len(*sent))
		}
		for _, n := range *sent {
			if n.Type != auth.EventLoginNewNetwork || n.To != "ada@example.com" || n.UserID == "" || n.Name == "" {
				t.Errorf("the notice is %+v", n)
			}
		}
	})
}
