//go:build !race

package auth_test

import (
	"context"
	"fmt"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/store/memstore"
)

// works reports whether a key is accepted.
func works(ctx context.Context, manager *auth.Manager, key auth.Secret) bool {
	_, err := manager.VerifyAPIKey(ctx, key)
	return err == nil
}

// Both keys work for a day, in which the programs that use the old one get the new one.
func ExampleManager_RotateAPIKey() {
	ctx, db, now := context.Background(), memstore.New(), time.Now()
	db.Now = func() time.Time { return now }
	manager, _ := auth.New(db, auth.Config{
		Secrets: []auth.Secret{"32 random bytes or more, for an example"}, Now: db.Now,
	})
	defer manager.Close()
	_, _ = manager.Register(ctx, auth.Registration{Email: "alice@example.com", Password: "SecurePass123!", FullName: "Alice"})
	login, _ := manager.Login(ctx, "alice@example.com", "SecurePass123!")
	alice, _ := manager.VerifyAccessToken(ctx, login.AccessToken.Token)
	old, oldKey, _ := manager.CreateAPIKey(ctx, alice, auth.NewAPIKey{Name: "backup", ExpiresIn: 90 * 24 * time.Hour})

	_, newKey, err := manager.RotateAPIKey(ctx, alice, old.ID, 24*time.Hour, "", "")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(works(ctx, manager, oldKey), works(ctx, manager, newKey))

	now = now.Add(25 * time.Hour)
	fmt.Println(works(ctx, manager, oldKey), works(ctx, manager, newKey))
	// Output:
	// true true
	// false true
}
