package httpauth_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/datixlab/auth/store"
)

// A faultyStore does what its store does until a test makes it fail or panic.
type faultyStore struct {
	store.Store
	fault   atomic.Value // of func(context.Context) error
	commits atomic.Int64 // tried, but for what is written in the background: see behind
}

var errDisk = errors.New("bolt: /var/lib/secret/path.db: input/output error")

func (s *faultyStore) fail() { s.fault.Store(func(context.Context) error { return errDisk }) }
func (s *faultyStore) panic() {
	s.fault.Store(func(context.Context) error { panic("bolt: page 7 is damaged") })
}
func (s *faultyStore) heal() { s.fault.Store(func(context.Context) error { return nil }) }

func (s *faultyStore) check(ctx context.Context) error {
	if f, ok := s.fault.Load().(func(context.Context) error); ok {
		return f(ctx)
	}
	return nil
}

// ofRequest reports whether a call with this context is one of a request, and not of the queue of
// mails or of what else a Manager does beside it.
func ofRequest(ctx context.Context) bool { return ctx.Value(http.ServerContextKey) != nil }

func (s *faultyStore) Get(ctx context.Context, keys ...string) ([][]byte, error) {
	if err := s.check(ctx); err != nil {
		return nil, err
	}
	return s.Store.Get(ctx, keys...)
}

func (s *faultyStore) List(ctx context.Context, prefix, after string, limit int) ([]store.Item, error) {
	if err := s.check(ctx); err != nil {
		return nil, err
	}
	return s.Store.List(ctx, prefix, after, limit)
}

func (s *faultyStore) Commit(ctx context.Context, ops ...store.Op) error {
	if !behind(ops) {
		s.commits.Add(1)
	}
	if err := s.check(ctx); err != nil {
		return err
	}
	return s.Store.Commit(ctx, ops...)
}

// behind reports whether a Commit changes nothing but what is written in the background: uses of
// API keys, the first use of a token, the tokens of mails, and what Managers know of each other.
func behind(ops []store.Op) bool {
	if len(ops) == 1 && ops[0].Write == store.Set && strings.Contains(ops[0].Key, "/s.") {
		return true // a login or a refresh also requires the account
	}
	return !slices.ContainsFunc(ops, func(o store.Op) bool {
		inBackground := strings.Contains(o.Key, "/l.") || strings.HasSuffix(o.Key, "/mail") || strings.HasPrefix(o.Key, "m.auth/")
		return o.Write == store.Remove || o.Write == store.Set && !inBackground
	})
}

func (s *faultyStore) Hit(ctx context.Context, key string, limit store.Limit, n int, now time.Time) (store.Decision, error) {
	if err := s.check(ctx); err != nil {
		return store.Decision{}, err
	}
	return s.Store.Hit(ctx, key, limit, n, now)
}
