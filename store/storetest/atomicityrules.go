package storetest

import (
	"fmt"
	"math"
	"strconv"
	"sync/atomic"

	"github.com/datixlab/auth/store"
)

var atomicityRules = []Rule{{
	Name:  "AllOrNothing",
	Says:  "a Commit is carried out as a whole or not at all",
	check: checkAllOrNothing,
}, {
	Name:  "GetSnapshot",
	Says:  "Get returns its records as they were at one instant",
	check: checkGetSnapshot,
}, {
	Name:  "ListSnapshot",
	Says:  "a page of List is what was there at one instant",
	check: checkListSnapshot,
}}

func checkAllOrNothing(p *probe) {
	p.commit(store.Put("a/kept", []byte("old")), store.Put("a/gone", []byte("old")))
	fails := []store.Op{
		store.Check("a/kept").Absent(), store.Check("a/none").Equal(nil), store.Put("a/none", nil).Equal([]byte("x")),
		store.Delete("a/kept").Equal([]byte("other")), store.Put("a/kept", []byte("new")).Absent(),
	}
	for _, bad := range fails {
		writes := []store.Op{store.Put("a/new", []byte("new")), store.Delete("a/gone")}
		if bad.Key != "a/kept" {
			writes = append(writes, store.Put("a/kept", []byte("new")))
		}
		for at := range len(writes) + 1 {
			ops := append([]store.Op{}, writes[:at]...)
			ops = append(append(ops, bad), writes[at:]...)
			p.conflict(ops...)
			p.want("a/kept", []byte("old"))
			p.want("a/gone", []byte("old"))
			p.want("a/new", nil)
			p.want("a/none", nil)
		}
	}
	p.commit(store.Put("a/new", []byte("new")), store.Delete("a/gone"), store.Check("a/none").Absent(),
		store.Put("a/kept", []byte("new")).Equal([]byte("old")))
	p.want("a/kept", []byte("new"))
	p.want("a/gone", nil)
	p.want("a/new", []byte("new"))
}

// stripe returns the keys to which one Commit writes the same value. A reader that sees
// two different values has seen half a Commit.
func stripe() []string {
	var keys []string
	for i := range 40 {
		keys = append(keys, fmt.Sprintf("s/%02d", i))
	}
	return keys
}

// paint runs writers that write the same value to all keys, or to none, against
// readers.
func paint(p *probe, read func(p *probe, keys []string)) {
	keys := stripe()
	probes := p.all()
	var stop atomic.Bool
	race(racers/2, probes, func(i int, p *probe) {
		if i >= 2 {
			defer stop.Store(true)
			rounds(math.MaxInt, func(int) {
				if !stop.Load() {
					read(p, keys)
				}
			})
			return
		}
		for n := 0; !stop.Load(); n++ {
			ops := make([]store.Op, len(keys))
			for j, key := range keys {
				ops[j] = store.Put(key, strconv.AppendInt(nil, int64(n), 10))
				if n%3 == 2 {
					ops[j] = store.Delete(key)
				}
			}
			p.commit(ops...)
		}
	})
}

func checkGetSnapshot(p *probe) {
	paint(p, func(p *probe, keys []string) {
		values := p.get(keys...)
		for i, v := range values {
			if (v == nil) != (values[0] == nil) || string(v) != string(values[0]) {
				failf("while Commits wrote %d records alike, one Get saw %s in the first and %s in number %d",
					len(keys), describe(values[0]), describe(v), i)
			}
		}
	})
}

func checkListSnapshot(p *probe) {
	paint(p, func(p *probe, keys []string) {
		items := p.list("s/", "", 100)
		if len(items) != 0 && len(items) != len(keys) {
			failf("while Commits wrote %d records at once or deleted them, one List saw %d", len(keys), len(items))
		}
		for i, item := range items {
			if string(item.Value) != string(items[0].Value) {
				failf("while Commits wrote %d records alike, one List saw %s in the first and %s in number %d",
					len(keys), describe(items[0].Value), describe(item.Value), i)
			}
		}
	})
}
