//go:build !race

package auth_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/store/memstore"
)

var ctx = context.Background()

// newManager is what most examples begin with. A program takes its secret from the
// environment and a store that lasts, and leaves the cost of a hash as it is.
func newManager() *auth.Manager {
	m, err := auth.New(memstore.New(), auth.Config{
		Secrets:      []auth.Secret{"an example's secret; take 32 random bytes for yours"},
		PasswordHash: auth.HashParams{Memory: 8, Time: 1, Threads: 1}, InsecureCheapHashing: true,
	})
	if err != nil {
		panic(err)
	}
	return m
}

func registerAlice(m *auth.Manager) auth.User {
	u, err := m.Register(ctx, auth.Registration{
		Email: "alice@example.com", Password: "SecurePass123!",
		FullName: "Alice", OrganizationName: "Example",
	})
	if err != nil {
		panic(err)
	}
	return u
}

func logInAlice(m *auth.Manager) auth.Identity {
	r, err := m.Login(ctx, "alice@example.com", "SecurePass123!")
	if err != nil {
		panic(err)
	}
	id, err := m.VerifyAccessToken(ctx, r.AccessToken.Token)
	if err != nil {
		panic(err)
	}
	return id
}

// Wrong input is named field by field.
func ExampleManager_Register() {
	m := newManager()
	defer m.Close()
	_, err := m.Register(ctx, auth.Registration{Email: "not an address", Password: "password123", FullName: "Alice"})
	var input *auth.InputError
	if errors.As(err, &input) {
		for _, f := range input.Fields {
			fmt.Println(f.Field, f.Code)
		}
	}
	// Output:
	// password blocked
	// email invalid_email
}

// The second factor is set up in two calls, and asked for at the next login.
func ExampleManager_EnableTwoFactor() {
	m := newManager()
	defer m.Close()
	registerAlice(m)
	id := logInAlice(m)

	e, err := m.EnableTwoFactor(ctx, id, "SecurePass123!")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(len(e.BackupCodes), "backup codes, a secret that prints as", e.Secret)

	code := authtest.TOTPCode(e.Secret, time.Now()) // what the user's authenticator shows
	fmt.Println("confirmed:", m.ConfirmTwoFactor(ctx, id, auth.Secret(code)))

	login, _ := m.Login(ctx, "alice@example.com", "SecurePass123!")
	fmt.Println("second factor required:", login.TwoFactorRequired())
	login, err = m.VerifyTwoFactor(ctx, login.TempToken, e.BackupCodes[0])
	fmt.Println("logged in:", login.AccessToken.Token != "", err)
	// Output:
	// 10 backup codes, a secret that prints as [secret]
	// confirmed: <nil>
	// second factor required: true
	// logged in: true <nil>
}

// An API key acts as its owner until it is revoked.
func ExampleManager_CreateAPIKey() {
	m := newManager()
	defer m.Close()
	registerAlice(m)
	id := logInAlice(m)

	key, text, err := m.CreateAPIKey(ctx, id, auth.NewAPIKey{Name: "ci", ExpiresIn: 90 * 24 * time.Hour})
	if err != nil {
		fmt.Println(err)
		return
	}
	owner, err := m.VerifyAPIKey(ctx, text) // the only time that text can be seen
	fmt.Println(owner.User.FullName, owner.IsAPIKey(), err)

	_, _, err = m.CreateAPIKey(ctx, owner, auth.NewAPIKey{Name: "another"})
	fmt.Println("a key makes no keys:", errors.Is(err, auth.ErrForbidden))

	_ = m.RevokeAPIKey(ctx, id, key.ID)
	_, err = m.VerifyAPIKey(ctx, text)
	fmt.Println("revoked:", errors.Is(err, auth.ErrInvalidToken))
	// Output:
	// Alice true <nil>
	// a key makes no keys: true
	// revoked: true
}

// Refreshing continues a session; logging out ends it.
func ExampleManager_Refresh() {
	m := newManager()
	defer m.Close()
	registerAlice(m)
	login, _ := m.Login(ctx, "alice@example.com", "SecurePass123!")

	next, err := m.Refresh(ctx, login.AccessToken.Token)
	fmt.Println(next.ExpiresIn, err)

	id, _ := m.VerifyAccessToken(ctx, next.Token)
	_ = m.Logout(ctx, id)
	_, err = m.VerifyAccessToken(ctx, next.Token)
	fmt.Println(errors.Is(err, auth.ErrInvalidToken))
	// Output:
	// 1h0m0s <nil>
	// true
}

// A new secret goes in front of the old one: no user is logged out.
func ExampleConfig_rotation() {
	db := memstore.New()
	const oldSecret, newSecret = "last year's secret: 32 random bytes or more", "this year's secret: 32 random bytes or more"

	before, _ := auth.New(db, auth.Config{Secrets: []auth.Secret{oldSecret}})
	registerAlice(before)
	login, _ := before.Login(ctx, "alice@example.com", "SecurePass123!")
	_ = before.Close()

	after, _ := auth.New(db, auth.Config{Secrets: []auth.Secret{newSecret, oldSecret}})
	defer after.Close()
	_, err := after.VerifyAccessToken(ctx, login.AccessToken.Token)
	fmt.Println(err)
	// Output: <nil>
}

// What happens is reported as typed events.
func ExampleLogEvents() {
	plain := &slog.HandlerOptions{ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey || a.Key == "time" || a.Key == "user_id" || a.Key == "organization_id" || a.Key == "session_id" {
			return slog.Attr{}
		}
		return a
	}}
	m, _ := auth.New(memstore.New(), auth.Config{
		Secrets: []auth.Secret{"an example's secret; take 32 random bytes for yours"},
		Events:  auth.LogEvents(slog.New(slog.NewTextHandler(os.Stdout, plain))),
	})
	registerAlice(m)
	from := auth.WithClient(ctx, auth.Client{Addr: netip.MustParseAddr("192.0.2.7"), UserAgent: "curl/8"})
	_, _ = m.Login(from, "alice@example.com", "guess")
	_ = m.Close() // waits for the events
	// Output:
	// level=INFO msg=auth event.type=registered event.role=admin
	// level=WARN msg=auth event.type=login_failed event.address=192.0.2.7 event.user_agent=curl/8
}

// The rights of your own program are roles that it sets. Every live token has a new role at
// once.
func ExampleManager_SetRole() {
	m := newManager()
	defer m.Close()
	u := registerAlice(m)
	login, _ := m.Login(ctx, "alice@example.com", "SecurePass123!")

	_ = m.SetRole(ctx, u.ID, "auditor")
	id, _ := m.VerifyAccessToken(ctx, login.AccessToken.Token)
	fmt.Println(id.User.Role)
	// Output: auditor
}
