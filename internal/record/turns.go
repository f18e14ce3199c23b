package record

import (
	"context"
	"errors"
	"sync"
	"time"
)

// errBusy reports that too many changes of one partition wait, or that one of them has waited
// for too long.
var errBusy = errors.New("auth: too many changes at the same time")

// maxWaiting is how many changes of one partition may wait for their turn.
const maxWaiting = 256

// Turns make changes of one partition follow one another, in the order of their arrival. So n
// changes at the same time cost n reads and n Commits. Without turns each of them would fail
// for most of the others, and the cost would be the square of n. Changes of different
// partitions do not wait for each other. Changes by other processes are not seen: for those
// there is [Records.Retry].
//
// The zero Turns is ready for use by any number of goroutines, and must not be copied. Its
// memory is that of the changes that run or wait.
type Turns struct {
	mu    sync.Mutex
	turns map[string]*turn
}

type turn struct {
	running chan struct{} // has one element while a change runs
	callers int           // that run or wait
}

// take waits for the partition's turn, for at most wait. Waited reports whether another change
// ran meanwhile. The caller must call done after its change. The error is errBusy or that of
// ctx.
func (t *Turns) take(ctx context.Context, partition string, wait time.Duration) (done func(), waited bool, err error) {
	own, err := t.join(partition)
	if err != nil {
		return nil, true, err
	}
	done = func() { <-own.running; t.leave(partition, own) }
	select {
	case own.running <- struct{}{}:
		return done, false, nil
	default:
	}
	timeout := time.NewTimer(wait)
	defer timeout.Stop()
	select {
	case own.running <- struct{}{}: // the sender that has waited longest
		return done, true, nil
	case <-timeout.C:
		err = errBusy
	case <-ctx.Done():
		err = ctx.Err()
	}
	t.leave(partition, own)
	return nil, true, err
}

func (t *Turns) join(partition string) (*turn, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	own := t.turns[partition]
	switch {
	case own == nil:
		own = &turn{running: make(chan struct{}, 1)}
		if t.turns == nil {
			t.turns = map[string]*turn{}
		}
		t.turns[partition] = own
	case own.callers > maxWaiting:
		return nil, errBusy
	}
	own.callers++
	return own, nil
}

func (t *Turns) leave(partition string, own *turn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if own.callers--; own.callers == 0 {
		delete(t.turns, partition)
	}
}
