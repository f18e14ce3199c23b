package pgstore_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"regexp"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/datixlab/auth/internal/adaptertest"
	"github.com/datixlab/auth/internal/pgtest"
	"github.com/datixlab/auth/internal/servertest"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/pgstore"
	"github.com/datixlab/auth/store/storetest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m.Run)) }

var (
	ever  = context.Background()
	quiet = slog.New(slog.DiscardHandler)

	wantValue = adaptertest.WantValue

	schemas atomic.Int64
)

// fresh returns options with a schema that no other test has.
func fresh() pgstore.Options {
	return pgstore.Options{Schema: fmt.Sprintf("t%d", schemas.Add(1)), Logger: quiet}
}

func at(tb testing.TB, url string) *pgxpool.Config {
	tb.Helper()
	config, err := pgstore.ParseURL(url)
	must(tb, err)
	return config
}

// session returns a connection of somebody else, which has executed some statements.
func session(t *testing.T, server *pgtest.Server, statements string) *pgx.Conn {
	t.Helper()
	c, err := pgx.Connect(ever, server.URL())
	must(t, err)
	t.Cleanup(func() { c.Close(ever) })
	_, err = c.Exec(ever, statements, pgx.QueryExecModeSimpleProtocol)
	must(t, err)
	return c
}

func mustOpen(tb testing.TB, c *pgxpool.Config, o pgstore.Options) *pgstore.Store {
	tb.Helper()
	s, err := pgstore.OpenOrCreate(ever, c, o)
	if err != nil && o.Timeout != 0 { // a busy machine may take longer than a short one
		servertest.Within(tb, recovery, func() error { s, err = pgstore.OpenOrCreate(ever, c, o); return err })
	}
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

// places opens stores in schemas of a database.
func places(url string, lag time.Duration) func(testing.TB) storetest.Place {
	return func(tb testing.TB) storetest.Place {
		o := fresh()
		o.MaxLag = lag
		open := func() (store.Store, error) { return pgstore.OpenOrCreate(ever, at(tb, url), o) }
		behind := func(dial storetest.Dialer) (store.Store, error) {
			c := at(tb, url)
			c.ConnConfig.DialFunc = pgconn.DialFunc(dial)
			return pgstore.OpenOrCreate(ever, c, o)
		}
		return storetest.Place{Store: mustOpen(tb, at(tb, url), o), Reopen: open, Join: open, Behind: behind, Lag: lag}
	}
}

// ST-1, ST-4.
func TestStoreOnOneServer(t *testing.T) {
	if pgtest.Available(t) {
		t.Parallel()
		storetest.Run(t, places(pgtest.Shared(t).URL(), 0))
	}
}

// ST-1. The rules that MaxLag can break.
func TestStoreWithMaxLag(t *testing.T) {
	if pgtest.Available(t) {
		t.Parallel()
		adaptertest.KeepsRules(t, stamped.MatchString, places(pgtest.Shared(t).URL(), lag))
	}
}

var stamped = regexp.MustCompile(`^(Stamp|Join|Close|OneWinner|Expired|LostReply)`)
