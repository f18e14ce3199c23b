package auth_test

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
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

func TestMain(m *testing.M) { os.Exit(redistest.Main(m)) }

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
		t.Run("redis", func(t *testing.T) {
			test(t, onRedis(t, redistest.SharedServer(t).Addr(), fmt.Sprintf("test%d:", prefixes.Add(1))))
		})
	}
}

var prefixes atomic.Int64 // that eachStore has used

// onRedis opens a store on the Redis at this address.
func onRedis(t *testing.T, addr, prefix string) store.Store {
	t.Helper()
	return onRedisWith(t, addr, redisstore.Options{Prefix: prefix})
}

func onRedisWith(t *testing.T, addr string, o redisstore.Options) store.Store {
	t.Helper()
	o.Logger = slog.New(slog.DiscardHandler)
	u := redis.UniversalOptions{Addrs: []string{addr}, DialTimeout: raceTime, ReadTimeout: raceTime, WriteTimeout: raceTime, PoolTimeout: raceTime}
	s, err := redisstore.OpenOrCreate(t.Context(), u, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}
