// Package slots bounds work that is dear in memory or processor time: so much of
// it runs at once, so much waits, and the rest is turned away at once.
package slots

import (
	"context"
	"errors"
	"time"
)

// ErrBusy reports that the queue was full, or that no slot came free in time.
// The work was not begun; the client may try again later (HTTP: 503 with
// Retry-After).
var ErrBusy = errors.New("slots: busy")

// Slots runs at most so many functions at once. It is safe for concurrent use,
// starts no goroutine and needs no closing.
type Slots struct {
	admitted chan struct{} // one element for each caller that runs or waits
	running  chan struct{} // one for each that runs
	wait     time.Duration
}

// New returns Slots that run at most parallel functions (1 or more) at once,
// while at most queue callers (0 or more) wait, each for at most wait. It panics
// on numbers outside these ranges.
func New(parallel, queue int, wait time.Duration) *Slots {
	if parallel < 1 || queue < 0 {
		panic("slots: parallel is less than 1 or queue less than 0")
	}
	return &Slots{
		admitted: make(chan struct{}, parallel+queue),
		running:  make(chan struct{}, parallel),
		wait:     wait,
	}
}

// Do runs f in the caller's goroutine as soon as a slot is free, and returns nil
// when f has returned. Callers that wait are served in the order of their
// arrival. A panic in f frees the slot and goes on to the caller.
//
// Where Do returns an error f has not been called: [ErrBusy], or the error of
// ctx if that was done first. Once f runs, Do does not look at ctx any more.
func (s *Slots) Do(ctx context.Context, f func()) error {
	select {
	case s.admitted <- struct{}{}:
	default:
		return ErrBusy
	}
	if err := s.acquire(ctx); err != nil {
		<-s.admitted
		return err
	}
	defer func() {
		<-s.admitted // first, or a newcomer could meet a full queue beside a free slot
		<-s.running
	}()
	if err := ctx.Err(); err != nil {
		return err
	}
	f()
	return nil
}

// acquire takes a slot. The runtime hands a place in a full channel to the
// sender that has waited longest, so no newcomer overtakes.
func (s *Slots) acquire(ctx context.Context) error {
	select {
	case s.running <- struct{}{}:
		return nil
	default:
	}
	timeout := time.NewTimer(s.wait)
	defer timeout.Stop()
	select {
	case s.running <- struct{}{}:
		return nil
	case <-timeout.C:
		return ErrBusy
	case <-ctx.Done():
		return ctx.Err()
	}
}
