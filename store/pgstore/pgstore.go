package pgstore

import (
	"context"
	"log/slog"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/datixlab/auth/internal/stamps"
	"github.com/datixlab/auth/store"
)

// A Store is a store.Store on PostgreSQL.
type Store struct {
	pool        *pgxpool.Pool
	sql         statements
	log         *slog.Logger
	pulse       *pulse
	watch       *stamps.Watch // nil without Options.MaxLag
	deadlines   deadlines
	connections chan struct{} // has a value for each call that has a connection or waits for one
	commits     chan struct{} // has a value for each Commit under way

	stop  context.CancelFunc // ends the sweeper
	swept chan struct{}      // closed at its end

	calls  sync.RWMutex // held for reading by every call, for good by Close
	closed sync.Once
}

var _ store.Stamper = (*Store)(nil)

// Get implements store.Store, with one statement.
func (s *Store) Get(ctx context.Context, keys ...string) ([][]byte, error) {
	if err := store.CheckGet(keys); err != nil {
		return nil, err
	}
	partition, values := store.Partition(keys[0]), make([][]byte, len(keys))
	var standby bool
	sql, args, into := s.sql.getMany, []any{partition}, []any{&standby, &values}
	if len(keys) <= len(s.sql.get) {
		sql, into = s.sql.get[len(keys)-1], into[:1]
		for i, key := range keys {
			args, into = append(args, name(key)), append(into, &values[i])
		}
	} else {
		names := make([]string, len(keys))
		for i, key := range keys {
			names[i] = name(key)
		}
		args = append(args, names)
	}
	err := s.call(ctx, func(ctx context.Context, c *pgx.Conn) error {
		if err := c.QueryRow(ctx, sql, args...).Scan(into...); err != nil {
			return err
		}
		return ofPrimary(standby)
	})
	if err != nil {
		return nil, err
	}
	return values, nil
}

// List implements store.Store, with one statement for each page.
func (s *Store) List(ctx context.Context, prefix, after string, limit int) ([]store.Item, error) {
	if err := store.CheckList(prefix, after, limit); err != nil {
		return nil, err
	}
	begin := name(prefix)
	const end = "\x7f" // no name has a byte so high
	partition := store.Partition(prefix)
	items := []store.Item{}
	err := s.call(ctx, func(ctx context.Context, c *pgx.Conn) error {
		rows, err := c.Query(ctx, s.sql.list, partition, begin, begin+end, name(after), limit)
		if err != nil {
			return err
		}
		var name string
		var value []byte
		var standby bool
		_, err = pgx.ForEachRow(rows, []any{&standby, &name, &value}, func() error {
			items = append(items, store.Item{Key: partition + "/" + name, Value: value})
			return ofPrimary(standby)
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	return items, nil
}

// name returns what follows the partition in a key or a prefix.
func name(key string) string {
	if key == "" {
		return ""
	}
	return key[len(store.Partition(key))+1:]
}

// Stamp implements store.Stamper. Without Options.MaxLag no stamp is known.
func (s *Store) Stamp(partition string) (stamp uint64, known bool) {
	if s.watch == nil {
		return 0, false
	}
	return s.watch.Stamp(partition)
}

// Close implements store.Store.
func (s *Store) Close() error {
	s.closed.Do(func() {
		if s.watch != nil {
			s.watch.Close()
		}
		s.stop()
		<-s.swept
		s.calls.Lock() // and never Unlock: enter fails from here on
		s.pool.Close()
		s.deadlines.stop()
	})
	return nil
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
