package hitcount

import "sync/atomic"

// buckets are the hash table of the counters of all shards. With a table for each shard
// a hit would follow one more pointer, a sixth of its cost. Their number is that of the
// shards times a power of two, so all counters in a bucket are of one shard. Changing a
// bucket needs the lock of its shard; reading it needs none.
type buckets []atomic.Pointer[counter]

func (h buckets) bucket(hash uint32) *atomic.Pointer[counter] { return &h[hash&uint32(len(h)-1)] }

// find returns the counter of key, or nil. Without the lock the counter may be dead,
// and nil does not mean that there is none: one may be added or moved at that moment.
// The search ends all the same, since a counter is put in front of others, never after
// them.
func (h buckets) find(key string, hash uint32) *counter {
	for c := h.bucket(hash).Load(); c != nil; c = c.next.Load() {
		if c.hash == hash && c.key == key {
			return c
		}
	}
	return nil
}

func (h buckets) put(c *counter) {
	first := h.bucket(c.hash)
	c.next.Store(first.Load())
	first.Store(c)
}

// remove takes c out of its bucket. A goroutine that reads c at that moment still finds
// the counters after it.
func (h buckets) remove(c *counter) {
	at := h.bucket(c.hash)
	for at.Load() != c {
		at = &at.Load().next
	}
	at.Store(c.next.Load())
}

// grow doubles the buckets, unless there are more than from by now. Most keys are then
// alone in their bucket, so a flood of new keys seldom reads a counter in vain.
func (t *Table) grow(from int) {
	t.growMu.Lock()
	defer t.growMu.Unlock()
	if len(*t.buckets.Load()) == from {
		t.buckets.Store(new(make(buckets, 2*from)))
	}
}

// move puts the counters of s into the newest buckets. Until then a hit does not find
// them without the lock, and locking the shard moves them.
func (s *shard) move() {
	newest := *s.table.buckets.Load()
	if len(newest) == len(s.buckets) {
		return
	}
	s.buckets = newest
	for _, c := range s.counters {
		s.buckets.put(c)
	}
}
