// Package parallel makes calls at the same time, and counts those that are under way.
package parallel

import (
	"slices"
	"sync"
)

// Do makes calls at the same time and returns when all of them have returned. They must not
// depend on each other. The first runs in the caller's goroutine. On a store behind a
// network they take the time of one round trip. If one of them panics, Do panics with the
// same value once all have ended.
func Do(calls ...func()) {
	if len(calls) == 0 {
		return
	}
	var all sync.WaitGroup
	panics := make(chan any, len(calls))
	defer func() {
		all.Wait()
		select {
		case p := <-panics:
			panic(p)
		default:
		}
	}()
	for _, call := range calls[1:] {
		all.Go(func() {
			defer func() {
				if p := recover(); p != nil {
					panics <- p
				}
			}()
			call()
		})
	}
	calls[0]()
}

// Try makes calls, atOnce at the same time. Failed judges each error. If it returns one, Try
// returns that and makes no more calls than those under way.
func Try(atOnce int, calls []func() error, failed func(error) error) error {
	for some := range slices.Chunk(calls, atOnce) {
		errs, run := make([]error, len(some)), make([]func(), len(some))
		for i, call := range some {
			run[i] = func() { errs[i] = call() }
		}
		Do(run...)
		for _, err := range errs {
			if err == nil {
				continue
			}
			if err := failed(err); err != nil {
				return err
			}
		}
	}
	return nil
}
