package boltstore_test

import (
	"testing"

	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/boltstore"
	"github.com/datixlab/auth/store/storetest"
)

func place(tb testing.TB) storetest.Place {
	path := newPath(tb)
	return storetest.Place{
		Store:  mustOpen(tb, path, boltstore.Options{}),
		Reopen: func() (store.Store, error) { return boltstore.Open(path, boltstore.Options{}) },
	}
}

// ST-1, ST-4, F-D3.
func TestStore(t *testing.T) { storetest.Run(t, place) }

func BenchmarkStore(b *testing.B) { storetest.Bench(b, place) }
