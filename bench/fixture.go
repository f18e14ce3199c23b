package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/internal/pgtest"
	"github.com/datixlab/auth/internal/redistest"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/boltstore"
	"github.com/datixlab/auth/store/memstore"
	"github.com/datixlab/auth/store/pgstore"
	"github.com/datixlab/auth/store/redisstore"
)

// A fixture is what the subjects of a row share. It is also the testing.TB of helpers
// that need one: a failure is a panic.
type fixture struct {
	testing.TB // nil: only the methods below are called
	ends       []func()
	redis      *redistest.Server
	postgres   *pgtest.Server
}

// Helper implements testing.TB.
func (f *fixture) Helper() {}

// Cleanup implements testing.TB.
func (f *fixture) Cleanup(end func()) { f.ends = append(f.ends, end) }

// Fatal implements testing.TB.
func (f *fixture) Fatal(args ...any) { panic(fmt.Sprint(args...)) }

// Fatalf implements testing.TB.
func (f *fixture) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

// TempDir implements testing.TB.
func (f *fixture) TempDir() string {
	dir, err := os.MkdirTemp("", "authbench")
	must(err)
	f.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// end calls the cleanups, the last one first.
func (f *fixture) end() {
	for i := len(f.ends); i > 0; i-- {
		f.ends[i-1]()
	}
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

var ever = context.Background()

// client returns the context of a request from a client address, as a server has it.
var client = auth.WithClient(ever, auth.Client{Addr: netip.MustParseAddr("192.0.2.7"), UserAgent: "bench"})

var quiet = slog.New(slog.DiscardHandler)

// redisServer returns the redis-server of the row. It writes nothing to disk.
func (f *fixture) redisServer() *redistest.Server {
	if f.redis == nil {
		f.redis = redistest.Start(f)
	}
	return f.redis
}

func (f *fixture) redisClient() *redis.Client {
	c := redis.NewClient(&redis.Options{Addr: f.redisServer().Addr()})
	f.Cleanup(func() { _ = c.Close() })
	return c
}

func (f *fixture) onMemory() store.Store { return f.closing(memstore.New(), nil) }

func (f *fixture) onBolt() store.Store {
	return f.closing(boltstore.OpenOrCreate(filepath.Join(f.TempDir(), "auth.db"), boltstore.Options{Logger: quiet}))
}

func (f *fixture) onRedis() store.Store { return f.onRedisWith(0) }

// onRedisWith returns a store on Redis with this MaxLag.
func (f *fixture) onRedisWith(lag time.Duration) store.Store {
	o := redisstore.Options{Prefix: fmt.Sprintf("bench%d:", len(f.ends)), MaxLag: lag, Logger: quiet} // a different one for each store
	return f.closing(redisstore.OpenOrCreate(ever, redis.UniversalOptions{Addrs: []string{f.redisServer().Addr()}}, o))
}

// postgresServer returns the PostgreSQL server of the row. It waits for its disk.
func (f *fixture) postgresServer() *pgtest.Server {
	if f.postgres == nil {
		f.postgres = pgtest.StartAsInProduction(f)
	}
	return f.postgres
}

// postgresConfig returns the configuration of a pool of so many connections.
func (f *fixture) postgresConfig(connections int32) *pgxpool.Config {
	config, err := pgstore.ParseURL(f.postgresServer().URL())
	must(err)
	config.MaxConns = connections
	return config
}

func (f *fixture) postgresPool(config *pgxpool.Config) *pgxpool.Pool {
	pool, err := pgxpool.NewWithConfig(ever, config)
	must(err)
	f.Cleanup(pool.Close)
	return pool
}

// nextSchema is the schema of the next store on PostgreSQL. Each has another one.
func (f *fixture) nextSchema() string { return fmt.Sprintf("bench%d", len(f.ends)) }

// onPostgresWith returns a store on PostgreSQL with this MaxLag.
func (f *fixture) onPostgresWith(lag time.Duration, config *pgxpool.Config) store.Store {
	o := pgstore.Options{Schema: f.nextSchema(), MaxLag: lag, Logger: quiet}
	return f.closing(pgstore.OpenOrCreate(ever, config, o))
}

func (f *fixture) closing(s store.Store, err error) store.Store {
	must(err)
	f.Cleanup(func() { _ = s.Close() })
	return s
}

// unlimited are budgets that refuse nothing.
var unlimited = func() auth.Limits {
	wide := store.Limit{Burst: 1_000_000, Every: time.Microsecond}
	return auth.Limits{LoginByAddress: wide, LoginByAccountAddress: wide, LoginByAccount: wide, RegisterByAddress: wide, CodeByAccount: wide, APIKeyByAccount: wide}
}()

// manager returns a Manager over s, configured by cfg, with the real clock unless cfg
// has one. Its hashing costs nothing.
func (f *fixture) manager(s store.Store, cfg auth.Config) *authtest.Harness {
	cfg.Limits = unlimited
	return f.limited(s, cfg)
}

// limited is manager with the limits of cfg.
func (f *fixture) limited(s store.Store, cfg auth.Config) *authtest.Harness {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.MaxRemembered == 0 {
		cfg.MaxRemembered = 8192 // the default of a Config, which a Harness has smaller
	}
	cfg.Events = nobody{}
	return authtest.With(f, s, cfg)
}

// nobody is an event handler that ignores events.
type nobody struct{}

// HandleEvent implements auth.EventHandler.
func (nobody) HandleEvent(context.Context, auth.Event) {}

// tokens registers and logs in n users and returns their access tokens.
func tokens(h *authtest.Harness, n int) []auth.Secret {
	all := make([]auth.Secret, n)
	many(n, func(i int) { all[i] = auth.Secret(h.Register().Token()) })
	return all
}

// many calls do for every i below n, 32 at a time: one at a time, a durable store takes
// long.
func many(n int, do func(i int)) {
	const atOnce = 32
	var all sync.WaitGroup
	for part := range atOnce {
		all.Go(func() {
			for i := part; i < n; i += atOnce {
				do(i)
			}
		})
	}
	all.Wait()
}

// standing returns a clock that stands still and takes as long to read as the real one.
// So a refreshed token stays within its grace.
func standing() func() time.Time {
	now := time.Now()
	return func() time.Time {
		_ = time.Now()
		return now
	}
}
