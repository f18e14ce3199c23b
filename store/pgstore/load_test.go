package pgstore_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/datixlab/auth/internal/servertest"
	"github.com/datixlab/auth/store"
)

// A load is writers that make one step after the other, each in a partition of its own, and
// know what was acknowledged to them. A step is a once-only act: it sets two records, on the
// condition that both are as they were left.
type load struct {
	tb      testing.TB
	writers []*writer
	stop    chan struct{}
	done    sync.WaitGroup
	once    sync.Once
}

type writer struct {
	s                store.Store
	counted, witness string // keys
	mu               sync.Mutex
	steps, failures  int
	last             error // of the failures
	wrong            []string
	slowest          time.Duration // of the failures
}

// startLoad starts n writers in partitions that are empty and begin with name.
func startLoad(tb testing.TB, s store.Store, name string, n int) *load {
	tb.Helper()
	l := &load{tb: tb, stop: make(chan struct{})}
	for i := range n {
		w := &writer{s: s, counted: fmt.Sprintf("%s%d/count", name, i), witness: fmt.Sprintf("%s%d/witness", name, i)}
		l.writers = append(l.writers, w)
		l.done.Go(func() { w.work(l.stop) })
	}
	tb.Cleanup(l.halt)
	l.progress(3, 10*time.Second)
	return l
}

func (l *load) halt() {
	l.once.Do(func() { close(l.stop) })
	l.done.Wait()
}

// progress returns when every writer has made n more steps, and how long that took.
func (l *load) progress(n int, limit time.Duration) time.Duration {
	l.tb.Helper()
	was := make([]int, len(l.writers))
	for i, w := range l.writers {
		was[i], _, _ = w.state()
	}
	return servertest.Within(l.tb, limit, func() error {
		for i, w := range l.writers {
			if steps, failures, last := w.state(); steps < was[i]+n {
				return fmt.Errorf("%s: %d steps, %d failures, the last %v", w.counted, steps-was[i], failures, last)
			}
		}
		return nil
	})
}

// end stops the writers. It fails the test if an acknowledged step was undone, or if one was
// made twice or by half. It returns how many calls failed, and how long the slowest took.
func (l *load) end() (failures int, slowest time.Duration) {
	l.tb.Helper()
	l.halt()
	for _, w := range l.writers {
		var there, witness int
		servertest.Within(l.tb, 10*time.Second, func() (err error) { // a role may have settings that end any call
			there, witness, err = w.look(ever)
			return err
		})
		if there < w.steps || witness != there {
			l.tb.Errorf("%s: %d steps were acknowledged, and at the end the records are of steps %d and %d", w.counted, w.steps, there, witness)
		}
		for _, text := range w.wrong {
			l.tb.Errorf("%s: %s", w.counted, text)
		}
		failures, slowest = failures+w.failures, max(slowest, w.slowest)
	}
	return failures, slowest
}

// state returns what is known so far. What is wrong counts as the last failure.
func (w *writer) state() (steps, failures int, last error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.wrong) > 0 {
		return w.steps, w.failures, errors.New(w.wrong[0])
	}
	return w.steps, w.failures, w.last
}

func (w *writer) work(stop chan struct{}) {
	steps, unknown := 0, false // whether a Commit of the next step may still take effect
	for {
		select {
		case <-stop:
			return
		case <-time.After(time.Millisecond):
		}
		err := w.try(func(ctx context.Context) error {
			return w.s.Commit(ctx, store.Put(w.counted, number(steps+1)).Was(number(steps)), store.Put(w.witness, number(steps+1)).Was(number(steps)))
		})
		conflict := errors.Is(err, store.ErrConflict)
		switch {
		case err == nil:
			steps, unknown = steps+1, false
		case conflict && !unknown:
			w.note("a step was made that nobody made")
		}
		var there, witness int
		for looked := err == nil; !looked; {
			looked = w.try(func(ctx context.Context) (err error) {
				there, witness, err = w.look(ctx)
				return err
			}) == nil
			select {
			case <-stop:
				return
			default:
			}
		}
		if err != nil {
			switch {
			case there != witness:
				w.note("the records are of steps %d and %d", there, witness)
			case there < steps:
				w.note("%d steps were acknowledged, and %d are there", steps, there)
			case conflict && there == steps:
				w.note("a step was refused whose condition held")
			case there > steps+1:
				w.note("%d steps are there, and %d were acknowledged", there, steps)
			}
			unknown = !conflict && there == steps
			steps = there
		}
		w.mu.Lock()
		w.steps = steps
		w.mu.Unlock()
	}
}

// try makes a call with the patience of package auth, and notes if it fails.
func (w *writer) try(call func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ever, 2*time.Second)
	defer cancel()
	begin := time.Now()
	err := call(ctx)
	if err != nil && !errors.Is(err, store.ErrConflict) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.failures, w.last, w.slowest = w.failures+1, err, max(w.slowest, time.Since(begin))
	}
	return err
}

func (w *writer) look(ctx context.Context) (there, witness int, err error) {
	got, err := w.s.Get(ctx, w.counted, w.witness)
	if err != nil {
		return 0, 0, err
	}
	there, _ = strconv.Atoi(string(got[0]))
	witness, _ = strconv.Atoi(string(got[1]))
	return there, witness, nil
}

func (w *writer) note(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wrong = append(w.wrong, fmt.Sprintf(format, args...))
}

// number is the value of a count, nil for a record that is not there yet.
func number(n int) []byte {
	if n == 0 {
		return nil
	}
	return strconv.AppendInt(nil, int64(n), 10)
}
