package auth_test

import (
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"

	"github.com/datixlab/auth/internal/redistest"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/boltstore"
	"github.com/datixlab/auth/store/memstore"
	"github.com/datixlab/auth/store/redisstore"
)

func init() { logging.Disable() } // the client's own remarks on servers that are down

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
	if redistest.Available(t) {
		t.Run("redis", func(t *testing.T) { test(t, onRedis(t, redistest.Start(t).Addr())) })
	}
}

// onRedis opens a store on the Redis at these addresses: a single server, or the nodes
// of a cluster.
func onRedis(t *testing.T, addrs ...string) store.Store {
	t.Helper()
	return openRedis(t, redis.UniversalOptions{Addrs: addrs})
}

func openRedis(t *testing.T, u redis.UniversalOptions) store.Store {
	t.Helper()
	s, err := redisstore.Open(t.Context(), u, redisstore.Options{Prefix: "auth:", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}
