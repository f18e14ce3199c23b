// Package queue calls a handler that may be slow, hang or panic. The code that has a call for
// the handler does not wait for it.
package queue

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"
)

const (
	capacity    = 4096             // calls that may wait
	callTimeout = 10 * time.Second // for each call
	lastTimeout = time.Second      // the part of the time of Close that is kept for the summary

	summaryInterval = time.Minute
)

// A Queue makes calls one at a time, on a goroutine of its own. The context of a call ends
// after 10 seconds. A panic in a call is logged, and the next call is made. Any number of
// goroutines may use a Queue. It must be closed.
//
// Up to 4,096 calls wait. What is dropped beyond that follows from whose it is, so nobody
// displaces the calls of others:
//
//   - A call is dropped for one of a higher [Class], never for one of a lower class.
//   - In a class, the newest call of the user with the most is dropped, for a user with fewer.
//     That user's own repeated one is dropped for the first of a kind.
//   - A source has a quarter of the places. Beyond it, a user has 4 of each class but Low, and
//     one of each [Job.Kind].
//   - A call of Low needs a queue, and a share of its source, that is not half full.
//
// The number of dropped calls is logged, once a minute at the most.
type Queue struct {
	name    string // for the log
	log     *slog.Logger
	summary func(ctx context.Context)
	wake    chan struct{} // has a value while calls wait
	stop    chan struct{}
	end     time.Time // of the last call; set before stop is closed
	done    chan struct{}

	mu      sync.Mutex
	waiting *waiting
	dropped int       // since it was last logged
	logged  time.Time // when that was
}

// New returns a Queue. The name of its calls, in the plural, is for the log. Summary is one
// more call, made once a minute and last at [Close]. It may be nil.
func New(name string, order Order, log *slog.Logger, summary func(ctx context.Context)) *Queue {
	q := &Queue{
		name: name, log: log, summary: summary, waiting: newWaiting(order, capacity),
		wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}),
	}
	go q.loop()
	return q
}

func (q *Queue) loop() {
	defer close(q.done)
	defer q.summarize()
	tick := time.NewTicker(summaryInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			q.logDropped()
			q.summarize()
		case <-q.wake:
			if e := q.next(); e != nil {
				q.logDropped()
				q.Call(e.ctx, e.job.Run)
			}
		case <-q.stop:
		}
		select {
		case <-q.stop:
			q.finish()
			return
		default:
		}
	}
}

// finish makes the calls that wait, as far as the time until the end allows.
func (q *Queue) finish() {
	for time.Now().Before(q.end.Add(-lastTimeout)) {
		e := q.next()
		if e == nil {
			return
		}
		q.callUntil(e.ctx, q.end.Add(-lastTimeout), e.job.Run)
	}
	late := 0
	for e := q.next(); e != nil; e = q.next() {
		e.job.drop()
		late++
	}
	if late > 0 {
		q.log.Error("auth: "+q.name+" were dropped at Close, the handler is too slow", "count", late)
	}
}

// next removes and returns the next call, or nil if none waits.
func (q *Queue) next() *entry {
	q.mu.Lock()
	defer q.mu.Unlock()
	e := q.waiting.next()
	if q.waiting.n > 0 {
		q.signal()
	}
	return e
}

// signal lets the loop look for a call.
func (q *Queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// logDropped logs how many calls were dropped, unless it has done so within the last minute.
// What is dropped later is logged by a later call.
func (q *Queue) logDropped() {
	q.mu.Lock()
	n, now := q.dropped, time.Now()
	if n == 0 || !q.logged.IsZero() && now.Sub(q.logged) < summaryInterval {
		q.mu.Unlock()
		return
	}
	q.dropped, q.logged = 0, now
	q.mu.Unlock()
	q.log.Error("auth: "+q.name+" were dropped, the handler is too slow", "count", n)
}

func (j *Job) drop() {
	if j.Dropped != nil {
		j.Dropped()
	}
}

// summarize calls summary with callTimeout, or after Close with the time that is left.
func (q *Queue) summarize() {
	if q.summary == nil {
		return
	}
	end := time.Now().Add(callTimeout)
	select {
	case <-q.stop:
		end = q.end
	default:
	}
	q.callUntil(context.Background(), end, q.summary)
}

// Call makes a call in the caller's goroutine as the Queue makes its own. Its context ends
// with ctx or after 10 seconds, and a panic is logged. It is for a summary that makes several
// calls: a panic ends only one of them.
func (q *Queue) Call(ctx context.Context, run func(ctx context.Context)) {
	q.callUntil(ctx, time.Now().Add(callTimeout), run)
}

// callUntil makes a call whose context ends at end, or after callTimeout if that is sooner.
func (q *Queue) callUntil(ctx context.Context, end time.Time, run func(ctx context.Context)) {
	ctx, cancel := context.WithDeadline(ctx, end)
	defer cancel()
	ctx, cancelOwn := context.WithTimeout(ctx, callTimeout)
	defer cancelOwn()
	defer func() {
		if p := recover(); p != nil {
			q.log.Error("auth: the handler of "+q.name+" panicked", "panic", p)
		}
	}()
	run(ctx)
}

// Offer adds a call. It does not wait. If the queue is full, Offer drops one that waits, or
// this one. The context of the call has the values of ctx, but not its end.
func (q *Queue) Offer(ctx context.Context, j Job) {
	e := &entry{job: j, ctx: context.WithoutCancel(ctx)}
	q.mu.Lock()
	dropped := q.waiting.add(e)
	if dropped != nil {
		q.dropped++
	}
	q.signal()
	q.mu.Unlock()
	if dropped != nil {
		dropped.drop()
	}
}

// Close ends queues at the same time, until end and a second more. It skips nil ones. Calls that
// were offered before it are made as far as the time allows; the rest are dropped and logged.
// Later ones are never made. If a handler does not return when its context has ended, Close
// does not wait for it, and returns an error with the Queue's name. A Queue may be closed only
// once.
func Close(end time.Time, queues ...*Queue) error {
	var errs []error
	late := time.After(time.Until(end) + time.Second)
	for _, q := range queues {
		if q != nil {
			q.end = end
			close(q.stop)
		}
	}
	for _, q := range queues {
		if q == nil {
			continue
		}
		select {
		case <-q.done:
		case <-late:
			errs = append(errs, errors.New("auth: the handler of "+q.name+" does not return"))
			late = time.After(0) // for the next
		}
	}
	return errors.Join(errs...)
}
