package storetest

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/datixlab/auth/store"
)

var listRules = []Rule{{
	Name:  "ListOrder",
	Says:  "List returns what begins with the prefix, all of it and nothing else, in ascending order of the keys' bytes",
	check: checkListOrder,
}, {
	Name:  "ListAfter",
	Says:  "a page starts behind the key after, be that there or not; it is the last if it is shorter than limit",
	check: checkListAfter,
}, {
	Name:  "LargePartition",
	large: true,
	Says:  "a partition of 100,000 records is listed in pages, read, changed and emptied like any other",
	check: checkLargePartition,
}}

// The order of these is that of their bytes; several are prefixes of others.
var listed = []string{
	"u.a/!", "u.a/-", "u.a/.", "u.a//", "u.a/0", "u.a/1", "u.a/10", "u.a/2", "u.a/A", "u.a/B", "u.a/Z", "u.a/_", "u.a/a",
	"u.a/a!", "u.a/a/", "u.a/a/b", "u.a/a/c/d", "u.a/a0", "u.a/aa", "u.a/b", "u.a/z", "u.a/~",
}

func fillListed(p *probe) {
	for i := range listed {
		key := listed[i*7%len(listed)] // 7 and 22 have no common factor: every key once, not in order
		p.commit(store.Put(key, []byte(key)))
	}
	for _, near := range []string{"u.a!/a", "u.a./a", "u.ab/a", "u./a", "u/a", "u.A/a", "u.b/a", "u.a0/a"} {
		p.commit(store.Put(near, []byte(near)))
	}
	p.commit(store.Put("u.a/removed", nil))
	p.commit(store.Delete("u.a/removed"))
}

func (p *probe) wantList(prefix, after string, limit int, want []string) {
	items := p.list(prefix, after, limit)
	got := make([]string, len(items))
	for i, item := range items {
		got[i] = item.Key
		if string(item.Value) != item.Key {
			failf("List(%q, %q, %d): %q has the value of another, %s", prefix, after, limit, item.Key, describe(item.Value))
		}
	}
	if !slices.Equal(got, want) {
		failf("List(%q, %q, %d) = %q, want %q", prefix, after, limit, got, want)
	}
}

func under(prefix, after string) []string {
	var want []string
	for _, key := range listed {
		if strings.HasPrefix(key, prefix) && key > after {
			want = append(want, key)
		}
	}
	return want
}

func checkListOrder(p *probe) {
	p.wantList("u.a/", "", 10, nil)
	fillListed(p)
	for _, prefix := range append([]string{"u.a/", "u.a/c", "u.a/a/c/d/e", "u.a/~~"}, listed...) {
		p.wantList(prefix, "", store.MaxList, under(prefix, ""))
	}
	p.wantList("u.ab/", "", 10, []string{"u.ab/a"})
	p.wantList("u.none/", "", 10, nil)
}

func checkListAfter(p *probe) {
	fillListed(p)
	between := []string{"u.a/", "u.a/#", "u.a/a/bb", "u.a/a/c", "u.a/removed", "u.a/zz", "u.a/~~"}
	for _, prefix := range []string{"u.a/", "u.a/a", "u.a/a/"} {
		for _, after := range append(between, listed...) {
			if strings.HasPrefix(after, prefix) {
				p.wantList(prefix, after, store.MaxList, under(prefix, after))
			}
		}
		want := under(prefix, "")
		for limit := 1; limit <= len(want)+1; limit++ {
			after := ""
			for i := 0; i < len(want); i += limit {
				p.wantList(prefix, after, limit, want[i:min(i+limit, len(want))])
				after = want[min(i+limit, len(want))-1]
			}
			p.wantList(prefix, after, limit, nil)
		}
	}
}

func checkLargePartition(p *probe) {
	const n = 100_000
	key := func(i int) string { return fmt.Sprintf("l/%05d", i) }
	probes := p.all()
	// Many goroutines write at once, so that a store can combine their writes to its
	// disk. In this order a sorted partition grows and shrinks at its end.
	write := func(op func(i int) store.Op, descending bool) {
		const commits = n / store.MaxOps
		var turn atomic.Int64
		race(racers/2, probes, func(_ int, p *probe) {
			for c := int(turn.Add(1)) - 1; c < commits; c = int(turn.Add(1)) - 1 {
				first := c * store.MaxOps
				if descending {
					first = n - store.MaxOps - first
				}
				ops := make([]store.Op, store.MaxOps)
				for i := range ops {
					ops[i] = op(first + i)
				}
				p.insist(ops...)
			}
		})
	}
	write(func(i int) store.Op { return store.Put(key(i), []byte(key(i))) }, false)
	for _, limit := range []int{store.MaxList, 137} {
		after, next := "", 0
		for {
			items := p.list("l/", after, limit)
			if len(items) != min(limit, n-next) {
				failf("of %d records, List in pages of %d returned %d behind %q, want %d", n, limit, len(items), after, min(limit, n-next))
			}
			for _, item := range items {
				if item.Key != key(next) || string(item.Value) != item.Key {
					failf("of %d records, List in pages of %d returned %q with %s where %q follows", n, limit, item.Key, describe(item.Value), key(next))
				}
				next++
			}
			if len(items) < limit {
				break
			}
			after = items[limit-1].Key
		}
	}
	for i := 0; i < n; i += 4999 {
		p.want(key(i), []byte(key(i)))
		p.conflict(store.Put(key(i), nil).Absent())
		p.commit(store.Put(key(i), []byte("new")).Equal([]byte(key(i))), store.Put(key(i)+".", nil).Absent())
		if items := p.list("l/", key(i), 2); len(items) != 2 || items[0].Key != key(i)+"." || items[1].Key != key(i+1) {
			failf("of %d records, List behind %q shows %+v", n, key(i), items)
		}
		p.commit(store.Put(key(i), []byte(key(i))).Equal([]byte("new")), store.Delete(key(i)+"."))
	}
	write(func(i int) store.Op { return store.Delete(key(i)) }, true)
	if items := p.list("l/", "", 10); len(items) != 0 {
		failf("%d of %d records are left after all were deleted, first %q", len(items), n, items[0].Key)
	}
}
