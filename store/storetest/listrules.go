package storetest

import (
	"fmt"
	"slices"
	"strings"
	"time"

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
	Name:  "ListLarge",
	Says:  "pages add up to the whole of a large partition, in order",
	check: checkListLarge,
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

func checkListLarge(p *probe) {
	const least, most = 2000, 20_000
	end := time.Now().Add(4 * budget)
	var keys []string
	for n := 0; n < most && (n < least || time.Now().Before(end)); n += store.MaxOps {
		ops := make([]store.Op, store.MaxOps)
		for i := range ops {
			key := fmt.Sprintf("l/%05d", (n+i)*7919%most) // all over the partition
			keys = append(keys, key)
			ops[i] = store.Put(key, []byte(key))
		}
		p.commit(ops...)
	}
	slices.Sort(keys)
	for _, limit := range []int{store.MaxList, 999, 137} {
		after := ""
		for rest := keys; ; {
			items := p.list("l/", after, limit)
			if len(items) != min(limit, len(rest)) {
				failf("of %d records, List in pages of %d returned %d behind %q, want %d",
					len(keys), limit, len(items), after, min(limit, len(rest)))
			}
			for i, item := range items {
				if item.Key != rest[i] || string(item.Value) != rest[i] {
					failf("of %d records, List in pages of %d returned %q where %q follows", len(keys), limit, item.Key, rest[i])
				}
			}
			rest = rest[len(items):]
			if len(items) < limit {
				break
			}
			after = items[limit-1].Key
		}
	}
}
