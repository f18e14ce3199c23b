package stamps

import (
	"context"
	"sync/atomic"
	"time"
)

// A Watch is a Table of a store whose engine informs it of changes by other processes. It
// answers for as long as it was proven, within lag, that every change has arrived. It rests
// while nobody asks for a stamp.
type Watch struct {
	*Table
	lag    time.Duration
	follow func(ctx context.Context, w *Watch)
	began  time.Time

	proven atomic.Pointer[time.Time] // all changes before this are in the Table; nil: unknown
	asked  atomic.Int64              // roughly when a stamp was last asked for
	wake   chan struct{}

	stop context.CancelFunc
	done chan struct{}
}

const (
	// idleAfter is how long a Watch goes on after the last question for a stamp.
	idleAfter = 2 * time.Second
	// retryAfter is how long a Watch waits after an error before it starts again.
	retryAfter = 100 * time.Millisecond
)

// NewWatch returns a Watch that calls follow once a stamp is asked for. What follow must do:
//
//   - Begin to receive changes, and call ChangedAll, as those until then were not received.
//   - Call Changed for each change, and then Proven.
//   - Return when something is wrong, when ctx is done or when Asked is false.
func NewWatch(lag time.Duration, follow func(ctx context.Context, w *Watch)) *Watch {
	ctx, stop := context.WithCancel(context.Background())
	w := &Watch{
		Table: New(), lag: lag, follow: follow, began: time.Now(),
		wake: make(chan struct{}, 1), stop: stop, done: make(chan struct{}),
	}
	go w.run(ctx)
	return w
}

// Close makes every number unknown for good, and waits until follow has returned.
func (w *Watch) Close() {
	w.Table.Close()
	w.stop()
	<-w.done
}

// Stamp is that of store.Stamper.
func (w *Watch) Stamp(partition string) (stamp uint64, known bool) {
	now := w.now()
	if now-w.asked.Load() > int64(idleAfter/4) {
		w.asked.Store(now)
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
	if proven := w.proven.Load(); proven == nil || LongAgo(*proven, w.lag) {
		return 0, false
	}
	return w.Table.Stamp(partition)
}

// Proven notes that every change from before t is in the Table.
func (w *Watch) Proven(t time.Time) { w.proven.Store(&t) }

// Asked reports whether a stamp has been asked for lately.
func (w *Watch) Asked() bool { return w.now()-w.asked.Load() <= int64(idleAfter) }

func (w *Watch) now() int64 { return int64(time.Since(w.began)) }

// LongAgo reports whether t is longer ago than d, by the monotonic clock or by the wall
// clock: the monotonic clock can stand still while a machine is suspended.
func LongAgo(t time.Time, d time.Duration) bool {
	now := time.Now()
	return now.Sub(t) > d || now.Round(0).Sub(t.Round(0)) > d
}

// run follows until ctx is done, and starts again after every error.
func (w *Watch) run(ctx context.Context) {
	defer close(w.done)
	for ctx.Err() == nil {
		w.sleep(ctx)
		w.follow(ctx, w)
		w.proven.Store(nil)
		select {
		case <-ctx.Done():
		case <-time.After(retryAfter):
		}
	}
}

// sleep returns once a stamp has been asked for lately, or ctx is done.
func (w *Watch) sleep(ctx context.Context) {
	for ctx.Err() == nil && !w.Asked() {
		select {
		case <-ctx.Done():
		case <-w.wake:
		}
	}
}
