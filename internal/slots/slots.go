// Package slots bounds work that is expensive in memory or processor time. A fixed
// number of calls runs at once, a fixed number waits, and the rest is refused at once.
//
// # Fair to many sources
//
// Callers wait in one of two lanes. While anyone waits in the preferred lane, it has the slots
// that become free. But one of four goes to the other lane if anyone waits there: whoever has
// many accounts could otherwise keep the preferred lane busy, and newcomers out. In a lane the
// sources of callers take turns: the next slot goes to the source that has waited longest for
// one. The callers of one source are served in the order of their arrival.
//
// A full lane turns away a caller of the source that has most places there, or of several
// the one that had a slot last. This may be the newcomer or one that waits. So a flood
// from a few sources delays the others by a turn each, and cannot keep them out.
package slots

import (
	"context"
	"errors"
	"sync"
	"time"
)

// ErrBusy reports that the queue was full, or that no slot became free in time. The
// work was not begun, and the client may try again later (HTTP: 503 with Retry-After).
var ErrBusy = errors.New("slots: busy")

// A Caller says in which queue a call waits.
type Caller struct {
	Preferred bool   // waits in the lane that has three of four slots
	Source    string // takes turns with the others of its lane
}

// Slots runs a limited number of functions at once. It is safe for concurrent use,
// starts no goroutine and needs no closing.
type Slots struct {
	mu               sync.Mutex
	free             int // more than 0 only while nobody waits
	preferred, other lane
	inRow            int // slots of the preferred lane since the last one of the other
	wait             time.Duration
}

// New returns Slots that run at most parallel functions (1 or more) at once. Meanwhile
// at most queue callers (0 or more) wait in each of the two lanes, each for at most wait. New
// panics on numbers outside these ranges.
func New(parallel, queue int, wait time.Duration) *Slots {
	if parallel < 1 || queue < 0 {
		panic("slots: parallel is less than 1 or queue less than 0")
	}
	return &Slots{free: parallel, preferred: newLane(queue), other: newLane(queue), wait: wait}
}

// Do runs f in the caller's goroutine as soon as it is the caller's turn and a slot is free,
// and returns nil when f has returned. A panic in f frees the slot and goes on to the caller.
//
// If Do returns an error, f has not been called. The error is [ErrBusy], or that of ctx
// if ctx was done first. Once f runs, Do does not look at ctx any more.
func (s *Slots) Do(ctx context.Context, c Caller, f func()) error {
	if err := s.acquire(ctx, c); err != nil {
		return err
	}
	defer s.release()
	if err := ctx.Err(); err != nil {
		return err
	}
	f()
	return nil
}

// Waiting returns how many callers wait in each lane.
func (s *Slots) Waiting() (preferred, other int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.preferred.waiting, s.other.waiting
}

// acquire takes a slot.
func (s *Slots) acquire(ctx context.Context, c Caller) error {
	l := &s.other
	if c.Preferred {
		l = &s.preferred
	}
	s.mu.Lock()
	if s.free > 0 {
		s.free--
		l.served.note(c.Source)
		s.mu.Unlock()
		return nil
	}
	w := l.join(c.Source)
	s.mu.Unlock()
	if w == nil {
		return ErrBusy
	}
	timeout := time.NewTimer(s.wait)
	defer timeout.Stop()
	var err error
	select {
	case <-w.done:
		return w.result()
	case <-timeout.C:
		err = ErrBusy
	case <-ctx.Done():
		err = ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !l.leave(w) {
		return w.result() // of what has happened meanwhile
	}
	return err
}

// release gives the slot to the caller whose turn it is.
func (s *Slots) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.next()
	if w == nil {
		s.free++
		return
	}
	close(w.done)
}

// otherTurn says that of so many slots in a row, the last is the other lane's.
const otherTurn = 4

// next removes and returns the waiter whose turn it is, or nil if nobody waits.
func (s *Slots) next() *waiter {
	if s.inRow < otherTurn-1 {
		if w := s.preferred.next(); w != nil {
			s.inRow++
			return w
		}
	}
	if w := s.other.next(); w != nil {
		s.inRow = 0
		return w
	}
	return s.preferred.next()
}
