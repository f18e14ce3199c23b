//go:build !race

package auth_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/store/memstore"
)

// staff are the users that must have a second factor.
func staff(u auth.User) bool { return u.Role == "admin" || u.Role == "auditor" }

// A bound user can log in without a second factor, and then only set one up.
func ExampleTwoFactorPolicy() {
	ctx := context.Background()
	manager, _ := auth.New(memstore.New(), auth.Config{
		Secrets:         []auth.Secret{"32 random bytes or more, for an example"},
		TwoFactorPolicy: auth.TwoFactorPolicy{Of: staff},
	})
	defer manager.Close()
	_, _ = manager.Register(ctx, auth.Registration{Email: "alice@example.com", Password: "SecurePass123!", FullName: "Alice"})

	login, _ := manager.Login(ctx, "alice@example.com", "SecurePass123!")
	token := login.AccessToken.Token
	_, err := manager.VerifyAccessToken(ctx, token)
	fmt.Println(login.EnrollmentOnly, errors.Is(err, auth.ErrTwoFactorSetupRequired))

	id, _ := manager.VerifyForEnrollment(ctx, token) // on the routes that set one up
	factor, _ := manager.EnableTwoFactor(ctx, id, "SecurePass123!")
	code := authtest.TOTPCode(factor.Secret, time.Now()) // what the authenticator shows
	fmt.Println(manager.ConfirmTwoFactor(ctx, id, auth.Secret(code)))

	_, err = manager.VerifyAccessToken(ctx, token)
	fmt.Println(err)
	// Output:
	// true true
	// <nil>
	// <nil>
}
