package auth

import (
	"errors"
	"strings"
	"testing"

	"github.com/datixlab/auth/internal/emailaddr"
	"github.com/datixlab/auth/store/memstore"
)

// misread are addresses that mail programs read otherwise, and what an error says of each.
var misread = map[string]string{
	"-f@example.com":                                        "'-'",
	"/var/mail/root@example.com":                            "'/'",
	"xn@xn--qi7cdauna.com":                                  "'xn--'",
	"|id@example.com":                                       "'|'",
	"`id`@example.com":                                      "'`'",
	"${run{id}}@example.com":                                "'$'",
	"evil.example!mallory@example.com":                      "'!'",
	"Mallory%evil.example@example.com":                      "'%'",
	"=?utf-8?q?mallory=40evil.example=3e=20?=x@example.com": "'=?'",
}

// checkMisread fails the test unless err is that of an address that is refused for what.
func checkMisread(t *testing.T, call, address, what string, err error) {
	t.Helper()
	var in *InputError
	if !errors.As(err, &in) || !errors.Is(err, ErrInvalidInput) || len(in.Fields) != 1 {
		t.Fatalf("%s with %s: %v", call, address, err)
	}
	f := in.Fields[0]
	if f.Field != "email" || f.Code != "invalid_email" || !strings.Contains(f.Detail, what) || strings.Contains(f.Detail, "example") || strings.Contains(f.Detail, "google") {
		t.Errorf("%s with %s: %+v", call, address, f)
	}
}

// LG-13: who had such an address before it was refused keeps it.
func TestAnAddressThatMailProgramsReadOtherwiseIsRefusedOnlyWhereItIsNew(t *testing.T) {
	const password = "a passphrase for this test"
	m, err := New(memstore.New(), Config{
		Secrets: []Secret{"a root secret that only tests use: 0123456789"}, InsecureCheapHashing: true,
		PasswordHash: HashParams{Memory: 8, Time: 1, Threads: 1},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	ctx := t.Context()
	host, err := m.Register(ctx, Registration{Email: "ada@example.com", Password: password, FullName: "Ada"})
	if err != nil {
		t.Fatal(err)
	}
	identity := func(email string) Identity {
		t.Helper()
		login, err := m.Login(ctx, email, password)
		if err != nil {
			t.Fatalf("login with %s: %v", email, err)
		}
		id, err := m.VerifyAccessToken(ctx, login.AccessToken.Token)
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	ada := identity("ada@example.com")

	for address, what := range misread {
		_, err := m.Register(ctx, Registration{Email: address, Password: password, FullName: "M"})
		checkMisread(t, "Register", address, what, err)
		u := NewUser{Email: address, Password: password, FullName: "M", OrganizationID: host.OrganizationID, Role: "member"}
		_, err = m.CreateUser(ctx, u)
		checkMisread(t, "CreateUser", address, what, err)
		_, err = m.UpdateProfile(ctx, ada, ProfileChange{Email: &address})
		checkMisread(t, "UpdateProfile", address, what, err)

		// As an earlier version made it.
		canonical, ok := emailaddr.Canonical(address)
		if !ok {
			t.Fatalf("%s is no address", address)
		}
		oid, _ := parseOrganization(host.OrganizationID)
		old, err := m.create(ctx, u, canonical, nil, Event{Type: EventRegistered}, entry{oid: oid})
		if err != nil {
			t.Fatalf("%s: %v", address, err)
		}
		id := identity(address)
		if found, err := m.UserByEmail(ctx, strings.ToUpper(address)); err != nil || found.ID != old.ID {
			t.Errorf("%s is not found: %v", address, err)
		}
		spelled, name := strings.ToUpper(address), "Mallory"
		if u, err := m.UpdateProfile(ctx, id, ProfileChange{Email: &spelled, FullName: &name}); err != nil || u.Email != spelled || u.FullName != name {
			t.Errorf("another spelling of %s: %+v, %v", address, u, err)
		}
		next := "next." + old.ID + "@example.com"
		if _, err := m.UpdateProfile(ctx, id, ProfileChange{Email: &next}); err != nil {
			t.Errorf("from %s to another address: %v", address, err)
		}
		_, err = m.UpdateProfile(ctx, id, ProfileChange{Email: &address})
		checkMisread(t, "UpdateProfile back", address, what, err)
	}
}
