package hitcount

import (
	"strings"
	"sync"
	"time"

	"github.com/datixlab/auth/store"
)

// A shard keeps its counters in slots, so that a hand can go round them in small
// steps: after room/swept new keys it has seen every one. A key is found by the hash
// that has picked its shard: a map would hash it once more, which is a fifth of a hit.
type shard struct {
	mu       sync.Mutex
	heads    []link // by hash: the slots whose keys share it; a power of two, twice the slots or more
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
	hash  uint32
	next  link // the next slot under the same head
	dirty bool // its slot is in shard.dirty
}

// A link is the number of a slot plus one; 0 is the end.
type link uint32

func (s *shard) head(hash uint32) *link { return &s.heads[hash&uint32(len(s.heads)-1)] }

// find returns the slot of key, if it has one.
func (s *shard) find(key string, hash uint32) (slot uint32, held bool) {
	for at := *s.head(hash); at != 0; at = s.slots[at-1].next {
		if c := &s.slots[at-1]; c.hash == hash && c.key == key {
			return uint32(at - 1), true
		}
	}
	return 0, false
}

// put hangs slot i under its head.
func (s *shard) put(i uint32) {
	head := s.head(s.slots[i].hash)
	s.slots[i].next, *head = *head, link(i+1)
}

// grow doubles the heads: most keys are then alone under theirs, and a flood of new
// ones seldom reads a slot in vain.
func (s *shard) grow() {
	s.heads = make([]link, 2*len(s.heads))
	for i := range s.slots {
		if s.slots[i].key != "" {
			s.put(uint32(i))
		}
	}
}

// hitNew counts on a counter that key gets now or, where there is no room, on the
// overflow counter of its hash.
func (s *shard) hitNew(key string, hash uint32, l store.Limit, n int, now time.Time) store.Decision {
	shared := &s.overflow[hash%overflows]
	if n < 0 {
		_, d := l.Apply(*shared, 0, now)
		return d
	}
	s.sweep(now.UnixNano())
	next, d := l.Apply(*shared, n, now)
	if d.OK && !s.add(key, hash, next, s.tracked) {
		*shared = next
	}
	return d
}

// add gives key a counter of its own and reports whether there was room.
func (s *shard) add(key string, hash uint32, state int64, dirty bool) bool {
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
	s.slots[i] = counter{key: key, hash: hash, state: state}
	s.put(i)
	if 2*len(s.slots) > len(s.heads) {
		s.grow()
	}
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
	at := s.head(s.slots[i].hash)
	for *at != link(i+1) {
		at = &s.slots[*at-1].next
	}
	*at = s.slots[i].next
	s.slots[i] = counter{}
	s.free = append(s.free, i)
}
