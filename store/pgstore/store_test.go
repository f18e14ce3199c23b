package pgstore_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/pgstore"
	"github.com/datixlab/auth/store/storetest"
)

var (
	ever  = context.Background()
	quiet = slog.New(slog.DiscardHandler)

	schemas atomic.Int64
)

// fresh returns options with a schema that no other test has.
func fresh() pgstore.Options {
	return pgstore.Options{Schema: fmt.Sprintf("t%d_%d", os.Getpid(), schemas.Add(1)), Logger: quiet}
}

func at(tb testing.TB, url string) *pgxpool.Config {
	tb.Helper()
	config, err := pgstore.ParseURL(url)
	must(tb, err)
	return config
}

func mustOpen(tb testing.TB, c *pgxpool.Config, o pgstore.Options) *pgstore.Store {
	tb.Helper()
	s, err := pgstore.OpenOrCreate(ever, c, o)
	must(tb, err)
	tb.Cleanup(func() { s.Close() })
	return s
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

func places(url string) func(testing.TB) storetest.Place {
	return func(tb testing.TB) storetest.Place {
		o := fresh()
		open := func() (store.Store, error) { return pgstore.OpenOrCreate(ever, at(tb, url), o) }
		behind := func(dial storetest.Dialer) (store.Store, error) {
			c := at(tb, url)
			c.ConnConfig.DialFunc = pgconn.DialFunc(dial)
			return pgstore.OpenOrCreate(ever, c, o)
		}
		return storetest.Place{Store: mustOpen(tb, at(tb, url), o), Reopen: open, Join: open, Behind: behind}
	}
}

const dev = "postgres://postgres@127.0.0.1:5499/postgres?sslmode=disable"

func TestStoreOnOneServer(t *testing.T) { storetest.Run(t, places(dev)) }

func TestStoreWithMaxLag(t *testing.T) {
	storetest.Run(t, func(tb testing.TB) storetest.Place {
		o := fresh()
		o.MaxLag = 50 * time.Millisecond
		open := func() (store.Store, error) { return pgstore.OpenOrCreate(ever, at(tb, dev), o) }
		return storetest.Place{Store: mustOpen(tb, at(tb, dev), o), Reopen: open, Join: open, Lag: o.MaxLag}
	})
}
