package redisstore

import (
	"context"
	_ "embed"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/datixlab/auth/internal/stamps"
	"github.com/datixlab/auth/store"
)

// keep is how long a record or a counter stays after its expiry. The server drops them
// by its own clock, which may be ahead of the clients'. Open refuses a server whose
// clock is ahead by half of this or more.
const keep = 10 * time.Minute

// A Store is a store.Store on Redis.
type Store struct {
	client redis.UniversalClient
	prefix string
	log    *slog.Logger

	cluster  *redis.ClusterClient // client, if it is one of a cluster; else nil
	reloaded atomic.Int64         // when follow last asked for the topology, Unix ns

	watch *stamps.Watch // nil without Options.MaxLag

	calls  sync.RWMutex // held for reading by every call, for good by Close
	closed sync.Once
}

var _ store.Stamper = (*Store)(nil)

//go:embed get.lua
var getText string
var getScript = newScript(masterText + getText)

// Get implements store.Store. It reads one key with a plain command, several with a
// script.
func (s *Store) Get(ctx context.Context, keys ...string) ([][]byte, error) {
	if err := store.CheckGet(keys); err != nil {
		return nil, err
	}
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	defer s.calls.RUnlock()

	var found []any
	var err error
	if base := s.base(keys[0]); len(keys) == 1 {
		name := name(keys[0])
		found, err = s.zrange(ctx, base, "["+name+"\x00", "("+name+"\x01", 1)
		if err == nil && len(found) == 0 {
			found = []any{""}
		}
	} else {
		names := make([]any, len(keys))
		for i, key := range keys {
			names[i] = name(key)
		}
		found, err = list(s.run(ctx, command{}, getScript, base, names...))
	}
	if err != nil {
		return nil, err
	}
	if len(found) != len(keys) {
		return nil, errReply
	}
	values := make([][]byte, len(keys))
	for i, member := range found {
		if member == "" {
			continue
		}
		if _, values[i], err = decode(member); err != nil {
			return nil, err
		}
	}
	return values, nil
}

// Stamp implements store.Stamper. Without Options.MaxLag no stamp is known.
func (s *Store) Stamp(partition string) (stamp uint64, known bool) {
	if s.watch == nil {
		return 0, false
	}
	return s.watch.Stamp(partition)
}

// List implements store.Store. Each page is one command.
func (s *Store) List(ctx context.Context, prefix, after string, limit int) ([]store.Item, error) {
	if err := store.CheckList(prefix, after, limit); err != nil {
		return nil, err
	}
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	defer s.calls.RUnlock()

	begin := name(prefix)
	first, last := "["+begin, "["+begin+"\x7f" // no name has a byte so high
	switch {
	case name(after) != "":
		first = "(" + name(after) + "\x01"
	case begin == "":
		first = "(\x02" // after the expiries
	}
	found, err := s.zrange(ctx, s.base(prefix), first, last, limit)
	if err != nil {
		return nil, err
	}
	partition := store.Partition(prefix) + "/"
	items := make([]store.Item, len(found))
	for i, member := range found {
		name, value, err := decode(member)
		if err != nil {
			return nil, err
		}
		items[i] = store.Item{Key: partition + name, Value: value}
	}
	return items, nil
}

// zrange returns up to limit members of a partition between two bounds. A plain command
// is many times as fast as a script for values that are large or many.
func (s *Store) zrange(ctx context.Context, base, first, last string, limit int) ([]any, error) {
	return list(s.read(ctx, base, []any{"zrange", base, first, last, "bylex", "limit", 0, limit}))
}

// list returns a reply as a list, or errReply if it is none.
func list(reply *command, err error) ([]any, error) {
	if err != nil {
		return nil, err
	}
	list, ok := reply.Val().([]any)
	if !ok {
		return nil, errReply
	}
	return list, nil
}

// Close implements store.Store.
func (s *Store) Close() error {
	var err error
	s.closed.Do(func() {
		if s.watch != nil {
			s.watch.Close()
		}
		s.calls.Lock() // and never Unlock: enter fails from here on
		err = s.client.Close()
	})
	return err
}

// enter begins a call. If it returns nil the caller must s.calls.RUnlock().
func (s *Store) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if !s.calls.TryRLock() { // only Close ever takes the lock for writing
		return store.ErrClosed
	}
	return nil
}
