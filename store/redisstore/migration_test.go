package redisstore_test

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/datixlab/auth/internal/adaptertest"
	"github.com/datixlab/auth/internal/redistest"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/redisstore"
)

// inSlot returns n partitions that lie in one slot under this prefix.
func inSlot(prefix string, n int) []string {
	of := func(i int) string { return fmt.Sprintf("p%d", i) }
	slot := redistest.Slot(prefix + "{" + of(0) + "}")
	found := []string{of(0)}
	for i := 1; len(found) < n; i++ {
		if redistest.Slot(prefix+"{"+of(i)+"}") == slot {
			found = append(found, of(i))
		}
	}
	return found
}

// A slot is moved key by key while every kind of partition in it is written: one
// whose records stay, one whose records expire, come and go, and ever new ones.
func TestClientsSeeNoErrorWhileTheirSlotIsMoved(t *testing.T) {
	if !redistest.Available(t) {
		return
	}
	c := redistest.SharedCluster(t)
	o := fresh()
	u := at(c.Addrs()...)
	u.DialTimeout, u.ReadTimeout, u.WriteTimeout, u.PoolTimeout = time.Second, time.Second, time.Second, time.Second // the machine may be busy
	s := mustOpen(t, u, o)
	partitions := inSlot(o.Prefix, 20)
	stay, expire, spare := partitions[0:3], partitions[3:6], partitions[6:]

	l := adaptertest.StartLoadBeside(t, s, func(p string, step int) []store.Op {
		temp := p + "/temp"
		switch {
		case !slices.Contains(expire, p):
			return nil
		case step%3 == 0:
			return []store.Op{store.Delete(temp), store.Put(p+"/other", nil), store.Delete(p + "/more")}
		}
		return []store.Op{store.Put(temp, nil).Until(time.Now().Add(time.Hour)), store.Delete(p + "/other"), store.Put(p+"/more", nil)}
	}, append(stay, expire...)...)
	calls := func() {
		t.Helper()
		for _, p := range partitions {
			if _, err := s.Get(ever, p+"/count", p+"/other"); err != nil {
				t.Errorf("Get: %v", err)
			}
			if _, err := s.List(ever, p+"/", "", 10); err != nil {
				t.Errorf("List: %v", err)
			}
			if _, err := s.Hit(ever, p+"/hits", store.Limit{Burst: 1000, Every: time.Hour}, 1, time.Now()); err != nil {
				t.Errorf("Hit: %v", err)
			}
		}
	}
	create := func() {
		t.Helper()
		p := spare[0]
		spare = spare[1:]
		must(t, s.Commit(ever, store.Put(p+"/a", nil).Absent(), store.Put(p+"/b", nil).Until(time.Now().Add(time.Hour))))
		must(t, s.Commit(ever, store.Delete(p+"/a"), store.Delete(p+"/b")))
		must(t, s.Commit(ever, store.Put(p+"/a", nil).Absent()))
	}
	calls()
	end := time.Now().Add(time.Hour)
	for _, p := range spare[:4] {
		must(t, s.Commit(ever, store.Put(p+"/a", nil).Until(end), store.Put(p+"/b", nil), store.Put(p+"/c", nil).Until(end)))
	}
	m := c.Migrate(o.Prefix + "{" + partitions[0] + "}")
	// Commits that leave a key empty on the node that it is moved away from.
	must(t, s.Commit(ever, store.Delete(spare[0]+"/a"), store.Delete(spare[0]+"/b"), store.Delete(spare[0]+"/c")))
	must(t, s.Commit(ever, store.Delete(spare[1]+"/b")))
	must(t, s.Commit(ever, store.Delete(spare[1]+"/c"), store.Delete(spare[1]+"/a"), store.Delete(spare[1]+"/d")))
	must(t, s.Commit(ever, store.Put(spare[2]+"/b", nil).Until(time.Now().Add(-time.Hour)), store.Delete(spare[2]+"/a"), store.Delete(spare[2]+"/c")))
	must(t, s.Commit(ever, store.Delete(spare[3]+"/a"), store.Delete(spare[3]+"/c")))
	wantValue(t, s, spare[1]+"/c", "")
	spare = spare[3:]
	for i := 0; ; i++ {
		l.Served(3, 5*time.Second)
		calls()
		if i%5 == 0 {
			create()
		}
		keys := m.Keys()
		if len(keys) == 0 {
			break
		}
		m.Move(keys[0])
	}
	create()
	m.Finish()
	l.Served(3, 5*time.Second)
	calls()
	if o := l.End(); o.Failed > 0 {
		t.Error(o)
	}
}

// A program that moves a slot may be interrupted, and it may stay half moved for good: what
// is here and what is there is found and written, and nothing is absent that is not.
func TestASlotThatStaysHalfMovedIsServedOnBothSides(t *testing.T) {
	if !redistest.Available(t) {
		return
	}
	c := redistest.SharedCluster(t)
	o := fresh()
	s := mustOpen(t, at(c.Addrs()...), o)
	partitions := inSlot(o.Prefix, 8)
	old, later := partitions[:6], partitions[6:]
	hits := map[string]int{}
	hit := func(p string) {
		t.Helper()
		hits[p]++
		d, err := s.Hit(ever, p+"/hits", store.Limit{Burst: 100, Every: time.Hour}, 1, time.Now())
		if err != nil || d.Left != 100-hits[p] {
			t.Fatalf("hit %d of %s: %+v, %v", hits[p], p, d, err)
		}
	}
	for _, p := range old {
		must(t, s.Commit(ever, store.Put(p+"/count", []byte("1")), store.Put(p+"/temp", []byte("v")).Until(time.Now().Add(time.Hour))))
		hit(p)
	}
	m := c.Migrate(o.Prefix + "{" + partitions[0] + "}")
	defer m.Finish()
	for i, key := range m.Keys() { // partitions and counters alike
		if i%2 == 0 {
			m.Move(key)
		}
	}
	for _, s := range []*redisstore.Store{s, mustOpen(t, at(c.Addrs()...), o)} {
		for range 2 {
			for _, p := range old {
				wantValue(t, s, p+"/temp", "v")
				got, err := s.Get(ever, p+"/count", p+"/none", p+"/temp")
				if err != nil || got[0] == nil || got[1] != nil || got[2] == nil {
					t.Fatalf("Get of %s: %q, %v", p, got, err)
				}
				n, err := strconv.Atoi(string(got[0]))
				must(t, err)
				if err := s.Commit(ever, store.Put(p+"/count", nil).Absent()); !errors.Is(err, store.ErrConflict) {
					t.Fatalf("a Commit whose condition does not hold: %v", err)
				}
				must(t, s.Commit(ever, store.Put(p+"/count", fmt.Append(nil, n+1)).Equal(got[0]), store.Put(p+"/more", nil)))
				must(t, s.Commit(ever, store.Delete(p+"/more")))
				if items, err := s.List(ever, p+"/", "", 10); err != nil || len(items) != 2 {
					t.Fatalf("List of %s: %v, %v", p, items, err)
				}
				hit(p)
			}
			for _, p := range later { // comes and goes
				wantValue(t, s, p+"/k", "")
				must(t, s.Commit(ever, store.Put(p+"/k", []byte("v")).Absent()))
				wantValue(t, s, p+"/k", "v")
				must(t, s.Commit(ever, store.Delete(p+"/k")))
			}
		}
	}
	for _, p := range later {
		must(t, s.Commit(ever, store.Put(p+"/k", []byte("v")).Absent()))
	}
	records := 0
	for after := ""; ; {
		page, err := s.Walk(ever, after)
		must(t, err)
		records += len(page.Records)
		if after = page.Next; after == "" {
			break
		}
	}
	if want := 2*len(old) + len(later); records != want {
		t.Errorf("a walk finds %d records, want %d", records, want)
	}
}
