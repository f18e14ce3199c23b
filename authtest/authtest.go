// Package authtest is for the tests of programs that use package auth. It has a Manager
// on a store in memory, with a clock that the test advances and hashing that costs
// nothing. Users, colleagues, tokens, codes and keys take one line each.
//
//	h := authtest.New(t)
//	alice := h.Register()            // the admin of an organization
//	bob := alice.Colleague("member") // in the same one
//	dan := alice.Invite("dan@example.com", "member") // by the token of a mail
//	carol := h.RegisterTwoFactor()   // logged in with a second factor
//	req.Header.Set("Authorization", "Bearer "+alice.Token())
//	h.Clock.Advance(2 * time.Hour) // alice's token has expired
//	alice.Login()
//
// A test may make any number of users: a Harness calls the Manager as your program does, and no
// budget of a network stops that. What was reported or would be mailed is in h.Events, h.Notices
// and h.Mails. AwaitEvent, AwaitNotice and AwaitMail wait for one, since the Manager sends them
// from queues.
//
//	alice.VerifyEmail()
//	alice.ResetPassword("another long password") // by the token of a mail
package authtest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/totp"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/memstore"
)

// Password is the password of every user that a Harness makes.
const Password = "correct horse battery staple"

// Secret is the Config.Secrets of every Harness. Use it in tests only.
const Secret auth.Secret = "authtest: a secret for tests alone, known to everyone"

// A Harness is a Manager that is ready for use, with its clock, its store and its
// events. A method fails the test if it cannot do what it says.
type Harness struct {
	*auth.Manager
	Clock  *Clock
	Store  store.Store
	Events *Events
	// Notices are what users would be mailed. With connects them only if its Config has a
	// *Notices as Notifier.
	Notices *Notices
	// Mails are the mails with one-time tokens. With connects them only if its Config has a
	// *Mails as Mailer.
	Mails *Mails
	t     testing.TB
	users atomic.Int64
	role  string // of users who register

	noEvents, noNotices, noMails string // why Events, Notices or Mails may get nothing, or ""
}

// New returns a Harness over a fresh store in memory. The Manager is closed at the end
// of the test.
func New(t testing.TB) *Harness {
	t.Helper()
	clock, s := NewClock(), memstore.New()
	s.Now = clock.Now
	return with(t, clock, s, auth.Config{Notifier: &Notices{}, Mailer: &Mails{}})
}

// With returns a Harness over s, configured by cfg. If cfg has no Secrets, Now, Logger,
// Events, PasswordHash, StoreTimeout or MaxRemembered, With sets those for tests: the timeout
// is a minute, as the machine may be busy, and the caches are small. If cfg has a Now or
// Events, the Harness's Clock or Events are not connected. The Manager is closed at the end
// of the test; the caller closes the store.
func With(t testing.TB, s store.Store, cfg auth.Config) *Harness {
	t.Helper()
	return with(t, NewClock(), s, cfg)
}

func with(t testing.TB, clock *Clock, s store.Store, cfg auth.Config) *Harness {
	t.Helper()
	h := &Harness{Store: s, Clock: clock, Events: &Events{}, t: t, role: cmp.Or(cfg.FirstRole, "admin")}
	if h.Notices, _ = cfg.Notifier.(*Notices); h.Notices == nil {
		h.Notices, h.noNotices = &Notices{}, "; the Notifier of the Config is no *authtest.Notices"
	}
	if h.Mails, _ = cfg.Mailer.(*Mails); h.Mails == nil {
		h.Mails, h.noMails = &Mails{}, "; the Mailer of the Config is no *authtest.Mails"
	}
	if cfg.Secrets == nil {
		cfg.Secrets = []auth.Secret{Secret}
	}
	if cfg.Now == nil {
		cfg.Now = h.Clock.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Events == nil {
		cfg.Events = h.Events
	} else {
		h.noEvents = "; the Config has Events of its own"
	}
	if cfg.PasswordHash == (auth.HashParams{}) {
		cfg.PasswordHash = auth.HashParams{Memory: 8, Time: 1, Threads: 1}
		cfg.InsecureCheapHashing = true
	}
	if cfg.StoreTimeout == 0 {
		cfg.StoreTimeout = time.Minute
	}
	if cfg.MaxRemembered == 0 {
		cfg.MaxRemembered = 256
	}
	m, err := auth.New(s, cfg)
	if err != nil {
		t.Fatalf("authtest: %v", err)
	}
	t.Cleanup(func() { _ = m.Close() })
	h.Manager = m
	return h
}

// A User is an account with its password and its last session.
type User struct {
	auth.User // as registered; Identity().User is how it is now
	h         *Harness
	password  auth.Secret
	token     string
	secret    auth.Secret // of the second factor
	backup    []auth.Secret
}

// Register makes a user and logs it in. The user is the admin of a new organization, or has
// the role of Config.FirstRole. Every user has another email address. With
// Config.NoRegistration your program makes the accounts, and Register does as it would: by
// CreateOrganization and CreateUser, with the same role.
func (h *Harness) Register() *User {
	h.t.Helper()
	n := h.users.Add(1)
	organization := fmt.Sprintf("Organization %d", n)
	if !h.RegistrationOpen() {
		org, err := h.CreateOrganization(context.Background(), organization)
		if err != nil {
			h.t.Fatalf("authtest: register: %v", err)
		}
		return h.create(n, org.ID, h.role)
	}
	u, err := h.Manager.Register(context.Background(), auth.Registration{Email: emailOf(n), Password: Password, FullName: nameOf(n), OrganizationName: organization})
	if err != nil {
		h.t.Fatalf("authtest: register: %v", err)
	}
	return h.loggedIn(u)
}

// create makes the n-th user in an organization, and logs it in.
func (h *Harness) create(n int64, organizationID, role string) *User {
	h.t.Helper()
	u, err := h.CreateUser(context.Background(), auth.NewUser{
		Email: emailOf(n), Password: Password, FullName: nameOf(n), OrganizationID: organizationID, Role: role,
	})
	if err != nil {
		h.t.Fatalf("authtest: create a user: %v", err)
	}
	return h.loggedIn(u)
}

func (h *Harness) loggedIn(u auth.User) *User {
	h.t.Helper()
	user := &User{User: u, h: h, password: Password}
	if h.RequiresVerifiedEmail() && !u.EmailVerified && h.RegistrationOpen() {
		user.VerifyEmail()
	}
	user.Login()
	return user
}

// RegisterTwoFactor is Register for a user with a second factor, who has logged in with it. It
// advances the clock by a minute at most.
func (h *Harness) RegisterTwoFactor() *User {
	h.t.Helper()
	user := h.Register()
	user.EnableTwoFactor()
	user.Login()
	return user
}

// Colleague makes another user in the user's organization, with this role, and logs it in.
func (u *User) Colleague(role string) *User {
	u.h.t.Helper()
	return u.h.create(u.h.users.Add(1), u.OrganizationID, role)
}

// Invite invites the address into the user's organization, and makes the user who registers with the
// token of the mail. Without a Config.Mailer it takes the token that the call returns. The user is an
// admin.
func (u *User) Invite(email, role string) *User {
	u.h.t.Helper()
	ctx := context.Background()
	_, token, err := u.h.Manager.Invite(ctx, u.Identity(), auth.NewInvitation{Email: email, Role: role})
	if err == nil && token == "" {
		token = u.h.AwaitMail(auth.MailInvitation, email).Token
	}
	var joined auth.User
	if err == nil {
		joined, err = u.h.Manager.Register(ctx, auth.Registration{
			Email: email, Password: Password, FullName: nameOf(u.h.users.Add(1)), InvitationToken: token,
		})
	}
	if err != nil {
		u.h.t.Fatalf("authtest: invite: %v", err)
	}
	return u.h.loggedIn(joined)
}

func nameOf(n int64) string { return fmt.Sprintf("User %d", n) }

func emailOf(n int64) string { return fmt.Sprintf("user%d@example.com", n) }

// Login begins a new session, with the second factor if the user has one, and returns
// its access token. If the current code has been used, Login advances the clock by 30
// seconds.
func (u *User) Login() string {
	u.h.t.Helper()
	u.login(u.h.Manager.VerifyTwoFactor)
	return u.token
}

// TrustDevice is Login for a user with a second factor, and returns a device token for
// [auth.Manager.LoginWithDevice]. It needs a Config.TrustedDevices.
func (u *User) TrustDevice() auth.Secret {
	u.h.t.Helper()
	r := u.login(u.h.Manager.VerifyTwoFactorAndTrust)
	if r.DeviceToken == "" {
		u.h.t.Fatalf("authtest: trust a device: it needs Config.TrustedDevices, and EnableTwoFactor before")
	}
	return r.DeviceToken
}

// login is Login, with verify as the second step.
func (u *User) login(verify func(ctx context.Context, temp, code auth.Secret) (auth.LoginResult, error)) auth.LoginResult {
	u.h.t.Helper()
	ctx := context.Background()
	r, err := u.h.Manager.Login(ctx, u.Email, u.password)
	if err == nil && r.TwoFactorRequired() {
		temp := r.TempToken
		if r, err = verify(ctx, temp, auth.Secret(u.Code())); errors.Is(err, auth.ErrInvalidCode) {
			u.h.Clock.Advance(30 * time.Second)
			r, err = verify(ctx, temp, auth.Secret(u.Code()))
		}
	}
	if err != nil {
		u.h.t.Fatalf("authtest: log in: %v", err)
	}
	u.token = string(r.AccessToken.Token)
	return r
}

// Token returns the access token of the user's last login.
func (u *User) Token() string { return u.token }

// Identity returns the identity of the user's token, even if Config.TwoFactorPolicy
// lets it only set up a second factor.
func (u *User) Identity() auth.Identity {
	u.h.t.Helper()
	id, err := u.h.VerifyForEnrollment(context.Background(), auth.Secret(u.token))
	if err != nil {
		u.h.t.Fatalf("authtest: identity: %v", err)
	}
	return id
}

// VerifyEmail verifies the user's address by the mail that the registration has sent.
func (u *User) VerifyEmail() {
	u.h.t.Helper()
	mail := u.h.AwaitMail(auth.MailVerifyEmail, u.Email)
	if err := u.h.Manager.VerifyEmail(context.Background(), mail.Token); err != nil {
		u.h.t.Fatalf("authtest: verify the email: %v", err)
	}
}

// ResetPassword sets a new password by the mail for a forgotten one, and Login uses it from then
// on. It ends the user's sessions.
func (u *User) ResetPassword(password auth.Secret) {
	u.h.t.Helper()
	ctx := context.Background()
	err := u.h.ForgotPassword(ctx, u.Email)
	if err == nil {
		err = u.h.Manager.ResetPassword(ctx, u.h.AwaitMail(auth.MailResetPassword, u.Email).Token, password)
	}
	if err != nil {
		u.h.t.Fatalf("authtest: reset the password: %v", err)
	}
	u.password = password
}

// ChangeEmail gives the user another address, which the token of a mail confirms if
// Config.ConfirmEmailChange is set. The user's login must be fresh.
func (u *User) ChangeEmail(email string) {
	u.h.t.Helper()
	ctx := context.Background()
	changed, err := u.h.UpdateProfile(ctx, u.Identity(), auth.ProfileChange{Email: &email})
	if err == nil && changed.PendingEmail == email {
		err = u.h.ConfirmEmail(ctx, u.Identity(), u.h.AwaitMail(auth.MailChangeEmail, email).Token)
	}
	if err != nil {
		u.h.t.Fatalf("authtest: change the email: %v", err)
	}
	u.Email = email
}

// EnableTwoFactor turns on the user's second factor and returns the backup codes. It
// advances the clock by 30 seconds, so that the next Code is a new one.
func (u *User) EnableTwoFactor() []auth.Secret {
	u.h.t.Helper()
	ctx := context.Background()
	e, err := u.h.Manager.EnableTwoFactor(ctx, u.Identity(), u.password)
	if err == nil {
		err = u.h.ConfirmTwoFactor(ctx, u.Identity(), auth.Secret(TOTPCode(e.Secret, u.h.Now())))
	}
	if err != nil {
		u.h.t.Fatalf("authtest: enable two-factor: %v", err)
	}
	u.secret, u.backup = e.Secret, e.BackupCodes
	u.h.Clock.Advance(30 * time.Second)
	return u.backup
}

// Code returns the code that the user's authenticator shows now. A code works once;
// advance the clock by 30 seconds for the next. It fails the test before
// [User.EnableTwoFactor], since the user has no authenticator then.
func (u *User) Code() string {
	u.h.t.Helper()
	if u.secret == "" {
		u.h.t.Fatalf("authtest: %s has no authenticator before EnableTwoFactor", u.Email)
	}
	return TOTPCode(u.secret, u.h.Now())
}

// APIKey makes an API key for the user, without scopes.
func (u *User) APIKey() string { u.h.t.Helper(); return u.newKey(nil) }

// ScopedAPIKey makes an API key with these scopes for the user.
func (u *User) ScopedAPIKey(scopes ...string) string { u.h.t.Helper(); return u.newKey(&scopes) }

func (u *User) newKey(scopes *[]string) string {
	u.h.t.Helper()
	_, key, err := u.h.CreateAPIKey(context.Background(), u.Identity(), auth.NewAPIKey{Name: "test", Scopes: scopes, Password: u.password})
	if err != nil {
		u.h.t.Fatalf("authtest: create API key: %v", err)
	}
	return string(key)
}

// TOTPCode returns the code that an authenticator with this secret shows at t. It
// panics if secret is not base32.
func TOTPCode(secret auth.Secret, t time.Time) string {
	code, err := totp.GenerateCodeCustom(string(secret), t, totp.ValidateOpts{
		Period: 30, Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1,
	})
	if err != nil {
		panic("authtest: the secret is not base32")
	}
	return code
}

// A Clock stands still until it is advanced.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock returns a clock at the real time, to the second.
func NewClock() *Clock { return &Clock{now: time.Now().UTC().Truncate(time.Second)} }

// Now returns the clock's time; pass it as Config.Now.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves the clock by d, which may be negative.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}
