package redisstore

import (
	"context"
	"crypto/rand"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/datixlab/auth/internal/stamps"
)

// A watch hears from the master of every change of a key under the prefix, whoever makes
// it (CLIENT TRACKING in broadcasting mode), and knows until when it has heard of all.
//
// What proves that is the heartbeat: a message that the Store publishes, on a connection and
// by the way that every call takes, and that comes back on the connection that the
// changes come on. The server tells of changes in the order in which they are made, but
// at the end of a turn of its loop, and passes a message on at once. So a heartbeat proves
// what was true when the one before it was sent: that one had come back by then, so it
// was of an earlier turn. A connection that hangs, is cut off or leads to another server
// than the calls brings back no heartbeat, and then nothing is known.
type watch struct {
	s       *Store
	dial    func(onConnect onConnect) *redis.Client
	lag     time.Duration
	table   *stamps.Table
	channel string // of the heartbeats
	began   time.Time

	proven atomic.Pointer[time.Time] // all changes before this are in table; nil is none
	asked  atomic.Int64              // when a stamp was last asked for, about
	wake   chan struct{}

	stop context.CancelFunc
	done chan struct{}
}

const (
	// invalidations is the channel that RESP2 has for what a connection tracks.
	invalidations = "__redis__:invalidate"

	// heartbeatTimeout is when a watch begins anew: sooner than any failover is over, so
	// that no server that hung and was replaced is believed when it is woken.
	heartbeatTimeout = 450 * time.Millisecond
	// idleAfter is after how long without a question nothing is beaten.
	idleAfter = 2 * time.Second
	// retryAfter is how long after an error a watch begins anew.
	retryAfter = 100 * time.Millisecond
)

func (s *Store) newWatch(lag time.Duration, dial func(onConnect) *redis.Client) *watch {
	ctx, stop := context.WithCancel(context.Background())
	w := &watch{
		s: s, dial: dial, lag: lag, table: stamps.New(), channel: s.prefix + "beat:" + rand.Text(),
		began: time.Now(), wake: make(chan struct{}, 1), stop: stop, done: make(chan struct{}),
	}
	go w.run(ctx)
	return w
}

func (w *watch) close() {
	w.table.Close()
	w.stop()
	<-w.done
}

func (w *watch) now() int64 { return int64(time.Since(w.began)) }

// stamp is Store.Stamp's.
func (w *watch) stamp(partition string) (stamp uint64, known bool) {
	now := w.now()
	if now-w.asked.Load() > int64(idleAfter/4) {
		w.asked.Store(now)
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
	if proven := w.proven.Load(); proven == nil || w.older(*proven) {
		return 0, false
	}
	return w.table.Stamp(partition)
}

// older reports whether t is longer ago than the lag: by the monotonic clock, or by that
// of the wall, since the other one can stand still while a machine is suspended.
func (w *watch) older(t time.Time) bool {
	now := time.Now()
	return now.Sub(t) > w.lag || now.Round(0).Sub(t.Round(0)) > w.lag
}

// run watches until stopped, from the start after every error.
func (w *watch) run(ctx context.Context) {
	defer close(w.done)
	for ctx.Err() == nil {
		w.sleep(ctx)
		w.watch(ctx)
		w.proven.Store(nil)
		select {
		case <-ctx.Done():
		case <-time.After(retryAfter):
		}
	}
}

// sleep returns when a stamp has been asked for lately.
func (w *watch) sleep(ctx context.Context) {
	for ctx.Err() == nil && w.now()-w.asked.Load() > int64(idleAfter) {
		select {
		case <-ctx.Done():
		case <-w.wake:
		}
	}
}

// watch watches on one connection, until it fails or nobody has asked for a while.
func (w *watch) watch(ctx context.Context) {
	changes, end, err := w.subscribe(ctx)
	defer end()
	if err != nil {
		return
	}
	w.table.ChangedAll() // of what changed until now nobody has told

	heartbeats := make(chan int64, 1) // that have come back
	heard := make(chan struct{})
	go func() {
		defer close(heard)
		w.listen(ctx, changes, heartbeats)
	}()
	defer func() {
		_ = changes.Close()
		<-heard
	}()
	w.heartbeat(ctx, heartbeats, heard)
}

// subscribe begins to hear of changes and heartbeats on a connection of its own, until end.
func (w *watch) subscribe(ctx context.Context) (changes *redis.PubSub, end func(), err error) {
	client := w.dial(w.track)
	changes = client.Subscribe(ctx, invalidations, w.channel)
	end = func() { _, _ = changes.Close(), client.Close() }
	for range 2 {
		m, err := changes.ReceiveTimeout(ctx, heartbeatTimeout) // Receive would not hear ctx
		if err != nil {
			return changes, end, err
		}
		if _, subscribed := m.(*redis.Subscription); !subscribed {
			return changes, end, errReply // the client has lost the connection, and found another
		}
	}
	return changes, end, nil
}

// track has the server tell the new connection of changes. The prefix is one of keys of
// this Store, so who may not read them is refused.
func (w *watch) track(ctx context.Context, c *redis.Conn) error {
	id, err := c.ClientID(ctx).Result()
	if err != nil {
		return err
	}
	return c.Do(ctx, "client", "tracking", "on", "redirect", id, "bcast", "prefix", w.s.prefix).Err()
}

// listen takes in what comes, until something is amiss.
func (w *watch) listen(ctx context.Context, changes *redis.PubSub, heartbeats chan<- int64) {
	for {
		m, err := changes.Receive(ctx)
		if err != nil {
			return // a flush of the whole server is one, too: its message has no keys
		}
		message, ok := m.(*redis.Message)
		if !ok {
			return
		}
		if message.Channel == w.channel {
			n, err := strconv.ParseInt(message.Payload, 10, 64)
			if err != nil {
				return
			}
			select {
			case heartbeats <- n:
			default: // nobody waits for it any more
			}
			continue
		}
		for _, key := range message.PayloadSlice {
			w.changed(key)
		}
	}
}

// changed takes in that a key has changed, or a counter.
func (w *watch) changed(key string) {
	_, rest, ok := strings.Cut(key, "{")
	partition, _, closed := strings.Cut(rest, "}")
	if ok && closed {
		w.table.Changed(partition)
	}
}

// heartbeat publishes heartbeats, one when the one before it is back, and takes in what they prove.
func (w *watch) heartbeat(ctx context.Context, heartbeats <-chan int64, heard <-chan struct{}) {
	overdue := time.NewTimer(heartbeatTimeout)
	defer overdue.Stop()
	var before time.Time // when the last heartbeat was sent that has come back
	for w.now()-w.asked.Load() <= int64(idleAfter) {
		at, sent := time.Now(), w.now()
		if err := w.publish(ctx, sent); err != nil {
			return
		}
		overdue.Reset(heartbeatTimeout)
		for back := int64(0); back != sent; {
			select {
			case back = <-heartbeats:
			case <-overdue.C:
				return
			case <-heard:
				return
			case <-ctx.Done():
				return
			}
		}
		if proven := before; !proven.IsZero() {
			w.proven.Store(&proven)
		}
		before = at
		select {
		case <-time.After(w.lag / 4):
		case <-heard:
			return
		case <-ctx.Done():
			return
		}
	}
}

// publish sends a heartbeat by the way of every other call.
func (w *watch) publish(ctx context.Context, n int64) error {
	ctx, cancel := context.WithTimeout(ctx, heartbeatTimeout)
	defer cancel()
	_, err := w.s.send(ctx, command{}, []any{"publish", w.channel, n})
	return err
}

// check asks the server for all that a watch needs.
func (w *watch) check(ctx context.Context) error {
	_, end, err := w.subscribe(ctx)
	defer end()
	if err != nil {
		return fmt.Errorf("redisstore: MaxLag needs CLIENT TRACKING and SUBSCRIBE: %w", err)
	}
	if err := w.publish(ctx, 0); err != nil {
		return fmt.Errorf("redisstore: MaxLag needs PUBLISH: %w", err)
	}
	return nil
}
