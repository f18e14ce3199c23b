package hitcount

import (
	"math"
	"strconv"
	"testing"
	"time"
	"unsafe"

	"github.com/datixlab/auth/store"
)

var (
	start   = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	guesses = store.Limit{Burst: 5, Every: time.Hour}
)

// held hits key and returns its counter, as a hit holds it that goes on later.
func held(t *testing.T, table *Table, key string) *counter {
	t.Helper()
	if _, err := table.Hit(key, guesses, 1, start); err != nil {
		t.Fatal(err)
	}
	return table.buckets.Load().find(key, table.hash(key))
}

func TestARemovedCounterIsNotFoundAndNotReportedAgain(t *testing.T) {
	table := New(0)
	table.Track()
	c := held(t, table, "login/somebody")
	reported := func() (states []int64) {
		for _, e := range table.Dirty(math.MaxInt) {
			if e.Key == c.key {
				states = append(states, e.State)
			}
		}
		return states
	}
	if got := reported(); len(got) != 1 || got[0] != c.state.Load() {
		t.Fatalf("reported as %v, want %d", got, c.state.Load())
	}
	for i := range 1000 { // some are of its shard
		if _, err := table.Hit("k/"+strconv.Itoa(i), guesses, 1, start.Add(2*time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	if got := reported(); len(got) != 1 || got[0] != 0 {
		t.Fatalf("reported as %v when it had run out, want 0", got)
	}
	if c.state.Load() != dead || table.buckets.Load().find(c.key, c.hash) != nil {
		t.Fatalf("state %d after it was dropped, or it is still found", c.state.Load())
	}
	table.shard(c.hash).changed(c)
	if got := reported(); len(got) != 0 {
		t.Errorf("reported again, as %v", got)
	}
}

func TestACounterHitSinceTheEvictionScanPassedIsNotDropped(t *testing.T) {
	table := New(0)
	c := held(t, table, "login/somebody")
	looked := c.state.Load()
	held(t, table, c.key)
	s := table.shard(c.hash)
	s.lock()
	dropped := s.drop(c, looked)
	s.mu.Unlock()
	if dropped || c.state.Load() == dead || table.Len() != 1 {
		t.Errorf("dropped: %v, state %d, %d counters", dropped, c.state.Load(), table.Len())
	}
}

func TestAnEmptyTableTakesTenKilobytes(t *testing.T) {
	if size := unsafe.Sizeof(Table{}) + shards*unsafe.Sizeof(buckets{}[0]); size > 10_000 {
		t.Errorf("%d bytes", size)
	}
}
