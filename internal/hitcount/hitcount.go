// Package hitcount keeps the counters of store.Store's Hit in memory, for the
// adapters that have no engine to keep them in.
//
// # Bounded, and not to be flooded out
//
// A [Table] holds a fixed number of counters (1,048,576 unless told otherwise)
// in 64 shards. A counter whose state is not after now is as good as unused, and
// every new key makes its shard look at a few of its counters, at none twice in the
// same 4.3 seconds, and drop such. There is no goroutine. A counter in use is never
// dropped for another.
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
// bytes takes about 128 MB, with keys of the greatest length about 346 MB. An
// empty one takes 50 kB.
//
// # Counted without a lock
//
// A hit on a key that has a counter finds it by atomic pointers and counts by one
// compare-and-swap: of hits at the same time each is decided on the state that the one
// before it left. What adds, moves, drops or reports counters holds the lock of their
// shard. A counter is marked as dead by the same compare-and-swap when it is dropped,
// so it is counted on or dropped, whichever is first, and a hit that finds it dead counts
// under the lock, where nothing comes or goes.
package hitcount

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"github.com/datixlab/auth/store"
)

const (
	defaultKeys = 1 << 20
	shards      = 64
	overflows   = 64 // per shard
	swept       = 8  // counters looked at for each new key
)

// A Table counts hits, each one atomically, for any number of goroutines.
type Table struct {
	seed    maphash.Seed
	buckets atomic.Pointer[buckets] // the newest; each shard moves there when it is next locked
	tracked bool
	growMu  sync.Mutex // its holder may hold the lock of a shard
	drainMu sync.Mutex
	drainAt int // the shard to drain first
	shards  [shards]shard
}

// New returns an empty Table for about maxKeys counters; 0 stands for 1<<20.
func New(maxKeys int) *Table {
	if maxKeys <= 0 {
		maxKeys = defaultKeys
	}
	t := &Table{seed: maphash.MakeSeed()}
	first := make(buckets, shards)
	t.buckets.Store(&first)
	for i := range t.shards {
		t.shards[i] = shard{table: t, buckets: first, capacity: (maxKeys + shards - 1) / shards}
	}
	return t
}

// Hit is store.Store's Hit, with the errors of store.CheckHit. A key that has a
// counter was checked when it got it, and is not read through again. Nor is a lock
// taken for it, unless the change must be noted for Dirty.
func (t *Table) Hit(key string, l store.Limit, n int, now time.Time) (store.Decision, error) {
	if err := store.CheckLimit(l, n); err != nil {
		return store.Decision{}, err
	}
	hash := t.hash(key)
	c := t.buckets.Load().find(key, hash)
	for c != nil {
		state := c.state.Load()
		if state == dead {
			break
		}
		next, d := l.Apply(state, n, now)
		if next == state {
			return d, nil
		}
		if c.state.CompareAndSwap(state, next) {
			if t.tracked && !c.dirty.Load() {
				t.shard(hash).changed(c)
			}
			return d, nil
		}
	}
	return t.hitLocked(key, hash, l, n, now)
}

// hitLocked is Hit for a key without a counter, as far as can be seen without the lock.
func (t *Table) hitLocked(key string, hash uint32, l store.Limit, n int, now time.Time) (store.Decision, error) {
	s := t.shard(hash)
	s.lock()
	if c := s.buckets.find(key, hash); c != nil && c.state.Load() != dead {
		s.mu.Unlock()
		return t.Hit(key, l, n, now) // it was put or moved while Hit looked for it
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
		s.lock()
		n += len(s.counters)
		s.mu.Unlock()
	}
	return n
}

func (t *Table) hash(key string) uint32 { return uint32(maphash.String(t.seed, key)) }

// shard returns the shard of a hash, which is in its low bits, as the buckets are.
func (t *Table) shard(hash uint32) *shard { return &t.shards[hash%shards] }
