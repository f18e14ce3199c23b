package redisstore

import (
	"context"
	"crypto/rand"
	_ "embed"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/datixlab/auth/internal/stamps"
)

// A watch receives from the master the name of every key under the prefix that any
// client changes (CLIENT TRACKING in broadcasting mode). It knows up to which time it
// has received every change.
//
// The heartbeat proves that. It is a message that the Store publishes on a connection
// of its calls, and that comes back on the connection of the changes. The server
// reports changes in their order, but only at the end of a turn of its event loop; it
// forwards a message at once. When a heartbeat comes back, all changes from before the
// previous one was sent have been received. It was sent after the previous one came
// back, so that one was of an earlier turn. If the connection hangs, is cut off or
// leads to another server than the calls, no heartbeat comes back, and nothing is
// known.
type watch struct {
	s       *Store
	dial    func(onConnect onConnect) *redis.Client
	lag     time.Duration
	channel string // of the heartbeats
	began   time.Time
}

const (
	// invalidations is the channel on which RESP2 reports changes of tracked keys.
	invalidations = "__redis__:invalidate"

	// heartbeatTimeout is how long a watch waits before it starts again. It is shorter
	// than any failover, so a server that hung and was replaced is not believed when it
	// wakes.
	heartbeatTimeout = 450 * time.Millisecond
)

// newWatch returns a watch whose follow is for a stamps.Watch.
func (s *Store) newWatch(lag time.Duration, dial func(onConnect) *redis.Client) *watch {
	return &watch{s: s, dial: dial, lag: lag, channel: s.prefix + "beat:" + rand.Text(), began: time.Now()}
}

// follow watches on one connection, until it fails or no stamp has been asked for lately.
func (w *watch) follow(ctx context.Context, table *stamps.Watch) {
	changes, end, err := w.subscribe(ctx)
	defer end()
	if err != nil {
		return
	}
	table.ChangedAll() // changes until now were not received

	heartbeats := make(chan int64, 1) // that have come back
	heard := make(chan struct{})
	go func() {
		defer close(heard)
		w.listen(ctx, table, changes, heartbeats)
	}()
	defer func() {
		_ = changes.Close()
		<-heard
	}()
	w.heartbeat(ctx, table, heartbeats, heard)
}

// subscribe begins to receive changes and heartbeats on a connection of its own, until
// end is called.
func (w *watch) subscribe(ctx context.Context) (changes *redis.PubSub, end func(), err error) {
	client := w.dial(w.track)
	changes = client.Subscribe(ctx, invalidations, w.channel)
	end = func() { _, _ = changes.Close(), client.Close() }
	for range 2 {
		m, err := changes.ReceiveTimeout(ctx, heartbeatTimeout) // Receive would ignore ctx
		if err != nil {
			return changes, end, err
		}
		if _, subscribed := m.(*redis.Subscription); !subscribed {
			return changes, end, errReply // the client lost the connection and made another one
		}
	}
	return changes, end, nil
}

// track makes the server report changes to the new connection: of partitions and counters
// of this Store, and not of another prefix that begins with this one.
func (w *watch) track(ctx context.Context, c *redis.Conn) error {
	id, err := c.ClientID(ctx).Result()
	if err != nil {
		return err
	}
	return c.Do(ctx, "client", "tracking", "on", "redirect", id, "bcast", "prefix", w.s.prefix+"{").Err()
}

// listen handles messages until something is wrong.
func (w *watch) listen(ctx context.Context, table *stamps.Watch, changes *redis.PubSub, heartbeats chan<- int64) {
	for {
		m, err := changes.Receive(ctx)
		if err != nil {
			return // a flush of the whole server is also an error: its message has no keys
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
			default: // heartbeat waits for it no longer
			}
			continue
		}
		for _, key := range message.PayloadSlice {
			changed(table, key)
		}
	}
}

// changed notes that a key has changed: a partition or a counter.
func changed(table *stamps.Watch, key string) {
	_, rest, ok := strings.Cut(key, "{")
	partition, _, closed := strings.Cut(rest, "}")
	if ok && closed {
		table.Changed(partition)
	}
}

// heartbeat publishes a heartbeat when the last one is back, and notes what that
// proves.
func (w *watch) heartbeat(ctx context.Context, table *stamps.Watch, heartbeats <-chan int64, heard <-chan struct{}) {
	overdue := time.NewTimer(heartbeatTimeout)
	defer overdue.Stop()
	var before time.Time // when the last heartbeat that came back was sent
	for table.Asked() {
		at := time.Now()
		sent := int64(at.Sub(w.began))
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
		if !before.IsZero() {
			table.Proven(before)
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

//go:embed beat.lua
var beatText string
var beatScript = newScript(masterText + beatText)

// publish sends a heartbeat in the same way as every other call.
func (w *watch) publish(ctx context.Context, n int64) error {
	ctx, cancel := context.WithTimeout(ctx, heartbeatTimeout)
	defer cancel()
	_, err := w.s.run(ctx, command{}, beatScript, w.s.prefix+"probe", w.channel, n)
	return err
}

// check returns an error if the server or its ACL lacks what a watch needs.
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
