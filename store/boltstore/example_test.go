package boltstore_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/store/boltstore"
)

// open opens the file and a Manager over it. Close the Manager before the store.
func open(path string) (*boltstore.Store, *auth.Manager, error) {
	db, err := boltstore.OpenOrCreate(path, boltstore.Options{})
	if err != nil {
		return nil, nil, err
	}
	manager, err := auth.New(db, auth.Config{Secrets: []auth.Secret{"32 random bytes or more, for an example"}})
	return db, manager, err
}

// Accounts outlive the process.
func ExampleOpenOrCreate() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "auth")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)

	for _, step := range []func(*auth.Manager) error{
		func(m *auth.Manager) error {
			_, err := m.Register(ctx, auth.Registration{Email: "alice@example.com", Password: "SecurePass123!", FullName: "Alice"})
			return err
		},
		func(m *auth.Manager) error { _, err := m.Login(ctx, "alice@example.com", "SecurePass123!"); return err },
	} {
		db, manager, err := open(filepath.Join(dir, "auth.db"))
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(step(manager), manager.Close(), db.Close())
	}
	// Output:
	// <nil> <nil> <nil>
	// <nil> <nil> <nil>
}
