package password

import (
	"math"
	"runtime"
	"runtime/debug"
	"testing"
)

// forced returns how many collections f asked for, while the collector makes none by itself.
func forced(t *testing.T, f func()) uint32 {
	t.Helper()
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(math.MaxInt64))
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4)) // the memory of two hashes may be left
	runtime.GC()                                    // what is on the heap is known from now on
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.NumForcedGC - before.NumForcedGC
}

// hashes computes n hashes of so many MiB, one after the other.
func hashes(t *testing.T, n int, mib uint32) {
	t.Helper()
	for range n {
		if _, err := Hash(Params{Memory: mib << 10, Time: 1, Threads: 1}, "correct horse battery"); err != nil {
			t.Fatal(err)
		}
	}
}

func TestHashesLeaveLittleGarbageInASmallProcess(t *testing.T) {
	if got := forced(t, func() { hashes(t, 16, 16) }); got != 8 {
		t.Errorf("%d collections for 16 hashes, want 8", got)
	}
}

func TestHashesLeaveTheCollectorToItselfInALargeProcess(t *testing.T) {
	if forced(t, func() { hashes(t, 8, 2) }) == 0 {
		t.Fatal("no collections in a small one")
	}
	for name, large := range map[string]any{
		"32 MiB that a collection looks at": make([]*int, 4<<20),
		"256 MiB that it sweeps":            make([]byte, 256<<20),
	} {
		got := forced(t, func() { hashes(t, 8, 2) })
		runtime.KeepAlive(large)
		if got != 0 {
			t.Errorf("%d collections for 16 MiB of garbage beside %s", got, name)
		}
	}
}

// What was collected meanwhile is no garbage any more.
func TestGarbageIsCountedFromTheLastCollection(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	g := garbage{metrics: discarded.metrics}
	const hash, processors = 256 << 20, 8
	for round := range 3 {
		for range 3 {
			if g.due(hash, processors) {
				t.Fatalf("round %d: due after less than the half", round)
			}
		}
		runtime.GC()
	}
	for range 3 {
		g.due(hash, processors)
	}
	if !g.due(hash, processors) {
		t.Error("not due after the half")
	}
	if g.due(hash, processors) {
		t.Error("due twice for the same garbage")
	}
}
