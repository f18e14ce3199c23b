package record

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/memstore"
)

func TestChangesOfOnePartitionTakeTurnsInTheOrderOfTheirArrival(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := over(memstore.New())
		var order []int
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				err := r.Retry(t.Context(), "p", func() error {
					order = append(order, i) // raced, if two ran at once
					time.Sleep(time.Millisecond)
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			})
			synctest.Wait() // i runs or waits
		}
		wg.Wait()
		if !slices.IsSorted(order) || len(order) != 20 {
			t.Errorf("the order is %v", order)
		}
		if len(r.Turns.turns) != 0 {
			t.Errorf("%d partitions are kept", len(r.Turns.turns))
		}
	})
}

func TestChangesOfOtherPartitionsDoNotWait(t *testing.T) {
	r, _ := over(memstore.New())
	err := r.Retry(t.Context(), "p", func() error {
		return r.Retry(t.Context(), "q", func() error { return nil })
	})
	if err != nil {
		t.Error(err)
	}
}

// A change that got no turn has called nothing.
func TestAChangeWithoutATurnIsBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := over(memstore.New())
		var ran atomic.Int64
		end := make(chan struct{})
		var wg sync.WaitGroup
		for range 1 + maxWaiting {
			wg.Go(func() {
				_ = r.Retry(t.Context(), "p", func() error { ran.Add(1); <-end; return nil })
			})
		}
		synctest.Wait()
		step := func() error { t.Error("it ran"); return nil }
		if err := r.Retry(t.Context(), "p", step); !(errors.Is(err, errBusy) && errors.Is(err, errOff)) {
			t.Errorf("beyond %d that wait: %v", maxWaiting, err)
		}
		time.Sleep(r.Timeout) // of the bubble: the others give up, except the one that runs
		synctest.Wait()
		wg.Go(func() {
			if err := r.Retry(t.Context(), "p", step); !(errors.Is(err, errBusy) && errors.Is(err, errOff)) {
				t.Errorf("after %v: %v", r.Timeout, err)
			}
		})
		gone, cancel := context.WithCancel(t.Context())
		wg.Go(func() {
			if err := r.Retry(gone, "p", step); !errors.Is(err, context.Canceled) || !errors.Is(err, errOff) {
				t.Errorf("a client that leaves the queue: %v", err)
			}
		})
		synctest.Wait()
		cancel()
		time.Sleep(r.Timeout)
		close(end)
		wg.Wait()
		if ran.Load() != 1 || len(r.Turns.turns) != 0 {
			t.Errorf("%d ran, %d partitions are kept", ran.Load(), len(r.Turns.turns))
		}
	})
}

// What ends a credential must not depend on a queue that a client can fill.
func TestAChangeThatMustHappenGoesOnWithoutATurn(t *testing.T) {
	for _, waiting := range []int{1, maxWaiting} { // the queue has room, or is full
		synctest.Test(t, func(t *testing.T) {
			r, f := over(memstore.New())
			end := make(chan struct{})
			var wg sync.WaitGroup
			for range 1 + waiting {
				wg.Go(func() {
					_ = r.Retry(t.Context(), "p", func() error { <-end; return nil })
				})
			}
			synctest.Wait()
			reads, steps := 0, 0
			read := func() error { reads++; return nil }
			step := func() error { steps++; return nil }
			if err := r.RetryAnywayFrom(t.Context(), "p", read, step); err != nil || reads != 1 || steps != 1 {
				t.Errorf("beside %d: %v after %d reads and %d steps", waiting, err, reads, steps)
			}
			if err := r.RetryAnyway(t.Context(), "p", step); err != nil || steps != 2 {
				t.Errorf("beside %d: %v after %d steps", waiting, err, steps)
			}
			gone, cancel := context.WithCancel(t.Context())
			cancel()
			if err := r.RetryAnyway(gone, "p", step); waiting == 1 && !errors.Is(err, context.Canceled) {
				t.Errorf("a caller that has gone: %v", err)
			}
			close(end)
			wg.Wait()
			if len(r.Turns.turns) != 0 || len(f.calls) != 0 {
				t.Errorf("%d partitions are kept, reported %q", len(r.Turns.turns), f.calls)
			}
		})
	}
}

// n changes cost n reads and n Commits, and not their square.
func TestManyChangesAtOnceCostOneCommitEach(t *testing.T) {
	const n = 200
	counted := &counting{Store: memstore.New()}
	r, _ := over(counted)
	first := New[everything]("p/a")
	if err := r.Read(t.Context(), &first); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			row := first
			err := r.RetryFrom(t.Context(), "p", func() error { return r.Read(t.Context(), &row) }, func() error {
				row.Rec.N++
				return r.Commit(t.Context(), row.Put())
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	last := New[everything]("p/a")
	if err := r.Read(t.Context(), &last); err != nil || last.Rec.N != n {
		t.Errorf("%d changes were made, want %d: %v", last.Rec.N, n, err)
	}
	// A change that meets a finished one between its read and its turn reads again.
	if c := counted.commits.Load(); c > 2*n {
		t.Errorf("%d changes made %d Commits", n, c)
	}
}

type counting struct {
	store.Store
	commits atomic.Int64
}

func (c *counting) Commit(ctx context.Context, ops ...store.Op) error {
	c.commits.Add(1)
	return c.Store.Commit(ctx, ops...)
}

// A change that has begun does not depend on its client.
func TestACommitThatHasBegunIsWaitedFor(t *testing.T) {
	for _, answer := range []error{nil, errors.New("lost")} {
		synctest.Test(t, func(t *testing.T) {
			slow := &slowCommit{Store: memstore.New(), answer: answer}
			r, f := over(slow)
			ctx, cancel := context.WithCancel(t.Context())
			slow.during = cancel
			row := New[everything]("p/a")
			err := r.Commit(ctx, row.Put())
			if answer == nil && err != nil || answer != nil && (!errors.Is(err, ErrOutcomeUnknown) || !errors.Is(err, errOff)) {
				t.Errorf("the store answers %v, the Commit %v", answer, err)
			}
			if answer != nil && !slices.Equal(f.calls, []string{"commit"}) {
				t.Errorf("reported %q", f.calls)
			}
			slow.begun = false
			if err := r.Commit(ctx, row.Put()); !errors.Is(err, context.Canceled) || !errors.Is(err, errOff) || errors.Is(err, ErrOutcomeUnknown) || slow.begun {
				t.Errorf("after its client has gone: %v, begun: %v", err, slow.begun)
			}
		})
	}
}

// A slowCommit carries out a Commit whose client leaves meanwhile.
type slowCommit struct {
	store.Store
	during func()
	begun  bool
	answer error
}

func (s *slowCommit) Commit(ctx context.Context, ops ...store.Op) error {
	s.begun = true
	s.during()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(time.Second): // of the bubble
	}
	if err := s.Store.Commit(ctx, ops...); err != nil {
		return err
	}
	return s.answer
}
