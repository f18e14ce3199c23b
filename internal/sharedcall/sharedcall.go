// Package sharedcall shares the answer of a call among all who ask within some time, so that any
// number of callers cost one call.
package sharedcall

import (
	"context"
	"errors"
	"sync"
	"time"
)

// ErrPanicked is what the other callers get if the call panicked.
var ErrPanicked = errors.New("sharedcall: the call panicked")

// A Call is a call whose answer is shared. Copy none after its first use.
type Call struct {
	For time.Duration // how long an answer is shared, from the beginning of its call
	mu  sync.Mutex
	one *one
}

// one is one call. Err is set when done is closed.
type one struct {
	began time.Time
	done  chan struct{}
	err   error
}

// Do returns the answer of the last call if it began less than For before now, waits for the one
// that is under way, or calls ask. The context of ask has the values of ctx and does not end with
// it, since other callers wait for it too. It is for ask to bound itself. The error is that of ask,
// or of ctx if that ends first. A panic of ask goes on in the caller that called it.
func (c *Call) Do(ctx context.Context, now time.Time, ask func(context.Context) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	o, mine := c.look(now)
	if mine {
		defer close(o.done)
		o.err = ErrPanicked
		o.err = ask(context.WithoutCancel(ctx))
		return o.err
	}
	select {
	case <-o.done:
		return o.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// look returns the call to wait for, or a new one that the caller must make.
func (c *Call) look(now time.Time) (o *one, mine bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if o = c.one; o != nil {
		select {
		case <-o.done:
		default:
			return o, false
		}
		if age := now.Sub(o.began); 0 <= age && age < c.For {
			return o, false
		}
	}
	c.one = &one{began: now, done: make(chan struct{})}
	return c.one, true
}
