package hitcount

import (
	"math"
	"sync/atomic"
)

// A counter belongs to one key, from when it is put into its bucket until it is
// dropped. Then it is dead for good. A goroutine that still holds it sees that in its
// state, the word in which hits are counted, and counts elsewhere. So no hit is lost
// with a counter, none counts for another key, and counting needs no lock.
type counter struct {
	key   string
	hash  uint32
	place uint32                  // in shard.counters
	state atomic.Int64            // as of store.Limit.Apply; 0: unused
	dirty atomic.Bool             // it is in shard.dirty
	next  atomic.Pointer[counter] // in the same bucket
}

// dead is the state of a dropped counter. Apply does not return it for any time from
// 1970 to 2060.
const dead = math.MinInt64
