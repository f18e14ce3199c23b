// Package callback calls code of the program that embeds this library. That code may be slow,
// hang or panic. So a caller waits for a bounded time, and a bounded number of calls runs at
// once.
package callback

import (
	"context"
	"errors"
	"time"
)

// Errors of calls that returned no result.
var (
	ErrBusy     = errors.New("callback: too many calls are running")
	ErrPanicked = errors.New("callback: the call panicked")
)

// Calls bounds how long callers wait and how many calls run at once. Any number of goroutines
// may use one Calls.
type Calls struct {
	running chan struct{}
	timeout time.Duration
}

// New returns Calls of which at most parallel, 1 or more, run at once. A caller waits for at
// most timeout.
func New(parallel int, timeout time.Duration) *Calls {
	return &Calls{make(chan struct{}, parallel), timeout}
}

// Wait waits for a place among the calls, then returns what f returns. If ctx or the time
// ends first, it returns the error of ctx or [context.DeadlineExceeded]. If f panics, it
// returns [ErrPanicked]. F should return when its ctx ends: it keeps its place until it
// returns.
func Wait[T any](ctx context.Context, c *Calls, f func(ctx context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	select {
	case c.running <- struct{}{}:
		return call(ctx, c, f)
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}

// Try is [Wait], but returns [ErrBusy] instead of waiting for a place.
func Try[T any](ctx context.Context, c *Calls, f func(ctx context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	select {
	case c.running <- struct{}{}:
		return call(ctx, c, f)
	default:
		var none T
		return none, ErrBusy
	}
}

// call runs f in the place that the caller has taken, until ctx ends.
func call[T any](ctx context.Context, c *Calls, f func(ctx context.Context) (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	results := make(chan result, 1) // buffered: a late result blocks nothing and is not read
	go func() {
		r := result{err: ErrPanicked}
		defer func() {
			_ = recover()
			results <- r
			<-c.running
		}()
		r.value, r.err = f(ctx)
	}()
	select {
	case r := <-results:
		return r.value, r.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}
