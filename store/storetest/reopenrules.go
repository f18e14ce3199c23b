package storetest

import (
	"fmt"
	"time"

	"github.com/datixlab/auth/store"
)

var reopenRules = []Rule{{
	Name:  "ReopenRecords",
	Says:  "records, their order and their expiries survive a clean Close",
	needs: isDurable,
	check: checkReopenRecords,
}, {
	Name:  "ReopenCounters",
	Says:  "counters survive a clean Close",
	needs: isDurable,
	check: checkReopenCounters,
}}

// reopen closes the store of p and opens the same records again.
func (p *probe) reopen() {
	p.close()
	p.s = p.open("Reopen", p.place.Reopen).s
}

func checkReopenRecords(p *probe) {
	fillListed(p)
	future, past := time.Now().Add(time.Hour), time.Now().Add(-time.Hour)
	p.commit(store.Put("x/future", []byte("v")).Until(future), store.Put("x/never", nil),
		store.Put("x/9999", []byte("v")).Until(time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)),
		store.Put("x/past", []byte("v")).Until(past))
	p.commit(store.Put("x/cleared", nil).Until(past))
	p.commit(store.Put("x/cleared", []byte("v")))
	p.commit(store.Put("x/max", make([]byte, store.MaxValue)), store.Put("x/removed", nil))
	p.commit(store.Delete("x/removed"))

	for range 2 {
		p.reopen()
		churn(p)
		p.wantList("u.a/", "", 100, under("u.a/", ""))
		p.want("x/future", []byte("v"))
		p.want("x/never", []byte{})
		p.want("x/9999", []byte("v"))
		p.want("x/cleared", []byte("v"))
		p.want("x/max", make([]byte, store.MaxValue))
		p.want("x/removed", nil)
		p.conflict(store.Put("x/never", nil).Absent())
		p.commit(store.Put("x/never", nil).Equal(nil))
	}
}

func checkReopenCounters(p *probe) {
	now := base()
	l := store.Limit{Burst: 5, Every: time.Hour}
	const many = 300
	for i := range many {
		p.hit(fmt.Sprintf("h.%d/%d", i%7, i), l, 1+i%5, now)
	}
	p.hit("h/back", l, 5, now)
	p.hit("h/back", l, -5, now)
	p.commit(store.Put("h/1", nil))

	for range 2 {
		p.reopen()
		for i := range many {
			l := store.Limit{Burst: 6, Every: time.Hour} // one more than can have been counted
			key := fmt.Sprintf("h.%d/%d", i%7, i)
			if d := p.hit(key, l, 1, now); !d.OK || d.Left != 4-i%5 {
				failf("a counter with %d attempts, and one more after a clean Close: %+v, want %d left of 6", 1+i%5, d, 4-i%5)
			}
			p.hit(key, l, -1, now)
		}
		if d := p.hit("h/back", l, 5, now); !d.OK {
			failf("a counter that was given all back, after a clean Close: %+v, want the whole burst admitted", d)
		}
		p.hit("h/back", l, -5, now)
	}
}
