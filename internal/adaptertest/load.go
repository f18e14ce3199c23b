package adaptertest

import (
	"bytes"
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

// A Load is writers that make one step after the other, each in a partition of its own, and
// know what was acknowledged to them. A step is a once-only act: it sets two records, on the
// condition that both are as they were left.
type Load struct {
	tb      testing.TB
	writers []*writer
	stop    chan struct{}
	done    sync.WaitGroup
	once    sync.Once
}

// An Outcome is what the writers of a Load met.
type Outcome struct {
	Failed  int           // calls, other than those that were refused
	Span    time.Duration // from the first of these to the last
	Slowest time.Duration // of these
	Last    error         // of these
	Late    int           // steps that took effect after a writer had not found them
	Lost    int           // acknowledged steps that were not there any more
	Oldest  time.Time     // when the first of the lost steps was acknowledged
}

// String says how many calls failed.
func (o Outcome) String() string {
	if o.Failed == 0 {
		return "no call failed"
	}
	return fmt.Sprintf("%d calls failed within %v, the slowest after %v, the last: %v",
		o.Failed, o.Span.Round(time.Millisecond), o.Slowest.Round(time.Millisecond), o.Last)
}

// Partitions returns n names of partitions that begin with name.
func Partitions(name string, n int) (partitions []string) {
	for i := range n {
		partitions = append(partitions, fmt.Sprint(name, i))
	}
	return partitions
}

// StartLoad starts a writer in each of these partitions, all of which are empty.
func StartLoad(tb testing.TB, s store.Store, partitions ...string) *Load {
	tb.Helper()
	return StartLoadBeside(tb, s, func(string, int) []store.Op { return nil }, partitions...)
}

// StartLoadBeside is StartLoad with further Ops in each step.
func StartLoadBeside(tb testing.TB, s store.Store, beside func(partition string, step int) []store.Op, partitions ...string) *Load {
	tb.Helper()
	l := &Load{tb: tb, stop: make(chan struct{})}
	for _, p := range partitions {
		w := &writer{s: s, keys: []string{p + "/count", p + "/witness"}, made: []time.Time{time.Now()}}
		w.beside = func(step int) []store.Op { return beside(p, step) }
		l.writers = append(l.writers, w)
		l.done.Go(func() { w.work(l.stop) })
	}
	tb.Cleanup(l.halt)
	l.Progress(3, 10*time.Second)
	return l
}

func (l *Load) halt() {
	l.once.Do(func() { close(l.stop) })
	l.done.Wait()
}

// Progress returns when every writer has made n more steps, and how long that took.
func (l *Load) Progress(n int, limit time.Duration) time.Duration {
	l.tb.Helper()
	return l.progress(n, limit, false)
}

// Served is Progress without a call that fails between the steps.
func (l *Load) Served(n int, limit time.Duration) time.Duration {
	l.tb.Helper()
	return l.progress(n, limit, true)
}

func (l *Load) progress(n int, limit time.Duration, served bool) time.Duration {
	l.tb.Helper()
	type mark struct{ steps, failed int }
	was := make([]mark, len(l.writers))
	for i, w := range l.writers {
		was[i].steps, was[i].failed, _ = w.state()
	}
	return servertest.Within(l.tb, limit, func() (slow error) {
		for i, w := range l.writers {
			steps, failed, last := w.state()
			if served && failed != was[i].failed {
				was[i] = mark{steps, failed}
			}
			if steps < was[i].steps+n {
				slow = fmt.Errorf("%s: %d steps, %d failures, the last: %s", w.keys[0], steps-was[i].steps, failed, last)
			}
		}
		return slow
	})
}

// End stops the writers. It fails the test if an acknowledged step is not there any more, or if
// one was made twice, by nobody or by half.
func (l *Load) End() Outcome {
	l.tb.Helper()
	o := l.EndWithLosses()
	if o.Lost > 0 {
		l.tb.Errorf("%d acknowledged steps were undone, the oldest acknowledged %v ago", o.Lost, time.Since(o.Oldest))
	}
	return o
}

// EndWithLosses is End for a server that may lose what was acknowledged.
func (l *Load) EndWithLosses() (o Outcome) {
	l.tb.Helper()
	l.halt()
	var first, last failure
	for _, w := range l.writers {
		servertest.Within(l.tb, 10*time.Second, func() error { // a role may have settings that end any call
			there, err := w.look(context.Background(), w.keys)
			if err == nil {
				w.found(there, false, true)
			}
			return err
		})
		for _, text := range w.wrong {
			l.tb.Errorf("%s: %s", w.keys[0], text)
		}
		for _, f := range w.failures {
			if first.err == nil || f.at.Before(first.at) {
				first = f
			}
			if last.err == nil || f.at.After(last.at) {
				last = f
			}
			o.Slowest = max(o.Slowest, f.took)
		}
		if w.lost > 0 && (o.Lost == 0 || w.oldest.Before(o.Oldest)) {
			o.Oldest = w.oldest
		}
		o.Failed, o.Late, o.Lost = o.Failed+len(w.failures), o.Late+w.late, o.Lost+w.lost
	}
	o.Span, o.Last = last.at.Sub(first.at), last.err
	return o
}

type writer struct {
	s      store.Store
	keys   []string // of the two records
	beside func(step int) []store.Op
	looks  int

	mu         sync.Mutex
	made       []time.Time // when each step was acknowledged or found, after the time of the start
	failures   []failure
	wrong      []string
	late, lost int
	oldest     time.Time // when the first of the lost steps was made
}

type failure struct {
	at   time.Time
	took time.Duration
	err  error
}

func (w *writer) work(stop chan struct{}) {
	unknown := false // whether a Commit of the next step may still take effect
	for {
		select {
		case <-stop:
			return
		case <-time.After(time.Millisecond):
		}
		steps := len(w.made) - 1
		ops := w.beside(steps + 1)
		for _, key := range w.keys {
			ops = append(ops, store.Put(key, number(steps+1)).Was(number(steps)))
		}
		err := w.try(func(ctx context.Context) error { return w.s.Commit(ctx, ops...) })
		if err == nil {
			w.have(steps + 1)
			unknown = false
			continue
		}
		there, ok := w.find(stop)
		if !ok {
			return
		}
		conflict := errors.Is(err, store.ErrConflict)
		w.found(there, conflict, unknown)
		unknown = !conflict && there == steps
	}
}

// find reads how many steps are there until it knows. By turns it reads one record and both:
// adapters have a way of their own for each.
func (w *writer) find(stop chan struct{}) (there int, ok bool) {
	for {
		w.looks++
		err := w.try(func(ctx context.Context) (err error) {
			there, err = w.look(ctx, w.keys[:1+w.looks%2])
			return err
		})
		if err == nil {
			return there, true
		}
		select {
		case <-stop:
			return 0, false
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// try makes a call with the patience of package auth, and notes if it fails.
func (w *writer) try(call func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	begin := time.Now()
	err := call(ctx)
	if err != nil && !errors.Is(err, store.ErrConflict) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.failures = append(w.failures, failure{time.Now(), time.Since(begin), err})
	}
	return err
}

// look reads how many steps are there by some of the records, and notes if these differ.
func (w *writer) look(ctx context.Context, keys []string) (there int, err error) {
	got, err := w.s.Get(ctx, keys...)
	if err != nil {
		return 0, err
	}
	if witness := got[len(got)-1]; !bytes.Equal(got[0], witness) {
		w.note("the records are of steps %q and %q", got[0], witness)
	}
	there, _ = strconv.Atoi(string(got[0]))
	return there, nil
}

// found notes how many steps are there after a Commit that was refused, or whose outcome is not
// known. Unknown says whether one before it may have taken effect since.
func (w *writer) found(there int, conflict, unknown bool) {
	switch steps := len(w.made) - 1; {
	case there < steps:
		w.lose(there)
	case conflict && there == steps:
		w.note("a step was refused whose condition held")
	case conflict && unknown && there == steps+1:
		w.late++
	case conflict, there > steps+1:
		w.note("%d steps are there, and %d were made", there, steps)
	}
	w.have(there)
}

// lose notes that no more steps are there.
func (w *writer) lose(there int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lost += len(w.made) - 1 - there
	if at := w.made[there+1]; w.oldest.IsZero() || at.Before(w.oldest) {
		w.oldest = at
	}
	w.made = w.made[:there+1]
}

// have notes that so many steps are there.
func (w *writer) have(steps int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.made) <= steps {
		w.made = append(w.made, time.Now())
	}
}

func (w *writer) note(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wrong = append(w.wrong, fmt.Sprintf(format, args...))
}

// state returns what is known so far. What is wrong counts as the last failure.
func (w *writer) state() (steps, failed int, last string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	steps, failed = len(w.made)-1, len(w.failures)
	switch {
	case len(w.wrong) > 0:
		last = w.wrong[0]
	case failed > 0:
		last = w.failures[failed-1].err.Error()
	}
	return steps, failed, last
}

// number is the value of a record after so many steps, nil if there is none yet.
func number(n int) []byte {
	if n == 0 {
		return nil
	}
	return strconv.AppendInt(nil, int64(n), 10)
}
