package memstore_test

import (
	"context"
	"fmt"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/store/memstore"
)

// Everything is lost with the store, so it is for tests and development.
func ExampleNew() {
	ctx := context.Background()
	db := memstore.New()
	defer db.Close() // after the Manager
	manager, err := auth.New(db, auth.Config{Secrets: []auth.Secret{"32 random bytes or more, for an example"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer manager.Close()
	user, err := manager.Register(ctx, auth.Registration{
		Email: "alice@example.com", Password: "SecurePass123!", FullName: "Alice",
	})
	fmt.Println(user.FullName, err)
	// Output: Alice <nil>
}
