package auth

import "sync"

// together makes calls that do not depend on each other at the same time, and returns
// when all have: on a store behind a network they cost one round trip. A panic in one
// of them is the caller's, as if it had made the calls itself.
func together(calls ...func()) {
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
