package storetest

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/datixlab/auth/store"
)

var argumentRules = []Rule{{
	Name:  "OnePartition",
	Says:  "a call that would cross partitions is refused with ErrInvalid, and nothing is done",
	check: checkOnePartition,
}, {
	Name:  "Invalid",
	Says:  "an argument outside the contract is refused with ErrInvalid, and nothing is done",
	check: checkInvalid,
}, {
	Name:  "Extremes",
	Says:  "whatever is within the bounds of the contract is accepted",
	check: checkExtremes,
}}

func checkOnePartition(p *probe) {
	p.commit(store.Put("u.1/a", []byte("1")))
	p.commit(store.Put("u.2/a", []byte("2")))
	for _, other := range []string{"u.2/a", "u/a", "u.1.1/a", "U.1/a", "u.10/a"} {
		if _, err := p.s.Get(p.ctx, "u.1/a", other); !errors.Is(err, store.ErrInvalid) {
			failf("Get(%q, %q): error %v, want ErrInvalid", "u.1/a", other, err)
		}
		for _, ops := range [][]store.Op{
			{store.Put("u.1/new", nil), store.Put(other, []byte("x"))},
			{store.Put(other, []byte("x")), store.Delete("u.1/a")},
			{store.Put("u.1/new", nil), store.Check(other)},
			{store.Put("u.1/new", nil), store.Delete(other).Absent()},
		} {
			p.invalid(ops...)
		}
	}
	for _, prefix := range []string{"", "u", "u.", "u.1", "/", "/u.1"} {
		if _, err := p.s.List(p.ctx, prefix, "", 10); !errors.Is(err, store.ErrInvalid) {
			failf("List with prefix %q, which is no whole partition: error %v, want ErrInvalid", prefix, err)
		}
	}
	p.want("u.1/a", []byte("1"))
	p.want("u.2/a", []byte("2"))
	p.want("u.1/new", nil)
}

func (p *probe) invalid(ops ...store.Op) {
	if err := p.s.Commit(p.ctx, ops...); !errors.Is(err, store.ErrInvalid) {
		failf("Commit(%s): error %v, want ErrInvalid", show(ops), err)
	}
}

func checkInvalid(p *probe) {
	p.commit(store.Put("p/here", []byte("1")))
	good := store.Limit{Burst: 5, Every: time.Minute}
	keys := []string{
		"", "/", "p", "p/", "/p", "//", "//p", "p /a", "p/ ", "p/a b", "p/a\x00", "p/\t", "p/\n", "p/\x7f",
		"p/é", "p/\xff", "{p}/a", "p/{a", "p/a}", "p/" + strings.Repeat("a", store.MaxKey-1),
	}
	for _, key := range keys {
		if _, err := p.s.Get(p.ctx, key); !errors.Is(err, store.ErrInvalid) {
			failf("Get(%q): error %v, want ErrInvalid", key, err)
		}
		if _, err := p.s.Hit(p.ctx, key, good, 1, time.Now()); !errors.Is(err, store.ErrInvalid) {
			failf("Hit(%q): error %v, want ErrInvalid", key, err)
		}
		p.invalid(store.Put(key, []byte("x")))
		p.invalid(store.Put("p/new", nil), store.Delete("p/here"), store.Check(key).Absent())
	}

	p.invalid()
	p.invalid(store.Put("p/new", nil), store.Put("p/new", nil))
	p.invalid(store.Check("p/new").Absent(), store.Delete("p/here"), store.Put("p/new", nil))
	p.invalid(store.Put("p/new", make([]byte, store.MaxValue+1)))
	p.invalid(store.Put("p/here", nil), store.Put("p/new", make([]byte, store.MaxValue+1)))
	p.invalid(store.Op{Key: "p/new", When: 3, Write: store.Set})
	p.invalid(store.Op{Key: "p/new", When: 255, Write: store.Set})
	p.invalid(store.Op{Key: "p/here", Write: 3})
	p.invalid(store.Op{Key: "p/here", Write: store.Remove, Value: []byte("x")})
	p.invalid(store.Op{Key: "p/here", Write: store.None, Value: []byte("x")})
	p.invalid(store.Delete("p/here").Until(time.Now()))
	var many []store.Op
	var names []string
	for i := range store.MaxOps + 1 {
		names = append(names, fmt.Sprintf("p/%d", i))
		many = append(many, store.Put(names[i], nil))
	}
	p.invalid(many...)

	for _, keys := range [][]string{nil, names} {
		if _, err := p.s.Get(p.ctx, keys...); !errors.Is(err, store.ErrInvalid) {
			failf("Get of %d keys: error %v, want ErrInvalid", len(keys), err)
		}
	}
	for _, c := range []struct {
		prefix, after string
		limit         int
	}{
		{"p/", "", 0}, {"p/", "", -1}, {"p/", "", store.MaxList + 1}, {"p/", "", math.MinInt},
		{"p/", "q/a", 1}, {"p/b", "p/a", 1}, {"p/", "p", 1}, {"p/", "p/ ", 1}, {"p/", "p/é", 1},
		{"p/ ", "", 1}, {"p/{", "", 1}, {"p/\x00", "", 1}, {"p/" + strings.Repeat("a", store.MaxKey-1), "", 1},
		{"p/", "p/" + strings.Repeat("a", store.MaxKey-1), 1},
	} {
		if _, err := p.s.List(p.ctx, c.prefix, c.after, c.limit); !errors.Is(err, store.ErrInvalid) {
			failf("List(%q, %q, %d): error %v, want ErrInvalid", c.prefix, c.after, c.limit, err)
		}
	}
	for _, c := range []struct {
		burst int
		every time.Duration
		n     int
	}{
		{0, time.Minute, 1}, {-1, time.Minute, 1}, {1_000_001, time.Millisecond, 1}, {math.MinInt, time.Minute, 1},
		{5, 0, 1}, {5, -time.Minute, 1}, {5, time.Microsecond - 1, 1}, {5, 21 * 365 * 24 * time.Hour, 1},
		{1, math.MaxInt64, 1}, {5, time.Minute, 0}, {5, time.Minute, 6}, {5, time.Minute, -6},
		{5, time.Minute, math.MaxInt}, {5, time.Minute, math.MinInt},
	} {
		l := store.Limit{Burst: c.burst, Every: c.every}
		if _, err := p.s.Hit(p.ctx, "p/hit", l, c.n, time.Now()); !errors.Is(err, store.ErrInvalid) {
			failf("Hit of %d with %+v: error %v, want ErrInvalid", c.n, l, err)
		}
	}

	if d := p.hit("p/hit", good, 1, time.Now()); d.Left != 4 {
		failf("refused Hits were counted: %+v", d)
	}
	if items := p.list("p/", "", 10); len(items) != 1 || items[0].Key != "p/here" || string(items[0].Value) != "1" {
		failf("refused Commits left %d records, first %+v", len(items), items)
	}
}

func checkExtremes(p *probe) {
	long := "p/" + strings.Repeat("~", store.MaxKey-2)
	wide := strings.Repeat("p", store.MaxKey-2) + "/a"
	for _, key := range []string{"p/a", "!/!", "~/~", "p//", "p///a/", long, wide} {
		p.commit(store.Put(key, []byte(key)).Absent())
		p.want(key, []byte(key))
		items := p.list(key, "", 1)
		if len(items) != 1 || items[0].Key != key {
			failf("List(%q) = %d items, want the one record of that key", key, len(items))
		}
		if items := p.list(key, key, 1); len(items) != 0 {
			failf("List(%q) after that key = %d items, want none", key, len(items))
		}
		p.hit(key, store.Limit{Burst: 1, Every: time.Minute}, 1, time.Now())
	}
	for _, l := range []store.Limit{
		{Burst: 1, Every: 100 * 365 * 24 * time.Hour}, {Burst: 1_000_000, Every: time.Microsecond},
		{Burst: 1_000_000, Every: 50 * time.Minute},
	} {
		key := fmt.Sprintf("hit/%d/%d", l.Burst, l.Every)
		now := time.Now().Truncate(time.Millisecond)
		if d := p.hit(key, l, l.Burst, now); !d.OK || d.Left != 0 {
			failf("Hit of all %d at once with %+v: %+v, want OK and none left", l.Burst, l, d)
		}
		if d := p.hit(key, l, 1, now); d.OK || d.RetryAfter <= 0 {
			failf("Hit beyond %+v: %+v, want it refused", l, d)
		}
		if d := p.hit(key, l, -l.Burst, now); !d.OK || d.Left != l.Burst {
			failf("giving all of %+v back: %+v, want OK and %d left", l, d, l.Burst)
		}
	}

	var puts, deletes []store.Op
	var keys []string
	for i := range store.MaxOps {
		key := fmt.Sprintf("ops/%03d", i)
		value := make([]byte, 4000)
		if i%10 == 0 {
			value = make([]byte, store.MaxValue)
		}
		keys = append(keys, key)
		puts = append(puts, store.Put(key, value).Absent())
		deletes = append(deletes, store.Delete(key).Equal(value))
	}
	p.commit(puts...)
	for i, v := range p.get(keys...) {
		if len(v) != len(puts[i].Value) {
			failf("record %d of a Commit of %d: %s", i, store.MaxOps, describe(v))
		}
	}
	p.conflict(puts...)
	p.commit(deletes...)
	if items := p.list("ops/", "", store.MaxList); len(items) != 0 {
		failf("%d of %d records left after deleting all", len(items), store.MaxOps)
	}
}
