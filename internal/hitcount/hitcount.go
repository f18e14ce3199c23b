// Package hitcount keeps the counters of store.Store's Hit in memory, for adapters
// whose engine does not count.
//
// # Bounded, even under a flood
//
// A [Table] holds a fixed number of counters in 64 shards: 1,048,576 by default. A
// counter whose state is not after now counts as unused. Every new key makes its shard
// look at up to 8 of its counters and drop the unused ones. No counter is looked at
// twice in the same 4.3 seconds. There is no goroutine. A counter in use is never
// dropped for another.
//
// When a shard is full of counters in use, a key without a counter counts on an
// overflow counter. Each shard has 64 of them, 4,096 in all, and keys share them by
// their hashes. So an attacker with a million keys can make other clients wait, but the
// table forgets nothing and does not grow:
//
//   - A key that had its own counter keeps it.
//   - A key that gets its own counter later starts from its overflow counter.
//   - A key without a counter of its own has nothing to give back.
//
// A hash with a random seed picks shard and overflow counter, so a client cannot choose
// the keys that it shares one with. A full table of the default size takes about 128 MB
// with keys of 40 bytes, and about 346 MB with keys of the greatest length. An empty
// one takes 10 kB.
//
// # Counted without a lock
//
// A hit on a key that has a counter finds it through atomic pointers and counts with
// one compare-and-swap. So each hit is decided on the state that the hit before it
// left. Adding, moving, dropping or reporting counters takes the lock of their shard. A
// counter is dropped by a compare-and-swap that marks it as dead, so a hit either
// counts before that or finds it dead. A hit that finds it dead counts under the lock,
// where no counter is added or dropped meanwhile.
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
	buckets atomic.Pointer[buckets] // the newest; each shard moves to it when it is next locked
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
		s := &t.shards[i]
		s.table, s.buckets, s.capacity = t, first, (maxKeys+shards-1)/shards
	}
	return t
}

// Hit is store.Store's Hit, with the errors of store.CheckHit. A key that has a counter
// was checked when it got it, and is not checked again. Hit takes no lock for it,
// unless the change must be noted for Dirty.
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

// hitLocked is Hit for a key without a counter, as far as Hit could see without the
// lock.
func (t *Table) hitLocked(key string, hash uint32, l store.Limit, n int, now time.Time) (store.Decision, error) {
	s := t.shard(hash)
	s.lock()
	if c := s.buckets.find(key, hash); c != nil && c.state.Load() != dead {
		s.mu.Unlock()
		return t.Hit(key, l, n, now) // it was added or moved while Hit looked for it
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

// shard returns the shard of a hash. It is in the low bits, as the bucket is.
func (t *Table) shard(hash uint32) *shard { return &t.shards[hash%shards] }
