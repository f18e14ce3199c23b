package redisstore_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"

	"github.com/datixlab/auth/internal/adaptertest"
	"github.com/datixlab/auth/internal/redistest"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/redisstore"
	"github.com/datixlab/auth/store/storetest"
)

var (
	ever   = context.Background()
	quiet  = slog.New(slog.DiscardHandler)
	hourly = store.Limit{Burst: 5, Every: time.Hour}

	wantValue = adaptertest.WantValue

	prefixes atomic.Int64
)

func TestMain(m *testing.M) { os.Exit(redistest.Main(m)) }

func init() { logging.Disable() } // the client's own remarks on dialling and on Sentinel

// fresh returns options with a prefix that no other test has.
func fresh() redisstore.Options {
	return redisstore.Options{Prefix: fmt.Sprintf("t%d:", prefixes.Add(1)), Logger: quiet}
}

func at(addrs ...string) redis.UniversalOptions { return redis.UniversalOptions{Addrs: addrs} }

func atSentinel(s *redistest.Sentinel) redis.UniversalOptions {
	return redis.UniversalOptions{Addrs: s.SentinelAddrs(), MasterName: redistest.MasterName}
}

func mustOpen(tb testing.TB, u redis.UniversalOptions, o redisstore.Options) *redisstore.Store {
	tb.Helper()
	s, err := redisstore.OpenOrCreate(ever, u, o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { s.Close() })
	return s
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

func places(u redis.UniversalOptions, replicas int) func(testing.TB) storetest.Place {
	return func(tb testing.TB) storetest.Place {
		o := fresh()
		o.Replicas = replicas
		open := func() (store.Store, error) { return redisstore.OpenOrCreate(ever, u, o) }
		behind := func(dial storetest.Dialer) (store.Store, error) {
			u := u
			u.Dialer = dial
			return redisstore.OpenOrCreate(ever, u, o)
		}
		return storetest.Place{Store: mustOpen(tb, u, o), Reopen: open, Join: open, Behind: behind}
	}
}

// ST-1, ST-4, F-R6, and F-R1, F-R2: the rules SentOnce and LostReply.
func TestStoreOnOneServer(t *testing.T) {
	if redistest.Available(t) {
		t.Parallel()
		storetest.Run(t, places(at(redistest.SharedServer(t).Addr()), 0))
	}
}

// ST-1.
func TestStoreOnSentinel(t *testing.T) {
	if redistest.Available(t) {
		t.Parallel()
		keepsTheContract(t, places(atSentinel(redistest.SharedSentinel(t)), 1))
	}
}

// ST-1, ST-8, F-R1, F-R2, F-R7, F-R10.
func TestStoreOnCluster(t *testing.T) {
	if redistest.Available(t) {
		t.Parallel()
		storetest.Run(t, places(at(redistest.SharedCluster(t).Addrs()...), 0))
	}
}

// keepsTheContract is storetest.Run for a variant of a server that has passed it: without the
// two rules that write most, which take longest and for which no variant differs.
func keepsTheContract(t *testing.T, open func(testing.TB) storetest.Place) {
	t.Helper()
	adaptertest.KeepsRules(t, func(rule string) bool { return rule != "LargePartition" && rule != "Walk" }, open)
}

func BenchmarkStore(b *testing.B) {
	if redistest.Available(b) {
		storetest.Bench(b, places(at(redistest.Start(b).Addr()), 0))
	}
}
