package document

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/httpauth"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/memstore"
)

const (
	mount    = "/v1/auth"
	password = "SecurePass123!"
)

// A service is the handler on a real server, and what its clients know of it. More
// servers of other configurations may stand on the same store.
type service struct {
	t        *testing.T
	clock    *authtest.Clock
	store    *faultyStore
	manager  *auth.Manager // prepares accounts, past all limits
	url      string        // of the server, without mount
	document *description
	accounts int
	mails    *authtest.Mails
	client   *http.Client
	browser  bool // a Browser is mounted
}

func newService(t *testing.T) *service { return newServiceOf(t, false) }

func newServiceOf(t *testing.T, browser bool) *service {
	t.Helper()
	memory := memstore.New()
	s := &service{browser: browser, t: t, clock: authtest.NewClock(), store: &faultyStore{Store: memory}, mails: &authtest.Mails{}, client: &http.Client{Timeout: 20 * time.Second}}
	memory.Now = s.clock.Now
	s.manager = s.configured(auth.Config{}).Manager
	s.url = s.serve(s.manager, mount)
	status, served := get(t, s.url+mount+"/openapi.json")
	if status != http.StatusOK {
		t.Fatalf("the document is answered with %d", status)
	}
	s.document = describe(t, served)
	return s
}

// configured returns a Manager on the service's store, of a configuration of its own.
func (s *service) configured(cfg auth.Config) *authtest.Harness {
	wide := store.Limit{Burst: 1_000_000, Every: time.Microsecond}
	if cfg.Limits == (auth.Limits{}) {
		cfg.Limits = auth.Limits{LoginByAddress: wide, RegisterByAddress: wide, MailByAddress: wide}
	}
	cfg.Now, cfg.Mailer = s.clock.Now, s.mails
	cfg.TrustedDevices = auth.DeviceTrust{TTL: 30 * 24 * time.Hour}
	return authtest.With(s.t, s.store, cfg)
}

// mailed returns the token of the next mail of a purpose to an address.
func (s *service) mailed(purpose auth.MailPurpose, to string) string {
	s.t.Helper()
	mail, ok := s.mails.Await(purpose, to)
	if !ok {
		s.t.Fatalf("no mail %s came to %s", purpose, to)
	}
	return string(mail.Token)
}

// requested returns an account that has asked for another address, and the token of the mail that
// confirms it.
func (s *service) requested() (a *account, token string) {
	s.t.Helper()
	a = s.newAccount()
	email := "moved." + a.email
	confirming := s.configured(auth.Config{ConfirmEmailChange: true})
	if _, err := confirming.UpdateProfile(context.Background(), a.identity, auth.ProfileChange{Email: &email}); err != nil {
		s.t.Fatal(err)
	}
	return a, s.mailed(auth.MailChangeEmail, email)
}

// invited returns the id of an invitation by an admin, and its token where nothing is mailed.
func (s *service) invited(by *account, email string) (id, token string) {
	s.t.Helper()
	made, secret, err := s.manager.Invite(context.Background(), by.identity, auth.NewInvitation{Email: email, Role: "member"})
	if err != nil {
		s.t.Fatal(err)
	}
	return made.ID, string(secret)
}

// with returns the address of one more server on the service's store.
func (s *service) with(cfg auth.Config) string { return s.serve(s.configured(cfg).Manager, mount) }

// mounted returns the address of a server that has the handler under prefix.
func (s *service) mounted(prefix string) string { return s.serve(s.manager, prefix) }

func (s *service) serve(m *auth.Manager, prefix string) (address string) {
	handler, err := httpauth.New(m, httpauth.Config{Logger: quiet})
	if err != nil {
		s.t.Fatal(err)
	}
	mux := http.NewServeMux()
	mounted := http.Handler(handler)
	if s.browser {
		mounted = handler.Browser(httpauth.BrowserConfig{})
	}
	mux.Handle(prefix+"/", http.StripPrefix(prefix, mounted))
	server := httptest.NewServer(mux)
	s.t.Cleanup(server.Close)
	return server.URL
}

// A faultyStore does what its store does until it has a fault.
type faultyStore struct {
	store.Store
	fault atomic.Pointer[func(context.Context) error]
}

// breakWith sets what every call of the store does from now on; nil is its work.
func (s *faultyStore) breakWith(fault func(context.Context) error) {
	if fault == nil {
		s.fault.Store(nil)
		return
	}
	s.fault.Store(&fault)
}

func (s *faultyStore) check(ctx context.Context) error {
	if fault := s.fault.Load(); fault != nil {
		return (*fault)(ctx)
	}
	return nil
}

func (s *faultyStore) Get(ctx context.Context, keys ...string) ([][]byte, error) {
	if err := s.check(ctx); err != nil {
		return nil, err
	}
	return s.Store.Get(ctx, keys...)
}

func (s *faultyStore) List(ctx context.Context, prefix, after string, limit int) ([]store.Item, error) {
	if err := s.check(ctx); err != nil {
		return nil, err
	}
	return s.Store.List(ctx, prefix, after, limit)
}

func (s *faultyStore) Commit(ctx context.Context, ops ...store.Op) error {
	if err := s.check(ctx); err != nil {
		return err
	}
	return s.Store.Commit(ctx, ops...)
}

func (s *faultyStore) Hit(ctx context.Context, key string, limit store.Limit, n int, now time.Time) (store.Decision, error) {
	if err := s.check(ctx); err != nil {
		return store.Decision{}, err
	}
	return s.Store.Hit(ctx, key, limit, n, now)
}

// An account is a user with a session.
type account struct {
	email    string
	token    string
	identity auth.Identity
	backup   []auth.Secret
	secret   auth.Secret // of a second factor, pending or on
}

func (s *service) newEmail() string {
	s.accounts++
	return fmt.Sprintf("user%d@example.com", s.accounts)
}

func (s *service) newAccount() *account {
	s.t.Helper()
	a := &account{email: s.newEmail()}
	if _, err := s.manager.Register(context.Background(), auth.Registration{Email: a.email, Password: password, FullName: "Ada Lovelace"}); err != nil {
		s.t.Fatal(err)
	}
	login, err := s.manager.Login(context.Background(), a.email, password)
	if err != nil {
		s.t.Fatal(err)
	}
	a.token = string(login.AccessToken.Token)
	if a.identity, err = s.manager.VerifyForEnrollment(context.Background(), login.AccessToken.Token); err != nil {
		s.t.Fatal(err)
	}
	return a
}

// enrolling returns an account whose second factor waits to be confirmed.
func (s *service) enrolling() *account {
	s.t.Helper()
	a := s.newAccount()
	enrollment, err := s.manager.EnableTwoFactor(context.Background(), a.identity, password)
	if err != nil {
		s.t.Fatal(err)
	}
	a.secret, a.backup = enrollment.Secret, enrollment.BackupCodes
	return a
}

// twoFactor returns an account whose second factor is on.
func (s *service) twoFactor() *account {
	s.t.Helper()
	a := s.enrolling()
	if err := s.manager.ConfirmTwoFactor(context.Background(), a.identity, auth.Secret(s.code(a))); err != nil {
		s.t.Fatal(err)
	}
	return a
}

// withoutPassword returns an account without a password, whose second factor is on.
func (s *service) withoutPassword() *account {
	s.t.Helper()
	ctx := context.Background()
	a := &account{email: s.newEmail()}
	u, err := s.manager.CreateUser(ctx, auth.NewUser{
		Email: a.email, FullName: "Ada Lovelace", OrganizationID: s.newAccount().identity.User.OrganizationID, Role: "member",
	})
	if err != nil {
		s.t.Fatal(err)
	}
	login, err := s.manager.LoginAs(ctx, u.ID, auth.Proof{Method: "oauth"})
	if err != nil {
		s.t.Fatal(err)
	}
	a.token = string(login.AccessToken.Token)
	if a.identity, err = s.manager.VerifyAccessToken(ctx, login.AccessToken.Token); err != nil {
		s.t.Fatal(err)
	}
	enrollment, err := s.manager.EnableTwoFactor(ctx, a.identity, "")
	if err != nil {
		s.t.Fatal(err)
	}
	a.secret, a.backup = enrollment.Secret, enrollment.BackupCodes
	if err := s.manager.ConfirmTwoFactor(ctx, a.identity, auth.Secret(s.code(a))); err != nil {
		s.t.Fatal(err)
	}
	return a
}

// code returns the TOTP code of now.
func (s *service) code(a *account) string {
	s.t.Helper()
	code, err := totp.GenerateCode(string(a.secret), s.clock.Now())
	if err != nil {
		s.t.Fatal(err)
	}
	return code
}

// tempToken begins a login that waits for the second step.
func (s *service) tempToken(a *account) string {
	s.t.Helper()
	login, err := s.manager.Login(context.Background(), a.email, password)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(login.TempToken)
}

// trustDevice trusts a device, with a backup code, and returns its id.
func (s *service) trustDevice(a *account) (id string) {
	s.t.Helper()
	_, err := s.manager.VerifyTwoFactorAndTrust(context.Background(), auth.Secret(s.tempToken(a)), a.backup[0])
	if err != nil {
		s.t.Fatal(err)
	}
	devices, err := s.manager.TrustedDevices(context.Background(), a.identity.User.ID)
	if err != nil || len(devices) != 1 {
		s.t.Fatalf("trusted are %v, %v", devices, err)
	}
	return devices[0].ID
}

func (s *service) newAPIKey(a *account) (id, key string) {
	s.t.Helper()
	k, secret, err := s.manager.CreateAPIKey(context.Background(), a.identity, auth.NewAPIKey{Name: "A key"})
	if err != nil {
		s.t.Fatal(err)
	}
	return k.ID, string(secret)
}

type members map[string]any

// An exchange is a request of one operation, and the answer to it.
type exchange struct {
	id, method, path string // the path is without mount
	params           map[string]string
	head             http.Header
	body             []byte
	who              *account // whose request it is, if anybody's

	status int
	header http.Header
	answer []byte
}

func (r *exchange) request() *http.Request {
	var body io.Reader = http.NoBody
	if r.body != nil {
		body = bytes.NewReader(r.body)
	}
	request := httptest.NewRequest(r.method, mount+r.path, body)
	request.Header = r.head.Clone()
	return request
}

func (r *exchange) response() *http.Response {
	return &http.Response{StatusCode: r.status, Header: r.header, Body: io.NopCloser(bytes.NewReader(r.answer)), ContentLength: int64(len(r.answer))}
}

func (r *exchange) bearer(credential string) { r.head.Set("Authorization", "Bearer "+credential) }

// set replaces the body.
func (r *exchange) set(body any) {
	text, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	r.body = text
	r.head.Set("Content-Type", "application/json")
}

// edit changes members of the body.
func (r *exchange) edit(changes members) {
	body := members{}
	if r.body != nil {
		if err := json.Unmarshal(r.body, &body); err != nil {
			panic(err)
		}
	}
	maps.Copy(body, changes)
	r.set(body)
}

// code returns the code of a refusal, and "" for another answer.
func (r *exchange) code() string {
	var problem struct{ Code string }
	if r.status < http.StatusBadRequest || json.Unmarshal(r.answer, &problem) != nil {
		return ""
	}
	return problem.Code
}

func (r *exchange) String() string {
	return fmt.Sprintf("%s %s %s: %d %s", r.method, r.path, short(r.body), r.status, short(r.answer))
}

func short(b []byte) string {
	if len(b) > 300 {
		return fmt.Sprintf("%s… (%d bytes)", b[:300], len(b))
	}
	return string(b)
}

// send makes the call on the server at address and holds the answer against the
// document.
func (s *service) send(address string, r *exchange) {
	s.t.Helper()
	request := r.request()
	sent, err := http.NewRequest(r.method, address+mount+r.path, request.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	sent.Header, sent.ContentLength = request.Header, int64(len(r.body))
	response, err := s.client.Do(sent)
	if err != nil {
		s.t.Fatal(err)
	}
	s.receive(r, response)
}

func (s *service) receive(r *exchange, response *http.Response) {
	s.t.Helper()
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	r.status, r.header, r.answer = response.StatusCode, response.Header, answer
	if err := s.document.answerFault(r); err != nil {
		s.t.Errorf("%s: %v\n%v", r.id, r, err)
	}
}

// prepare returns a request of the operation that the service grants, of an account of
// its own.
func (s *service) prepare(id string) *exchange {
	s.t.Helper()
	prepare := granted[id]
	if prepare == nil {
		s.t.Fatalf("the document has an operation %q: say in granted which request it grants", id)
	}
	call := s.document.calls[id]
	r := &exchange{id: id, method: call.Method, path: call.Path, head: http.Header{}, params: map[string]string{}}
	prepare(s, r)
	for name, value := range r.params {
		r.path = strings.ReplaceAll(r.path, "{"+name+"}", value)
	}
	return r
}

// granted has a request of every operation that is answered with success.
var granted = map[string]func(*service, *exchange){
	"register": func(s *service, r *exchange) {
		r.set(members{"email": s.newEmail(), "password": password, "full_name": "Ada Lovelace", "organization_name": "Analytical Engines", "invitation_token": ""})
	},
	"login": func(s *service, r *exchange) {
		r.who = s.newAccount()
		r.set(members{"email": r.who.email, "password": password, "device_token": "dev_1"})
	},
	"verifyTwoFactor": func(s *service, r *exchange) {
		r.who = s.twoFactor()
		r.set(members{"temp_token": s.tempToken(r.who), "code": string(r.who.backup[0])})
	},
	"enableTwoFactor": func(s *service, r *exchange) {
		s.as(r, s.newAccount())
		r.set(members{"password": password})
	},
	"confirmTwoFactor": func(s *service, r *exchange) {
		s.as(r, s.enrolling())
		r.set(members{"code": s.code(r.who)})
	},
	"getTwoFactor": func(s *service, r *exchange) { s.as(r, s.twoFactor()) },
	"replaceBackupCodes": func(s *service, r *exchange) {
		s.as(r, s.twoFactor())
		r.set(members{"password": password, "code": string(r.who.backup[0])})
	},
	"disableTwoFactor": func(s *service, r *exchange) {
		s.as(r, s.twoFactor())
		r.set(members{"password": password, "code": string(r.who.backup[0])})
	},
	"verifyEmail": func(s *service, r *exchange) {
		r.who = s.newAccount()
		r.set(members{"token": s.mailed(auth.MailVerifyEmail, r.who.email)})
	},
	"resendVerification": func(s *service, r *exchange) { r.set(members{"email": s.newEmail()}) },
	"forgotPassword":     func(s *service, r *exchange) { r.set(members{"email": s.newEmail()}) },
	"resetPassword": func(s *service, r *exchange) {
		r.who = s.newAccount()
		if err := s.manager.ForgotPassword(context.Background(), r.who.email); err != nil {
			s.t.Fatal(err)
		}
		r.set(members{"token": s.mailed(auth.MailResetPassword, r.who.email), "new_password": "NewPass456!"})
	},
	"confirmEmail": func(s *service, r *exchange) {
		a, token := s.requested()
		s.as(r, a)
		r.set(members{"token": token})
	},
	"cancelEmailChange": func(s *service, r *exchange) {
		a, _ := s.requested()
		s.as(r, a)
	},
	"getOrganization":    func(s *service, r *exchange) { s.as(r, s.newAccount()) },
	"updateOrganization": func(s *service, r *exchange) { s.as(r, s.newAccount()); r.set(members{"name": "Looms"}) },
	"listMembers":        func(s *service, r *exchange) { s.as(r, s.newAccount()) },
	"updateMember": func(s *service, r *exchange) {
		s.as(r, s.newAccount())
		r.params["user_id"] = r.who.identity.User.ID
		r.set(members{"role": "admin", "password": password, "code": "123456"})
	},
	"removeMember": func(s *service, r *exchange) {
		s.as(r, s.newAccount())
		r.params["user_id"] = r.who.identity.User.ID
		r.set(members{"password": password, "code": "123456"})
	},
	"invite": func(s *service, r *exchange) {
		s.as(r, s.newAccount())
		r.set(members{"email": s.newEmail(), "role": "member"})
	},
	"listInvitations": func(s *service, r *exchange) { s.as(r, s.newAccount()); s.invited(r.who, s.newEmail()) },
	"revokeInvitation": func(s *service, r *exchange) {
		s.as(r, s.newAccount())
		r.params["invitation_id"], _ = s.invited(r.who, s.newEmail())
	},
	"acceptInvitation": func(s *service, r *exchange) {
		s.as(r, s.newAccount())
		s.invited(s.newAccount(), r.who.email)
		r.set(members{"token": s.mailed(auth.MailInvitation, r.who.email), "password": password, "code": "123456"})
	},
	"leaveOrganization": func(s *service, r *exchange) {
		s.as(r, s.newAccount())
		r.set(members{"password": password, "code": "123456"})
	},
	"exportAccount": func(s *service, r *exchange) {
		s.as(r, s.newAccount())
		r.set(members{"password": password, "code": "123456"})
	},
	"deleteAccount": func(s *service, r *exchange) {
		s.as(r, s.newAccount())
		r.set(members{"password": password, "code": "123456"})
	},
	"refresh":      func(s *service, r *exchange) { s.as(r, s.newAccount()) },
	"logout":       func(s *service, r *exchange) { s.as(r, s.newAccount()) },
	"listSessions": func(s *service, r *exchange) { s.as(r, s.newAccount()) },
	"endSession": func(s *service, r *exchange) {
		s.as(r, s.newAccount())
		r.params["session_id"] = r.who.identity.SessionID
	},
	"listTrustedDevices": func(s *service, r *exchange) {
		s.as(r, s.twoFactor())
		s.trustDevice(r.who)
	},
	"removeTrustedDevice": func(s *service, r *exchange) {
		s.as(r, s.twoFactor())
		r.params["device_id"] = s.trustDevice(r.who)
	},
	"logoutOthers": func(s *service, r *exchange) { s.as(r, s.newAccount()) },
	"createAPIKey": func(s *service, r *exchange) {
		s.as(r, s.newAccount())
		r.set(members{"name": "Production", "description": "Nightly export", "expires_in_days": 90, "scopes": []string{"reports:read"}, "password": password, "code": "123456"})
	},
	"listAPIKeys": func(s *service, r *exchange) {
		s.as(r, s.newAccount())
		s.newAPIKey(r.who)
	},
	"updateAPIKey": func(s *service, r *exchange) {
		s.as(r, s.newAccount())
		r.params["key_id"], _ = s.newAPIKey(r.who)
		r.set(members{"name": "Staging", "description": "Weekly export", "enabled": true, "password": password, "code": "123456"})
	},
	"rotateAPIKey": func(s *service, r *exchange) {
		s.as(r, s.newAccount())
		r.params["key_id"], _ = s.newAPIKey(r.who)
		r.set(members{"overlap_hours": 48, "password": password, "code": "123456"})
	},
	"getAPIKeyUsage": func(s *service, r *exchange) {
		s.as(r, s.newAccount())
		r.params["key_id"], _ = s.newAPIKey(r.who)
	},
	"revokeAPIKey": func(s *service, r *exchange) {
		s.as(r, s.newAccount())
		r.params["key_id"], _ = s.newAPIKey(r.who)
	},
	"getProfile": func(s *service, r *exchange) { s.as(r, s.newAccount()) },
	"updateProfile": func(s *service, r *exchange) {
		s.as(r, s.newAccount())
		r.set(members{"full_name": "Ada King", "email": s.newEmail(), "current_password": password, "code": "123456"})
	},
	"changePassword": func(s *service, r *exchange) {
		s.as(r, s.newAccount())
		r.set(members{"current_password": password, "new_password": "NewPass456!"})
	},
	"getJWKS":    func(*service, *exchange) {},
	"getOpenAPI": func(*service, *exchange) {},
}

func (s *service) as(r *exchange, a *account) {
	r.who = a
	r.bearer(a.token)
}

// needsCredential reports whether the operation is not public.
func (d *description) needsCredential(id string) bool {
	security := d.calls[id].Operation.Security
	return security != nil && len(*security) > 0
}

func (d *description) takesBody(id string) bool { return d.calls[id].Operation.RequestBody != nil }

func (d *description) needsBody(id string) bool {
	return d.takesBody(id) && d.calls[id].Operation.RequestBody.Value.Required
}

var errStore = errors.New("store: input/output error")

func has(codes map[int][]string, code string) bool {
	for _, listed := range codes {
		if slices.Contains(listed, code) {
			return true
		}
	}
	return false
}
