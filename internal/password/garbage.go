package password

import (
	"runtime"
	"runtime/metrics"
	"sync"
)

// garbage is the memory of the hashes that were computed since the last collection.
//
// The collector lets a heap double, and takes for a part of it what the hashes under way
// have at that moment: in a small process nearly all of it. So their garbage comes to as
// much again and more before it is collected, and stays resident. Here a collection is
// made once the garbage is half of what as many hashes as there are processors have.
// Where all else in the process is large the collector is left to itself: a collection
// looks at all that may have pointers, and sweeps the rest. So it is made once the garbage
// is eight times the first and an eighth of the second, which is hardly sooner than by
// itself.
type garbage struct {
	mu      sync.Mutex
	bytes   uint64
	cycles  uint64 // collections by then
	metrics [3]metrics.Sample
}

// discarded is that of the process.
var discarded = garbage{metrics: [...]metrics.Sample{
	{Name: "/gc/cycles/total:gc-cycles"}, {Name: "/gc/scan/total:bytes"}, {Name: "/gc/heap/live:bytes"},
}}

// add says that the memory of a hash is of no use any more, and collects if that is due.
func (g *garbage) add(bytes uint64) {
	if g.due(bytes, uint64(runtime.GOMAXPROCS(0))) {
		runtime.GC()
	}
}

func (g *garbage) due(bytes, processors uint64) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	metrics.Read(g.metrics[:])
	for _, m := range g.metrics {
		if m.Value.Kind() != metrics.KindUint64 { // in another version of Go
			return false
		}
	}
	cycles, scanned, live := g.metrics[0].Value.Uint64(), g.metrics[1].Value.Uint64(), g.metrics[2].Value.Uint64()
	if cycles != g.cycles {
		g.cycles, g.bytes = cycles, 0
	}
	if g.bytes += bytes; 2*g.bytes < bytes*processors || g.bytes < 8*scanned || 8*g.bytes < live {
		return false
	}
	g.bytes = 0
	return true
}
