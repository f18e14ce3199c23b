// Package queue calls a handler that may be slow, hang or panic. The code that has a call for
// the handler does not wait for it.
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
	lastTimeout  = time.Second      // the part of closeTimeout that is kept for the summary

	summaryInterval = time.Minute
)

// A Queue makes calls one at a time and in order, on a goroutine of its own. The context of a
// call ends after 10 seconds. A panic in a call is logged, and the next call is made. Up to
// 4,096 calls wait. More are dropped, counted and logged. Any number of goroutines may use a
// Queue. It must be closed.
type Queue struct {
	name    string // for the log
	log     *slog.Logger
	jobs    chan job
	stop    chan struct{}
	end     time.Time // of the last call; set before stop is closed
	done    chan struct{}
	dropped atomic.Int64
	summary func(ctx context.Context)
}

type job struct {
	ctx context.Context // of the request: its values, not its end
	run func(ctx context.Context)
}

// New returns a Queue. The name of its calls, in the plural, is for the log. Summary is one
// more call, made once a minute and last at [Close]. It may be nil.
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
	q.callUntil(end, job{context.Background(), q.summary})
}

// Call makes a call in the caller's goroutine as the Queue makes its own. Its context ends
// with ctx or after 10 seconds, and a panic is logged. It is for a summary that makes several
// calls: a panic ends only one of them.
func (q *Queue) Call(ctx context.Context, run func(ctx context.Context)) {
	q.callUntil(time.Now().Add(callTimeout), job{ctx, run})
}

// callUntil makes a call whose context ends at end, or after callTimeout if that is sooner.
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

// Offer adds a call, or counts it as dropped and returns false. It does not wait. The context
// of the call has the values of ctx, but not its end. The second half of the queue takes no
// call of low priority. So calls that anybody can cause by the thousand displace no others.
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

// Close ends queues at the same time, within 21 seconds. It skips nil ones. Calls that were
// offered before it are made as far as the time allows; the rest are dropped and logged.
// Later ones are never made. If a handler does not return when its context has ended, Close
// does not wait for it, and returns an error with the Queue's name. A Queue may be closed only
// once.
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
