// Package memstore is a store.Store in the memory of one process, for tests and
// development. Everything in it is lost when the process ends: accounts, sessions, keys
// and counters.
//
// Records are unbounded: none is dropped before its expiry, and each Commit drops some
// that have expired. Counters of Hit are bounded to about a million keys at a time.
// Beyond that, new keys share counters: they may be refused early, and none is
// forgotten.
package memstore

import (
	"bytes"
	"context"
	"fmt"
	"hash/maphash"
	"sync/atomic"
	"time"

	"github.com/datixlab/auth/internal/hitcount"
	"github.com/datixlab/auth/internal/stamps"
	"github.com/datixlab/auth/store"
)

const (
	shards = 64
	// maxCollected is how many expired records one Commit drops from a shard at most.
	// It is more than a Commit can add.
	maxCollected = 2 * store.MaxOps
)

// A Store is a store.Store in memory. Make it with [New].
type Store struct {
	// Now is the clock for expiries; nil is time.Now. Set it before the first call. A
	// test whose clock is behind the real one must set it. Otherwise records that are
	// live by the test's clock have already expired by the real one.
	Now func() time.Time

	seed      maphash.Seed
	shards    [shards]shard
	nextShard atomic.Uint64 // the shard to collect from next
	stamps    *stamps.Table
	hits      atomic.Pointer[hitcount.Table]
}

var _ store.Stamper = (*Store)(nil)

// New returns an empty Store.
func New() *Store {
	s := &Store{seed: maphash.MakeSeed(), stamps: stamps.New()}
	for i := range s.shards {
		s.shards[i].partitions = make(map[string]partition)
	}
	s.hits.Store(hitcount.New(0))
	return s
}

// Get implements store.Store.
func (s *Store) Get(ctx context.Context, keys ...string) ([][]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("memstore: %w", err)
	}
	if err := store.CheckGet(keys); err != nil {
		return nil, err
	}
	name := store.Partition(keys[0])
	memory := new(arena) // enough for the usual Get: two small records
	values := memory.values[:0:2]
	if len(keys) > len(memory.values) {
		values = make([][]byte, 0, len(keys))
	}
	values = values[:len(keys)]
	if err := s.shard(name).get(name, keys, values); err != nil {
		return nil, err
	}
	size := 0
	for _, v := range values {
		size += len(v)
	}
	copies := memory.bytes[:0:len(memory.bytes)] // of all values; the capacity of each ends where the next begins
	if size > len(memory.bytes) {
		copies = make([]byte, 0, size)
	}
	for i, v := range values {
		if v != nil {
			at := len(copies)
			copies = append(copies, v...)
			values[i] = copies[at:len(copies):len(copies)]
		}
	}
	return values, nil
}

// An arena holds what Get returns, in one allocation.
type arena struct {
	values [2][]byte
	bytes  [464]byte
}

// Stamp implements store.Stamper.
func (s *Store) Stamp(partition string) (uint64, bool) { return s.stamps.Stamp(partition) }

// List implements store.Store.
func (s *Store) List(ctx context.Context, prefix, after string, limit int) ([]store.Item, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("memstore: %w", err)
	}
	if err := store.CheckList(prefix, after, limit); err != nil {
		return nil, err
	}
	name := store.Partition(prefix)
	items, err := s.shard(name).list(name, prefix, after, limit)
	if err != nil {
		return nil, err
	}
	for i := range items {
		items[i].Value = clone(items[i].Value)
	}
	return items, nil
}

// Commit implements store.Store.
func (s *Store) Commit(ctx context.Context, ops ...store.Op) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("memstore: %w", err)
	}
	if err := store.CheckCommit(ops); err != nil {
		return err
	}
	name := store.Partition(ops[0].Key)
	s.stamps.Begin(name)
	err := s.shard(name).commit(name, ops)
	s.stamps.End(name)
	if err != nil {
		return err
	}
	// Collect from the shard that just grew and, in turn, from the shards without
	// writes.
	now := s.now()
	s.shard(name).collect(now, s.stamps)
	s.shards[s.nextShard.Add(1)%shards].collect(now, s.stamps)
	return nil
}

// Hit implements store.Store.
func (s *Store) Hit(ctx context.Context, key string, limit store.Limit, n int, now time.Time) (store.Decision, error) {
	if err := ctx.Err(); err != nil {
		return store.Decision{}, fmt.Errorf("memstore: %w", err)
	}
	hits := s.hits.Load()
	if hits == nil {
		return store.Decision{}, store.ErrClosed
	}
	return hits.Hit(key, limit, n, now)
}

var _ store.Examiner = (*Store)(nil)

// Examine implements store.Examiner.
func (s *Store) Examine(ctx context.Context) (store.Examination, error) {
	if err := ctx.Err(); err != nil {
		return store.Examination{}, fmt.Errorf("memstore: %w", err)
	}
	return store.Examination{Kind: "memory", Warnings: []string{"Every record is lost when the process stops."}}, nil
}

// Close drops everything. It never fails.
func (s *Store) Close() error {
	s.stamps.Close()
	s.hits.Store(nil)
	for i := range s.shards {
		s.shards[i].close()
	}
	return nil
}

func (s *Store) shard(partition string) *shard {
	return &s.shards[maphash.String(s.seed, partition)%shards]
}

func (s *Store) now() time.Time {
	if s.Now != nil {
		return s.Now()
	}
	return time.Now()
}

// clone copies the value of a record. The copy of an empty value is empty and not nil.
func clone(v []byte) []byte {
	if len(v) == 0 {
		return []byte{}
	}
	return bytes.Clone(v)
}
