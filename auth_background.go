package auth

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/datixlab/auth/store"
)

// A background is the goroutine that New starts. It compares the Manager with the others on the
// store, and completes the rosters of a store from before there were any. On a store for which
// that was done it makes two reads.
type background struct {
	stop context.CancelFunc
	done chan struct{} // closed at its end
}

// retryFirst and retryLast bound the time after which the background tries again what failed.
const (
	retryFirst = time.Second
	retryLast  = 5 * time.Minute
)

type backgroundKey struct{}

// inBackground reports whether ctx is that of the background, or of what writes first uses. These
// log their failures once, and they are no events: they would be as many as the store fails.
func inBackground(ctx context.Context) bool { return ctx.Value(backgroundKey{}) != nil }

// backgroundContext returns a context for which inBackground is true.
func backgroundContext() context.Context {
	return context.WithValue(context.Background(), backgroundKey{}, true)
}

func (m *Manager) startBackground() {
	ctx, stop := context.WithCancel(backgroundContext())
	m.background = background{stop: stop, done: make(chan struct{})}
	go func() {
		defer close(m.background.done)
		m.untilDone(ctx, "comparing this Manager with the others on the store", m.newComparison())
		if walker, ok := m.records.Store.(store.Walker); ok {
			m.untilDone(ctx, "adding the accounts of an older version to the rosters of their organizations",
				func(ctx context.Context) error { return m.completeRosters(ctx, walker) })
		}
	}()
}

// close ends the background and waits for it.
func (b *background) close() {
	b.stop()
	<-b.done
}

// withoutPanic returns a panic of task as its error. In a goroutine of its own it would end the
// program, and a store may be of somebody else.
func withoutPanic(ctx context.Context, task func(context.Context) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("auth: panic: %v", p)
		}
	}()
	return task(ctx)
}

// untilDone calls task until it succeeds or ctx ends, later and later.
func (m *Manager) untilDone(ctx context.Context, what string, task func(context.Context) error) {
	for wait, logged := retryFirst, false; ; wait = min(2*wait, retryLast) {
		err := withoutPanic(ctx, task)
		if err == nil || ctx.Err() != nil || errors.Is(err, store.ErrClosed) {
			return
		}
		if !logged {
			m.cfg.Logger.WarnContext(ctx, "auth: "+what+" failed; the Manager tries again", "err", err)
			logged = true
		}
		again := time.NewTimer(wait)
		select {
		case <-again.C:
		case <-ctx.Done():
			again.Stop()
			return
		}
	}
}
