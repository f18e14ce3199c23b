package password

import (
	"runtime"
	"runtime/debug"
	"testing"
)

// forced returns how many collections f asked for, while the collector makes none by itself.
func forced(t *testing.T, f func()) uint32 {
	t.Helper()
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	runtime.GC() // what is on the heap is known from now on
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.NumForcedGC - before.NumForcedGC
}

// hashes computes n hashes of 16 MiB, one after the other.
func hashes(t *testing.T, n int) {
	t.Helper()
	for range n {
		if _, err := Hash(Params{Memory: 16 << 10, Time: 1, Threads: 1}, "correct horse battery"); err != nil {
			t.Fatal(err)
		}
	}
}

func TestHashesLeaveLittleGarbageInASmallProcess(t *testing.T) {
	const n = 16
	half := (runtime.GOMAXPROCS(0) + 1) / 2 // hashes whose memory is as much as may be left
	if got, want := forced(t, func() { hashes(t, n) }), uint32(n/half); got != want {
		t.Errorf("%d collections for %d hashes, want %d", got, n, want)
	}
}

func TestHashesLeaveTheCollectorToItselfInALargeProcess(t *testing.T) {
	large := make([]*int, 4<<20) // 32 MiB that a collection looks at
	got := forced(t, func() { hashes(t, 8) })
	runtime.KeepAlive(large)
	if got != 0 {
		t.Errorf("%d collections for 128 MiB of garbage beside 32 MiB", got)
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
