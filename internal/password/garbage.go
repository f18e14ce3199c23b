package password

import (
	"runtime"
	"runtime/metrics"
	"sync"
)

// garbage counts the memory of finished hashes since the last collection.
//
// The garbage collector lets a heap double, and counts the memory of running hashes as
// live. In a small process that is nearly the whole heap, so as much garbage stays
// resident. We collect when the garbage reaches half of GOMAXPROCS × one hash.
//
// A collection has a price: it scans what may hold pointers and sweeps the rest. So the
// garbage must also be at least 8 times the scannable heap and 1/8 of the live heap. A
// process with a large heap is left to the garbage collector.
type garbage struct {
	mu      sync.Mutex
	bytes   uint64
	cycles  uint64 // number of collections when bytes was last reset
	metrics [3]metrics.Sample
}

// discarded is the garbage of this process.
var discarded = garbage{metrics: [...]metrics.Sample{
	{Name: "/gc/cycles/total:gc-cycles"}, {Name: "/gc/scan/total:bytes"}, {Name: "/gc/heap/live:bytes"},
}}

// add adds the memory of a finished hash, and collects if that is due.
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
