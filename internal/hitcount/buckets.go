package hitcount

import "sync/atomic"

// buckets are what the counters of all shards are in, by hash: that is a pointer less
// on the way to a counter than buckets for each shard, and a sixth of a hit. They are as
// many as the shards, doubled time and again, so that what hangs under one is of one shard.
// Whoever holds its lock may change that; anyone may look.
type buckets []atomic.Pointer[counter]

func (h buckets) bucket(hash uint32) *atomic.Pointer[counter] { return &h[hash&uint32(len(h)-1)] }

// find returns the counter of key. Without the lock that may be one that is dead, and
// nil does not say that there is none: one may be put or moved at that moment. It
// comes to an end even so, since a counter is put in front of others, never behind.
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

// remove takes c away. Whoever has come as far as c still gets from it to those behind.
func (h buckets) remove(c *counter) {
	at := h.bucket(c.hash)
	for at.Load() != c {
		at = &at.Load().next
	}
	at.Store(c.next.Load())
}

// grow doubles the buckets, unless there are more than from by now: most keys are then
// alone under theirs, and a flood of new ones seldom reads a counter in vain.
func (t *Table) grow(from int) {
	t.growMu.Lock()
	defer t.growMu.Unlock()
	if len(*t.buckets.Load()) == from {
		t.buckets.Store(new(make(buckets, 2*from)))
	}
}

// move hangs the counters of s under the newest buckets. Until then a hit finds them under
// the lock only, and whoever takes that moves them.
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
