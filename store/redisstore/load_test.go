package redisstore_test

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

// A load is workers that write every millisecond or so, each into a partition of its own, and
// know what was acknowledged to them.
type load struct {
	tb      testing.TB
	workers []*worker
	stop    chan struct{}
	done    sync.WaitGroup
	once    sync.Once
}

// A worker counts a record up, on the condition that it is as it was left: each step
// is a once-only act. What else is written with each step is up to the test.
type worker struct {
	s      store.Store
	key    string
	beside func(step int) []store.Op

	mu      sync.Mutex
	steps   int // that were acknowledged, or found to have been made
	errs    []failure
	undone  int         // acknowledged steps that were not there any more
	oldest  time.Time   // when the first of them was acknowledged
	twice   bool        // a step was made twice, or by nobody
	history []time.Time // when each step was acknowledged, or found to have been made
}

type failure struct {
	at  time.Time
	err error
}

// startLoad starts a worker in each of these partitions, all of which are empty.
func startLoad(tb testing.TB, s store.Store, beside func(partition string, step int) []store.Op, partitions ...string) *load {
	tb.Helper()
	l := &load{tb: tb, stop: make(chan struct{})}
	for _, p := range partitions {
		w := &worker{s: s, key: p + "/count", history: []time.Time{time.Now()}}
		if beside != nil {
			w.beside = func(step int) []store.Op { return beside(p, step) }
		}
		l.workers = append(l.workers, w)
		l.done.Go(func() { w.work(l.stop) })
	}
	tb.Cleanup(l.end)
	l.progress(3, 10*time.Second)
	return l
}

// end stops the workers and waits for them.
func (l *load) end() {
	l.once.Do(func() { close(l.stop) })
	l.done.Wait()
}

// progress returns when every worker has made n more steps without an error between
// them, and how long that took.
func (l *load) progress(n int, limit time.Duration) time.Duration {
	l.tb.Helper()
	type mark struct{ steps, errs int }
	was := make([]mark, len(l.workers))
	for i, w := range l.workers {
		was[i].steps, was[i].errs = w.count()
	}
	return servertest.Within(l.tb, limit, func() error {
		var slow error
		for i, w := range l.workers {
			steps, errs := w.count()
			if errs != was[i].errs {
				was[i] = mark{steps, errs}
			}
			if steps < was[i].steps+n {
				slow = fmt.Errorf("%s: %d steps, %d errors, last %v", w.key, steps-was[i].steps, errs, w.lastError())
			}
		}
		return slow
	})
}

// window is the time from the first error that any worker saw since then to the last,
// and how many there were.
func (l *load) window(since time.Time) (span time.Duration, errs int) {
	var first, last time.Time
	for _, w := range l.workers {
		w.mu.Lock()
		for _, e := range w.errs {
			if e.at.Before(since) {
				continue
			}
			if first.IsZero() || e.at.Before(first) {
				first = e.at
			}
			if e.at.After(last) {
				last = e.at
			}
			errs++
		}
		w.mu.Unlock()
	}
	return last.Sub(first), errs
}

// undone is how many acknowledged steps were found to be missing, and how long before
// the server was killed the oldest of them was acknowledged.
func (l *load) undone(killed time.Time) (n int, before time.Duration) {
	for _, w := range l.workers {
		w.mu.Lock()
		if w.undone > 0 {
			n += w.undone
			before = max(before, killed.Sub(w.oldest))
		}
		w.mu.Unlock()
	}
	return n, before
}

// checkOnce fails the test if a step was made twice.
func (l *load) checkOnce() {
	l.tb.Helper()
	for _, w := range l.workers {
		w.mu.Lock()
		if w.twice {
			l.tb.Errorf("%s: a step was made that nobody made, or one twice", w.key)
		}
		w.mu.Unlock()
	}
}

func (w *worker) work(stop chan struct{}) {
	for {
		select {
		case <-stop:
			return
		case <-time.After(time.Millisecond):
		}
		steps, _ := w.count()
		ops := []store.Op{store.Put(w.key, number(steps+1)).Was(number(steps))}
		if w.beside != nil {
			ops = append(ops, w.beside(steps+1)...)
		}
		ctx, cancel := context.WithTimeout(ever, 2*time.Second) // as package auth does
		err := w.s.Commit(ctx, ops...)
		cancel()
		if err == nil {
			w.acknowledged(steps + 1)
			continue
		}
		if !errors.Is(err, store.ErrConflict) {
			w.failed(err)
		}
		w.find(stop, steps, errors.Is(err, store.ErrConflict))
	}
}

// find reads how many steps there are, where it is not known.
func (w *worker) find(stop chan struct{}, steps int, conflict bool) {
	for {
		ctx, cancel := context.WithTimeout(ever, 2*time.Second)
		got, err := w.s.Get(ctx, w.key)
		cancel()
		if err == nil {
			there, _ := strconv.Atoi(string(got[0]))
			w.found(steps, there, conflict)
			return
		}
		w.failed(err)
		select {
		case <-stop:
			return
		case <-time.After(2 * time.Millisecond):
		}
	}
}

func (w *worker) acknowledged(steps int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.steps = steps
	w.history = append(w.history[:steps], time.Now())
}

func (w *worker) failed(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.errs = append(w.errs, failure{time.Now(), err})
}

func (w *worker) found(steps, there int, conflict bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case there < steps:
		w.undone += steps - there
		if at := w.history[there+1]; w.oldest.IsZero() || at.Before(w.oldest) {
			w.oldest = at
		}
		w.history = w.history[:there+1]
	case there == steps && !conflict:
	case there == steps+1 && !conflict:
		w.history = append(w.history, time.Now())
	default:
		w.twice = true
		for len(w.history) <= there {
			w.history = append(w.history, time.Now())
		}
	}
	w.steps = there
}

func (w *worker) count() (steps, errs int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.steps, len(w.errs)
}

func (w *worker) lastError() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.errs) == 0 {
		return nil
	}
	return w.errs[len(w.errs)-1].err
}

// number is the value of a count, nil for a record that is not there yet.
func number(n int) []byte {
	if n == 0 {
		return nil
	}
	return strconv.AppendInt(nil, int64(n), 10)
}
