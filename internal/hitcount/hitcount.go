// Package hitcount keeps the counters of store.Store's Hit in memory, for the
// adapters that have no engine to keep them in.
//
// # Bounded, and not to be flooded out
//
// A [Table] holds a fixed number of counters (1,048,576 unless told otherwise)
// in 64 shards. A counter whose state is not after now is as good as unused, and
// every new key makes its shard look at a few slots for such counters and drop
// them. There is no goroutine. A counter in use is never dropped for another.
//
// When a shard is full of counters in use, a key without a counter counts on one
// of 64 overflow counters of the shard, 4,096 in all, which it shares with the
// other keys that fall on it. An attacker with a million keys thus brings strangers
// to wait, but makes the table forget nothing and grow no further:
//
//   - a key that had its own counter keeps it;
//   - a key that gets its own counter later starts from its overflow counter;
//   - a key without a counter of its own has nothing to give back.
//
// Shard and overflow counter are picked by a hash with a random seed, so nobody
// outside can aim at a neighbour. A full table of the default size with keys of 40
// bytes takes about 105 MB, with keys of the greatest length about 325 MB. An
// empty one takes 50 kB.
package hitcount

import (
	"hash/maphash"
	"sync"
	"time"

	"github.com/datixlab/auth/store"
)

const (
	defaultKeys = 1 << 20
	shards      = 64
	overflows   = 64 // per shard
	swept       = 8  // slots looked at for each new key
)

// A Table counts hits, each one atomically, for any number of goroutines.
type Table struct {
	seed    maphash.Seed
	shards  [shards]shard
	drainMu sync.Mutex
	drainAt int // the shard to drain first
}

// New returns an empty Table for about maxKeys counters; 0 stands for 1<<20.
func New(maxKeys int) *Table {
	if maxKeys <= 0 {
		maxKeys = defaultKeys
	}
	t := &Table{seed: maphash.MakeSeed()}
	for i := range t.shards {
		t.shards[i].heads = make([]link, 1)
		t.shards[i].room = (maxKeys + shards - 1) / shards
	}
	return t
}

// Hit is store.Store's Hit, with the errors of store.CheckHit. A key that has a
// counter was checked when it got it, and is not read through again.
func (t *Table) Hit(key string, l store.Limit, n int, now time.Time) (store.Decision, error) {
	if err := store.CheckLimit(l, n); err != nil {
		return store.Decision{}, err
	}
	s, hash := t.shard(key)
	s.mu.Lock()
	if i, held := s.find(key, hash); held {
		next, d := l.Apply(s.slots[i].state, n, now)
		s.set(i, next)
		s.mu.Unlock()
		return d, nil
	}
	defer s.mu.Unlock()
	if err := store.CheckHit(key, l, n); err != nil {
		return store.Decision{}, err
	}
	return s.hitNew(key, hash, l, n, now), nil
}

// Len returns how many keys have a counter of their own.
func (t *Table) Len() int {
	n := 0
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		n += len(s.slots) - len(s.free)
		s.mu.Unlock()
	}
	return n
}

// shard returns the shard of key and, independent of it, a hash of key.
func (t *Table) shard(key string) (s *shard, hash uint32) {
	h := maphash.String(t.seed, key)
	return &t.shards[h%shards], uint32(h >> 32)
}
