package auth_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
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

func TestRegisterMakesAnAdminOfANewOrganization(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{})
		ctx := context.Background()
		u, err := h.Manager.Register(ctx, auth.Registration{
			Email: "Ada.Lovelace@Example.COM", Password: authtest.Password, FullName: "Ada Lovelace", OrganizationName: "Analytical Engines",
		})
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(u.ID, "user_") || !strings.HasPrefix(u.OrganizationID, "org_") {
			t.Errorf("ids %q, %q", u.ID, u.OrganizationID)
		}
		want := auth.User{
			ID: u.ID, Email: "Ada.Lovelace@Example.COM", FullName: "Ada Lovelace", Role: "admin",
			OrganizationID: u.OrganizationID, CreatedAt: h.Clock.Now(),
		}
		if !sameUser(u, want) {
			t.Errorf("%+v, want %+v", u, want)
		}
		if got, err := h.User(ctx, u.ID); err != nil || !sameUser(got, want) {
			t.Errorf("User: %+v, %v", got, err)
		}
		if got, err := h.UserByEmail(ctx, "ada.lovelace@example.com"); err != nil || !sameUser(got, want) {
			t.Errorf("UserByEmail: %+v, %v", got, err)
		}
		org, err := h.Organization(ctx, u.OrganizationID)
		if err != nil || org.Name != "Analytical Engines" || org.ID != u.OrganizationID || !org.CreatedAt.Equal(h.Clock.Now()) {
			t.Errorf("organization %+v, %v", org, err)
		}
		if u.CreatedAt.Location() != time.UTC {
			t.Errorf("CreatedAt is in %v", u.CreatedAt.Location())
		}
	})
}

// An organization is made by who registers, and its roster names them as an admin.
func TestWhoRegistersGetsTheFirstRole(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{FirstRole: "owner"})
		u := h.Register()
		if u.Role != "owner" || u.Identity().User.Role != "owner" {
			t.Errorf("the roles are %q and %q", u.Role, u.Identity().User.Role)
		}
		admin := mustJoin(t, h, u.OrganizationID, "admin@example.com", "admin")
		reader := mustJoin(t, h, u.OrganizationID, "reader@example.com", "reader")
		check := func(when string, admins ...string) {
			t.Helper()
			slices.Sort(admins)
			if got, err := auth.Roster(t.Context(), h.Manager, u.OrganizationID); err != nil || !slices.Equal(got.Admins, admins) || got.Members[u.ID].Role == "" {
				t.Errorf("%s: %v, the roster is %+v, and the admins are %v", when, err, got, admins)
			}
		}
		check("an owner, an admin and a reader", u.ID, admin.ID)
		for _, change := range []struct{ id, role string }{{reader.ID, "owner"}, {u.ID, "reader"}} {
			if err := h.SetRole(t.Context(), change.id, change.role); err != nil {
				t.Fatal(err)
			}
		}
		check("the reader is an owner, and the owner a reader", reader.ID, admin.ID)
	})
}

func TestClosedRegistrationIsClosedToEverybodyButTheProgram(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		open := authtest.With(t, s, auth.Config{})
		u := open.Register()
		tap := newTapStore(s)
		h := twinOn(t, open, tap, auth.Config{NoRegistration: true})
		auth.AwaitBackground(h.Manager)
		tap.tap(func(context.Context, storeCall) error { return errOutage }, nil)
		for _, email := range []string{"new@example.com", u.Email, "nonsense"} {
			if _, err := signUp(h.Manager, email); !errors.Is(err, auth.ErrRegistrationClosed) || errors.Is(err, auth.ErrInvalidInput) {
				t.Errorf("Register %q: %v", email, err)
			}
		}
		tap.tap(nil, nil)
		if h.RegistrationOpen() || !open.RegistrationOpen() {
			t.Error("one is open and one is closed")
		}
		if _, err := h.UserByEmail(t.Context(), "new@example.com"); !errors.Is(err, auth.ErrNotFound) {
			t.Errorf("after the refusal: %v", err)
		}
		if made := mustJoin(t, h, u.OrganizationID, "new@example.com", "member"); made.OrganizationID != u.OrganizationID {
			t.Errorf("made %+v", made)
		}
		if _, err := h.Login(t.Context(), u.Email, authtest.Password); err != nil {
			t.Errorf("who has an account: %v", err)
		}
	})
}

func TestWithoutAnOrganizationNameOneIsNamedAfterTheUser(t *testing.T) {
	h := authtest.New(t)
	u, err := h.Manager.Register(context.Background(), auth.Registration{Email: "ada@example.com", Password: authtest.Password, FullName: "Ada Lovelace"})
	if err != nil {
		t.Fatal(err)
	}
	if org, err := h.Organization(context.Background(), u.OrganizationID); err != nil || org.Name != "Ada Lovelace" {
		t.Errorf("%+v, %v", org, err)
	}
}

func TestCreateUserAddsToAnOrganizationThatExists(t *testing.T) {
	h := authtest.New(t)
	ctx := context.Background()
	alice := h.Register()
	n := auth.NewUser{Email: "bob@example.com", Password: authtest.Password, FullName: "Bob", OrganizationID: alice.OrganizationID, Role: "agent:read.only_1-x"}
	bob, err := h.CreateUser(ctx, n)
	if err != nil || bob.OrganizationID != alice.OrganizationID || bob.Role != n.Role {
		t.Fatalf("%+v, %v", bob, err)
	}
	if _, err := h.Login(ctx, "bob@example.com", authtest.Password); err != nil {
		t.Errorf("log in: %v", err)
	}
	n.Email = "eve@example.com"
	for _, org := range []string{"", "org_", "org_" + strings.Repeat("0", 29), alice.ID, "org_../../x", alice.OrganizationID + "0"} {
		n.OrganizationID = org
		if _, err := h.CreateUser(ctx, n); !errors.Is(err, auth.ErrNotFound) {
			t.Errorf("organization %q: %v", org, err)
		}
	}
	n.OrganizationID = alice.OrganizationID
	n.Role = ""
	if _, err := h.CreateUser(ctx, n); !slices.Equal(fieldCodes(err), []string{"role: required"}) {
		t.Errorf("no role: %v", err)
	}
	for _, role := range []string{" ", "an admin", "admin\n", "rôle", strings.Repeat("r", 65), "a\"b"} {
		n.Role = role
		if _, err := h.CreateUser(ctx, n); !slices.Equal(fieldCodes(err), []string{"role: invalid_characters"}) {
			t.Errorf("role %q: %v", role, err)
		}
	}
	if _, err := h.UserByEmail(ctx, n.Email); !errors.Is(err, auth.ErrNotFound) {
		t.Errorf("a refused user: %v", err)
	}
}

// LG-13, Advisory 15 (CVE-2025-6004).
func TestSpellingsOfOneAddressAreOneAccount(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{})
		ctx := context.Background()
		u, err := signUp(h.Manager, "Kevin@Example.com")
		if err != nil {
			t.Fatal(err)
		}
		for _, spelling := range []string{"kevin@example.com", "KEVIN@EXAMPLE.COM", "Kevin@example.COM"} {
			if _, err := signUp(h.Manager, spelling); !errors.Is(err, auth.ErrEmailTaken) {
				t.Errorf("register %s: %v", spelling, err)
			}
			r, err := h.Login(ctx, spelling, authtest.Password)
			if err != nil || r.User.ID != u.ID || r.User.Email != "Kevin@Example.com" {
				t.Errorf("log in with %s: %+v, %v", spelling, r.User, err)
			}
		}
	})
}

// spellings are texts that people, keyboards and programs write for one address. The first is
// how it is stored.
var spellings = [][]string{
	{"Ada@Example.com", "ada@example.com", " ada@example.com", "ada@example.com \r\n", "\u00a0\u3000ADA@EXAMPLE.COM\u200b", "\ufeffada@example.com", "\u202aada@example.com\u202c", "ada＠example.com", "ada@example。com"},
	{"eva@xn--bcher-kva.example", "eva@bücher.example", "EVA@BÜCHER.EXAMPLE", "eva@bu\u0308cher.example", "eva@XN--BCHER-KVA.example", "\teva@Bücher．example "},
	{"Tanaka..@docomo.ne.jp", "tanaka..@docomo.ne.jp", "tanaka..＠docomo。ne。jp"},
	{"li@xn--fsqu00a.xn--0zwm56d", "li@例子.测试", "li＠例子。测试", "LI@例子｡测试\u200e"},
	{"reza@xn--mgba3gch31f060k.com", "reza@نامه\u200cای.com", "\u200freza@نامه\u200cای.COM\u200f"},
	{"+4917012345678@mms.example", "+4917012345678@MMS.example\n"},
	{"root@localhost", "Root@LocalHost"},
}

// LG-13, Advisory 15 (CVE-2025-6004): a login finds what a registration stored, whichever
// spelling each of them had, and no other account can have it.
func TestEverySpellingThatRegisterTakesFindsTheOneAccount(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{Limits: unlimited()})
		eve := member(t, h.Manager, "eve@example.com")
		for _, all := range spellings {
			for _, first := range all {
				u, err := signUp(h.Manager, first)
				if err != nil || !strings.EqualFold(u.Email, all[0]) {
					t.Fatalf("register %+q: %q, %v", first, u.Email, err)
				}
				for _, spelling := range append(slices.Clone(all), u.Email) {
					if _, err := signUp(h.Manager, spelling); err != auth.ErrEmailTaken {
						t.Errorf("register %+q after %+q: %v", spelling, first, err)
					}
					h.Clock.Advance(time.Second) // that much each change of a profile takes
					if err := moveTo(h.Manager, eve, spelling); err != auth.ErrEmailTaken {
						t.Errorf("move to %+q after %+q: %v", spelling, first, err)
					}
					if r, err := h.Login(t.Context(), spelling, authtest.Password); err != nil || r.User.ID != u.ID || r.User.Email != u.Email {
						t.Errorf("login with %+q after %+q: %+q, %v", spelling, first, r.User.Email, err)
					}
					if found, err := h.UserByEmail(t.Context(), spelling); err != nil || found.ID != u.ID {
						t.Errorf("looked up by %+q after %+q: %v", spelling, first, err)
					}
				}
				if err := h.DeleteUser(t.Context(), u.ID); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}

// RC-1: the spellings are of one address while they race as well.
func TestOfSpellingsThatRaceOneIsRegistered(t *testing.T) {
	everyStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{Limits: unlimited()})
		for _, all := range spellings[:4] {
			errs := atOnce(t, len(all), func(i int) error {
				_, err := signUp(h.Manager, all[i])
				return err
			})
			if won := countIs(errs, nil); won != 1 || countIs(errs, auth.ErrEmailTaken) != len(all)-1 {
				t.Errorf("%+q: %v", all[0], errs)
			}
		}
	})
}

// A user may write their own address in another way, and it is stored in one.
func TestAnAddressIsStoredInOneForm(t *testing.T) {
	var mu sync.Mutex
	var told []string
	h := authtest.With(t, memstore.New(), auth.Config{Limits: unlimited(), Notifier: notifierFunc(func(_ context.Context, n auth.Notice) error {
		mu.Lock()
		defer mu.Unlock()
		told = append(told, n.To)
		return nil
	})})
	id := member(t, h.Manager, "eva@bücher.example")
	for _, spelling := range []string{" Eva@BÜCHER.example", "Eva@bücher.example\u00a0"} {
		u, err := h.UpdateProfile(t.Context(), id, auth.ProfileChange{Email: &spelling})
		if err != nil || u.Email != "Eva@xn--bcher-kva.example" {
			t.Errorf("%+q is stored as %q, %v", spelling, u.Email, err)
		}
	}
	next := "eva@müller.example "
	u, err := h.UpdateProfile(t.Context(), id, auth.ProfileChange{Email: &next})
	if err != nil || u.Email != "eva@xn--mller-kva.example" {
		t.Errorf("%q, %v", u.Email, err)
	}
	if next != "eva@müller.example " {
		t.Errorf("the caller's text became %q", next)
	}
	_ = h.Close()
	if !slices.Equal(told, []string{"Eva@xn--bcher-kva.example", "eva@xn--mller-kva.example"}) {
		t.Errorf("the notices went to %q", told)
	}
}

// Names are stored in one form, too: NFC, without space at the ends.
func TestNamesAreStoredAsTheirScriptsWriteThem(t *testing.T) {
	h := authtest.With(t, memstore.New(), auth.Config{Limits: unlimited()})
	names := map[string]string{
		" Zoe\u0308\u00a0Müller\t": "Zoë Müller", "علی\u200cرضا": "علی\u200cرضا", "ශ්\u200dරී": "ශ්\u200dරී", "लक्ष्\u200dमी": "लक्ष्\u200dमी", "👩🏽\u200d🚀 Mae": "👩🏽\u200d🚀 Mae",
		"葛\U000e0100城": "葛\U000e0100城", "阿卜杜拉·买买提": "阿卜杜拉·买买提", "Ada\r\n": "Ada", "ｱﾀﾞ": "ｱﾀﾞ", strings.Repeat("é", 100) + "   ": strings.Repeat("é", 100), strings.Repeat("e\u0301", 100): strings.Repeat("é", 100),
	}
	for typed, want := range names {
		u, err := h.Manager.Register(t.Context(), auth.Registration{Email: "ada@example.com", Password: authtest.Password, FullName: typed, OrganizationName: typed})
		if err != nil || u.FullName != want {
			t.Fatalf("%+q is stored as %+q, %v", typed, u.FullName, err)
		}
		if org, err := h.Organization(t.Context(), u.OrganizationID); err != nil || org.Name != want {
			t.Errorf("%+q: the organization is %+q, %v", typed, org.Name, err)
		}
		if org, err := h.CreateOrganization(t.Context(), typed); err != nil || org.Name != want {
			t.Errorf("%+q: your program's organization is %+q, %v", typed, org.Name, err)
		}
		id := sessionOf(t, h, "ada@example.com")
		if p, err := h.UpdateProfile(t.Context(), id, auth.ProfileChange{FullName: &typed}); err != nil || p.FullName != want {
			t.Errorf("%+q is changed to %+q, %v", typed, p.FullName, err)
		}
		if k, _, err := h.CreateAPIKey(t.Context(), id, auth.NewAPIKey{Name: typed, Description: typed}); err != nil || k.Name != want || k.Description != want {
			t.Errorf("%+q: the key is %+q, %+q, %v", typed, k.Name, k.Description, err)
		}
		if err := h.DeleteUser(t.Context(), u.ID); err != nil {
			t.Fatal(err)
		}
	}
	u, err := h.Manager.Register(t.Context(), auth.Registration{Email: "ada@example.com", Password: authtest.Password, FullName: "Ada ", OrganizationName: " \u3000"})
	if err != nil {
		t.Fatal(err)
	}
	if org, err := h.Organization(t.Context(), u.OrganizationID); err != nil || org.Name != "Ada" {
		t.Errorf("a blank organization_name is %q, %v", org.Name, err)
	}
}

// PW-3: a password is not trimmed, and its letters have one form.
func TestAPasswordIsTheTextThatWasTyped(t *testing.T) {
	h := authtest.With(t, memstore.New(), auth.Config{Limits: unlimited()})
	const chosen = " zoe\u0308 and a long phrase "
	if _, err := h.Manager.Register(t.Context(), auth.Registration{Email: "ada@example.com", Password: chosen, FullName: "Ada"}); err != nil {
		t.Fatal(err)
	}
	for pw, want := range map[auth.Secret]error{
		chosen: nil, " zo\u00eb and a long phrase ": nil,
		auth.Secret(strings.TrimSpace(chosen)): auth.ErrInvalidCredentials, " Zoe\u0308 and a long phrase ": auth.ErrInvalidCredentials, "\u00a0zoe\u0308 and a long phrase ": auth.ErrInvalidCredentials,
	} {
		if err := login(t.Context(), h.Manager, "ada@example.com", pw); err != want {
			t.Errorf("%+q: %v, want %v", string(pw), err, want)
		}
	}
}

// LG-13, Advisory 27.
func TestAddressesThatFoldToAnotherAreRefused(t *testing.T) {
	h := authtest.With(t, memstore.New(), auth.Config{Limits: unlimited()})
	for _, email := range []string{"kevin@example.com", "i@example.com", "s@example.com", "a@example.com", "a@b.example", "a@k.example", "ada@paypal.example"} {
		member(t, h.Manager, email)
	}
	id := member(t, h.Manager, "eve@example.com")
	for _, email := range notAddresses {
		_, err := signUp(h.Manager, email)
		for what, err := range map[string]error{"registered": err, "moved to": moveTo(h.Manager, id, email)} {
			if got := fieldCodes(err); !errors.Is(err, auth.ErrInvalidInput) || len(got) != 1 || !strings.HasPrefix(got[0], "email: ") {
				t.Errorf("%s %q: %v", what, email, err)
			}
		}
		if err := login(t.Context(), h.Manager, email, authtest.Password); err != auth.ErrInvalidCredentials {
			t.Errorf("logged in with %q: %v", email, err)
		}
	}
}

var notAddresses = []string{
	"", "a", "@", "a@", "@b.example", "a@@b.example", "a@b@c.example", "a b@c.example", "a @b.example", "a@ b.example",
	"a@b.example.", "a@.b.example", "a@b..example", "a@-b.example", "a@b-.example", "a@1.2.3.4", "a@ü.1",
	"Bob <a@b.example>", "<a@b.example>", `"a b"@c.example`, `"a"@c.example`, "a@[127.0.0.1]", "a@[IPv6:::1]", "a@b.example(x)", "a(x)@b.example",
	"a@b\n.example", "a@b.example\x00", "a\x00@b.example", "a\r\nBcc: c@d.example@b.example", "a,b@c.example", "a;b@c.example", `a\b@c.example`, "a:b@c.example",
	"\u212aevin@example.com", "\u0130@example.com", "a@\u212a.example", "ſ@example.com", "é@example.com", "e\u0301@example.com", "ada@p\u200dayp\u200dal.example", "ada@ｐaypal.example", "a@i❤.example",
	"ａ@example.com", "a\u200b@example.com", "a@exam\ufeffple.com", "\xff@example.com", "a@\xff.example",
	"a@" + strings.Repeat("b", 64) + ".example", "a@" + strings.Repeat("b.", 126) + "example",
}

// PW-1, PW-5, PW-6
func TestAWeakPasswordIsRefusedWithItsReason(t *testing.T) {
	h := authtest.With(t, memstore.New(), auth.Config{Issuer: "Example Service", PasswordBlocklist: []string{"acme corporation"}})
	for pw, code := range map[auth.Secret]string{
		"":                            "required",
		"kwzbvqx":                     "too_short",
		"😀😀😀😀😀😀😀":                     "too_short",
		"password123":                 "blocked",
		"PASSWORD123":                 "blocked",
		"ada.lovelace@example.com":    "blocked",
		"ADA.lovelace":                "blocked",
		" ada.lovelace@example.com\n": "blocked",
		"example service":             "blocked",
		"ACME Corporation":            "blocked",
		"a \xff password":             "invalid",
		"a \ufffd password":           "invalid",
		auth.Secret(strings.Repeat("kwzb", 64) + "k"): "too_long",
	} {
		_, err := h.Manager.Register(context.Background(), auth.Registration{Email: "ada.lovelace@example.com", Password: pw, FullName: "Ada"})
		if got := fieldCodes(err); !errors.Is(err, auth.ErrWeakPassword) || errors.Is(err, auth.ErrInvalidInput) || !slices.Equal(got, []string{"password: " + code}) {
			t.Errorf("%q: %v", string(pw), err)
		}
		if pw != "" && err != nil && strings.Contains(err.Error(), string(pw)) {
			t.Errorf("the error repeats the password: %v", err)
		}
	}
	for i, pw := range []auth.Secret{"kwzbvqxj", "SecurePass123!", "OldPass123!", "NewPass456!", "😀😀😀😀😀😀😀😀", " my password is long ", auth.Secret(strings.Repeat("kwzb", 64))} {
		if _, err := h.Manager.Register(context.Background(), auth.Registration{Email: strings.Repeat("a", i+1) + "@example.com", Password: pw, FullName: "Ada"}); err != nil {
			t.Errorf("%q: %v", string(pw), err)
		}
	}
}

// Nothing is charged for a registration whose fields are at fault, so that must cost no more than
// reading the request.
func TestOfAHugeRegistrationNothingIsBroughtIntoItsForm(t *testing.T) {
	h := authtest.New(t)
	huge := strings.Repeat("e\u0301", 20_000)
	for name, r := range map[string]auth.Registration{
		"address":      {Email: huge, Password: authtest.Password, FullName: "Ada"},
		"password":     {Email: "ada@example.com", Password: auth.Secret(huge), FullName: "Ada"},
		"name":         {Email: "ada@example.com", Password: authtest.Password, FullName: huge},
		"organization": {Email: "ada@example.com", Password: authtest.Password, FullName: "Ada", OrganizationName: huge},
	} {
		n := allocatedBy(func() {
			for range 10 {
				if err := h.CheckRegistration(r); err == nil {
					t.Error(name)
				}
			}
		}) / 10
		if n > uint64(len(huge)/2) {
			t.Errorf("%s: %d bytes of memory for %d", name, n, len(huge))
		}
	}
}

func TestEveryFieldAtFaultIsNamed(t *testing.T) {
	h := authtest.New(t)
	for _, tc := range []struct {
		r    auth.Registration
		is   error
		want []string
	}{
		{auth.Registration{}, auth.ErrWeakPassword, []string{"password: required", "email: required", "full_name: required"}},
		{auth.Registration{Email: "x", Password: "short", FullName: "  ", OrganizationName: "a\nb"}, auth.ErrWeakPassword,
			[]string{"password: too_short", "email: invalid_email", "full_name: required", "organization_name: invalid_characters"}},
		{auth.Registration{Email: "x", Password: authtest.Password, FullName: strings.Repeat("é", 101)}, auth.ErrInvalidInput,
			[]string{"email: invalid_email", "full_name: too_long"}},
		{auth.Registration{Email: "a@b.example", Password: authtest.Password, FullName: "\u202eadA", OrganizationName: strings.Repeat("o", 101)}, auth.ErrInvalidInput,
			[]string{"full_name: invalid_characters", "organization_name: too_long"}},
		{auth.Registration{Email: " \u00a0", Password: authtest.Password, FullName: "\u200b\ufeff"}, auth.ErrInvalidInput, []string{"email: required", "full_name: required"}},
		{auth.Registration{Email: "a@b.example", Password: authtest.Password, FullName: "\u3164 \u2800"}, auth.ErrInvalidInput, []string{"full_name: invalid_characters"}},
		{auth.Registration{Email: "a@b.example", Password: authtest.Password, FullName: "Ada\x1b[31m"}, auth.ErrInvalidInput, []string{"full_name: invalid_characters"}},
		{auth.Registration{Email: "a@b.example", Password: authtest.Password, FullName: "A", OrganizationName: "a\u200bb"}, auth.ErrInvalidInput, []string{"organization_name: invalid_characters"}},
	} {
		_, err := h.Manager.Register(context.Background(), tc.r)
		if got := fieldCodes(err); !errors.Is(err, tc.is) || !slices.Equal(got, tc.want) {
			t.Errorf("%v %v, want %v %v", err, got, tc.is, tc.want)
		}
	}
}

// DO-2.
func TestARefusedRegistrationWritesNothing(t *testing.T) {
	tap := newTapStore(memstore.New())
	h := authtest.With(t, tap, auth.Config{})
	if _, err := signUp(h.Manager, "ada@example.com"); err != nil {
		t.Fatal(err)
	}
	before := tap.commits.Load()
	for _, r := range []auth.Registration{
		{},
		{Email: "new@example.com", Password: "short", FullName: "New"},
		{Email: "new@example.com", Password: authtest.Password},
		{Email: "ADA@example.com", Password: authtest.Password, FullName: "Ada"},
	} {
		if _, err := h.Manager.Register(context.Background(), r); err == nil {
			t.Errorf("registered %s", r.Email)
		}
	}
	if n := tap.commits.Load() - before; n != 0 {
		t.Errorf("%d commits", n)
	}
}

// RC-1
func TestOfManyRegistrationsOfOneAddressExactlyOneSucceeds(t *testing.T) {
	everyStore(t, func(t *testing.T, s store.Store) {
		tap := newTapStore(s)
		h := authtest.With(t, tap, auth.Config{Limits: unlimited()})
		other := twinOn(t, h, tap, auth.Config{Limits: unlimited()})
		spellings := []string{"ada@example.com", "ADA@EXAMPLE.COM", "Ada@Example.com", "aDA@example.COM"}
		errs := atOnce(t, 100, func(i int) error {
			m := []*auth.Manager{h.Manager, other.Manager}[i%2]
			_, err := signUp(m, spellings[i%len(spellings)])
			return err
		})
		if won, taken := countIs(errs, nil), countIs(errs, auth.ErrEmailTaken); won != 1 || taken != 99 {
			t.Errorf("%d won, %d found it taken: %v", won, taken, errs)
		}
		if users := tap.users(t, h.Manager); len(users) != 1 {
			t.Errorf("%d accounts", len(users))
		}
		tap.checkOwners(t, h.Manager)
	})
}

// stopped is a tap that carries out so many commits and then stops the process: no
// call reaches the store any more, and the reply to the last commit is lost with it.
func stopped(tap *tapStore, commits int64, replied bool) {
	left := commits
	var down atomic.Bool
	tap.tap(func(_ context.Context, c storeCall) error {
		if down.Load() || (c.kind == "Commit" && commits == 0) {
			down.Store(true)
			return errOutage
		}
		return nil
	}, func(_ context.Context, c storeCall) error {
		if c.kind != "Commit" {
			return nil
		}
		if left--; left > 0 {
			return nil
		}
		down.Store(true)
		if replied {
			return nil
		}
		return errOutage
	})
}

// afterEveryStop runs act once for every number of commits after which the process
// can stop, with the reply to the last one seen or lost, until act is done before it
// is stopped. Then it lets check look at what is there, a minute later.
func afterEveryStop(t *testing.T, s store.Store, prepare func(h *authtest.Harness, round int) (act func(m *auth.Manager) error), check func(h *authtest.Harness, tap *tapStore, round int, err error)) {
	t.Helper()
	clock, round := authtest.NewClock(), 0
	for _, replied := range []bool{true, false} {
		for k := int64(0); ; k++ {
			if k > 30 {
				t.Fatal("it never ends")
			}
			round++
			tap := newTapStore(s)
			h := authtest.With(t, tap, auth.Config{Limits: unlimited(), Now: clock.Now})
			act := prepare(h, round)
			stopped(tap, k, replied)
			before := tap.commits.Load()
			err := act(h.Manager)
			made := tap.commits.Load() - before
			tap.tap(nil, nil)
			clock.Advance(time.Minute)
			fresh := authtest.With(t, tap, auth.Config{Limits: unlimited(), Now: clock.Now})
			check(fresh, tap, round, err)
			if made < k {
				if err != nil {
					t.Errorf("nothing stopped it, but: %v", err)
				}
				break
			}
		}
	}
}

// ST-4.
func TestARegistrationCutOffAnywhereLeavesTheAddressOwnedOrFree(t *testing.T) {
	everyStore(t, func(t *testing.T, s store.Store) {
		afterEveryStop(t, s,
			func(_ *authtest.Harness, round int) func(*auth.Manager) error {
				return func(m *auth.Manager) error { _, err := signUp(m, emailOf("ada", round)); return err }
			},
			func(h *authtest.Harness, tap *tapStore, round int, err error) {
				if err != nil && !errors.Is(err, auth.ErrUnavailable) {
					t.Errorf("round %d: %v", round, err)
				}
				checkOwnedOrFree(t, h.Manager, emailOf("ada", round))
				tap.checkOwners(t, h.Manager)
			})
	})
}

// A registration holds its address while it is under way, and no longer.
func TestAnAddressIsReservedWhileItsRegistrationRuns(t *testing.T) {
	tap := newTapStore(memstore.New())
	h := authtest.With(t, tap, auth.Config{})
	stopped(tap, 1, true)
	if _, err := signUp(h.Manager, "ada@example.com"); !errors.Is(err, auth.ErrUnavailable) {
		t.Fatal(err)
	}
	tap.tap(nil, nil)
	h.Clock.Advance(10 * time.Second)
	if _, err := signUp(h.Manager, "ada@example.com"); !errors.Is(err, auth.ErrEmailTaken) {
		t.Errorf("10 seconds after: %v", err)
	}
	if _, err := h.Login(context.Background(), "ada@example.com", authtest.Password); !errors.Is(err, auth.ErrInvalidCredentials) {
		t.Errorf("log in to half an account: %v", err)
	}
	if _, err := h.UserByEmail(context.Background(), "ada@example.com"); !errors.Is(err, auth.ErrNotFound) {
		t.Errorf("half an account: %v", err)
	}
	h.Clock.Advance(50 * time.Second)
	if _, err := signUp(h.Manager, "ada@example.com"); err != nil {
		t.Errorf("a minute after: %v", err)
	}
}

func TestARegistrationThatIsTooSlowFails(t *testing.T) {
	everyStore(t, func(t *testing.T, s store.Store) {
		tap := newTapStore(s)
		h := authtest.With(t, tap, auth.Config{})
		held, release := stall(t, tap, func(c storeCall) bool { return c.kind == "Commit" && c.names("/acct") })
		slow := make(chan error)
		go func() { _, err := signUp(h.Manager, "ada@example.com"); slow <- err }()
		held()
		h.Clock.Advance(31 * time.Second)
		fast, err := signUp(h.Manager, "Ada@example.com")
		if err != nil {
			t.Errorf("the one who took over: %v", err)
		}
		release()
		if err := <-slow; !errors.Is(err, auth.ErrEmailTaken) {
			t.Errorf("the slow one: %v", err)
		}
		if users := tap.users(t, h.Manager); len(users) != 1 || users[0].ID != fast.ID {
			t.Errorf("accounts: %v", users)
		}
		tap.checkOwners(t, h.Manager)
	})
}

// A slow registration that meets its takeover in each of its steps.
func TestOfASlowRegistrationAndItsTakeoverOneWins(t *testing.T) {
	calls := 1
	for step := -1; step < calls; step++ { // of its calls of the store; at first they are counted
		tap := newTapStore(memstore.New())
		h := manyProcesses(authtest.With(t, tap, auth.Config{}))
		if _, err := signUp(h.Manager, "warm@example.com"); err != nil {
			t.Fatal(err)
		}
		// The one who takes over is held up before its step-th call.
		stopped(tap, 1, true)
		if _, err := signUp(h.Manager, "ada@example.com"); err == nil {
			t.Fatal("not cut off")
		}
		h.Clock.Advance(31 * time.Second)
		n := 0
		if step < 0 {
			tap.tap(func(context.Context, storeCall) error { n++; return nil }, nil)
			if _, err := signUp(h.Manager, "ada@example.com"); err != nil {
				t.Fatal(err)
			}
			calls = n
			continue
		}
		held, release := stall(t, tap, func(storeCall) bool { n++; return n == step+1 })
		first := make(chan error)
		go func() { _, err := signUp(h.Manager, "ada@example.com"); first <- err }()
		held()
		h.Clock.Advance(31 * time.Second)
		_, second := signUp(h.Manager, "ada@example.com")
		release()
		won := 0
		for _, err := range []error{<-first, second} {
			switch {
			case err == nil:
				won++
			case !errors.Is(err, auth.ErrEmailTaken):
				t.Errorf("step %d: %v", step, err)
			}
		}
		if won != 1 {
			t.Errorf("step %d: %d won", step, won)
		}
		tap.checkOwners(t, h.Manager)
	}
}

// DO-2: the time to shed work is not the time to write.
func TestARegistrationThatIsShedWritesNothing(t *testing.T) {
	tap := newTapStore(memstore.New())
	h := authtest.With(t, tap, auth.Config{HashSlots: 1, HashQueue: -1})
	defer h.OccupyHashing()()
	tap.tap(func(_ context.Context, c storeCall) error {
		if c.kind != "Hit" {
			t.Errorf("%s of %v", c.kind, c.keys)
		}
		return nil
	}, nil)
	for range 3 {
		_, err := signUp(h.Manager, "ada@example.com")
		checkOverloaded(t, err)
	}
}

// A lateStore answers one Commit with an error before it is carried out.
type lateStore struct {
	store.Store
	skip atomic.Int64 // Commits before that one
	late []store.Op
}

func (s *lateStore) Commit(ctx context.Context, ops ...store.Op) error {
	if auth.InBackground(ctx) {
		return s.Store.Commit(ctx, ops...)
	}
	if s.skip.Add(-1) == -1 {
		s.late = ops
		return errOutage
	}
	return s.Store.Commit(ctx, ops...)
}

// ST-4: one Commit of a registration fails, is carried out although it is answered with an
// error, or is carried out when somebody else has the address.
func TestARegistrationThatFailsLeavesItsAddressFreeAtOnce(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		for _, how := range []string{"fails", "loses its reply", "is late"} {
			for nth := int64(0); ; nth++ {
				late := &lateStore{Store: s}
				late.skip.Store(1 << 40)
				tap := newTapStore(late)
				h := authtest.With(t, tap, auth.Config{Limits: unlimited()})
				email, at := emailOf(strings.ReplaceAll(how, " ", "."), int(nth)), fmt.Sprintf("commit %d %s", nth, how)
				var n atomic.Int64
				once := func(_ context.Context, c storeCall) error {
					if c.kind == "Commit" && n.Add(1) == nth+1 {
						return errOutage
					}
					return nil
				}
				switch how {
				case "fails":
					tap.tap(once, nil)
				case "loses its reply":
					tap.tap(nil, once)
				default:
					late.skip.Store(nth)
				}
				_, err := signUp(h.Manager, email)
				tap.tap(nil, nil)
				late.skip.Store(1 << 40)
				if err == nil {
					if nth < 3 {
						t.Errorf("%s: the registration succeeds", at)
					}
					break
				}
				if !errors.Is(err, auth.ErrUnavailable) {
					t.Errorf("%s: %v, want ErrUnavailable", at, err)
				}
				checkNoRegistration(t, s, at, email)
				u, err := signUp(h.Manager, email)
				if err != nil {
					t.Errorf("%s: the address is not free at once: %v", at, err)
					continue
				}
				if late.late != nil {
					_ = s.Commit(t.Context(), late.late...)
				}
				if r, err := h.Login(t.Context(), email, authtest.Password); err != nil || r.User.ID != u.ID {
					t.Errorf("%s: the address is %s's, want %s's: %v", at, r.User.ID, u.ID, err)
				}
				if late.late != nil && strings.HasPrefix(late.late[0].Key, "u.") {
					lost := "user_" + strings.TrimPrefix(store.Partition(late.late[0].Key), "u.")
					if _, err := h.User(t.Context(), lost); !errors.Is(err, auth.ErrNotFound) {
						t.Errorf("%s: the lost account: %v, want ErrNotFound", at, err)
					}
				}
			}
		}
	})
}

// checkNoRegistration fails the test if the store has a claim or an account of the address. A
// tombstone may be left: it has no address and expires.
func checkNoRegistration(t *testing.T, s store.Store, at, email string) {
	t.Helper()
	digest := sha256.Sum256([]byte(email))
	claim := "e." + base64.RawURLEncoding.EncodeToString(digest[:]) + "/claim"
	for next := ""; ; {
		page, err := s.(store.Walker).Walk(t.Context(), next)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page.Records {
			if r.Key == claim || bytes.Contains(r.Value, []byte(email)) {
				t.Errorf("%s: %s is left", at, r.Key)
			}
		}
		if next = page.Next; next == "" {
			return
		}
	}
}

func TestTheAddressOfARegistrationRefusedForOverloadIsFreeAtOnce(t *testing.T) {
	h := authtest.With(t, memstore.New(), auth.Config{HashSlots: 1, HashQueue: -1})
	release := h.OccupyHashing()
	_, err := signUp(h.Manager, "ada@example.com")
	checkOverloaded(t, err)
	release()
	if _, err := signUp(h.Manager, "ada@example.com"); err != nil {
		t.Errorf("after the overload: %v", err)
	}
}

// PW-12
func TestThePasswordCheckerIsAskedAndNeverWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, tc := range map[string]struct {
			check   checkerFunc
			refused bool
			within  time.Duration
		}{
			"a hit":                       {func(context.Context, auth.Secret) (bool, error) { return true, nil }, true, 0},
			"no hit":                      {func(context.Context, auth.Secret) (bool, error) { return false, nil }, false, 0},
			"an error":                    {func(context.Context, auth.Secret) (bool, error) { return true, errOutage }, false, 0},
			"a panic":                     {func(context.Context, auth.Secret) (bool, error) { panic(authtest.Password) }, false, 0},
			"a hang":                      {func(ctx context.Context, _ auth.Secret) (bool, error) { <-ctx.Done(); return true, nil }, false, 2 * time.Second},
			"a hang that does not listen": {func(context.Context, auth.Secret) (bool, error) { time.Sleep(time.Hour); return true, nil }, false, 2 * time.Second},
		} {
			var log lockedBuffer
			h := authtest.With(t, memstore.New(), auth.Config{PasswordChecker: tc.check, Logger: log.logger()})
			began := time.Now()
			_, err := signUp(h.Manager, "ada@example.com")
			if took := time.Since(began); took > tc.within {
				t.Errorf("%s: took %v", name, took)
			}
			switch {
			case tc.refused && !slices.Equal(fieldCodes(err), []string{"password: blocked"}):
				t.Errorf("%s: %v", name, err)
			case !tc.refused && err != nil:
				t.Errorf("%s: %v", name, err)
			}
			if failed := name != "a hit" && name != "no hit"; failed != strings.Contains(log.String(), "password checker failed") {
				t.Errorf("%s: log %q", name, log.String())
			}
			if strings.Contains(log.String(), authtest.Password) {
				t.Errorf("%s: the log has the password", name)
			}
			_ = h.Close()
		}
		time.Sleep(time.Hour) // for the one that does not listen
	})
}

type checkerFunc func(ctx context.Context, password auth.Secret) (bool, error)

func (f checkerFunc) Breached(ctx context.Context, password auth.Secret) (bool, error) {
	return f(ctx, password)
}

// newPasswords are the calls that set a password, with the name of its field.
func newPasswords(h *authtest.Harness, u *authtest.User) map[string]func(pw auth.Secret) error {
	ctx, id := context.Background(), u.Identity()
	return map[string]func(pw auth.Secret) error{
		"Register, password": func(pw auth.Secret) error {
			_, err := h.Manager.Register(ctx, auth.Registration{Email: "ada@example.com", Password: pw, FullName: "Ada"})
			return err
		},
		"CreateUser, password": func(pw auth.Secret) error {
			_, err := h.CreateUser(ctx, auth.NewUser{Email: "bob@example.com", Password: pw, FullName: "Bob", OrganizationID: u.OrganizationID, Role: "reader"})
			return err
		},
		"ChangePassword, new_password": func(pw auth.Secret) error { return h.ChangePassword(ctx, id, authtest.Password, pw) },
		"SetPassword, password":        func(pw auth.Secret) error { return h.SetPassword(ctx, u.ID, pw) },
	}
}

func TestEveryCallThatSetsAPasswordAsksTheChecker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for how, check := range map[string]checkerFunc{
			"hits":   func(context.Context, auth.Secret) (bool, error) { return true, nil },
			"fails":  func(context.Context, auth.Secret) (bool, error) { return true, errOutage },
			"panics": func(context.Context, auth.Secret) (bool, error) { panic("checker") },
			"hangs":  func(ctx context.Context, _ auth.Secret) (bool, error) { <-ctx.Done(); return true, ctx.Err() },
		} {
			for _, call := range []string{"Register, password", "CreateUser, password", "ChangePassword, new_password", "SetPassword, password"} {
				var asked atomic.Int64
				h := authtest.With(t, memstore.New(), auth.Config{PasswordChecker: checkerFunc(func(ctx context.Context, pw auth.Secret) (bool, error) {
					if pw != otherPassword {
						return false, nil
					}
					asked.Add(1)
					return check(ctx, pw)
				})})
				u := h.Register()
				began := time.Now()
				err := newPasswords(h, u)[call](otherPassword)
				_, field, _ := strings.Cut(call, ", ")
				switch {
				case how == "hits" && (!errors.Is(err, auth.ErrWeakPassword) || !slices.Equal(fieldCodes(err), []string{field + ": blocked"})):
					t.Errorf("%s, the checker %s: %v", call, how, err)
				case how != "hits" && err != nil:
					t.Errorf("%s, the checker %s: %v", call, how, err)
				}
				if asked.Load() != 1 || time.Since(began) > 2*time.Second {
					t.Errorf("%s, the checker %s: it was asked %d times, for %v", call, how, asked.Load(), time.Since(began))
				}
				_ = h.Close()
			}
		}
	})
}

// A stranger drives the checker no further than the budget that an attempt costs.
func TestTheCheckerIsAskedNoMoreOftenThanTheBudgetAllows(t *testing.T) {
	asked := 0
	h := authtest.With(t, memstore.New(), auth.Config{
		PasswordChecker: checkerFunc(func(context.Context, auth.Secret) (bool, error) { asked++; return false, nil }),
		Limits:          auth.Limits{RegisterByAddress: store.Limit{Burst: 3, Every: time.Hour}},
	})
	u := h.Register()
	id := u.Identity()
	asked = 0
	ctx := clientAt(t, "203.0.113.9")
	for range 20 {
		if err := register(ctx, h.Manager, u.Email); !errors.Is(err, auth.ErrEmailTaken) && !errors.Is(err, auth.ErrRateLimited) {
			t.Fatal(err)
		}
	}
	if asked != 3 {
		t.Errorf("asked %d times over 20 registrations, want 3", asked)
	}
	asked = 0
	for range 20 {
		err := h.ChangePassword(ctx, id, "wrong horse battery staple", otherPassword)
		if !errors.Is(err, auth.ErrInvalidCredentials) && !errors.Is(err, auth.ErrRateLimited) {
			t.Fatal(err)
		}
	}
	if asked != 5 {
		t.Errorf("asked %d times over 20 changes, want 5", asked)
	}
}

// A checker that never returns keeps 64 goroutines, and no caller waiting for more.
func TestNoMoreThan64QuestionsAreOpenAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var open atomic.Int64
		hold := make(chan struct{})
		h := authtest.With(t, memstore.New(), auth.Config{
			PasswordChecker: checkerFunc(func(context.Context, auth.Secret) (bool, error) {
				open.Add(1)
				defer open.Add(-1)
				<-hold
				return true, nil
			}),
			Limits: unlimited(), HashQueue: 1000, HashSlots: 4,
		})
		began := time.Now()
		results := make(chan error, 100)
		round := 0
		registerAll := func() {
			round++
			for i := range cap(results) {
				go func() { results <- register(t.Context(), h.Manager, emailOf("ada"+string(rune('a'+round)), i)) }()
			}
			synctest.Wait()
		}
		allSucceed := func() {
			t.Helper()
			for range cap(results) {
				if err := <-results; err != nil {
					t.Error(err)
				}
			}
		}
		registerAll()
		if open.Load() != 64 || len(results) != 36 || time.Since(began) != 0 {
			t.Errorf("%d questions are open and %d registrations done after %v, want 64 and 36 at once", open.Load(), len(results), time.Since(began))
		}
		allSucceed()
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("they took %v", took)
		}
		registerAll() // the checker still has not returned
		if open.Load() != 64 || len(results) != 100 {
			t.Errorf("%d questions are open and %d registrations done", open.Load(), len(results))
		}
		allSucceed()
		close(hold)
		synctest.Wait()
		if err := register(t.Context(), h.Manager, "ada@example.com"); !errors.Is(err, auth.ErrWeakPassword) {
			t.Errorf("once the checker answers again: %v", err)
		}
	})
}

// A process that dies in a registration leaves nothing behind once somebody has taken the address
// over, wherever it and those that take over die.
func TestTheOrganizationOfARegistrationThatDiedGoesWithItsClaim(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		clock, round := authtest.NewClock(), 0
		begin := func() (*authtest.Harness, *tapStore) {
			tap := newTapStore(s)
			h := authtest.With(t, tap, auth.Config{Now: clock.Now})
			auth.AwaitBackground(h.Manager)
			return h, tap
		}
		for died := range int64(4) {
			for next := range int64(6) {
				round++
				email := emailOf("ada", round)
				for _, stop := range []int64{died, next} {
					h, tap := begin()
					stopped(tap, stop, round%2 == 0)
					_, _ = signUp(h.Manager, email)
					tap.tap(nil, nil)
					clock.Advance(time.Minute)
				}
				h, _ := begin()
				u, err := signUp(h.Manager, email)
				if errors.Is(err, auth.ErrEmailTaken) { // one of the two had gone so far
					u, err = h.UserByEmail(t.Context(), email)
				}
				if err != nil {
					t.Fatalf("died after %d and %d: %v", died, next, err)
				}
				if orgs := organizationsIn(t, s); !slices.Equal(orgs, []string{u.OrganizationID}) {
					t.Fatalf("died after %d and %d: there are %v, want %s alone", died, next, orgs, u.OrganizationID)
				}
				if err := h.DeleteUser(t.Context(), u.ID); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}

// Nor does it go if somebody else has become a member, or may become one.
func TestAnOrganizationWithAnotherMemberOutlivesTheClaimOfItsRegistration(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		for name, commits := range map[string]int64{"a member": 0, "one under way": 2} {
			tap := newTapStore(s)
			h := authtest.With(t, tap, auth.Config{})
			auth.AwaitBackground(h.Manager)
			email := strings.ReplaceAll(name, " ", "-") + "@example.com"
			before := organizationsIn(t, s)
			stopped(tap, 2, true)
			if _, err := signUp(h.Manager, email); !errors.Is(err, auth.ErrUnavailable) {
				t.Fatal(err)
			}
			tap.tap(nil, nil)
			orgs := slices.DeleteFunc(organizationsIn(t, s), func(o string) bool { return slices.Contains(before, o) })
			if len(orgs) != 1 {
				t.Fatalf("%s: it left %v", name, orgs)
			}
			h.Clock.Advance(time.Minute)
			if commits > 0 {
				stopped(tap, commits, true)
			}
			_, err := h.CreateUser(t.Context(), auth.NewUser{Email: "colleague-of-" + email, Password: authtest.Password, FullName: "Colleague", OrganizationID: orgs[0], Role: "member"})
			tap.tap(nil, nil)
			if (commits == 0) != (err == nil) {
				t.Fatal(err)
			}
			if _, err := signUp(h.Manager, email); err != nil {
				t.Fatal(err)
			}
			if _, err := h.Organization(t.Context(), orgs[0]); err != nil {
				t.Errorf("%s: the organization: %v", name, err)
			}
		}
	})
}

// organizationsIn returns the ids of the organizations that s has records of.
func organizationsIn(t *testing.T, s store.Store) (ids []string) {
	t.Helper()
	for next := ""; ; {
		page, err := s.(store.Walker).Walk(t.Context(), next)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page.Records {
			if partition := store.Partition(r.Key); strings.HasPrefix(partition, "o.") {
				ids = append(ids, "org_"+strings.TrimPrefix(partition, "o."))
			}
		}
		if next = page.Next; next == "" {
			slices.Sort(ids)
			return slices.Compact(ids)
		}
	}
}
