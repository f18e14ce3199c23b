//go:build !race

package auth_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/store/memstore"
)

// The scopes of a program are its own words.
const (
	readInvoices = "invoices:read"
	payInvoices  = "invoices:pay"
)

// An API key with scopes is good for those alone.
func ExampleIdentity_HasScope() {
	ctx := context.Background()
	manager, _ := auth.New(memstore.New(), auth.Config{Secrets: []auth.Secret{"32 random bytes or more, for an example"}})
	defer manager.Close()
	_, _ = manager.Register(ctx, auth.Registration{Email: "alice@example.com", Password: "SecurePass123!", FullName: "Alice"})
	login, _ := manager.Login(ctx, "alice@example.com", "SecurePass123!")
	alice, _ := manager.VerifyAccessToken(ctx, login.AccessToken.Token)

	_, key, err := manager.CreateAPIKey(ctx, alice, auth.NewAPIKey{Name: "reports", Scopes: &[]string{readInvoices}})
	if err != nil {
		fmt.Println(err)
		return
	}
	reports, _ := manager.VerifyAPIKey(ctx, key)
	fmt.Println("key:", reports.HasScope(readInvoices), reports.HasScope(payInvoices))
	fmt.Println("session:", alice.HasScope(readInvoices), alice.HasScope(payInvoices))

	_, _, err = manager.CreateAPIKey(ctx, alice, auth.NewAPIKey{Name: "none", Scopes: &[]string{}})
	fmt.Println("an empty list is refused:", errors.Is(err, auth.ErrInvalidInput))
	// Output:
	// key: true false
	// session: true true
	// an empty list is refused: true
}
