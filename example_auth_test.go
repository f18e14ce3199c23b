//go:build !race

package auth_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/store/memstore"
)

func firstSteps(ctx context.Context, secret auth.Secret, email string, password auth.Secret) error {
	manager, err := auth.New(memstore.New(), auth.Config{Secrets: []auth.Secret{secret}})
	if err != nil {
		return err
	}
	defer manager.Close()
	_, err = manager.Register(ctx, auth.Registration{Email: email, Password: password, FullName: "Alice"})
	if err != nil {
		return err
	}
	login, err := manager.Login(ctx, email, password)
	if err != nil {
		return err
	}
	id, err := manager.VerifyAccessToken(ctx, login.AccessToken.Token) // id.User is Alice
	if err != nil {
		return err
	}
	fmt.Println(id.User.FullName, id.User.Role, login.AccessToken.ExpiresIn)

	_, err = manager.Login(ctx, email, "guess")
	fmt.Println(errors.Is(err, auth.ErrInvalidCredentials))
	_, err = manager.Login(ctx, "Alice@Example.com", password)
	return err
}

// Register, log in, and ask who a token speaks for.
func Example() {
	err := firstSteps(context.Background(), "32 random bytes or more, for an example", "alice@example.com", "SecurePass123!")
	fmt.Println(err)
	// Output:
	// Alice admin 1h0m0s
	// true
	// <nil>
}
