package auth_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/datixlab/auth/internal/pgtest"
	"github.com/datixlab/auth/internal/redistest"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/pgstore"
	"github.com/datixlab/auth/store/redisstore"
)

// A place has records that the stores of any number of processes share.
type place struct{ engine, at, name string }

// eachPlace runs a test on every engine that processes share, at a place without records. With -short it
// is Redis alone.
func eachPlace(t *testing.T, test func(t *testing.T, p place)) {
	t.Helper()
	if redistest.Available(t) {
		t.Run("redis", func(t *testing.T) {
			test(t, place{"redis", redistest.SharedServer(t).Addr(), fmt.Sprintf("place%d:", prefixes.Add(1))})
		})
	}
	if !testing.Short() && pgtest.Available(t) {
		t.Run("postgres", func(t *testing.T) {
			test(t, place{"postgres", pgtest.Shared(t).URL(), fmt.Sprintf("place%d", prefixes.Add(1))})
		})
	}
}

// String returns what placeOf reads.
func (p place) String() string { return strings.Join([]string{p.engine, p.at, p.name}, " ") }

func placeOf(t *testing.T, text string) place {
	t.Helper()
	words := strings.Fields(text)
	if len(words) != 3 {
		t.Fatalf("%q is no place", text)
	}
	return place{words[0], words[1], words[2]}
}

// open opens a store, as another process would.
func (p place) open(t *testing.T, lag time.Duration) store.Store {
	t.Helper()
	if p.engine == "redis" {
		return onRedisWith(t, p.at, redisstore.Options{Prefix: p.name, MaxLag: lag})
	}
	config, err := pgstore.ParseURL(p.at)
	if err != nil {
		t.Fatal(err)
	}
	config.MaxConns = 8
	s, err := pgstore.OpenOrCreate(t.Context(), config, pgstore.Options{Schema: p.name, MaxLag: lag, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}
