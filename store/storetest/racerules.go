package storetest

import (
	"bytes"
	"fmt"
	"runtime"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/datixlab/auth/store"
)

var raceRules = []Rule{{
	Name:  "OneWinner",
	Says:  "of concurrent Commits whose conditions exclude each other one succeeds, and the rest return ErrConflict",
	check: checkOneWinner,
}, {
	Name:  "NoLostUpdate",
	Says:  "a record that is changed only if it is as it was read counts every change",
	check: checkNoLostUpdate,
}, {
	Name:  "WriteSkew",
	Says:  "conditions on records that a Commit does not write hold at the instant it takes effect",
	check: checkWriteSkew,
}, {
	Name:  "Acknowledged",
	Says:  "what was acknowledged is seen by every later call",
	check: checkAcknowledged,
}}

func checkOneWinner(p *probe) {
	probes := p.all()
	me := func(i int) []byte { return strconv.AppendInt(nil, int64(i), 10) }
	acts := []struct {
		name   string
		before []byte
		ops    func(i int, a, b string) []store.Op
		after  func(winner int) []byte
	}{
		{"create", nil, func(i int, a, _ string) []store.Op {
			return []store.Op{store.Put(a, me(i)).Absent()}
		}, me},
		{"replace", []byte("old"), func(i int, a, _ string) []store.Op {
			return []store.Op{store.Put(a, me(i)).Equal([]byte("old"))}
		}, me},
		{"replace the empty value", []byte{}, func(i int, a, _ string) []store.Op {
			return []store.Op{store.Put(a, me(i)).Equal(nil)}
		}, me},
		{"delete", []byte("old"), func(_ int, a, _ string) []store.Op {
			return []store.Op{store.Delete(a).Equal([]byte("old"))}
		}, func(int) []byte { return nil }},
		{"create two, in either order", nil, func(i int, a, b string) []store.Op {
			if i/2%2 == 0 {
				a, b = b, a
			}
			return []store.Op{store.Put(a, me(i)).Absent(), store.Put(b, me(i)).Absent()}
		}, me},
	}
	for kind, act := range acts {
		rounds(30, func(round int) {
			a, b := fmt.Sprintf("r/%d/%d/a", kind, round), fmt.Sprintf("r/%d/%d/b", kind, round)
			seed := []store.Op{store.Delete(a), store.Delete(b)}
			if act.before != nil {
				seed[0] = store.Put(a, act.before)
			}
			p.commit(seed...)
			var winners, winner atomic.Int64
			race(racers, probes, func(i int, p *probe) {
				if p.try(act.ops(i, a, b)...) {
					winners.Add(1)
					winner.Store(int64(i))
				}
			})
			if n := winners.Load(); n != 1 {
				failf("%d of %d racers succeeded to %s, where one can", n, racers, act.name)
			}
			for _, p := range probes {
				p.want(a, act.after(int(winner.Load())))
			}
		})
	}
}

func checkNoLostUpdate(p *probe) {
	p.commit(store.Put("n/k", []byte("0")))
	probes := p.all()
	var acknowledged atomic.Int64
	end := time.Now().Add(2 * budget)
	race(racers/2, probes, func(_ int, p *probe) {
		for n := 0; n < 3 || n < 2000 && time.Now().Before(end); {
			old := p.get("n/k")[0]
			was, err := strconv.ParseInt(string(old), 10, 64)
			if err != nil {
				failf("Get of a record that only ever held numbers: %s", describe(old))
			}
			runtime.Gosched() // or a racer may finish before the next one begins
			if p.try(store.Put("n/k", strconv.AppendInt(nil, was+1, 10)).Was(old)) {
				acknowledged.Add(1)
				n++
			}
		}
	})
	p.want("n/k", strconv.AppendInt(nil, acknowledged.Load(), 10))
}

// Of two doctors on call at least one must stay. Each may leave only while the other is
// there.
func checkWriteSkew(p *probe) {
	probes := p.all()
	rounds(50, func(round int) {
		a, b := fmt.Sprintf("w/%d/a", round), fmt.Sprintf("w/%d/b", round)
		p.commit(store.Put(a, nil), store.Put(b, nil))
		race(racers, probes, func(i int, p *probe) {
			mine, other := a, b
			if i/2%2 == 0 {
				mine, other = b, a
			}
			p.try(store.Delete(mine).Equal(nil), store.Check(other).Equal(nil))
		})
		values := p.get(a, b)
		if (values[0] == nil) == (values[1] == nil) {
			failf("two records, each deleted only if the other exists: %s and %s are left, want one of them",
				describe(values[0]), describe(values[1]))
		}
	})
}

func checkAcknowledged(p *probe) {
	probes := p.all()
	rounds(50, func(round int) {
		writer := probes[round%len(probes)]
		key := fmt.Sprintf("s/%d", round)
		value := strconv.AppendInt(nil, int64(round), 10)
		writer.commit(store.Put(key, value), store.Put("s/last", value))
		for _, p := range probes {
			p.want(key, value)
			p.want("s/last", value)
			if items := p.list(key, "", 1); len(items) != 1 || !bytes.Equal(items[0].Value, value) {
				failf("List does not show the record %q that was just acknowledged", key)
			}
		}
		writer.commit(store.Delete(key))
		for _, p := range probes {
			p.want(key, nil)
		}
	})
}
