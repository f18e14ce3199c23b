package adaptertest

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/datixlab/auth/internal/servertest"
	"github.com/datixlab/auth/store"
)

// Known returns the stamp of the partition once it is known.
func Known(tb testing.TB, s store.Stamper, partition string) (stamp uint64) {
	tb.Helper()
	servertest.Within(tb, 10*time.Second, func() error {
		var ok bool
		if stamp, ok = s.Stamp(partition); !ok {
			return fmt.Errorf("the stamp of %s is not known", partition)
		}
		return nil
	})
	return stamp
}

// WantChanged waits for the stamp of the partition to be known, and another than it was.
func WantChanged(tb testing.TB, s store.Stamper, partition string, was uint64) {
	tb.Helper()
	servertest.Within(tb, 10*time.Second, func() error {
		if stamp, ok := s.Stamp(partition); !ok || stamp == was {
			return fmt.Errorf("the stamp of %s: %d, known %v; it was %d", partition, stamp, ok, was)
		}
		return nil
	})
}

// A Reader remembers the value of p/k for as long as its stamp is the same, as package auth does.
type Reader struct {
	s     store.Stamper
	stamp uint64
	known bool
	value string
	reads int // that asked the server
}

// NewReader returns a Reader of s that remembers nothing yet.
func NewReader(s store.Stamper) *Reader { return &Reader{s: s} }

// Read returns the value of p/k, and when it began to. A value that cannot be read is "".
func (r *Reader) Read() (value string, begun time.Time) {
	begun = time.Now()
	stamp, ok := r.s.Stamp("p")
	if ok && r.known && stamp == r.stamp {
		return r.value, begun
	}
	got, err := r.s.Get(context.Background(), "p/k")
	if err != nil {
		return "", begun
	}
	r.stamp, r.known, r.value = stamp, ok, string(got[0])
	r.reads++
	return r.value, begun
}

// Await reads until the value of p/k is this one or lag has passed since it was written. It returns
// what it read last, and how long after written it began to.
func (r *Reader) Await(value string, written time.Time, lag time.Duration) (got string, late time.Duration) {
	for {
		var begun time.Time
		got, begun = r.Read()
		if late = begun.Sub(written); got == value || late > lag {
			return got, max(0, late)
		}
		if late < lag*9/10 {
			<-time.After(lag / 200) // without it the looks take a core
		}
	}
}

// Lateness is how late each of some changes was seen.
type Lateness []time.Duration

// String implements fmt.Stringer.
func (l Lateness) String() string {
	if len(l) == 0 {
		return "nothing was seen"
	}
	l = slices.Sorted(slices.Values(l))
	return fmt.Sprintf("seen after %v in the median, %v at 99 %%, %v at most", l[len(l)/2], l[len(l)*99/100], l[len(l)-1])
}

// Race has one store write p/k and another remember it, and demands that nothing is remembered
// for longer than lag after it was replaced. It returns how late each change was seen.
func Race(tb testing.TB, writer store.Store, remembers store.Stamper, lag time.Duration, rounds int) (late Lateness) {
	tb.Helper()
	r := newRace(writer, remembers, lag)
	for range rounds {
		r.round(tb)
	}
	return r.late
}

// RaceWhile is Race while cut does something to the servers or to the connections to them. What is
// remembered must end with that, and be there again after it.
func RaceWhile(tb testing.TB, writer store.Store, remembers store.Stamper, lag time.Duration, cut func()) {
	tb.Helper()
	Known(tb, remembers, "p")
	r := newRace(writer, remembers, lag)
	done := make(chan struct{})
	go func() {
		defer close(done)
		cut()
	}()
	for cutting := true; cutting; {
		select {
		case <-done:
			cutting = false
		default:
		}
		r.round(tb)
	}
	Known(tb, remembers, "p")
	for range 20 {
		r.round(tb)
	}
}

type race struct {
	writer store.Store
	reader *Reader
	lag    time.Duration
	late   Lateness
	unsure map[string]bool // what may be there as well: nothing, where it was deleted or cannot be read
}

func newRace(writer store.Store, remembers store.Stamper, lag time.Duration) *race {
	return &race{writer: writer, reader: NewReader(remembers), lag: lag, unsure: map[string]bool{"": true}}
}

var values atomic.Int64 // that races have written

func (r *race) round(tb testing.TB) {
	tb.Helper()
	value := fmt.Sprint(values.Add(1))
	if err := r.writer.Commit(context.Background(), store.Put("p/k", []byte(value))); err != nil {
		r.unsure[value] = true // it may take effect later
		return
	}
	got, late := r.reader.Await(value, time.Now(), r.lag)
	switch {
	case got == value:
		r.late = append(r.late, late)
	case !r.unsure[got]:
		tb.Fatalf("%v after it was replaced by %q, %q is still there", late, value, got)
	}
}

// WantOwnChangesAtOnce demands that a store sees at once what it has written itself, and that in
// the steady state it answers from memory.
func WantOwnChangesAtOnce(tb testing.TB, s store.Stamper) {
	tb.Helper()
	Known(tb, s, "p")
	r := NewReader(s)
	const rounds = 500
	for i := range rounds {
		value := fmt.Sprint(i)
		if err := s.Commit(context.Background(), store.Put("p/k", []byte(value))); err != nil {
			tb.Fatal(err)
		}
		for range 3 {
			if got, _ := r.Read(); got != value {
				tb.Fatalf("read %q after %q was written", got, value)
			}
		}
	}
	servertest.Within(tb, 10*time.Second, func() error {
		Known(tb, s, "p")
		before := r.reads
		for range 1000 {
			if got, _ := r.Read(); got != fmt.Sprint(rounds-1) {
				tb.Fatalf("read %q", got)
			}
		}
		if n := r.reads - before; n > 10 {
			return fmt.Errorf("%d of 1000 reads asked the server", n)
		}
		return nil
	})
}
