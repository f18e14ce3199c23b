package main

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/store/boltstore"
)

// enable turns the second factor of a user on.
func (s *service) enable(u auth.User) {
	s.t.Helper()
	ctx := s.t.Context()
	id := must(s.m.VerifyAccessToken(ctx, s.login(u).AccessToken.Token))
	enrolment := must(s.m.EnableTwoFactor(ctx, id, password))
	code := must(totp.GenerateCode(string(enrolment.Secret), time.Now()))
	if err := s.m.ConfirmTwoFactor(ctx, id, auth.Secret(code)); err != nil {
		s.t.Fatal(err)
	}
}

// The night drill, on a bbolt file in use: a user who is locked out and has no phone.
func TestThreeCommandsLetALockedOutUserInWithoutARestart(t *testing.T) {
	s := newService(t)
	u := s.user("ada")
	s.enable(u)
	ctx := t.Context()
	for range 3 {
		if _, err := s.m.Login(ctx, u.Email, "a wrong passphrase"); !errors.Is(err, auth.ErrInvalidCredentials) {
			t.Fatal(err)
		}
	}
	if _, err := s.m.Login(ctx, u.Email, password); !errors.Is(err, auth.ErrRateLimited) {
		t.Fatalf("the user is not locked out: %v", err)
	}
	if shown := s.authctl(0, "users", "show", u.Email).stdout; !strings.Contains(shown, "LOCK") {
		t.Errorf("the lock is not shown:\n%s", shown)
	}

	s.authctl(0, "users", "unlock", u.Email)
	s.authctl(0, "users", "reset-2fa", "-yes", u.Email)
	s.authctl(0, "users", "revoke", u.ID, "-yes")

	if r, err := s.m.Login(ctx, u.Email, password); err != nil || r.TwoFactorRequired() {
		t.Errorf("the user does not get in: %+v, %v", r, err)
	}
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []auth.EventType{auth.EventUserUnlocked, auth.EventTwoFactorReset, auth.EventSessionRevoked} {
		if actors := s.events.of(kind, u.ID); !slices.Contains(actors, operator) {
			t.Errorf("%s has the actors %q", kind, actors)
		}
	}
}

func TestEveryActOfAUserIsOneCommand(t *testing.T) {
	s := newService(t)
	ada, bob := s.user("ada"), s.user("bob")
	ctx := t.Context()
	now := func() auth.User { return must(s.m.User(ctx, ada.ID)) }

	if out := s.authctl(0, "users", "find", "ADA@example.com").stdout; !strings.Contains(out, ada.ID) || strings.Contains(out, bob.ID) {
		t.Errorf("find prints\n%s", out)
	}
	if r := s.authctl(1, "users", "find", "nobody@example.com"); !strings.Contains(r.stderr, "no account has the address nobody@example.com") {
		t.Errorf("it says %q", r.stderr)
	}
	s.authctl(1, "users", "show", "user_0000")

	s.authctl(0, "users", "disable", ada.ID, "-yes")
	if !now().Disabled {
		t.Error("the account is not disabled")
	}
	s.authctl(0, "users", "enable", ada.Email)
	if now().Disabled {
		t.Error("the account is still disabled")
	}
	s.authctl(0, "users", "set-role", ada.Email, "operator")
	if now().Role != "operator" {
		t.Errorf("the role is %q", now().Role)
	}
	s.authctl(0, "users", "edit", ada.Email, "-name", "Ada Lovelace", "-verified")
	if u := now(); u.FullName != "Ada Lovelace" || !u.EmailVerified {
		t.Errorf("the account is %+v", u)
	}
	s.authctl(0, "users", "edit", ada.Email, "-email", "lovelace@example.com", "-verified=false", "-yes")
	if u := now(); u.Email != "lovelace@example.com" || u.EmailVerified {
		t.Errorf("the account is %+v", u)
	}
	s.authctl(2, "users", "edit", ada.ID)
	if r := s.authctl(1, "users", "edit", ada.ID, "-email", bob.Email, "-yes"); !strings.Contains(r.stderr, "email_taken") {
		t.Errorf("it says %q", r.stderr)
	}

	id := must(s.m.VerifyAccessToken(ctx, must(s.m.Login(ctx, "lovelace@example.com", password)).AccessToken.Token))
	first, firstKey := s.key(id)
	_, secondKey := s.key(id)
	if out := s.authctl(0, "users", "show", ada.ID).stdout; !strings.Contains(out, first.ID) || !strings.Contains(out, id.SessionID) || strings.Contains(out, string(firstKey)) {
		t.Errorf("show prints\n%s", out)
	}
	s.authctl(0, "users", "revoke", ada.ID, "-key", first.ID, "-yes")
	if _, err := s.m.VerifyAPIKey(ctx, firstKey); !errors.Is(err, auth.ErrInvalidToken) {
		t.Errorf("the revoked key: %v", err)
	}
	if _, err := s.m.VerifyAPIKey(ctx, secondKey); err != nil {
		t.Errorf("the other key: %v", err)
	}
	s.authctl(0, "users", "revoke", ada.ID, "-keys", "-yes")
	if _, err := s.m.VerifyAPIKey(ctx, secondKey); !errors.Is(err, auth.ErrInvalidToken) {
		t.Errorf("the other key: %v", err)
	}
	if r := s.authctl(1, "users", "send-reset", ada.ID); !strings.Contains(r.stderr, "unsupported") {
		t.Errorf("without a Mailer it says %q", r.stderr)
	}

	s.authctl(0, "users", "create", "eve@example.com", "-organization", bob.OrganizationID, "-role", "member")
	if eve := must(s.m.UserByEmail(ctx, "eve@example.com")); eve.OrganizationID != bob.OrganizationID || eve.FullName != "eve" || must(s.m.HasPassword(ctx, eve.ID)) {
		t.Errorf("the new account is %+v", eve)
	}
	s.authctl(0, "users", "create", "mia@example.com", "-organization-name", "Engines")
	if mia := must(s.m.UserByEmail(ctx, "mia@example.com")); !mia.Admin || mia.OrganizationID == bob.OrganizationID {
		t.Errorf("the only member of a new organization is %+v", mia)
	}
	s.authctl(0, "users", "delete", ada.ID, "-yes")
	if _, err := s.m.User(ctx, ada.ID); !errors.Is(err, auth.ErrNotFound) {
		t.Errorf("the deleted account: %v", err)
	}
}

func TestListsHaveEverybodyOnceAndInBothForms(t *testing.T) {
	s := newService(t)
	want := map[string]auth.User{}
	for _, name := range []string{"ada", "bob", "eve"} {
		u := s.user(name)
		want[u.ID] = u
	}
	lines := strings.Split(strings.TrimSpace(s.authctl(0, "users", "list", "-json").stdout), "\n")
	for _, line := range lines {
		var a account
		if err := json.Unmarshal([]byte(line), &a); err != nil || want[a.ID].Email != a.Email {
			t.Errorf("%s: %v", line, err)
		}
	}
	table := strings.Split(strings.TrimSpace(s.authctl(0, "users", "list").stdout), "\n")
	orgs := strings.Split(strings.TrimSpace(s.authctl(0, "orgs").stdout), "\n")
	if len(lines) != 3 || len(table) != 4 || len(orgs) != 4 {
		t.Errorf("%d lines, %d rows of users, %d of organizations", len(lines), len(table), len(orgs))
	}
	for id, u := range want {
		if out := s.authctl(0, "users", "list", "-organization", u.OrganizationID).stdout; strings.Count(out, "user_") != 1 || !strings.Contains(out, id) {
			t.Errorf("the members are\n%s", out)
		}
	}
	if r := s.authctl(1, "users", "list", "-organization", "org_none"); !strings.Contains(r.stderr, "not_found") {
		t.Errorf("it says %q", r.stderr)
	}
}

func TestWhatCannotBeUndoneAsksFirst(t *testing.T) {
	s := newService(t)
	u := s.user("ada")
	for _, args := range [][]string{
		{"disable", u.ID}, {"reset-2fa", u.ID}, {"revoke", u.ID}, {"revoke", u.ID, "-keys"}, {"revoke", u.ID, "-key", "key_1"},
		{"delete", u.ID}, {"edit", u.ID, "-email", "other@example.com"},
	} {
		args = append([]string{"users"}, args...)
		if r := s.authctl(2, args...); !strings.Contains(r.stderr, "-yes") {
			t.Errorf("%q says %q", args, r.stderr)
		}
		env := environment{stdin: strings.NewReader("y\n"), terminal: terminal{in: true}}
		if r := runWith(t, 1, env, append([]string{"-admin", "unix:" + s.socket}, args...)...); !strings.Contains(r.stderr, u.Email) || !strings.Contains(r.stderr, "nothing was done") {
			t.Errorf("%q says %q", args, r.stderr)
		}
	}
	if now := must(s.m.User(t.Context(), u.ID)); now.Disabled || now.Email != u.Email {
		t.Errorf("something was done: %+v", now)
	}
	env := environment{stdin: strings.NewReader("yes\n"), terminal: terminal{in: true}}
	runWith(t, 0, env, "-admin", "unix:"+s.socket, "users", "delete", u.ID)
	if _, err := s.m.User(t.Context(), u.ID); !errors.Is(err, auth.ErrNotFound) {
		t.Errorf("after yes: %v", err)
	}
}

// A store of a stopped service is opened by the program itself.
func TestTheSameCommandsWorkOnTheStoreItself(t *testing.T) {
	s := newService(t)
	u := s.user("ada")
	at := "bolt:" + filepath.Join(s.dir, "auth.db")
	if r := runWith(t, 1, environment{}, "-store", at, "users", "list"); !strings.Contains(r.stderr, "use -admin") {
		t.Errorf("while it is in use it says %q", r.stderr)
	}
	copied := filepath.Join(t.TempDir(), "copy.db")
	file := must(os.OpenFile(copied, os.O_CREATE|os.O_WRONLY, 0o600))
	if err := errors.Join(s.m.Backup(t.Context(), file), file.Close()); err != nil {
		t.Fatal(err)
	}
	env := environment{secret: testSecret}
	r := runWith(t, 0, env, "-store", "bolt:"+copied, "users", "disable", u.Email, "-yes")
	if !strings.Contains(r.stdout, "User disabled") || !strings.Contains(r.stderr, "user_disabled") || !strings.Contains(r.stderr, systemUser()) {
		t.Errorf("it says\n%s%s", r.stdout, r.stderr)
	}
	if out := runWith(t, 0, env, "-store", "bolt:"+copied, "users", "show", u.Email, "-json").stdout; !strings.Contains(out, `"disabled":true`) {
		t.Errorf("afterwards: %s", out)
	}
	if _, err := os.Stat(copied + ".secret"); err == nil {
		t.Error("it made a secret")
	}
	runWith(t, 1, environment{}, "-store", "bolt:"+copied, "users", "list") // without its secret
	if r := runWith(t, 1, environment{secret: "another root secret of a careless operator"}, "-store", "bolt:"+copied, "users", "list"); !strings.Contains(r.stderr, "that of the service?") {
		t.Errorf("with another secret it says %q", r.stderr)
	}
	if r := runWith(t, 0, env, "-store", "bolt:"+copied, "users", "list"); strings.Contains(r.stderr, "store_mismatch") {
		t.Errorf("after that, the right secret is another: %s", r.stderr)
	}
	records := must(boltstore.Open(copied, boltstore.Options{}))
	if cfg := must(auth.SharedConfig(t.Context(), records, testSecret)); cfg.Issuer != issuer || len(cfg.Roles) != 3 {
		t.Errorf("the settings of the service are %q, %q", cfg.Issuer, cfg.Roles)
	}
	if err := records.Close(); err != nil {
		t.Fatal(err)
	}
	missing := filepath.Join(s.dir, "missing.db")
	runWith(t, 1, environment{}, "-store", "bolt:"+missing, "users", "list")
	if left, _ := filepath.Glob(missing + "*"); left != nil {
		t.Errorf("a mistyped path made %v", left)
	}
}

func TestAListThatAnswersTheSamePageAgainEnds(t *testing.T) {
	calls := 0
	socket := serve(t, t.TempDir(), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		next := `"again"`
		if calls++; calls > 3 {
			next = "null"
		}
		_, _ = io.WriteString(w, `{"users":[],"next":`+next+`}`)
	}))
	if r := runWith(t, 1, environment{}, "-admin", "unix:"+socket, "users", "list"); calls != 2 || !strings.Contains(r.stderr, "the same page again") {
		t.Errorf("%d calls, and it says %q", calls, r.stderr)
	}
}

// Otherwise a user who changes the address meanwhile would have another one verified.
func TestTheAddressThatIsVerifiedIsTheOneThatWasNamed(t *testing.T) {
	var sent string
	mux := http.NewServeMux()
	mux.HandleFunc("GET /users", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"users":[{"id":"user_1","email":"ada@example.com"}],"next":null}`)
	})
	mux.HandleFunc("PATCH /users/user_1", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		sent = string(body)
		_, _ = io.WriteString(w, `{"id":"user_1"}`)
	})
	runWith(t, 0, environment{}, "-admin", "unix:"+serve(t, t.TempDir(), mux), "users", "edit", "ada@example.com", "-verified")
	if sent != `{"email":"ada@example.com","email_verified":true}` {
		t.Errorf("it sends %s", sent)
	}
}
