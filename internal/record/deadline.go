package record

import (
	"context"
	"sync"
	"time"
)

// A deadline is its Context with an end, like that of context.WithTimeout. It makes a
// timer only when Done is called. A store that answers from memory or from a mapped file
// calls Err alone. For such a store a timer would be a third of the cost of an answer.
type deadline struct {
	context.Context
	end time.Time

	mu     sync.Mutex
	timed  context.Context // nil until Done is called
	cancel context.CancelFunc
	over   error // why it has ended, once that is final
}

// ended is the Context of every deadline that was released, so that none keeps the context
// of its call.
var ended = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

// begin makes a zero deadline the context of a call: it ends with ctx or after timeout.
func (d *deadline) begin(ctx context.Context, timeout time.Duration) {
	d.Context, d.end = ctx, time.Now().Add(timeout)
	if sooner, ok := ctx.Deadline(); ok && sooner.Before(d.end) {
		d.end = sooner
	}
}

// Deadline implements context.Context.
func (d *deadline) Deadline() (time.Time, bool) { return d.end, true }

// Done implements context.Context.
func (d *deadline) Done() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timed == nil {
		d.timed, d.cancel = context.WithDeadline(d.Context, d.end)
	}
	return d.timed.Done()
}

// Err implements context.Context.
func (d *deadline) Err() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.over != nil:
	case d.timed != nil:
		return d.timed.Err()
	case d.Context.Err() != nil:
		return d.Context.Err()
	case !time.Now().Before(d.end):
		d.over = context.DeadlineExceeded
	}
	return d.over
}

// Value implements context.Context. Through it package context finds a context of its own.
// Then it needs no goroutine for a context that is derived from this one.
func (d *deadline) Value(key any) any {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timed != nil {
		return d.timed.Value(key)
	}
	return d.Context.Value(key)
}

// release ends the deadline, unless it has ended. It stops the timer, closes the channel of
// Done and drops the context.
func (d *deadline) release() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.cancel != nil {
		d.cancel()
		d.over = d.timed.Err()
	}
	if d.over == nil {
		d.over = d.Context.Err()
	}
	if d.over == nil {
		d.over = context.Canceled
	}
	d.Context, d.timed, d.cancel = ended, ended, nil
}
