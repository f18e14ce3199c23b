package auth_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/memstore"
)

const (
	importedSecret auth.Secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
	firebaseHash   auth.Secret = "$firebase-scrypt$42xEC+ixf3L2lw==$lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ=="
)

// firebase is the published sample of a project.
var firebase = auth.FirebaseHashes{
	SignerKey:     "jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==",
	SaltSeparator: "Bw==", Rounds: 8, MemoryCost: 14,
}

// foreignHashes is a published hash of each family, with its password.
var foreignHashes = map[string]struct{ hash, password auth.Secret }{
	"Argon2i":         {"$argon2i$v=19$m=256,t=2,p=1$c29tZXNhbHQ$iekCn0Y3spW+sCcFanM2xBT63UP2sghkUoHLIUpWRS8", "password"},
	"bcrypt":          {"$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "U*U"},
	"scrypt":          {"$scrypt$ln=8,r=8,p=1$WKs1xljLudd6z9kbY0wpJQ$yCR4iDZYDKv+iEJj6yHY0lv/epnfB6f/w1EbXrsJOuQ", "password"},
	"PBKDF2":          {"$pbkdf2-sha256$6400$0ZrzXitFSGltTQnBWOsdAw$Y11AchqV4b0sUisdZd0Xr97KWoymNE0LNNrnEgY4H9M", "password"},
	"Django":          {"pbkdf2_sha256$10000$seasalt$CWWFdHOWwPnki7HvkcqN9iA2T3KLW1cf2uZ5kvArtVY=", "lètmein"},
	"Firebase scrypt": {firebaseHash, "user1password"},
}

// bcryptOf is the hash that another system made of a password.
func bcryptOf(t testing.TB, pw auth.Secret) string {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(pw), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	return string(hash)
}

// importUser is ImportUser, which must succeed.
func importUser(t testing.TB, m *auth.Manager, u auth.ImportedUser) auth.User {
	t.Helper()
	r, err := m.ImportUser(t.Context(), u)
	if err != nil || r.DroppedHash != "" {
		t.Fatalf("%+v, %v", r, err)
	}
	return r.User
}

// storedHash is the password hash of a user as the store has it, with what is around it.
func storedHash(t testing.TB, s store.Store, userID string) string {
	t.Helper()
	raw, err := s.Get(context.Background(), "u."+strings.TrimPrefix(userID, "user_")+"/pass")
	if err != nil {
		t.Fatal(err)
	}
	return string(raw[0])
}

// everything is all that a store has.
func everything(t testing.TB, s store.Walker) string {
	t.Helper()
	var all bytes.Buffer
	for after := ""; ; {
		page, err := s.Walk(context.Background(), after)
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range page.Records {
			fmt.Fprintf(&all, "%s %s\n", item.Key, item.Value)
		}
		if after = page.Next; after == "" {
			return all.String()
		}
	}
}

// PW-10, PW-13
func TestTheFirstLoginOfAnImportedUserMakesTheHashOurs(t *testing.T) {
	s := memstore.New()
	h := authtest.With(t, s, auth.Config{FirebaseHashes: firebase, Limits: unlimited()})
	for family, f := range foreignHashes {
		email := strings.ReplaceAll(family, " ", "") + "@example.com"
		u := importUser(t, h.Manager, auth.ImportedUser{Email: email, PasswordHash: f.hash})
		_, tag, _ := strings.Cut(strings.Trim(string(f.hash), "="), string(f.hash[len(f.hash)-24:len(f.hash)-12]))
		if err := login(t.Context(), h.Manager, email, f.password+"x"); !errors.Is(err, auth.ErrInvalidCredentials) {
			t.Errorf("%s, a wrong password: %v", family, err)
		}
		if !strings.Contains(storedHash(t, s, u.ID), tag) {
			t.Errorf("%s: the hash is not stored: %s", family, storedHash(t, s, u.ID))
		}
		if err := login(t.Context(), h.Manager, email, f.password); err != nil {
			t.Errorf("%s: %v", family, err)
		}
		if got := storedHash(t, s, u.ID); !strings.Contains(got, "$argon2id$v=19$m=8,t=1,p=1$") || strings.Contains(everything(t, s), tag) {
			t.Errorf("%s: after the login it is %s", family, got)
		}
		for pw, want := range map[auth.Secret]error{f.password: nil, f.password + "x": auth.ErrInvalidCredentials} {
			if err := login(t.Context(), h.Manager, email, pw); !errors.Is(err, want) {
				t.Errorf("%s, after it is ours: %v", family, err)
			}
		}
	}
}

// PW-10
func TestOfFirstLoginsAtTheSameTimeEachSucceeds(t *testing.T) {
	everyStore(t, func(t *testing.T, s store.Store) {
		tap := newTapStore(s)
		h := manyProcesses(authtest.With(t, tap, raced()))
		other := manyProcesses(twin(t, h, raced()))
		for round := range 5 {
			u := importUser(t, h.Manager, auth.ImportedUser{Email: emailOf("ada", round), PasswordHash: auth.Secret(bcryptOf(t, authtest.Password))})
			errs := atOnce(t, 4, func(i int) error {
				return login(context.Background(), []*auth.Manager{h.Manager, other.Manager}[i%2], u.Email, authtest.Password)
			})
			if countIs(errs, nil) != 4 {
				t.Errorf("%v", errs)
			}
			if got := storedHash(t, s, u.ID); !strings.Contains(got, "$argon2id$") {
				t.Errorf("the hash is %s", got)
			}
		}
	})
}

// PW-10: a first login that is cut off after any of its Commits leaves a hash that opens the account.
func TestAFirstLoginCutOffAnywhereLeavesThePassword(t *testing.T) {
	s, ids := memstore.New(), map[int]string{}
	afterEveryStop(t, s,
		func(h *authtest.Harness, round int) func(*auth.Manager) error {
			u := importUser(t, h.Manager, auth.ImportedUser{Email: emailOf("ada", round), PasswordHash: auth.Secret(bcryptOf(t, authtest.Password))})
			ids[round] = u.ID
			return func(m *auth.Manager) error { return login(context.Background(), m, u.Email, authtest.Password) }
		},
		func(h *authtest.Harness, _ *tapStore, round int, err error) {
			if err != nil && !errors.Is(err, auth.ErrUnavailable) {
				t.Errorf("round %d: %v", round, err)
			}
			if err := login(context.Background(), h.Manager, emailOf("ada", round), authtest.Password); err != nil {
				t.Errorf("round %d, again: %v", round, err)
			}
			if got := storedHash(t, s, ids[round]); !strings.Contains(got, "$argon2id$") {
				t.Errorf("round %d: the hash is %s", round, got)
			}
		})
}

// PW-13: whatever asks for the password takes that of an imported hash. None of them renews it.
func TestEveryCallTakesThePasswordOfAnImportedHash(t *testing.T) {
	email := "moved@example.com"
	for name, call := range map[string]func(h *authtest.Harness, id auth.Identity, pw auth.Secret) error{
		"ChangePassword": func(h *authtest.Harness, id auth.Identity, pw auth.Secret) error {
			return h.ChangePassword(t.Context(), id, pw, otherPassword)
		},
		"EnableTwoFactor": func(h *authtest.Harness, id auth.Identity, pw auth.Secret) error {
			_, err := h.EnableTwoFactor(t.Context(), id, pw)
			return err
		},
		"DeleteAccount": func(h *authtest.Harness, id auth.Identity, pw auth.Secret) error {
			return h.DeleteAccount(t.Context(), id, pw, "")
		},
		"ExportAccount": func(h *authtest.Harness, id auth.Identity, pw auth.Secret) error {
			_, err := h.ExportAccount(t.Context(), id, pw, "")
			return err
		},
		"CreateAPIKey": func(h *authtest.Harness, id auth.Identity, pw auth.Secret) error {
			_, _, err := h.CreateAPIKey(t.Context(), id, auth.NewAPIKey{Name: "ci", Password: pw})
			return err
		},
		"UpdateProfile": func(h *authtest.Harness, id auth.Identity, pw auth.Secret) error {
			_, err := h.UpdateProfile(t.Context(), id, auth.ProfileChange{Email: &email, CurrentPassword: pw})
			return err
		},
	} {
		h := authtest.With(t, memstore.New(), auth.Config{APIKeysNeedFreshLogin: true, Limits: unlimited()})
		u := importUser(t, h.Manager, auth.ImportedUser{Email: "ada@example.com", PasswordHash: auth.Secret(bcryptOf(t, authtest.Password))})
		id := loggedInAs(t, h, u.ID, byOAuth)
		h.Clock.Advance(11 * time.Minute)
		if err := call(h, id, "wrong"); !errors.Is(err, auth.ErrInvalidCredentials) {
			t.Errorf("%s, a wrong password: %v", name, err)
		}
		if err := call(h, id, authtest.Password); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// PW-2, PW-13, F-X1
func TestAPasswordThatBcryptWouldCutIsWrong(t *testing.T) {
	h := authtest.With(t, memstore.New(), auth.Config{Limits: unlimited()})
	long := auth.Secret(strings.Repeat("b", 72))
	importUser(t, h.Manager, auth.ImportedUser{Email: "ada@example.com", PasswordHash: auth.Secret(bcryptOf(t, long))})
	for _, renewed := range []bool{false, true} {
		if err := login(t.Context(), h.Manager, "ada@example.com", long+"b"); !errors.Is(err, auth.ErrInvalidCredentials) {
			t.Errorf("73 bytes, renewed %v: %v", renewed, err)
		}
		if err := login(t.Context(), h.Manager, "ada@example.com", long); err != nil {
			t.Errorf("72 bytes, renewed %v: %v", renewed, err)
		}
	}
}

// TF-5, TF-6, TF-13
func TestAnImportedSecondFactorIsOnAtOnce(t *testing.T) {
	log := &lockedBuffer{}
	s := memstore.New()
	h := authtest.With(t, s, auth.Config{Limits: unlimited(), Logger: log.logger()})
	for _, secret := range []auth.Secret{"GEZDGNBVGY3TQOJQ", importedSecret, "gezd gnbv gy3t qojq gezd gnbv gy3t qojq gezd gnbv gy3t qojq gezd gnbv ga", "GEZDGNBVGY3TQOJQGEZDGNBVGY======"} {
		plain := auth.Secret(strings.TrimRight(strings.ToUpper(strings.ReplaceAll(string(secret), " ", "")), "="))
		email := fmt.Sprintf("ada%d@example.com", len(plain))
		u := importUser(t, h.Manager, auth.ImportedUser{Email: email, PasswordHash: auth.Secret(bcryptOf(t, authtest.Password)), TOTPSecret: secret})
		if status, err := h.TwoFactorStatus(t.Context(), u.ID); !u.TwoFactorEnabled || !status.Enabled || status.BackupCodesLeft != 0 || err != nil {
			t.Errorf("%d: %+v, %+v, %v", len(plain), u, status, err)
		}
		if strings.Contains(everything(t, s), string(plain)) {
			t.Errorf("%d: the secret is not sealed", len(plain))
		}
		code := auth.Secret(authtest.TOTPCode(plain, h.Now()))
		if err := secondStep(t.Context(), h.Manager, firstStep(t, h, email), "12345678"); !errors.Is(err, auth.ErrInvalidCode) {
			t.Errorf("%d: a backup code of nobody: %v", len(plain), err)
		}
		if err := secondStep(t.Context(), h.Manager, firstStep(t, h, email), wrongCode(string(code))); !errors.Is(err, auth.ErrInvalidCode) {
			t.Errorf("%d: a wrong code: %v", len(plain), err)
		}
		r, err := h.VerifyTwoFactor(t.Context(), firstStep(t, h, email), code)
		if err != nil {
			t.Fatalf("%d: %v", len(plain), err)
		}
		if err := secondStep(t.Context(), h.Manager, firstStep(t, h, email), code); !errors.Is(err, auth.ErrInvalidCode) {
			t.Errorf("%d: the code again: %v", len(plain), err)
		}
		h.Clock.Advance(step)
		id := identityOf(t, h.Manager, r.AccessToken.Token)
		codes, err := h.ReplaceBackupCodes(t.Context(), id, authtest.Password, auth.Secret(authtest.TOTPCode(plain, h.Now())))
		if err != nil {
			t.Fatalf("%d: backup codes: %v", len(plain), err)
		}
		if err := secondStep(t.Context(), h.Manager, firstStep(t, h, email), codes[0]); err != nil {
			t.Errorf("%d: a new backup code: %v", len(plain), err)
		}
	}
	if log.String() != "" {
		t.Errorf("the log is %s", log)
	}
}

// PW-9, PW-13: what CheckImport refuses, ImportUser refuses too, and neither writes anything.
func TestAnImportThatIsRefusedNamesEveryFieldAndWritesNothing(t *testing.T) {
	tap := newTapStore(memstore.New())
	h := authtest.With(t, tap, auth.Config{})
	org := h.Register().OrganizationID
	all := auth.ImportedUser{
		Email: "nowhere", FullName: "A\nB", PasswordHash: "$2a$05$cut", TOTPSecret: "1", Role: "a b",
		OrganizationID: "org_x", OrganizationName: "Both", CreatedAt: h.Now().Add(time.Hour),
	}
	commits := tap.commits.Load()
	for name, tc := range map[string]struct {
		u    auth.ImportedUser
		want []string
	}{
		"everything": {all, []string{
			"email: invalid_email", "full_name: invalid_characters", "password_hash: malformed", "totp_secret: invalid_secret",
			"role: invalid_characters", "created_at: out_of_range", "organization_name: conflict",
		}},
		"no such organization": {auth.ImportedUser{Email: "a@example.com", OrganizationID: org[:len(org)-1] + "!"}, []string{"organization_id: not_found"}},
		"before 1970":          {auth.ImportedUser{Email: "a@example.com", CreatedAt: time.Unix(0, 0)}, []string{"created_at: out_of_range"}},
		"Firebase":             {auth.ImportedUser{Email: "a@example.com", PasswordHash: firebaseHash}, []string{"password_hash: no_signer_key"}},
		"a long name":          {auth.ImportedUser{Email: "a@example.com", OrganizationName: strings.Repeat("o", 101)}, []string{"organization_name: too_long"}},
		"a plain password":     {auth.ImportedUser{Email: "a@example.com", PasswordHash: "correct horse battery staple"}, []string{"password_hash: malformed"}},
	} {
		for _, call := range []func(context.Context, auth.ImportedUser) (auth.ImportResult, error){h.CheckImport, h.ImportUser} {
			r, err := call(t.Context(), tc.u)
			if !errors.Is(err, auth.ErrInvalidInput) || !slices.Equal(fieldCodes(err), tc.want) || r.User.Email != "" {
				t.Errorf("%s: %+v, %v, want %v", name, r, fieldCodes(err), tc.want)
			}
		}
	}
	dry, err := h.CheckImport(t.Context(), auth.ImportedUser{Email: " Ada@Example.com", PasswordHash: "$P$B12345678S8f8GZAwJGWbFqQbNBB4X."})
	if err != nil || dry.DroppedHash != "unknown_scheme" || dry.User.Email != "Ada@Example.com" || dry.User.FullName != "Ada" || dry.User.Role != "admin" || dry.User.ID != "" {
		t.Errorf("a dry run: %+v, %v", dry, err)
	}
	if n := tap.commits.Load(); n != commits {
		t.Errorf("%d Commits were made", n-commits)
	}
}

// PW-9: a hash that would exhaust memory or time costs nothing, and its user comes without one.
func TestAUserWhoseHashIsNotTakenSetsAPassword(t *testing.T) {
	h, n := authtest.New(t), 0
	for hash, why := range map[auth.Secret]string{
		"$argon2id$v=19$m=4194304,t=1,p=1$c29tZXNhbHQ$iekCn0Y3spW+sCcFanM2xBT63UP2sghkUoHLIUpWRS8": "too_costly",
		"$2b$31$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW":                             "too_costly",
		"$scrypt$ln=20,r=8,p=1$WKs1xljLudd6z9kbY0wpJQ$yCR4iDZYDKv+iEJj6yHY0lv/epnfB6f/w1EbXrsJOuQ": "too_costly",
		"pbkdf2_sha256$20000000$seasalt$CWWFdHOWwPnki7HvkcqN9iA2T3KLW1cf2uZ5kvArtVY=":              "too_costly",
		"$P$B12345678S8f8GZAwJGWbFqQbNBB4X.":                                                       "unknown_scheme",
		"":                                                                                         "",
	} {
		n++
		email := emailOf("ada", n)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		r, err := h.ImportUser(t.Context(), auth.ImportedUser{Email: email, PasswordHash: hash})
		runtime.ReadMemStats(&after)
		if bytes := after.TotalAlloc - before.TotalAlloc; err != nil || r.DroppedHash != why || bytes > 1<<20 {
			t.Errorf("%s: %+v, %v, and %d bytes", string(hash), r, err, bytes)
		}
		if has, err := h.HasPassword(t.Context(), r.User.ID); has || err != nil {
			t.Errorf("%s: %v, %v", string(hash), has, err)
		}
		if err := login(t.Context(), h.Manager, email, ""); !errors.Is(err, auth.ErrInvalidCredentials) {
			t.Errorf("%s: the empty password: %v", string(hash), err)
		}
		if err := h.ForgotPassword(t.Context(), email); err != nil {
			t.Fatal(err)
		}
		if err := h.ResetPassword(t.Context(), h.AwaitMail(auth.MailResetPassword, email).Token, otherPassword); err != nil {
			t.Fatal(err)
		}
		if err := login(t.Context(), h.Manager, email, otherPassword); err != nil {
			t.Errorf("%s: %v", string(hash), err)
		}
	}
	if sent := len(h.Mails.All()); sent != n {
		t.Errorf("%d mails, want those of the resets", sent)
	}
}

// PR-8
func TestAnImportedUserIsInTheOrganizationThatTheLineNames(t *testing.T) {
	h := authtest.New(t)
	org := h.Register().OrganizationID
	for i, tc := range []struct {
		u     auth.ImportedUser
		org   string // its name, or "" for org
		role  string
		admin bool
	}{
		{auth.ImportedUser{OrganizationID: org}, "", "member", false},
		{auth.ImportedUser{OrganizationID: org, Role: "admin"}, "", "admin", true},
		{auth.ImportedUser{OrganizationID: org, Role: "admin", Disabled: true}, "", "admin", false},
		{auth.ImportedUser{FullName: "Ada King"}, "Ada King", "admin", true},
		{auth.ImportedUser{OrganizationName: " Engines "}, "Engines", "admin", true},
		{auth.ImportedUser{OrganizationName: "Engines", Role: "owner"}, "Engines", "owner", false},
		{auth.ImportedUser{OrganizationName: "Engines", Disabled: true}, "Engines", "admin", false},
	} {
		tc.u.Email, tc.u.CreatedAt = emailOf("ada", i), time.Date(2020, 2, 3, 4, 5, 6, 7, time.FixedZone("", 3600))
		u := importUser(t, h.Manager, tc.u)
		got, err := h.User(t.Context(), u.ID)
		if err != nil || got.Role != tc.role || got.Disabled != tc.u.Disabled || !got.CreatedAt.Equal(tc.u.CreatedAt) || got.CreatedAt.Location() != time.UTC {
			t.Errorf("%d: %+v, %v", i, got, err)
		}
		o, err := h.Organization(t.Context(), got.OrganizationID)
		if err != nil || tc.org == "" && o.ID != org || tc.org != "" && o.Name != tc.org {
			t.Errorf("%d: %+v, %v", i, o, err)
		}
		roster, err := auth.Roster(t.Context(), h.Manager, got.OrganizationID)
		if m := roster.Members[u.ID]; err != nil || slices.Contains(roster.Admins, u.ID) != tc.admin || m.Role != tc.role || m.Disabled != tc.u.Disabled || m.Pending {
			t.Errorf("%d: %+v, %v", i, roster, err)
		}
	}
}

// A role that is not among Config.Roles is the program's alone: no admin could change it or remove
// its member.
func TestAnImportedMemberHasARoleThatMembersCanChange(t *testing.T) {
	for want, roles := range map[string][]string{"viewer": {"viewer", "editor", "admin"}, "member": {"viewer", "member", "admin"}} {
		h := authtest.With(t, memstore.New(), auth.Config{Roles: roles})
		admin := h.Register()
		line := auth.ImportedUser{Email: "ada@example.com", OrganizationID: admin.OrganizationID}
		if dry, err := h.CheckImport(t.Context(), line); err != nil || dry.User.Role != want {
			t.Errorf("%v: %+v, %v", roles, dry, err)
		}
		u := importUser(t, h.Manager, line)
		if _, err := h.SetMemberRole(t.Context(), identityOf(t, h.Manager, auth.Secret(admin.Token())), u.ID, "admin", "", ""); u.Role != want || err != nil {
			t.Errorf("%v: the role is %s, and a change of it is %v", roles, u.Role, err)
		}
	}
}

// An address that the other system has not verified is one that a stranger may have registered there.
func TestAnImportedAddressIsAsVerifiedAsItWas(t *testing.T) {
	mails := &authtest.Mails{}
	h := authtest.With(t, memstore.New(), auth.Config{Mailer: mails, ConfirmEmailChange: true, RequireVerifiedEmail: true})
	hash := auth.Secret(bcryptOf(t, authtest.Password))
	importUser(t, h.Manager, auth.ImportedUser{Email: "ada@example.com", PasswordHash: hash, EmailVerified: true})
	importUser(t, h.Manager, auth.ImportedUser{Email: "bob@example.com", PasswordHash: hash})
	if err := login(t.Context(), h.Manager, "ada@example.com", authtest.Password); err != nil {
		t.Error(err)
	}
	if err := login(t.Context(), h.Manager, "bob@example.com", authtest.Password); !errors.Is(err, auth.ErrEmailNotVerified) {
		t.Error(err)
	}
	if len(mails.All()) != 0 {
		t.Error("an import mails something")
	}
	if err := h.ResendVerification(t.Context(), "bob@example.com"); err != nil {
		t.Fatal(err)
	}
	if err := h.VerifyEmail(t.Context(), h.AwaitMail(auth.MailVerifyEmail, "bob@example.com").Token); err != nil {
		t.Fatal(err)
	}
	if err := login(t.Context(), h.Manager, "bob@example.com", authtest.Password); err != nil {
		t.Error(err)
	}
}

// ST-4, PR-9
func TestAnImportCutOffAnywhereCanBeMadeAgain(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		hash := auth.Secret(bcryptOf(t, authtest.Password))
		line := func(round int) auth.ImportedUser {
			return auth.ImportedUser{Email: emailOf("ada", round), PasswordHash: hash, TOTPSecret: importedSecret, OrganizationName: "Engines"}
		}
		afterEveryStop(t, s,
			func(_ *authtest.Harness, round int) func(*auth.Manager) error {
				return func(m *auth.Manager) error { _, err := m.ImportUser(context.Background(), line(round)); return err }
			},
			func(h *authtest.Harness, _ *tapStore, round int, err error) {
				if err != nil && !errors.Is(err, auth.ErrUnavailable) {
					t.Errorf("round %d: %v", round, err)
				}
				_, again := h.ImportUser(context.Background(), line(round))
				if again != nil && !errors.Is(again, auth.ErrEmailTaken) || err == nil && again == nil {
					t.Errorf("round %d: %v, and again %v", round, err, again)
				}
				temp := firstStep(t, h, emailOf("ada", round))
				if err := secondStep(context.Background(), h.Manager, temp, auth.Secret(authtest.TOTPCode(importedSecret, h.Now()))); err != nil {
					t.Errorf("round %d: %v", round, err)
				}
			})
	})
}

// A file is imported again at once after a crash. A line that was cut off is not taken for one
// that is done.
func TestAnAddressThatAnImportHoldsIsNotTaken(t *testing.T) {
	tap := newTapStore(memstore.New())
	h := authtest.With(t, tap, auth.Config{})
	u := auth.ImportedUser{Email: "ada@example.com"}
	stopped(tap, 1, true)
	if _, err := h.ImportUser(t.Context(), u); !errors.Is(err, auth.ErrUnavailable) {
		t.Fatal(err)
	}
	tap.tap(nil, nil)
	if _, err := h.ImportUser(t.Context(), u); !errors.Is(err, auth.ErrUnavailable) || errors.Is(err, auth.ErrEmailTaken) {
		t.Errorf("at once: %v", err)
	}
	h.Clock.Advance(31 * time.Second)
	for _, want := range []error{nil, auth.ErrEmailTaken} {
		if _, err := h.ImportUser(t.Context(), u); !errors.Is(err, want) {
			t.Errorf("half a minute later: %v, want %v", err, want)
		}
		if _, err := h.CheckImport(t.Context(), u); !errors.Is(err, auth.ErrEmailTaken) {
			t.Errorf("a dry run: %v", err)
		}
	}
}

// DO-1: a hash takes up to 256 MiB, so few that take more than ours are checked at once. Others
// do not wait for them.
func TestHashesThatTakeMuchMemoryHaveFewSlots(t *testing.T) {
	large := foreignHashes["Argon2i"]
	for slots, most := range map[int]int{1: 1, 2: 1, 3: 1, 4: 2, 64: 2} {
		h := authtest.With(t, memstore.New(), auth.Config{HashSlots: slots, HashQueue: -1, Limits: unlimited()})
		importUser(t, h.Manager, auth.ImportedUser{Email: "large@example.com", PasswordHash: large.hash})
		for n := range most {
			if err := login(t.Context(), h.Manager, "large@example.com", large.password+"x"); !errors.Is(err, auth.ErrInvalidCredentials) {
				t.Errorf("%d slots, %d taken: %v", slots, n, err)
			}
			defer h.OccupyLargeHashing()()
		}
		if err := login(t.Context(), h.Manager, "large@example.com", large.password); !errors.Is(err, auth.ErrOverloaded) {
			t.Errorf("%d slots, %d taken: %v", slots, most, err)
		}
	}
	h := authtest.With(t, memstore.New(), auth.Config{HashSlots: 2, HashQueue: -1, Limits: unlimited()})
	importUser(t, h.Manager, auth.ImportedUser{Email: "large@example.com", PasswordHash: large.hash})
	importUser(t, h.Manager, auth.ImportedUser{Email: "small@example.com", PasswordHash: foreignHashes["bcrypt"].hash})
	release := h.OccupyLargeHashing()
	if err := login(t.Context(), h.Manager, "large@example.com", large.password); !errors.Is(err, auth.ErrOverloaded) {
		t.Errorf("a large hash beside another: %v", err)
	}
	if err := login(t.Context(), h.Manager, "small@example.com", foreignHashes["bcrypt"].password); err != nil {
		t.Errorf("a small one: %v", err)
	}
	release()
	hashing := []func(){h.OccupyHashing(), h.OccupyHashing()}
	if err := login(t.Context(), h.Manager, "large@example.com", large.password); !errors.Is(err, auth.ErrOverloaded) {
		t.Errorf("a large hash without a hashing slot: %v", err)
	}
	for _, release := range hashing {
		release()
	}
	if err := login(t.Context(), h.Manager, "large@example.com", large.password); err != nil {
		t.Error(err)
	}
}

// Without its signer key a hash of Firebase opens nothing, and an operator hears of it.
func TestAHashOfFirebaseWithoutItsKeyIsLogged(t *testing.T) {
	log := &lockedBuffer{}
	h := authtest.With(t, memstore.New(), auth.Config{FirebaseHashes: firebase})
	importUser(t, h.Manager, auth.ImportedUser{Email: "ada@example.com", PasswordHash: firebaseHash})
	without := twin(t, h, auth.Config{Logger: log.logger()})
	if err := login(t.Context(), without.Manager, "ada@example.com", "user1password"); !errors.Is(err, auth.ErrInvalidCredentials) {
		t.Error(err)
	}
	if !strings.Contains(log.String(), "signer key") {
		t.Errorf("the log is %q", log)
	}
	if text := fmt.Sprintf("%v %+v", firebase, firebase); strings.Contains(text, "jxspr8") {
		t.Errorf("the key is printed: %s", text)
	}
}

// BenchmarkImportUser imports as a command does, 16 lines at the same time. 10,000 users must take
// less than a minute on two cores: 6 ms each.
func BenchmarkImportUser(b *testing.B) {
	for name, of := range map[string]func(n int, org string) auth.ImportedUser{
		"in one organization": func(_ int, org string) auth.ImportedUser { return auth.ImportedUser{OrganizationID: org} },
		"in one each": func(n int, _ string) auth.ImportedUser {
			return auth.ImportedUser{OrganizationName: fmt.Sprint("Engines ", n)}
		},
	} {
		b.Run(name, func(b *testing.B) {
			benchEachStore(b, func(b *testing.B, h *authtest.Harness) {
				org, err := h.CreateOrganization(b.Context(), "Engines")
				if err != nil {
					b.Fatal(err)
				}
				var lines atomic.Int64
				b.SetParallelism(max(1, 16/runtime.GOMAXPROCS(0)))
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						n := int(lines.Add(1))
						u := of(n, org.ID)
						u.Email, u.PasswordHash, u.TOTPSecret = fmt.Sprintf("user%d@example.com", n), foreignHashes["bcrypt"].hash, importedSecret
						if _, err := h.ImportUser(b.Context(), u); err != nil {
							b.Error(err)
						}
					}
				})
			})
		})
	}
}
