package hitcount

import (
	"math"
	"sync/atomic"
)

// A counter is one key's and no other's, from when it is put in its bucket until it is
// dropped. Then it is dead for good: whoever still holds it finds so by the state, in
// the very word that hits count in, and counts elsewhere. So no hit is lost with a
// counter, none lands on that of another key, and nobody needs a lock to count.
type counter struct {
	key   string
	hash  uint32
	place uint32                  // in shard.counters
	state atomic.Int64            // as of store.Limit.Apply; 0: unused
	dirty atomic.Bool             // it is in shard.dirty
	next  atomic.Pointer[counter] // the one behind it in the same bucket
}

// dead is the state of a counter that was dropped. Apply returns it at no time that it is
// made for.
const dead = math.MinInt64
