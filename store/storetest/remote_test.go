//go:build !race

package storetest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/storetest"
)

// A remote is a store behind a network: it sends each call to a server of its own,
// which carries it out on another store. It is sound but for what is set.
type remote struct {
	dial   storetest.Dialer
	server net.Listener
	served sync.WaitGroup

	again    bool // a call whose reply is lost is made again
	conflict bool // a Commit whose reply is lost is taken for refused
	stays    bool // a connection that broke is used again
	oneByOne bool // a Commit is sent operation by operation
	deaf     bool // deadlines are ignored
	keeps    bool // a connection whose answer did not come in time is used again

	mu   sync.Mutex
	idle []net.Conn
	all  []net.Conn
}

type request struct {
	Keys          []string   // Get
	Prefix, After string     // List
	Max           int        // List
	Ops           []store.Op // Commit
	Key           string     // Hit
	Limit         store.Limit
	N             int
	Now           time.Time
}

type reply struct {
	Values   [][]byte
	Items    []store.Item
	Decision store.Decision
	Err      string
}

// behind returns a Place.Behind whose remotes carry their calls out on m and are
// broken by f.
func behind(m store.Store, f func(*remote)) func(storetest.Dialer) (store.Store, error) {
	return func(dial storetest.Dialer) (store.Store, error) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		r := &remote{dial: dial, server: l}
		f(r)
		r.served.Go(func() { r.serve(m) })
		return r, nil
	}
}

func (r *remote) serve(m store.Store) {
	for {
		conn, err := r.server.Accept()
		if err != nil {
			return
		}
		r.served.Go(func() {
			defer func() { _ = conn.Close() }()
			requests, replies := json.NewDecoder(conn), json.NewEncoder(conn)
			for {
				var q request
				if requests.Decode(&q) != nil || replies.Encode(carryOut(m, q)) != nil {
					return
				}
			}
		})
	}
}

func carryOut(m store.Store, q request) (a reply) {
	var err error
	switch {
	case q.Keys != nil:
		a.Values, err = m.Get(context.Background(), q.Keys...)
	case q.Prefix != "":
		a.Items, err = m.List(context.Background(), q.Prefix, q.After, q.Max)
	case q.Ops != nil:
		err = m.Commit(context.Background(), q.Ops...)
	default:
		a.Decision, err = m.Hit(context.Background(), q.Key, q.Limit, q.N, q.Now)
	}
	if err != nil {
		a.Err = err.Error()
	}
	return a
}

func (r *remote) Get(ctx context.Context, keys ...string) ([][]byte, error) {
	a, err := r.call(ctx, request{Keys: keys})
	return a.Values, err
}

func (r *remote) List(ctx context.Context, prefix, after string, limit int) ([]store.Item, error) {
	a, err := r.call(ctx, request{Prefix: prefix, After: after, Max: limit})
	return a.Items, err
}

func (r *remote) Commit(ctx context.Context, ops ...store.Op) (err error) {
	for parts := 1; len(ops) > 0; ops = ops[parts:] {
		if !r.oneByOne {
			parts = len(ops)
		}
		if _, err = r.call(ctx, request{Ops: ops[:parts]}); err != nil {
			break
		}
	}
	if r.conflict && err != nil {
		return store.ErrConflict
	}
	return err
}

func (r *remote) Hit(ctx context.Context, key string, l store.Limit, n int, now time.Time) (store.Decision, error) {
	a, err := r.call(ctx, request{Key: key, Limit: l, N: n, Now: now})
	return a.Decision, err
}

func (r *remote) call(ctx context.Context, q request) (reply, error) {
	a, err := r.try(ctx, q)
	if err != nil && r.again && ctx.Err() == nil {
		a, err = r.try(ctx, q)
	}
	if err != nil {
		return a, fmt.Errorf("remote: %w", err)
	}
	for _, known := range []error{store.ErrConflict, store.ErrInvalid, store.ErrClosed} {
		if a.Err == known.Error() {
			return a, known
		}
	}
	if a.Err != "" {
		return a, errors.New(a.Err)
	}
	return a, nil
}

func (r *remote) try(ctx context.Context, q request) (a reply, err error) {
	conn, err := r.take(ctx)
	if err != nil {
		return a, err
	}
	defer func() {
		var late net.Error
		if err == nil || r.stays || r.keeps && errors.As(err, &late) && late.Timeout() {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.idle = append(r.idle, conn)
			return
		}
		_ = conn.Close()
	}()
	if end, ok := ctx.Deadline(); ok && !r.deaf {
		if err := conn.SetDeadline(end); err != nil {
			return a, err
		}
	}
	if err := json.NewEncoder(conn).Encode(q); err != nil {
		return a, err
	}
	return a, json.NewDecoder(conn).Decode(&a)
}

func (r *remote) take(ctx context.Context) (net.Conn, error) {
	r.mu.Lock()
	if n := len(r.idle); n > 0 {
		defer r.mu.Unlock()
		conn := r.idle[n-1]
		r.idle = r.idle[:n-1]
		return conn, nil
	}
	r.mu.Unlock()
	conn, err := r.dial(ctx, "tcp", r.server.Addr().String())
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, conn)
	return conn, nil
}

func (r *remote) Close() error {
	r.mu.Lock()
	for _, conn := range r.all {
		_ = conn.Close()
	}
	r.mu.Unlock()
	err := r.server.Close()
	r.served.Wait()
	return err
}
