// Package hostcall calls code of the program that embeds this library, which may hang,
// panic or be slow. A caller waits for it for a bounded time, and a bounded number of
// calls runs at once.
package hostcall

import (
	"context"
	"errors"
	"time"
)

// Errors of calls that brought no result.
var (
	ErrBusy     = errors.New("hostcall: too many calls are running")
	ErrPanicked = errors.New("hostcall: the call panicked")
)

// Calls bound how long calls take and how many run at once. Any number of goroutines may
// use them.
type Calls struct {
	running chan struct{}
	timeout time.Duration
}

// New returns Calls of which at most parallel (1 or more) run at once. A caller waits
// for at most timeout.
func New(parallel int, timeout time.Duration) *Calls {
	return &Calls{make(chan struct{}, parallel), timeout}
}

// Wait waits for a place among the calls, then returns what f returns. It returns the
// error of ctx or [context.DeadlineExceeded] as soon as ctx or the time is over, and
// [ErrPanicked] if f panics. F should return when its ctx ends. One that does not keeps
// its place until it does.
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
	results := make(chan result, 1) // a late result has room, and nobody reads it
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
