// Package slots bounds work that is expensive in memory or processor time. A fixed
// number of calls runs at once, a fixed number waits, and the rest is refused at once.
package slots

import (
	"context"
	"errors"
	"time"
)

// ErrBusy reports that the queue was full, or that no slot became free in time. The
// work was not begun, and the client may try again later (HTTP: 503 with Retry-After).
var ErrBusy = errors.New("slots: busy")

// Slots runs a limited number of functions at once. It is safe for concurrent use,
// starts no goroutine and needs no closing.
type Slots struct {
	admitted chan struct{} // one element for each caller that runs or waits
	running  chan struct{} // one for each that runs
	wait     time.Duration
}

// New returns Slots that run at most parallel functions (1 or more) at once. Meanwhile
// at most queue callers (0 or more) wait, each for at most wait. New panics on numbers
// outside these ranges.
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

// Do runs f in the caller's goroutine as soon as a slot is free, and returns nil when f
// has returned. Callers that wait are served in the order of their arrival. A panic in f frees
// the slot and goes on to the caller.
//
// If Do returns an error, f has not been called. The error is [ErrBusy], or that of ctx
// if ctx was done first. Once f runs, Do does not look at ctx any more.
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
		<-s.admitted // first, or a new caller could find the queue full while a slot is free
		<-s.running
	}()
	if err := ctx.Err(); err != nil {
		return err
	}
	f()
	return nil
}

// acquire takes a slot. The runtime gives a place in a full channel to the sender that
// has waited longest, so no new caller overtakes.
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
