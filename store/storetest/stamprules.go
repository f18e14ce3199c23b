package storetest

import (
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/datixlab/auth/store"
)

var stampRules = []Rule{{
	Name:  "StampChanges",
	Says:  "no stamp is what it was before a Commit that this store has acknowledged",
	needs: isStamper,
	check: checkStampChanges,
}, {
	Name:  "StampHolds",
	Says:  "for as long as a stamp is the same, what was read is what is there, but for what another store on the same records has changed within Place.Lag",
	needs: isStamper,
	check: checkStampHolds,
}, {
	Name:  "StampClosed",
	Says:  "after Close no stamp is known",
	needs: isStamper,
	check: checkStampClosed,
}, {
	Name:  "StampReopened",
	Says:  "no stamp is what it was before the store was closed and changed by another one",
	needs: func(p Place) bool { return isStamper(p) && isDurable(p) },
	check: checkStampReopened,
}}

func isStamper(p Place) bool { _, ok := p.Store.(store.Stamper); return ok }

func (p *probe) stamp(partition string) (uint64, bool) { return p.s.(store.Stamper).Stamp(partition) }

func checkStampChanges(p *probe) {
	p.commit(store.Put("s/there", []byte("v")))
	for _, ops := range [][]store.Op{
		{store.Put("s/new", []byte("v"))},
		{store.Put("s/new", []byte("w"))},
		{store.Put("s/new", []byte("x")).Equal([]byte("w"))},
		{store.Check("s/there").Equal([]byte("v")), store.Put("s/other", nil).Absent()},
		{store.Delete("s/other"), store.Put("s/new", []byte("y")).Until(time.Now().Add(time.Hour))},
		{store.Delete("s/new")},
	} {
		before, knew := p.stamp("s")
		p.commit(ops...)
		if after, knows := p.stamp("s"); knew && knows && after == before {
			failf("Commit(%s) left the stamp at %d", show(ops), after)
		}
	}
}

// checkStampHolds makes every store write. Every store also remembers what it has read
// for as long as the stamp is the same.
func checkStampHolds(p *probe) {
	probes := p.all()
	logs := make([]ackLog, len(probes))
	var stop atomic.Bool
	writers, readers := len(probes), racers
	time.AfterFunc(2*budget, func() { stop.Store(true) })
	race(writers+readers, []*probe{p}, func(i int, _ *probe) {
		if i < writers {
			log := &logs[i]
			for n := int64(1); !stop.Load(); n++ {
				probes[i].insist(store.Put(stampKey(i), strconv.AppendInt(nil, n, 10)))
				log.add()
				runtime.Gosched()
			}
			return
		}
		reader, writer := i%len(probes), i/len(probes)%writers
		lag := p.place.Lag
		if reader == writer {
			lag = 0
		}
		probes[reader].remember(stampKey(writer), &logs[writer], lag, &stop)
	})
}

func stampKey(writer int) string { return "s" + strconv.Itoa(writer) + "/k" }

// remember reads key again and again, from memory while its stamp is the same.
func (p *probe) remember(key string, log *ackLog, lag time.Duration, stop *atomic.Bool) {
	var had uint64
	var value int64
	known := false
	for !stop.Load() {
		begun := time.Now()
		stamp, knows := p.stamp(store.Partition(key))
		if !known || !knows || stamp != had {
			had, known, value = stamp, knows, 0
			if got := p.get(key)[0]; got != nil {
				value, _ = strconv.ParseInt(string(got), 10, 64)
			}
			if least := log.before(begun); value < least {
				failf("read %d, %d was acknowledged before", value, least)
			}
		} else if least := log.before(begun.Add(-lag)); value < least {
			failf("remembered %d, since the stamp was %d still; %d was acknowledged %v before", value, stamp, least, lag)
		}
		runtime.Gosched()
	}
}

// An ackLog holds the times at which the numbers from 1 on were acknowledged.
type ackLog struct {
	mu sync.Mutex
	at []time.Time
}

func (l *ackLog) add() {
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.at = append(l.at, now)
}

// before returns the last number that was acknowledged before t.
func (l *ackLog) before(t time.Time) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(l.at)
	for n > 0 && !l.at[n-1].Before(t) {
		n--
	}
	return int64(n)
}

func checkStampClosed(p *probe) {
	p.close()
	if stamp, known := p.stamp("s"); known {
		failf("after Close the stamp is %d, and known", stamp)
	}
}

// checkStampReopened has read nothing and written nothing on the stores whose stamps it
// compares. So a store that counts from zero has the same number on both.
func checkStampReopened(p *probe) {
	p.reopen()
	before, knew := p.stamp("s")
	p.reopen()
	p.commit(store.Put("s/there", []byte("v")))
	p.reopen()
	if after, knows := p.stamp("s"); knew && knows && after == before {
		failf("the stamp is %d, as it was two openings and a Commit ago", after)
	}
}
