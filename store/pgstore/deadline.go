package pgstore

import (
	"context"
	"sync"
	"time"
)

// deadlines makes the deadlines of calls. Calls that begin within an eighth of the timeout have the
// same one: it comes after seven eighths of the timeout or later, and not after the timeout. With a
// timer of its own, each call would take longer.
type deadlines struct {
	timeout time.Duration

	mu     sync.Mutex
	last   context.Context // until the last deadline
	cancel context.CancelFunc
	at     time.Time // when last ends
}

// next returns a context that ends at the deadline of a call that begins now, and the deadline.
func (d *deadlines) next() (context.Context, time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if now := time.Now(); d.last == nil || d.at.Sub(now) < d.timeout-d.timeout/8 {
		d.at = now.Add(d.timeout)
		d.last, d.cancel = context.WithDeadline(context.Background(), d.at) // the one before ends by itself
	}
	return d.last, d.at
}

// stop ends the last context.
func (d *deadlines) stop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.cancel != nil {
		d.cancel()
	}
}

// A waiting is the context of the wait for a connection. It ends with a context of deadlines, not with
// the caller's, whose values it has.
type waiting struct {
	context.Context
	caller context.Context
}

// Value implements context.Context.
func (w waiting) Value(key any) any { return w.caller.Value(key) }
