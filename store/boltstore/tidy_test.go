package boltstore_test

import (
	"fmt"
	"os"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.etcd.io/bbolt"

	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/boltstore"
)

// clock is a clock that tests set.
type clock struct{ nanos atomic.Int64 }

func newClock() *clock                { c := &clock{}; c.set(start); return c }
func (c *clock) set(t time.Time)      { c.nanos.Store(t.UnixNano()) }
func (c *clock) now() time.Time       { return time.Unix(0, c.nanos.Load()) }
func (c *clock) o() boltstore.Options { return boltstore.Options{Now: c.now} }

func pass(d time.Duration) { <-time.After(d); synctest.Wait() }

// entries returns the number of keys in a bucket of a closed database.
func entries(t *testing.T, path, bucket string) (n int) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true})
	must(t, err)
	defer db.Close()
	must(t, db.View(func(tx *bbolt.Tx) error { n = tx.Bucket([]byte(bucket)).Stats().KeyN; return nil }))
	return n
}

func TestAnExpiredRecordIsDroppedAndNoneBeforeItsTime(t *testing.T) {
	path, clock := newPath(t), newClock()
	synctest.Test(t, func(t *testing.T) {
		s := mustOpen(t, path, clock.o())
		expires := start.Add(1500 * time.Millisecond)
		must(t, s.Commit(ever, store.Put("u/soon", []byte("1")).Until(expires), store.Put("u/ever", nil),
			store.Put("u/past", nil).Until(time.Unix(-5, 0)), store.Put("u/far", nil).Until(time.Unix(1<<50, 0))))
		for _, at := range []time.Time{start, expires.Add(-1)} {
			clock.set(at)
			pass(time.Second)
			if get(t, s, "u/soon") == nil {
				t.Errorf("dropped at %v, %v early", at, expires.Sub(at))
			}
		}
		if get(t, s, "u/past") != nil {
			t.Error("a record that was born expired is kept")
		}
		clock.set(expires.Add(time.Second))
		pass(time.Second)
		if get(t, s, "u/soon") != nil {
			t.Error("an expired record is kept")
		}
		if get(t, s, "u/ever") == nil || get(t, s, "u/far") == nil {
			t.Error("a record without expiry was dropped")
		}
		must(t, s.Close())
	})
	if n := entries(t, path, "expiries"); n != 0 {
		t.Errorf("%d expiries left of records that are gone", n)
	}
}

func TestARecordThatWasGivenALaterExpiryIsNotDroppedAtItsFormerOne(t *testing.T) {
	path, clock := newPath(t), newClock()
	synctest.Test(t, func(t *testing.T) {
		s := mustOpen(t, path, clock.o())
		at := func(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }
		for _, key := range []string{"u/later", "u/never", "u/sooner", "u/gone", "u/same"} {
			must(t, s.Commit(ever, store.Put(key, []byte("1")).Until(at(10))))
		}
		must(t, s.Commit(ever, store.Put("u/later", []byte("2")).Until(at(20)), store.Put("u/never", []byte("2")),
			store.Put("u/sooner", []byte("2")).Until(at(5)), store.Delete("u/gone"), store.Put("u/same", []byte("2")).Until(at(10))))
		for _, step := range []struct {
			at   int
			keys string
		}{{4, "later never same sooner"}, {5, "later never same"}, {10, "later never"}, {19, "later never"}, {20, "never"}} {
			clock.set(at(step.at))
			pass(time.Second)
			items, err := s.List(ever, "u/", "", 100)
			must(t, err)
			keys := ""
			for _, item := range items {
				keys += " " + item.Key[2:]
			}
			if keys != " "+step.keys {
				t.Errorf("after %d s%s are there, want %s", step.at, keys, step.keys)
			}
		}
		must(t, s.Close())
	})
	if n := entries(t, path, "expiries"); n != 0 {
		t.Errorf("%d expiries left", n)
	}
}

// ST-6
func TestAFloodOfExpiredRecordsIsSweptInSmallTransactions(t *testing.T) {
	const records = 3000
	path, clock := newPath(t), newClock()
	synctest.Test(t, func(t *testing.T) {
		s := mustOpen(t, path, clock.o())
		for i := 0; i < records; i += 100 {
			ops := make([]store.Op, 100)
			for j := range ops {
				ops[j] = store.Put(fmt.Sprintf("u/%d", i+j), []byte("junk")).Until(start.Add(time.Hour))
			}
			must(t, s.Commit(ever, ops...))
		}
		before := lastTx(t, path)
		clock.set(start.Add(time.Hour))
		pass(2 * time.Second)
		if n := lastTx(t, path) - before; n < 20 || n > 40 {
			t.Errorf("swept in %d transactions", n)
		}
		must(t, s.Verify(ever))
		must(t, s.Close())
	})
	if a, b := entries(t, path, "records"), entries(t, path, "expiries"); a != 0 || b != 0 {
		t.Errorf("%d records and %d expiries left", a, b)
	}
}

func TestASlowSweepLeavesCommitsAsMuchTimeAsItTakes(t *testing.T) {
	const slow, rounds = 100 * time.Millisecond, 10
	var slowed atomic.Bool
	var sweeps atomic.Int64
	path := newPath(t)
	synctest.Test(t, func(t *testing.T) {
		s := mustOpen(t, path, boltstore.Options{Now: func() time.Time {
			if slowed.Load() {
				sweeps.Add(1)
				<-time.After(slow)
			}
			return start
		}})
		for i := range 2 * rounds { // work for more sweeps than there is time for
			ops := make([]store.Op, 100)
			for j := range ops {
				ops[j] = store.Put(fmt.Sprintf("u/%d", 100*i+j), nil).Until(start)
			}
			must(t, s.Commit(ever, ops...))
		}
		slowed.Store(true)
		pass(500*time.Millisecond + 2*rounds*slow)
		if n := sweeps.Load(); n < rounds || n > rounds+1 {
			t.Errorf("%d sweeps of %v began in %v", n, slow, 2*rounds*slow)
		}
		slowed.Store(false)
	})
}

func TestAnIdleStoreWritesNothing(t *testing.T) {
	path, clock := newPath(t), newClock()
	synctest.Test(t, func(t *testing.T) {
		s := mustOpen(t, path, clock.o())
		must(t, s.Commit(ever, store.Put("u/a", nil).Until(start.Add(time.Hour))))
		before := lastTx(t, path)
		pass(time.Minute)
		if n := lastTx(t, path) - before; n != 0 {
			t.Errorf("%d transactions in an idle minute", n)
		}
	})
}

var perHour = store.Limit{Burst: 5, Every: time.Hour}

func hits(t *testing.T, s store.Store, key string, now time.Time) (counted int) {
	t.Helper()
	d, err := s.Hit(ever, key, perHour, 1, now)
	must(t, err)
	if !d.OK {
		return perHour.Burst
	}
	return perHour.Burst - d.Left - 1
}

// TF-9, and the promise of the package comment: what a copy of the file holds at
// an instant is what a kill at that instant leaves.
func TestAKillLosesAtMostTheLastSecondOfHits(t *testing.T) {
	path, killed, clock := newPath(t), newPath(t), newClock()
	synctest.Test(t, func(t *testing.T) {
		s := mustOpen(t, path, clock.o())
		for range 50 {
			pass(37 * time.Millisecond) // at any point between two rounds of the committer
			for range 3 {
				_, err := s.Hit(ever, "login/a", perHour, 1, start)
				must(t, err)
			}
			pass(time.Second)
			b, err := os.ReadFile(path)
			must(t, err)
			must(t, os.WriteFile(killed, b, 0o600))
			again := mustOpen(t, killed, clock.o())
			if n := hits(t, again, "login/a", start); n != 3 {
				t.Errorf("%d hits left of 3", n)
			}
			must(t, again.Close())
			_, err = s.Hit(ever, "login/a", perHour, -3, start)
			must(t, err)
		}
	})
}

// ST-6
func TestHitsAreCountedOnAfterReopeningUntilTheyEnd(t *testing.T) {
	path, clock := newPath(t), newClock()
	synctest.Test(t, func(t *testing.T) {
		s := mustOpen(t, path, clock.o())
		for i := range 1500 { // more than one transaction of them
			_, err := s.Hit(ever, fmt.Sprintf("login/%d", i), perHour, 1+i%5, start)
			must(t, err)
		}
		must(t, s.Close())
		s = mustOpen(t, path, clock.o())
		for i := range 1500 {
			if n := hits(t, s, fmt.Sprintf("login/%d", i), start); n != 1+i%5 {
				t.Fatalf("counter %d: %d", i, n)
			}
		}
		if items, err := s.List(ever, "login/", "", 10); err != nil || len(items) != 0 {
			t.Errorf("counters listed as records: %v, %v", items, err)
		}
		must(t, s.Close())
	})
	if n := entries(t, path, "counters"); n != 1500 {
		t.Errorf("%d counters on disk", n)
	}
	clock.set(start.Add(6 * time.Hour))
	synctest.Test(t, func(t *testing.T) {
		s := mustOpen(t, path, clock.o())
		pass(time.Second)
		must(t, s.Close())
	})
	if n := entries(t, path, "counters"); n != 0 {
		t.Errorf("%d counters on disk that ended", n)
	}
}

// A stamp is of what is there, so that what is dropped changes it.
func TestWhatIsDroppedChangesTheStamp(t *testing.T) {
	path, clock := newPath(t), newClock()
	synctest.Test(t, func(t *testing.T) {
		s := mustOpen(t, path, clock.o())
		must(t, s.Commit(ever, store.Put("p/k", []byte("v")).Until(start.Add(time.Second))))
		before, known := s.Stamp("p")
		if !known {
			t.Fatal("no stamp is known")
		}
		clock.set(start.Add(time.Second))
		pass(time.Second)
		if got, err := s.Get(ever, "p/k"); err != nil || got[0] != nil {
			t.Fatalf("the record is there: %q, %v", got, err)
		}
		if after, known := s.Stamp("p"); !known || after == before {
			t.Errorf("the record is gone, and the stamp is %d, known: %v; it was %d", after, known, before)
		}
		must(t, s.Close())
	})
}
