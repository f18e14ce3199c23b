package slots_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/datixlab/auth/internal/slots"
)

// A result is what one Do returned, and when, from the start of the test.
type result struct {
	err error
	at  time.Duration
}

// crowd lets n callers start together, each with work that lasts, and returns
// their results and the greatest number that ran at once.
func crowd(s *slots.Slots, n int, last time.Duration) (results []result, most int64) {
	var running, peak atomic.Int64
	var wg sync.WaitGroup
	results = make([]result, n)
	start, began := make(chan struct{}), time.Now()
	for i := range n {
		wg.Go(func() {
			<-start
			err := s.Do(context.Background(), func() {
				now := running.Add(1)
				for old := peak.Load(); now > old && !peak.CompareAndSwap(old, now); old = peak.Load() {
				}
				<-time.After(last)
				running.Add(-1)
			})
			results[i] = result{err, time.Since(began)}
		})
	}
	synctest.Wait()
	close(start)
	wg.Wait()
	return results, peak.Load()
}

func count(results []result, err error) (n int) {
	for _, r := range results {
		if errors.Is(r.err, err) {
			n++
		}
	}
	return n
}

// occupy takes a slot, and a place in the queue before that if need be, and
// returns a function that ends the work and waits for Do to return.
func occupy(s *slots.Slots) (free func()) {
	end, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		if err := s.Do(context.Background(), func() { <-end }); err != nil {
			panic(err)
		}
	}()
	synctest.Wait()
	return func() { close(end); <-done }
}

// DO-1, F-X3
func TestOf500CallersOnlySlotsAndQueueAreServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		results, most := crowd(slots.New(2, 64, 2*time.Second), 500, 37*time.Millisecond)
		if most != 2 {
			t.Errorf("%d ran at once, want 2", most)
		}
		if ok, busy := count(results, nil), count(results, slots.ErrBusy); ok != 66 || busy != 434 {
			t.Errorf("%d served and %d busy, want 66 and 434", ok, busy)
		}
		for _, r := range results {
			if r.err != nil && r.at != 0 {
				t.Fatalf("turned away after %v, want at once", r.at)
			}
		}
	})
}

func TestNobodyWaitsLongerThanTheBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const wait = 1950 * time.Millisecond
		results, _ := crowd(slots.New(2, 64, wait), 66, 100*time.Millisecond)
		if ok, busy := count(results, nil), count(results, slots.ErrBusy); ok != 40 || busy != 26 {
			t.Errorf("%d served and %d busy, want 40 and 26", ok, busy)
		}
		for _, r := range results {
			if r.err != nil && r.at != wait {
				t.Fatalf("turned away after %v, want %v", r.at, wait)
			}
		}
	})
}

func TestWithoutAQueueACallerIsServedOrTurnedAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := slots.New(1, 0, time.Hour)
		free := occupy(s)
		if err := s.Do(t.Context(), func() { t.Error("f ran") }); err != slots.ErrBusy {
			t.Errorf("Do: %v, want ErrBusy", err)
		}
		free()
		if err := s.Do(t.Context(), func() {}); err != nil {
			t.Errorf("Do with a free slot: %v", err)
		}
	})
}

func TestWaitersAreServedInOrderAndNotOvertaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := slots.New(1, 100, time.Hour)
		free := occupy(s)
		var order []int
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() {
				if err := s.Do(t.Context(), func() { order = append(order, i) }); err != nil {
					t.Errorf("Do %d: %v", i, err)
				}
			})
			synctest.Wait()
		}
		free()
		if err := s.Do(t.Context(), func() { order = append(order, 50) }); err != nil {
			t.Errorf("the late one: %v", err)
		}
		wg.Wait()
		if len(order) != 51 || !slices.IsSorted(order) {
			t.Errorf("served in the order %v", order)
		}
	})
}

func TestACallerThatGivesUpFreesItsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := slots.New(1, 1, time.Hour)
		free := occupy(s)
		for range 3 { // the queue has one place: a place that leaks is missed
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error)
			go func() { done <- s.Do(ctx, func() { t.Error("f ran") }) }()
			synctest.Wait()
			cancel()
			if err := <-done; !errors.Is(err, context.Canceled) {
				t.Fatalf("Do: %v, want context.Canceled", err)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := s.Do(ctx, func() { t.Error("f ran") }); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("Do: %v, want context.DeadlineExceeded", err)
		}
		free()
		if err := s.Do(t.Context(), func() {}); err != nil {
			t.Errorf("Do with a free slot: %v", err)
		}
	})
}

func TestACallerThatTimesOutFreesItsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := slots.New(1, 1, time.Second)
		free := occupy(s)
		defer free()
		for range 3 {
			began := time.Now()
			if err := s.Do(t.Context(), func() { t.Error("f ran") }); err != slots.ErrBusy {
				t.Fatalf("Do: %v, want ErrBusy", err)
			}
			if d := time.Since(began); d != time.Second {
				t.Fatalf("turned away after %v, want 1s", d)
			}
		}
	})
}

func TestNothingIsDoneForAContextThatIsDone(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s := slots.New(1, 0, 0)
	for range 3 {
		if err := s.Do(ctx, func() { t.Error("f ran") }); !errors.Is(err, context.Canceled) {
			t.Errorf("Do: %v, want context.Canceled", err)
		}
	}
}

func TestAPanicFreesTheSlotAndGoesOn(t *testing.T) {
	s := slots.New(1, 0, 0)
	for range 3 {
		func() {
			defer func() {
				if got := recover(); got != "boom" {
					t.Errorf("recovered %v, want boom", got)
				}
			}()
			err := s.Do(t.Context(), func() { panic("boom") })
			t.Errorf("Do returned %v", err)
		}()
	}
	var wg sync.WaitGroup
	wg.Go(func() { _ = s.Do(t.Context(), runtime.Goexit) })
	wg.Wait()
	if err := s.Do(t.Context(), func() {}); err != nil {
		t.Errorf("Do after panics: %v", err)
	}
}

func TestNumbersOutOfRangePanic(t *testing.T) {
	for _, n := range [][2]int{{0, 1}, {-1, 5}, {1, -1}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("New(%d, %d) does not panic", n[0], n[1])
				}
			}()
			slots.New(n[0], n[1], 0)
		}()
	}
}

func BenchmarkDo(b *testing.B) {
	s := slots.New(2, 64, time.Second)
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Do(ctx, func() {}); err != nil {
			b.Fatal(err)
		}
	}
}
