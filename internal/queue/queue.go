// Package queue calls a handler that may be slow, hang or panic, without making those
// wait that have something for it.
package queue

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"
)

const (
	capacity     = 4096             // calls that may wait
	callTimeout  = 10 * time.Second // for each call
	closeTimeout = 20 * time.Second // for all calls together once Close is called
	lastTimeout  = time.Second      // of closeTimeout, what is kept for the summary

	summaryInterval = time.Minute
)

// A Queue makes calls one at a time and in order, on a goroutine of its own. A call gets
// 10 seconds. A panic in one is logged and ends nothing. Up to 4,096 calls wait, more are
// dropped, counted and logged. Any number of goroutines may use it. It must be closed.
type Queue struct {
	name    string // for the log
	log     *slog.Logger
	jobs    chan job
	stop    chan struct{}
	end     time.Time // of everything; set before stop is closed
	done    chan struct{}
	dropped atomic.Int64
	summary func(ctx context.Context)
}

type job struct {
	ctx context.Context // of the request: its values, not its end
	run func(ctx context.Context)
}

// New returns a Queue of calls that are named, in the plural, for the log. Summary is
// called among them once a minute and last at [Close]; nil is none.
func New(name string, log *slog.Logger, summary func(ctx context.Context)) *Queue {
	q := &Queue{
		name: name, log: log, summary: summary,
		jobs: make(chan job, capacity), stop: make(chan struct{}), done: make(chan struct{}),
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
			q.summarize()
		case j := <-q.jobs:
			q.Call(j.ctx, j.run)
		case <-q.stop:
		}
		select {
		case <-q.stop:
		default:
			continue
		}
		for time.Now().Before(q.end.Add(-lastTimeout)) {
			select {
			case j := <-q.jobs:
				q.callUntil(q.end.Add(-lastTimeout), j)
			default:
				return
			}
		}
		q.log.Error("auth: "+q.name+" were dropped at Close, the handler is too slow", "count", len(q.jobs))
		return
	}
}

// summarize is a call like any other until Close, and the last one then.
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
	q.callUntil(end, job{context.Background(), q.summary})
}

// Call makes a call in the caller's goroutine as the Queue makes its own: it ends with
// ctx or after 10 seconds, and a panic is logged. It is for the summary, each of whose
// calls may panic by itself.
func (q *Queue) Call(ctx context.Context, run func(ctx context.Context)) {
	q.callUntil(time.Now().Add(callTimeout), job{ctx, run})
}

// callUntil makes a call, which gets callTimeout but not longer than until end.
func (q *Queue) callUntil(end time.Time, j job) {
	ctx, cancel := context.WithDeadline(j.ctx, end)
	defer cancel()
	ctx, cancelOwn := context.WithTimeout(ctx, callTimeout)
	defer cancelOwn()
	defer func() {
		if p := recover(); p != nil {
			q.log.Error("auth: the handler of "+q.name+" panicked", "panic", p)
		}
	}()
	j.run(ctx)
}

// Offer adds a call, or counts it as dropped and returns false. It does not wait. The
// call has the values of ctx, but not its end. A call of low priority finds no space in
// the second half of the queue. So calls that strangers can cause by the thousand push
// out no other.
func (q *Queue) Offer(ctx context.Context, lowPriority bool, run func(ctx context.Context)) bool {
	if lowPriority && len(q.jobs) > capacity/2 {
		q.dropped.Add(1)
		return false
	}
	select {
	case q.jobs <- job{context.WithoutCancel(ctx), run}:
		if n := q.dropped.Swap(0); n > 0 {
			q.log.Error("auth: "+q.name+" were dropped, the handler is too slow", "count", n)
		}
		return true
	default:
		q.dropped.Add(1)
		return false
	}
}

// Close ends queues at the same time, within 20 seconds; nil ones it skips. Calls that
// were offered before it are made as far as the time allows. Later ones are never made.
// It leaves behind a handler that does not return when its context has ended, and returns
// an error with its name. A Queue is closed once.
func Close(queues ...*Queue) error {
	var errs []error
	end := time.Now().Add(closeTimeout)
	late := time.After(closeTimeout + time.Second)
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
