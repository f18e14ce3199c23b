package memstore_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/memstore"
	"github.com/datixlab/auth/store/storetest"
)

func open(testing.TB) storetest.Place { return storetest.Place{Store: memstore.New()} }

// ST-1, ST-4, Advisory 34 (CVE-2026-48154).
func TestStoreKeepsTheContract(t *testing.T) { storetest.Run(t, open) }

func BenchmarkStore(b *testing.B) { storetest.Bench(b, open) }

// ST-6.
func TestExpiredRecordsAreCollectedByLaterCommits(t *testing.T) {
	now := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	s := memstore.New()
	s.Now = func() time.Time { return now }
	commit := func(ops ...store.Op) {
		if err := s.Commit(t.Context(), ops...); err != nil {
			t.Fatal(err)
		}
	}
	left := func() (n int) {
		for i := range 500 {
			items, err := s.List(t.Context(), fmt.Sprintf("p%d/", i), "", 100)
			if err != nil {
				t.Fatal(err)
			}
			n += len(items)
		}
		return n
	}
	for i := range 500 {
		commit(store.Put(fmt.Sprintf("p%d/long", i), nil).Until(now.Add(time.Second)))
		commit(store.Put(fmt.Sprintf("p%d/short", i), nil).Until(now.Add(time.Minute)),
			store.Put(fmt.Sprintf("p%d/long", i), nil).Until(now.Add(time.Hour)),
			store.Put(fmt.Sprintf("p%d/never", i), nil),
			store.Put(fmt.Sprintf("p%d/removed", i), nil).Until(now.Add(time.Minute)))
		commit(store.Delete(fmt.Sprintf("p%d/removed", i)))
	}
	for _, step := range []struct {
		pass time.Duration
		want int
	}{{time.Minute - 1, 1500}, {1, 1000}, {59*time.Minute - 1, 1000}, {1, 500}, {1000 * time.Hour, 500}} {
		now = now.Add(step.pass)
		for range 64 { // once round the shards
			commit(store.Check("elsewhere/k"))
		}
		if n := left(); n != step.want {
			t.Errorf("%d records %v later, want %d", n, step.pass, step.want)
		}
	}
}

func TestRecordsThatExpireAsFastAsTheyAreWrittenDoNotPileUp(t *testing.T) {
	s := memstore.New()
	past := time.Now().Add(-time.Hour)
	for i := range 200 {
		ops := make([]store.Op, store.MaxOps)
		for j := range ops {
			ops[j] = store.Put(fmt.Sprintf("p/%d/%d", i, j), nil).Until(past)
		}
		if err := s.Commit(t.Context(), ops...); err != nil {
			t.Fatal(err)
		}
		if items, err := s.List(t.Context(), "p/", "", store.MaxList); err != nil || len(items) > store.MaxOps {
			t.Fatalf("after %d Commits of %d expired records: %d are there, error %v", i+1, len(ops), len(items), err)
		}
	}
}
