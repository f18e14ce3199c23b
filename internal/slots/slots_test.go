package slots_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"slices"
	"strconv"
	"strings"
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
			err := s.Do(context.Background(), slots.Caller{}, func() {
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
		if err := s.Do(context.Background(), slots.Caller{}, func() { <-end }); err != nil {
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
		if err := s.Do(t.Context(), slots.Caller{}, func() { t.Error("f ran") }); err != slots.ErrBusy {
			t.Errorf("Do: %v, want ErrBusy", err)
		}
		free()
		if err := s.Do(t.Context(), slots.Caller{}, func() {}); err != nil {
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
				if err := s.Do(t.Context(), slots.Caller{}, func() { order = append(order, i) }); err != nil {
					t.Errorf("Do %d: %v", i, err)
				}
			})
			synctest.Wait()
		}
		free()
		if err := s.Do(t.Context(), slots.Caller{}, func() { order = append(order, 50) }); err != nil {
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
			go func() { done <- s.Do(ctx, slots.Caller{}, func() { t.Error("f ran") }) }()
			synctest.Wait()
			cancel()
			if err := <-done; !errors.Is(err, context.Canceled) {
				t.Fatalf("Do: %v, want context.Canceled", err)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := s.Do(ctx, slots.Caller{}, func() { t.Error("f ran") }); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("Do: %v, want context.DeadlineExceeded", err)
		}
		free()
		if err := s.Do(t.Context(), slots.Caller{}, func() {}); err != nil {
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
			if err := s.Do(t.Context(), slots.Caller{}, func() { t.Error("f ran") }); err != slots.ErrBusy {
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
		if err := s.Do(ctx, slots.Caller{}, func() { t.Error("f ran") }); !errors.Is(err, context.Canceled) {
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
			err := s.Do(t.Context(), slots.Caller{}, func() { panic("boom") })
			t.Errorf("Do returned %v", err)
		}()
	}
	var wg sync.WaitGroup
	wg.Go(func() { _ = s.Do(t.Context(), slots.Caller{}, runtime.Goexit) })
	wg.Wait()
	if err := s.Do(t.Context(), slots.Caller{}, func() {}); err != nil {
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

// A bench has one slot that is occupied, and notes who is served and who is turned away.
type bench struct {
	t     *testing.T
	s     *slots.Slots
	free  func()         // ends the work that occupies the only slot
	order []slots.Caller // of those that had a slot
	busy  []slots.Caller
	wg    sync.WaitGroup
}

// occupied is a bench whose only slot is taken until served is called.
func occupied(t *testing.T, queue int) *bench {
	s := slots.New(1, queue, time.Hour)
	return &bench{t: t, s: s, free: occupy(s)}
}

// arrive lets callers join the queue one after the other.
func (b *bench) arrive(preferred bool, sources ...string) {
	for _, source := range sources {
		c := slots.Caller{Preferred: preferred, Source: source}
		var err error
		b.wg.Go(func() {
			if err = b.s.Do(b.t.Context(), c, func() { b.order = append(b.order, c) }); err != nil {
				b.busy = append(b.busy, c)
			}
		})
		synctest.Wait()
	}
}

// served frees the slot and returns the sources in the order of their slots.
func (b *bench) served() (sources []string) {
	b.free()
	b.wg.Wait()
	for _, c := range b.order {
		sources = append(sources, c.Source)
	}
	return sources
}

func repeated(source string, n int) []string { return slices.Repeat([]string{source}, n) }

// DO-1
func TestSourcesTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := occupied(t, 100)
		b.arrive(false, "a", "a", "a", "a", "b", "b", "c")
		if got := strings.Join(b.served(), ""); got != "abcabaa" {
			t.Errorf("served in the order %s, want abcabaa", got)
		}
	})
}

// DO-1: a flood in one lane does not keep the other from its slots.
func TestThePreferredLaneHasThreeOfFourSlotsAndPlacesOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := occupied(t, 4)
		b.arrive(false, "a", "b", "c", "d", "a")
		b.arrive(true, "x", "y", "x", "x")
		if len(b.busy) != 1 || b.busy[0].Source != "a" {
			t.Errorf("turned away: %v, want one of a", b.busy)
		}
		if got := strings.Join(b.served(), ""); got != "xyxaxbcd" {
			t.Errorf("served in the order %s, want xyxaxbcd", got)
		}
	})
}

// DO-1: the preferred lane is full without end, and a newcomer to the other waits for 3 slots.
func TestAFullPreferredLaneDelaysTheOtherByThreeSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := slots.New(1, 8, 2*time.Second)
		ctx, end := context.WithCancel(t.Context())
		const work = 100 * time.Millisecond
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				for ctx.Err() == nil {
					_ = s.Do(ctx, slots.Caller{Preferred: true, Source: strconv.Itoa(i)}, func() { time.Sleep(work) })
				}
			})
		}
		for range 20 {
			time.Sleep(work / 3)
			began := time.Now()
			if err := s.Do(ctx, slots.Caller{Source: "new"}, func() { time.Sleep(work) }); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(began); took > 5*work {
				t.Errorf("it took %v", took)
			}
		}
		end()
		wg.Wait()
	})
}

// DO-1: who has filled the queue makes room for whoever has no place in it.
func TestAFullQueueTurnsAwayASourceThatHasMostPlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := occupied(t, 8)
		b.arrive(false, repeated("flood", 20)...)
		if len(b.busy) != 12 {
			t.Fatalf("%d turned away, want 12: one source alone has the whole queue", len(b.busy))
		}
		b.arrive(false, "a", "b", "a")
		for _, c := range b.busy {
			if c.Source != "flood" {
				t.Errorf("%s was turned away", c.Source)
			}
		}
		if got := b.served(); !slices.Equal(got[:4], []string{"flood", "a", "b", "flood"}) || len(got) != 8 {
			t.Errorf("served in the order %v", got)
		}
	})
}

// DO-1: a flood from more sources than there are places keeps nobody out who was not served
// as lately as it.
func TestASourceThatWasNotServedLatelyComesBeforeTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := slots.New(1, 4, time.Hour)
		for i := range 300 { // each has had a slot
			if err := s.Do(t.Context(), slots.Caller{Source: strconv.Itoa(i)}, func() {}); err != nil {
				t.Fatal(err)
			}
		}
		b := &bench{t: t, s: s, free: occupy(s)}
		for i := range 300 {
			b.arrive(false, strconv.Itoa(i))
		}
		b.arrive(false, "traveller")
		if got := b.served(); got[0] != "traveller" || len(got) != 4 {
			t.Errorf("served in the order %v, want traveller first", got)
		}
	})
}

// DO-1: whatever comes and goes, no place and no slot is lost, and no more run or wait than
// may.
func TestNoPlaceIsLostWhateverComesAndGoes(t *testing.T) {
	const parallel, queue, callers = 3, 7, 4000
	s := slots.New(parallel, queue, time.Millisecond)
	var running, most atomic.Int64
	var wg sync.WaitGroup
	for i := range callers {
		rng := rand.New(rand.NewPCG(1, uint64(i)))
		wg.Go(func() {
			ctx := t.Context()
			switch rng.IntN(4) {
			case 0:
				c, cancel := context.WithCancel(ctx)
				cancel()
				ctx = c
			case 1:
				c, cancel := context.WithTimeout(ctx, time.Duration(rng.IntN(1000))*time.Microsecond)
				defer cancel()
				ctx = c
			}
			defer func() { _ = recover() }()
			_ = s.Do(ctx, slots.Caller{Preferred: rng.IntN(2) == 0, Source: strconv.Itoa(rng.IntN(9))}, func() {
				n := running.Add(1)
				defer running.Add(-1)
				for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
				}
				if rng.IntN(10) == 0 {
					panic("boom")
				}
				runtime.Gosched()
			})
		})
	}
	wg.Wait()
	if n := most.Load(); n > parallel {
		t.Errorf("%d ran at once, want at most %d", n, parallel)
	}
	synctest.Test(t, func(t *testing.T) { // what is left over is all that there was
		for _, preferred := range []bool{false, true} {
			if n := room(t, s, preferred); n != parallel+queue {
				t.Errorf("%d fit, want %d", n, parallel+queue)
			}
		}
	})
}

// room returns how many callers run or wait at once.
func room(t *testing.T, s *slots.Slots, preferred bool) (n int) {
	end := make(chan struct{})
	var refused atomic.Int64
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			if s.Do(t.Context(), slots.Caller{Preferred: preferred}, func() { <-end }) != nil {
				refused.Add(1)
			}
		})
	}
	synctest.Wait() // virtual time stands still, so nobody has waited too long
	n = 100 - int(refused.Load())
	close(end)
	wg.Wait()
	return n
}

func BenchmarkDo(b *testing.B) {
	s := slots.New(2, 64, time.Second)
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Do(ctx, slots.Caller{}, func() {}); err != nil {
			b.Fatal(err)
		}
	}
}
