package auth

import (
	"context"
	"errors"
	"sync"
	"time"
)

// readyFor is how long an answer of Ready is shared, and how long it waits for the store.
const readyFor = time.Second

// Ready returns nil if the store answers, for a readiness probe. It makes one Get and waits a
// second for it at most, or Config.StoreTimeout if that is less. All callers of one second
// share the answer, so that probes by anyone cost the store one read a second. It emits no
// event. The error wraps ErrUnavailable with that of the store, or is ErrClosed.
//
// An answer says nothing of a Commit. A liveness probe should ask nothing: restarting the
// process mends no store.
func (m *Manager) Ready(ctx context.Context) error {
	if err := m.ready(); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return unavailable(err)
	}
	l, mine := m.readiness.look(m.now())
	if mine {
		m.lookAtStore(ctx, l)
		return l.err
	}
	select {
	case <-l.done:
		return l.err
	case <-ctx.Done():
		return unavailable(ctx.Err())
	}
}

// lookAtStore makes the Get of l. It does not end with the caller's context: other callers wait
// for it.
func (m *Manager) lookAtStore(ctx context.Context, l *storeLook) {
	defer close(l.done)
	l.err = unavailable(errors.New("auth: the store panicked"))
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), min(readyFor, m.cfg.StoreTimeout))
	defer cancel()
	if _, err := m.records.Store.Get(bounded, managersKey); err != nil {
		l.err = unavailable(err)
		return
	}
	l.err = nil
}

// A readiness has the last look at the store.
type readiness struct {
	mu   sync.Mutex
	last *storeLook
}

// A storeLook is one look at the store. Err is set when done is closed.
type storeLook struct {
	began time.Time
	done  chan struct{}
	err   error
}

// look returns the look of this second or that is under way, or a new one, which the caller
// must make.
func (r *readiness) look(now time.Time) (l *storeLook, mine bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if l = r.last; l != nil {
		select {
		case <-l.done:
		default:
			return l, false
		}
		if age := now.Sub(l.began); 0 <= age && age < readyFor {
			return l, false
		}
	}
	r.last = &storeLook{began: now, done: make(chan struct{})}
	return r.last, true
}
