package auth_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/store"
)

// A tapStore does what its store does, and lets a test stand in front of every call
// and behind it. The calls of the goroutine that New starts are let through, unless
// background is set: a test would meet them at another place each time.
type tapStore struct {
	store.Store
	background    bool
	mu            sync.Mutex
	before, after func(ctx context.Context, c storeCall) error
	partitions    map[string]bool // that a record was ever put into
	commits       atomic.Int64    // that were carried out, without those of the background
}

// A storeCall is one call of a store: its method and its keys.
type storeCall struct {
	kind string // "Get", "List", "Commit", "Hit"
	keys []string
}

// names reports whether the call has a key that ends in the given text.
func (c storeCall) names(suffix string) bool {
	return slices.ContainsFunc(c.keys, func(k string) bool { return strings.HasSuffix(k, suffix) })
}

var errOutage = errors.New("disk: /var/lib/auth.db: input/output error")

func newTapStore(s store.Store) *tapStore { return &tapStore{Store: s, partitions: map[string]bool{}} }

// tap sets what happens before each call, which is not made if it returns an error,
// and after each call that was carried out, whose reply is lost if it returns one.
func (s *tapStore) tap(before, after func(ctx context.Context, c storeCall) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before, s.after = before, after
}

func (s *tapStore) around(ctx context.Context, c storeCall, call func() error) error {
	s.mu.Lock()
	before, after := s.before, s.after
	s.mu.Unlock()
	if auth.InBackground(ctx) && !s.background {
		return call()
	}
	if before != nil {
		if err := before(ctx, c); err != nil {
			return err
		}
	}
	if err := call(); err != nil {
		return err
	}
	if after != nil {
		return after(ctx, c)
	}
	return nil
}

// cutOff makes every call fail from the nth on, from 1 on, and returns the number of calls. If
// carriedOut, they take effect all the same.
func (s *tapStore) cutOff(nth int64, carriedOut bool) (calls *atomic.Int64) {
	calls = new(atomic.Int64)
	fault := func(context.Context, storeCall) error {
		if calls.Add(1) >= nth {
			return errOutage
		}
		return nil
	}
	if carriedOut {
		s.tap(nil, fault)
	} else {
		s.tap(fault, nil)
	}
	return calls
}

func (s *tapStore) Get(ctx context.Context, keys ...string) (values [][]byte, err error) {
	err = s.around(ctx, storeCall{"Get", keys}, func() error {
		values, err = s.Store.Get(ctx, keys...)
		return err
	})
	if err != nil {
		return nil, err
	}
	return values, nil
}

func (s *tapStore) List(ctx context.Context, prefix, after string, limit int) (items []store.Item, err error) {
	err = s.around(ctx, storeCall{"List", []string{prefix}}, func() error {
		items, err = s.Store.List(ctx, prefix, after, limit)
		return err
	})
	if err != nil {
		return nil, err
	}
	return items, nil
}

func (s *tapStore) Commit(ctx context.Context, ops ...store.Op) error {
	c := storeCall{kind: "Commit"}
	for _, op := range ops {
		c.keys = append(c.keys, op.Key)
	}
	return s.around(ctx, c, func() error {
		if err := s.Store.Commit(ctx, ops...); err != nil {
			return err
		}
		if !auth.InBackground(ctx) {
			s.commits.Add(1)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.partitions[store.Partition(ops[0].Key)] = true
		return nil
	})
}

func (s *tapStore) Hit(ctx context.Context, key string, l store.Limit, n int, now time.Time) (d store.Decision, err error) {
	err = s.around(ctx, storeCall{"Hit", []string{key}}, func() error {
		d, err = s.Store.Hit(ctx, key, l, n, now)
		return err
	})
	if err != nil {
		return store.Decision{}, err
	}
	return d, nil
}

// Stamp is the store's own, so that what is remembered is under test as well.
func (s *tapStore) Stamp(partition string) (uint64, bool) {
	if of, ok := s.Store.(store.Stamper); ok {
		return of.Stamp(partition)
	}
	return 0, false
}

// Walk is the store's own.
func (s *tapStore) Walk(ctx context.Context, after string) (page store.Page, err error) {
	err = s.around(ctx, storeCall{kind: "Walk"}, func() error {
		of, ok := s.Store.(store.Walker)
		if !ok {
			return errors.New("this store cannot be walked")
		}
		page, err = of.Walk(ctx, after)
		return err
	})
	return page, err
}

// users returns the accounts that were ever made through the tap and still are there.
func (s *tapStore) users(t *testing.T, m *auth.Manager) []auth.User {
	t.Helper()
	s.mu.Lock()
	var ids []string
	for p := range s.partitions {
		if uid, ok := strings.CutPrefix(p, "u."); ok {
			ids = append(ids, "user_"+uid)
		}
	}
	s.mu.Unlock()
	slices.Sort(ids)
	var all []auth.User
	for _, id := range ids {
		u, err := m.User(context.Background(), id)
		if errors.Is(err, auth.ErrNotFound) {
			continue
		}
		if err != nil {
			t.Fatalf("%s: %v", id, err)
		}
		all = append(all, u)
	}
	return all
}

// checkOwners fails the test unless every account that was ever made through the tap
// can log in with its own address, and no two with the same.
func (s *tapStore) checkOwners(t *testing.T, m *auth.Manager) {
	t.Helper()
	owner := map[string]string{}
	for _, u := range s.users(t, m) {
		email := strings.ToLower(u.Email)
		if other := owner[email]; other != "" {
			t.Errorf("%s and %s both have %s", other, u.ID, email)
		}
		owner[email] = u.ID
		r, err := m.Login(context.Background(), u.Email, authtest.Password)
		if err != nil {
			t.Errorf("%s cannot log in with its own address %s: %v", u.ID, u.Email, err)
		} else if r.User.ID != u.ID {
			t.Errorf("%s logs in as %s with %s", u.ID, r.User.ID, u.Email)
		}
	}
}

// checkOwnedOrFree fails the test unless the address belongs to one working account
// or can be registered.
func checkOwnedOrFree(t *testing.T, m *auth.Manager, email string) {
	t.Helper()
	_, err := m.Login(context.Background(), email, authtest.Password)
	if err == nil {
		if _, err := signUp(m, email); !errors.Is(err, auth.ErrEmailTaken) {
			t.Errorf("%s has an owner and was registered again: %v", email, err)
		}
		return
	}
	if !errors.Is(err, auth.ErrInvalidCredentials) {
		t.Errorf("log in with %s: %v", email, err)
	}
	if _, err := signUp(m, email); err != nil {
		t.Errorf("%s has no owner and cannot be registered: %v", email, err)
	}
}
