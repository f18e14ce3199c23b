package boltstore

import (
	"path/filepath"
	"testing"
)

// F-D11: bbolt syncs every transaction unless an option turns that off.
func TestNothingTellsBboltNotToSync(t *testing.T) {
	s, err := OpenOrCreate(filepath.Join(t.TempDir(), "auth.db"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if s.db.NoSync || s.db.NoGrowSync || s.db.NoFreelistSync {
		t.Errorf("NoSync %v, NoGrowSync %v, NoFreelistSync %v", s.db.NoSync, s.db.NoGrowSync, s.db.NoFreelistSync)
	}
}
