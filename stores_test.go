package auth_test

import (
	"path/filepath"
	"testing"

	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/boltstore"
	"github.com/datixlab/auth/store/memstore"
)

// eachStore runs a test once on every store: what a Manager promises, it promises
// on all of them.
func eachStore(t *testing.T, test func(t *testing.T, s store.Store)) {
	t.Helper()
	t.Run("memory", func(t *testing.T) {
		s := memstore.New()
		t.Cleanup(func() { _ = s.Close() })
		test(t, s)
	})
	t.Run("bolt", func(t *testing.T) {
		s, err := boltstore.OpenOrCreate(filepath.Join(t.TempDir(), "auth.db"), boltstore.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		test(t, s)
	})
}
