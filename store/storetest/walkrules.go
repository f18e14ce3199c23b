package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/datixlab/auth/store"
)

var walkRules = []Rule{{
	Name:  "Walk",
	Says:  "a walk finds every record with its value and its expiry, and nothing else, and comes to an end",
	needs: isWalker,
	check: checkWalk,
}, {
	Name:  "WalkUnderWrites",
	Says:  "a walk finds every record that is there all the while, whatever is written meanwhile",
	needs: isWalker,
	check: checkWalkUnderWrites,
}, {
	Name:  "WalkCounters",
	Says:  "a walk finds every counter in use, and what it finds restores them",
	needs: isWalker,
	check: checkWalkCounters,
}, {
	Name:  "WalkErrors",
	Says:  "Walk refuses a place that it never named, a context that is done, and a store that is closed",
	needs: isWalker,
	check: checkWalkErrors,
}}

// walk returns what a whole walk finds. Quiet means that nothing is written meanwhile:
// then it fails if a record is found twice and the two differ.
func (p *probe) walk(quiet bool) (map[string]store.Record, map[string]store.Counter) {
	records, counters := map[string]store.Record{}, map[string]store.Counter{}
	after := ""
	for range 1_000_000 {
		page, err := p.s.(store.Walker).Walk(p.ctx, after)
		if err != nil {
			failf("Walk(%q): %v", after, err)
		}
		for _, r := range page.Records {
			if twice, ok := records[r.Key]; ok && quiet && (!bytes.Equal(twice.Value, r.Value) || !twice.Expires.Equal(r.Expires)) {
				failf("Walk returned %q twice, with %s and %s", r.Key, describe(twice.Value), describe(r.Value))
			}
			records[r.Key] = r
		}
		for _, c := range page.Counters {
			counters[c.Key] = c
		}
		if page.Next == "" {
			return records, counters
		}
		after = page.Next
	}
	failf("a walk does not come to an end")
	return nil, nil
}

func checkWalk(p *probe) {
	if records, counters := p.walk(true); len(records)+len(counters) != 0 {
		failf("a walk of a new store found %d records and %d counters", len(records), len(counters))
	}
	want := map[string]store.Record{}
	put := func(records ...store.Record) {
		ops := make([]store.Op, len(records))
		for i, r := range records {
			want[r.Key] = r
			ops[i] = r.Op()
		}
		p.commit(ops...)
	}
	soon := time.Now().Add(time.Hour)
	fillListed(p)
	for _, key := range append([]string{"u.a!/a", "u.a./a", "u.ab/a", "u./a", "u/a", "u.A/a", "u.b/a", "u.a0/a"}, listed...) {
		want[key] = store.Record{Key: key, Value: []byte(key)}
	}
	put(store.Record{Key: "x/empty", Value: []byte{}}, store.Record{Key: "x/soon", Value: []byte("v"), Expires: soon},
		store.Record{Key: "x/9999", Value: []byte("v"), Expires: time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)},
		store.Record{Key: "x/large", Value: bytes.Repeat([]byte{0, 1, 0xff}, store.MaxValue/3)})
	put(store.Record{Key: "x/cleared", Value: []byte("v"), Expires: soon})
	put(store.Record{Key: "x/cleared", Value: []byte("v")})
	put(store.Record{Key: "x/later", Value: []byte("v"), Expires: soon})
	put(store.Record{Key: "x/later", Value: []byte("v"), Expires: soon.Add(time.Hour)})
	for i := 0; i < 2500; i += store.MaxOps { // more records in one partition than any page holds
		var records []store.Record
		for j := range store.MaxOps {
			key := fmt.Sprintf("l/%05d", (i+j)*7919%20_000)
			records = append(records, store.Record{Key: key, Value: []byte(key)})
		}
		put(records...)
	}
	for i := range 1500 { // and in many partitions
		key := fmt.Sprintf("p%d/k", i)
		put(store.Record{Key: key, Value: []byte(key), Expires: soon.Add(time.Duration(i) * time.Millisecond)})
	}

	got, _ := p.walk(true)
	for key, w := range want {
		g, ok := got[key]
		switch early := w.Expires.Sub(g.Expires); {
		case !ok:
			failf("of %d records, a walk left out %q", len(want), key)
		case g.Value == nil || !bytes.Equal(g.Value, w.Value):
			failf("Walk returned %s for %q, want %s", describe(g.Value), key, describe(w.Value))
		case w.Expires.IsZero() != g.Expires.IsZero(), !w.Expires.IsZero() && (early > 0 || early <= -time.Second):
			failf("Walk returned the expiry %v for %q, want %v or less than a second later", g.Expires, key, w.Expires)
		}
	}
	for key, g := range got {
		if _, ok := want[key]; !ok {
			failf("Walk returned %q, which is not there", key)
		}
		clear(g.Value)
	}
	p.want("x/later", []byte("v")) // what Walk returned is the caller's own
}

func checkWalkUnderWrites(p *probe) {
	const there = 400
	for i := range there {
		p.commit(store.Put(fmt.Sprintf("s%d/%d", i%50, i), []byte("v")))
	}
	var done atomic.Bool
	race(4, []*probe{p}, func(i int, p *probe) {
		if i == 0 {
			defer done.Store(true)
			rounds(50, func(int) {
				got, _ := p.walk(false)
				for i := range there {
					if key := fmt.Sprintf("s%d/%d", i%50, i); string(got[key].Value) != "v" {
						failf("a walk left out %q, which was there all the while", key)
					}
				}
			})
			return
		}
		for n := 0; !done.Load(); n++ {
			ops := make([]store.Op, 20)
			for j := range ops {
				ops[j] = store.Put(fmt.Sprintf("s%d/new.%d.%d.%d", n%60, i, j, n%200), []byte("w"))
			}
			p.commit(ops...)
			for j := range ops {
				ops[j] = store.Delete(ops[j].Key)
			}
			p.commit(ops...)
		}
	})
}

func checkWalkCounters(p *probe) {
	now := base()
	l := store.Limit{Burst: 5, Every: time.Hour}
	const many = 300
	name := func(i int) string { return fmt.Sprintf("h.%d/%d", i%7, i) }
	for i := range many {
		p.hit(name(i), l, 1+i%5, now)
	}
	p.hit("h/back", l, 5, now)
	p.hit("h/back", l, -5, now)
	records, counters := p.walk(true)
	if len(records) != 0 {
		failf("a walk of a store with counters only found records")
	}
	if _, ok := counters["h/back"]; ok || len(counters) != many {
		failf("a walk found %d counters, %d are in use", len(counters), many)
	}
	for i := range many {
		c := counters[name(i)]
		if want := now.Add(time.Duration(1+i%5) * l.Every); c.Until.Sub(want).Abs() > time.Microsecond {
			failf("a walk found that the counter %q is in use until %v, want %v", name(i), c.Until, want)
		}
		p.hit(c.Key, l, -5, now)
		for range 2 { // over nothing, and over itself
			if err := c.Restore(p.ctx, p.s, now); err != nil {
				failf("Restore: %v", err)
			}
		}
		if d := p.hit(c.Key, store.Limit{Burst: 6, Every: l.Every}, 1, now); !d.OK || d.Left != 4-i%5 {
			failf("a counter with %d attempts, and one more after it was restored: %+v, want %d left of 6", 1+i%5, d, 4-i%5)
		}
	}
}

func checkWalkErrors(p *probe) {
	p.commit(store.Put("w/k", []byte("v")))
	w := p.s.(store.Walker)
	for _, after := range []string{"no such place", "-1", "w/k"} {
		if page, err := w.Walk(p.ctx, after); !errors.Is(err, store.ErrInvalid) || page.Records != nil {
			failf("Walk(%q): %d records and error %v, want ErrInvalid", after, len(page.Records), err)
		}
	}
	cancelled, cancel := context.WithCancel(p.ctx)
	cancel()
	if page, err := w.Walk(cancelled, ""); !errors.Is(err, context.Canceled) || page.Records != nil {
		failf("Walk with a context that is done: %d records and error %v, want %v", len(page.Records), err, context.Canceled)
	}
	p.close()
	if page, err := w.Walk(p.ctx, ""); !errors.Is(err, store.ErrClosed) || page.Records != nil {
		failf("Walk after Close: %d records and error %v, want ErrClosed", len(page.Records), err)
	}
}
