package hitcount

import (
	"strings"
	"sync"
	"time"

	"github.com/datixlab/auth/store"
)

// A shard holds a part of the counters. They are in a slice as well as in the buckets,
// so that sweep can visit them in small steps: capacity/swept new keys visit them all.
// The buckets use the hash that has picked the shard. A map would hash the key once
// more, which is a third of the cost of a hit.
type shard struct {
	table    *Table
	capacity int        // the most counters there may be
	mu       sync.Mutex // not needed to find a counter and to count on it
	buckets  buckets    // those that the counters are in
	counters []*counter
	sweptAt  []uint8           // the tick at which sweep last looked at each
	hand     int               // the counter to sweep next
	dirty    []*counter        // changed since last drained, oldest first
	overflow *[overflows]int64 // nil while it counts nothing, as in most Tables
}

func (s *shard) lock() {
	s.mu.Lock()
	s.move()
}

// hitNew counts on a new counter for key or, if the shard is full, on the overflow
// counter of its hash.
func (s *shard) hitNew(key string, hash uint32, l store.Limit, n int, now time.Time) store.Decision {
	shared := s.shared(hash)
	if n < 0 {
		_, d := l.Apply(shared, 0, now)
		return d
	}
	s.sweep(now.UnixNano())
	next, d := l.Apply(shared, n, now)
	if !d.OK {
		return d
	}
	if c := s.add(key, hash, next, now.UnixNano()); c == nil {
		s.share(hash, next)
	} else if s.table.tracked {
		s.mark(c)
	}
	return d
}

// shared returns the state of the overflow counter of a hash.
func (s *shard) shared(hash uint32) int64 {
	if s.overflow == nil {
		return 0
	}
	return s.overflow[place(hash)]
}

// share sets it.
func (s *shard) share(hash uint32, state int64) {
	if s.overflow == nil {
		s.overflow = new([overflows]int64)
	}
	s.overflow[place(hash)] = state
}

// place is that of the overflow counter of a hash: its high bits.
func place(hash uint32) uint32 { return hash / (1 << 32 / overflows) }

// add returns a new counter for key, or nil if the shard is full.
func (s *shard) add(key string, hash uint32, state, now int64) *counter {
	if len(s.counters) == s.capacity {
		return nil
	}
	if 2*shards*len(s.counters) >= len(s.buckets) {
		s.table.grow(len(s.buckets))
		s.move()
	}
	key = strings.Clone(key) // it may be part of a large string
	c := &counter{key: key, hash: hash, place: uint32(len(s.counters))}
	c.state.Store(state)
	s.counters, s.sweptAt = append(s.counters, c), append(s.sweptAt, tick(now))
	s.buckets.put(c)
	return c
}

// sweep looks at the next few counters for those that are not after now, and drops
// them. If changes are tracked, a counter must be reported before it is dropped. So
// sweep sets it to unused, and drain drops it.
func (s *shard) sweep(now int64) {
	for range min(swept, len(s.counters)) {
		if s.hand >= len(s.counters) {
			s.hand = 0
		}
		if s.sweptAt[s.hand] == tick(now) {
			s.hand++
			continue
		}
		s.sweptAt[s.hand] = tick(now)
		c := s.counters[s.hand]
		state := c.state.Load()
		switch {
		case state > now:
		case !s.table.tracked:
			if s.drop(c, state) {
				continue // another has taken its place
			}
		case c.state.CompareAndSwap(state, 0):
			s.mark(c)
		}
		s.hand++
	}
}

// tick is the number of the 4.3 seconds (2³² ns) that now is in, modulo 256. No counter
// is looked at twice in one tick. Otherwise a flood of new keys would visit all
// counters again and again, and wait for memory at each. A counter that is skipped
// because the number repeats is looked at in the next tick.
func tick(now int64) uint8 { return uint8(now >> 32) }

// drop removes c and reports true, unless its state has changed from state: then c was
// hit.
func (s *shard) drop(c *counter, state int64) bool {
	if !c.state.CompareAndSwap(state, dead) {
		return false
	}
	s.buckets.remove(c)
	end := len(s.counters) - 1
	last := s.counters[end]
	s.counters[c.place], s.sweptAt[c.place], last.place = last, s.sweptAt[end], c.place
	s.counters[end] = nil
	s.counters, s.sweptAt = s.counters[:end], s.sweptAt[:end]
	return true
}
