// Package emptystore hands stores without records to tests, and uses each again when its test
// has ended. To make one of PostgreSQL takes a schema and a few connections, each of them a
// process of the server: more than most tests do with it.
package emptystore

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/datixlab/auth/internal/pgtest"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/pgstore"
)

// A store has connections for as many calls at once, and two more for its sweeper and a walk.
const atOnce = 8

// Postgres returns a store without records on [pgtest.Shared], which ends with the test. If
// many calls come at once, some wait until others are done. Such a wait is no part of
// pgstore.Options.Timeout, so a race of hundreds is decided on a busy machine too.
func Postgres(tb testing.TB) store.Store {
	tb.Helper()
	l := &lease{place: free(tb)}
	tb.Cleanup(func() {
		if err := l.Close(); err != nil {
			tb.Error(err)
		}
	})
	return l
}

// A place is a schema with the store on it.
type place struct {
	*pgstore.Store
	url, schema string
	turns       chan struct{} // has a value for each call under way
}

var places struct {
	mu   sync.Mutex
	free []*place
	made int
}

// free returns a place that no other test has.
func free(tb testing.TB) *place {
	tb.Helper()
	places.mu.Lock()
	if last := len(places.free) - 1; last >= 0 {
		p := places.free[last]
		places.free = places.free[:last]
		places.mu.Unlock()
		return p
	}
	places.made++
	p := &place{url: pgtest.Shared(tb).URL(), schema: fmt.Sprintf("empty%d", places.made), turns: make(chan struct{}, atOnce)}
	places.mu.Unlock()
	config, err := pgstore.ParseURL(p.url)
	if err != nil {
		tb.Fatal(err)
	}
	config.MaxConns = atOnce + 2
	p.Store, err = pgstore.OpenOrCreate(context.Background(), config, pgstore.Options{Schema: p.schema, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

// A lease is what a test has of a place. Once it is closed it makes no call, so what outlives a
// test cannot write into the next one's store.
type lease struct {
	*place
	calls  sync.RWMutex // held for reading by every call, for good by Close
	closed sync.Once
}

// Close implements store.Store, and makes the place free again.
func (l *lease) Close() (err error) {
	l.closed.Do(func() {
		l.calls.Lock()
		if _, err = pgtest.Query(l.url, fmt.Sprintf("TRUNCATE %[1]s.records, %[1]s.counters, %[1]s.changes", l.schema)); err != nil {
			return
		}
		places.mu.Lock()
		defer places.mu.Unlock()
		places.free = append(places.free, l.place)
	})
	return err
}

// turn returns when a call may be made. If it returns nil the caller must call done.
func (l *lease) turn(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if !l.calls.TryRLock() { // only Close ever takes the lock for writing
		return store.ErrClosed
	}
	select {
	case l.turns <- struct{}{}:
		return nil
	case <-ctx.Done():
		l.calls.RUnlock()
		return ctx.Err()
	}
}

func (l *lease) done() {
	<-l.turns
	l.calls.RUnlock()
}

// Get implements store.Store.
func (l *lease) Get(ctx context.Context, keys ...string) ([][]byte, error) {
	if err := l.turn(ctx); err != nil {
		return nil, err
	}
	defer l.done()
	return l.Store.Get(ctx, keys...)
}

// List implements store.Store.
func (l *lease) List(ctx context.Context, prefix, after string, limit int) ([]store.Item, error) {
	if err := l.turn(ctx); err != nil {
		return nil, err
	}
	defer l.done()
	return l.Store.List(ctx, prefix, after, limit)
}

// Commit implements store.Store.
func (l *lease) Commit(ctx context.Context, ops ...store.Op) error {
	if err := l.turn(ctx); err != nil {
		return err
	}
	defer l.done()
	return l.Store.Commit(ctx, ops...)
}

// Hit implements store.Store.
func (l *lease) Hit(ctx context.Context, key string, limit store.Limit, n int, now time.Time) (store.Decision, error) {
	if err := l.turn(ctx); err != nil {
		return store.Decision{}, err
	}
	defer l.done()
	return l.Store.Hit(ctx, key, limit, n, now)
}

// Walk implements store.Walker.
func (l *lease) Walk(ctx context.Context, after string) (store.Page, error) {
	if err := l.turn(ctx); err != nil {
		return store.Page{}, err
	}
	defer l.done()
	return l.Store.Walk(ctx, after)
}
