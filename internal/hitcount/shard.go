package hitcount

import (
	"strings"
	"sync"
	"time"

	"github.com/datixlab/auth/store"
)

// A shard has its counters in a row as well, so that a hand can go along it in small
// steps: after room/swept new keys it has come by every one. A key is found by the hash
// that has picked its shard: a map would hash it once more, which is a third of a hit.
type shard struct {
	table    *Table
	capacity int        // the most counters there may be
	mu       sync.Mutex // for everything but finding a counter and counting on it
	buckets  buckets    // those that the counters hang under
	counters []*counter
	sweptAt  []uint8    // when the hand last looked at each, as of tick
	hand     int        // the counter to sweep next
	dirty    []*counter // changed since last drained, oldest first
	overflow [overflows]int64
}

func (s *shard) lock() {
	s.mu.Lock()
	s.move()
}

// hitNew counts on a counter that key gets now or, where there is no room, on the
// overflow counter of its hash.
func (s *shard) hitNew(key string, hash uint32, l store.Limit, n int, now time.Time) store.Decision {
	shared := s.shared(hash)
	if n < 0 {
		_, d := l.Apply(*shared, 0, now)
		return d
	}
	s.sweep(now.UnixNano())
	next, d := l.Apply(*shared, n, now)
	if !d.OK {
		return d
	}
	if c := s.add(key, hash, next, now.UnixNano()); c == nil {
		*shared = next
	} else if s.table.tracked {
		s.mark(c)
	}
	return d
}

// shared returns the overflow counter of a hash, which is in its high bits.
func (s *shard) shared(hash uint32) *int64 { return &s.overflow[hash/(1<<32/overflows)] }

// add returns a counter that key has for its own, or nil if there is no room.
func (s *shard) add(key string, hash uint32, state, now int64) *counter {
	if len(s.counters) == s.capacity {
		return nil
	}
	if 2*shards*len(s.counters) >= len(s.buckets) {
		s.table.grow(len(s.buckets))
		s.move()
	}
	key = strings.Clone(key) // it may be a part of something large
	c := &counter{key: key, hash: hash, place: uint32(len(s.counters))}
	c.state.Store(state)
	s.counters, s.sweptAt = append(s.counters, c), append(s.sweptAt, tick(now))
	s.buckets.put(c)
	return c
}

// sweep looks at the next few counters for those that are not after now. Where
// changes are tracked such a counter must be reported before it goes, so it is
// only set to unused, and drain drops it.
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

// tick is which 4.3 seconds now is in, as far as a byte tells. No counter is looked at
// twice in them: in a flood the hand would go round and round, and wait for memory at
// every counter. One that is passed over by chance is looked at in the next.
func tick(now int64) uint8 { return uint8(now >> 32) }

// drop ends c and reports so, unless its state is no longer this one: then it was hit.
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
