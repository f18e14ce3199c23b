package boltstore_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	berrors "go.etcd.io/bbolt/errors"

	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/boltstore"
)

// stalled runs fn in a bubble with a store whose committer waits inside its clock
// until release is called.
func stalled(t *testing.T, fn func(t *testing.T, s *boltstore.Store, path string, release func())) {
	t.Helper()
	stalledAt(t, newPath(t), 0, fn)
}

func stalledAt(t *testing.T, path string, maxSize int64, fn func(t *testing.T, s *boltstore.Store, path string, release func())) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		var armed atomic.Bool
		s := mustOpen(t, path, boltstore.Options{MaxSize: maxSize, Now: func() time.Time {
			if armed.Load() {
				<-gate
			}
			return start
		}})
		armed.Store(true)
		<-time.After(2 * time.Second) // until the committer tidies up
		synctest.Wait()
		release := sync.OnceFunc(func() { armed.Store(false); close(gate) })
		defer release()
		fn(t, s, path, release)
	})
}

// F-D8.
func TestCommitsThatQueueTogetherShareOneTransaction(t *testing.T) {
	stalled(t, func(t *testing.T, s *boltstore.Store, path string, release func()) {
		const commits = 1000
		before := lastTx(t, path)
		var all sync.WaitGroup
		for i := range commits {
			all.Go(func() {
				if err := s.Commit(ever, store.Put(fmt.Sprintf("u%d/a", i), nil).Absent()); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		release()
		all.Wait()
		if n := lastTx(t, path) - before; n != 1 {
			t.Errorf("%d Commits took %d transactions", commits, n)
		}
	})
}

func TestRacersWithoutAnyArrangementShareTransactions(t *testing.T) {
	const racers, rounds = 64, 20
	path := newPath(t)
	s := mustOpen(t, path, boltstore.Options{})
	before := lastTx(t, path)
	gate := make(chan struct{})
	var all sync.WaitGroup
	for i := range racers {
		all.Go(func() {
			<-gate
			for j := range rounds {
				if err := s.Commit(ever, store.Put(fmt.Sprintf("u%d/%d", i, j), nil)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	close(gate)
	all.Wait()
	if n := lastTx(t, path) - before; n > racers*rounds/4 {
		t.Errorf("%d Commits took %d transactions", racers*rounds, n)
	}
}

func TestOfCommitsInOneTransactionThatExcludeEachOtherOneSucceeds(t *testing.T) {
	stalled(t, func(t *testing.T, s *boltstore.Store, path string, release func()) {
		const racers = 50
		before := lastTx(t, path)
		var all sync.WaitGroup
		var won, lost atomic.Int64
		for i := range racers {
			all.Go(func() {
				own := fmt.Sprintf("u/own%d", i)
				switch err := s.Commit(ever, store.Put("u/one", []byte(own)).Absent(), store.Put(own, nil)); {
				case err == nil:
					won.Add(1)
				case err == store.ErrConflict:
					lost.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		release()
		all.Wait()
		items, err := s.List(ever, "u/", "", 1000)
		must(t, err)
		if won.Load() != 1 || lost.Load() != racers-1 || len(items) != 2 || string(items[1].Value) != items[0].Key && string(items[0].Value) != items[1].Key {
			t.Errorf("%d won, %d lost, and %v is there", won.Load(), lost.Load(), items)
		}
		if n := lastTx(t, path) - before; n != 1 {
			t.Errorf("%d transactions", n)
		}
	})
}

func TestACommitThatWritesNothingCostsNoTransaction(t *testing.T) {
	path := newPath(t)
	s := mustOpen(t, path, boltstore.Options{})
	must(t, s.Commit(ever, store.Put("u/a", []byte("1"))))
	before := lastTx(t, path)
	must(t, s.Commit(ever, store.Check("u/a").Equal([]byte("1"))))
	if err := s.Commit(ever, store.Put("u/a", nil).Absent()); err != store.ErrConflict {
		t.Error(err)
	}
	if n := lastTx(t, path) - before; n != 0 {
		t.Errorf("%d transactions", n)
	}
}

func TestACommitWhoseContextEndsInTheQueueIsWithdrawn(t *testing.T) {
	for name, cause := range map[string]error{"cancelled": context.Canceled, "deadline": context.DeadlineExceeded} {
		t.Run(name, func(t *testing.T) {
			stalled(t, func(t *testing.T, s *boltstore.Store, path string, release func()) {
				ctx, cancel := context.WithTimeout(ever, time.Minute)
				defer cancel()
				result := make(chan error)
				go func() { result <- s.Commit(ctx, store.Put("u/a", nil)) }()
				synctest.Wait()
				if cause == context.Canceled {
					cancel()
				}
				if err := <-result; err != cause {
					t.Errorf("Commit: %v", err)
				}
				release()
				must(t, s.Commit(ever, store.Put("u/b", nil))) // behind it in the queue
				if get(t, s, "u/a") != nil {
					t.Error("the withdrawn Commit took effect")
				}
			})
		})
	}
}

func TestACommitFindsThatTheQueueIsFullUntilItsContextEnds(t *testing.T) {
	stalled(t, func(t *testing.T, s *boltstore.Store, path string, release func()) {
		const commits = 3000
		ctx, cancel := context.WithTimeout(ever, time.Minute)
		defer cancel()
		var all sync.WaitGroup
		for i := range commits {
			all.Go(func() {
				if err := s.Commit(ctx, store.Put(fmt.Sprintf("u/%d", i), nil)); err != context.DeadlineExceeded {
					t.Error(err)
				}
			})
		}
		all.Wait()
		release()
		must(t, s.Commit(ever, store.Put("u/last", nil)))
		if items, err := s.List(ever, "u/", "", 1000); err != nil || len(items) != 1 {
			t.Errorf("%d records, %v", len(items), err)
		}
	})
}

// lateContext ends while the committer looks at it, inside the transaction.
type lateContext struct {
	context.Context
	looks  atomic.Int64
	ended  chan struct{}
	resume chan struct{}
}

func (c *lateContext) Done() <-chan struct{} { return c.ended }

func (c *lateContext) Err() error {
	if c.looks.Add(1) == 2 {
		close(c.ended)
		<-c.resume
		return nil
	}
	select {
	case <-c.ended:
		return context.Canceled
	default:
		return nil
	}
}

// F-D7.
func TestACommitWhoseContextEndsTooLateSaysThatItMayHaveTakenEffect(t *testing.T) {
	s := mustOpen(t, newPath(t), boltstore.Options{})
	ctx := &lateContext{Context: ever, ended: make(chan struct{}), resume: make(chan struct{})}
	value := []byte("before")
	err := s.Commit(ctx, store.Put("u/a", value))
	copy(value, "after!") // it is the caller's own again
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "may") {
		t.Error(err)
	}
	close(ctx.resume)
	must(t, s.Commit(ever, store.Put("u/b", nil)))
	if v := get(t, s, "u/a"); string(v) != "before" {
		t.Errorf("it wrote %q", v)
	}
}

// F-D7, F-D8.
// A conflict with a write that was then not made must not be reported as a conflict.
func TestAFailingTransactionFailsEveryCommitInIt(t *testing.T) {
	path := newPath(t)
	const maxSize = 32 << 20
	values := func(name string, n int) []store.Op {
		ops := make([]store.Op, n)
		for i := range ops {
			ops[i] = store.Put(fmt.Sprintf("u/%s%d", name, i), make([]byte, store.MaxValue)).Absent()
		}
		return ops
	}
	s := mustOpen(t, path, boltstore.Options{})
	must(t, s.Commit(ever, values("a", 60)...))
	must(t, s.Commit(ever, values("b", 50)...))
	must(t, s.Close())
	stalledAt(t, path, maxSize, func(t *testing.T, s *boltstore.Store, path string, release func()) {
		errs := make(chan error, 3)
		queue := func(ops ...store.Op) {
			go func() { errs <- s.Commit(ever, ops...) }()
			synctest.Wait()
		}
		queue(values("c", 25)...)
		queue(store.Put("u/c1", nil).Absent())
		queue(store.Put("v/1", nil))
		release()
		for range cap(errs) {
			if err := <-errs; !errors.Is(err, berrors.ErrMaxSizeReached) || errors.Is(err, store.ErrConflict) {
				t.Error(err)
			}
		}
		items, err := s.List(ever, "u/c", "", 10)
		must(t, err)
		if len(items) != 0 || get(t, s, "v/1") != nil {
			t.Errorf("%d records of a failed transaction", len(items))
		}
		must(t, s.Commit(ever, store.Put("u/c1", nil).Absent()))
		must(t, s.Verify(ever))
		info, err := os.Stat(path)
		must(t, err)
		if info.Size() > maxSize {
			t.Errorf("the file has %d bytes", info.Size())
		}
	})
}

// A hit waits for no disk.
func TestHitsAreCountedWhileTheCommitterHangs(t *testing.T) {
	stalled(t, func(t *testing.T, s *boltstore.Store, _ string, _ func()) {
		for i := range 5 {
			if n := hits(t, s, "login/a", start); n != i {
				t.Errorf("%d hits counted, want %d", n, i)
			}
		}
	})
}
