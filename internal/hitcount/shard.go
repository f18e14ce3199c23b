package hitcount

import (
	"strings"
	"sync"
)

// A shard keeps its counters in slots, so that a hand can go round them in small
// steps: after room/swept new keys it has seen every one.
type shard struct {
	mu       sync.Mutex
	index    map[string]uint32 // key to slot
	slots    []counter
	free     []uint32 // slots without a key
	hand     int      // the slot to sweep next
	room     int      // the most slots there may be
	tracked  bool
	dirty    []uint32 // slots changed since last drained, oldest first
	overflow [overflows]int64
}

type counter struct {
	key   string // empty: the slot is free
	state int64  // as of store.Limit.Apply; 0: unused
	dirty bool   // its slot is in shard.dirty
}

// add gives key a counter of its own and reports whether there was room.
func (s *shard) add(key string, state int64, dirty bool) bool {
	var i uint32
	switch {
	case len(s.free) > 0:
		i = s.free[len(s.free)-1]
		s.free = s.free[:len(s.free)-1]
	case len(s.slots) < s.room:
		i = uint32(len(s.slots))
		s.slots = append(s.slots, counter{})
	default:
		return false
	}
	key = strings.Clone(key) // it may be a part of something large
	s.slots[i] = counter{key: key, state: state}
	s.index[key] = i
	if dirty {
		s.mark(i)
	}
	return true
}

func (s *shard) set(i uint32, state int64) {
	if s.slots[i].state == state {
		return
	}
	s.slots[i].state = state
	if s.tracked {
		s.mark(i)
	}
}

func (s *shard) mark(i uint32) {
	if !s.slots[i].dirty {
		s.slots[i].dirty = true
		s.dirty = append(s.dirty, i)
	}
}

// sweep looks at the next few slots for counters that are not after now. Where
// changes are tracked such a counter must be reported before it goes, so it is
// only set to unused, and drain drops it.
func (s *shard) sweep(now int64) {
	for range min(swept, len(s.slots)) {
		i := uint32(s.hand)
		s.hand = (s.hand + 1) % len(s.slots)
		switch c := &s.slots[i]; {
		case c.key == "" || c.state > now:
		case s.tracked:
			s.set(i, 0)
		default:
			s.drop(i)
		}
	}
}

func (s *shard) drop(i uint32) {
	delete(s.index, s.slots[i].key)
	s.slots[i] = counter{}
	s.free = append(s.free, i)
}
