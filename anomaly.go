package auth

import (
	"net/netip"
	"slices"
	"time"

	"github.com/datixlab/auth/internal/record"
)

// What is unusual for an API key, judged where its uses are written: never while
// somebody waits. The rules are those of [Manager.VerifyAPIKey].
const (
	keySleeps     = 30 * 24 * time.Hour
	maxNetworks   = 8   // of a key that are remembered
	burstHours    = 8   // that a key is used in before there is a baseline
	burstFactor   = 10  // times the baseline
	burstLeast    = 100 // uses in an hour that are never a burst
	baselineShare = 8   // an hour moves the baseline by one part in so many
	baselineUnit  = 256 // of the baseline's fixed point
	maxRuns       = 32  // of one key that wait to be written
)

// A keyPattern is how an API key is used, as far as the next use is compared with it.
type keyPattern struct {
	Networks []keyNetwork // that it was used from last
	Hour     uint64       // since 1970, of the last use
	InHour   uint64       // uses in that hour
	Hours    uint64       // before it that the key was used in
	Baseline uint64       // average of their uses, the later the weightier, in 1/baselineUnit
}

type keyNetwork struct {
	Prefix string
	Last   time.Time
}

func (k *keyPattern) Fields(c *record.Codec) {
	record.List(c, &k.Networks, func(n *keyNetwork) {
		c.String(&n.Prefix)
		c.Time(&n.Last)
	})
	c.Uint(&k.Hour)
	c.Uint(&k.InHour)
	c.Uint(&k.Hours)
	c.Uint(&k.Baseline)
}

// A useRun is the uses of a key from one network within one hour.
type useRun struct {
	network     netip.Prefix // zero is unknown
	addr        netip.Addr   // of the first
	hour        uint64
	first, last time.Time
	n           uint64
}

func hourOf(t time.Time) uint64 { return uint64(max(0, t.Unix())) / 3600 }

// network is what counts as one place for a key: machines of one provider or office
// change their addresses within it.
func network(a netip.Addr) netip.Prefix {
	a = a.Unmap().WithZone("")
	bits := 48
	if a.Is4() {
		bits = 24
	}
	p, _ := a.Prefix(bits) // zero where a is
	return p
}

// addRun counts a use. Where the runs are too many it counts in the last one.
func addRun(runs []useRun, now time.Time, from netip.Addr) []useRun {
	hour := hourOf(now)
	i := slices.IndexFunc(runs, func(r useRun) bool { return r.addr == from && r.hour == hour })
	if i < 0 {
		place := network(from)
		i = slices.IndexFunc(runs, func(r useRun) bool { return r.network == place && r.hour == hour })
		if i < 0 && len(runs) < maxRuns {
			runs = append(runs, useRun{network: place, addr: from, hour: hour, first: now})
		}
		if i < 0 {
			i = len(runs) - 1
		}
	}
	r := &runs[i]
	r.n++
	if now.After(r.last) {
		r.last = now
	}
	return runs
}

// subtractRuns takes off what was written. Nothing but uses has been added since.
func subtractRuns(runs, written []useRun) []useRun {
	for i, w := range written {
		runs[i].n -= w.n
		runs[i].first = w.last // of those that are left, which came later
	}
	return slices.DeleteFunc(runs, func(r useRun) bool { return r.n == 0 })
}

// learn adds runs to the pattern and returns what is unusual in them. The key was last
// used, or made, at last.
func (k *keyPattern) learn(last time.Time, runs []useRun) (found []Event) {
	for _, r := range runs {
		if slept := r.first.Sub(last); slept >= keySleeps {
			found = append(found, Event{
				Type: EventAPIKeyWoke, Time: r.first, Client: Client{Addr: r.addr}, Count: int(slept / (24 * time.Hour)),
			})
		}
		if r.last.After(last) {
			last = r.last
		}
		if r.network.IsValid() && k.visit(r) {
			found = append(found, Event{Type: EventAPIKeyNewNetwork, Time: r.first, Client: Client{Addr: r.addr}})
		}
		if k.count(r) {
			found = append(found, Event{
				Type: EventAPIKeyBurst, Time: time.Unix(int64(k.Hour)*3600, 0).UTC(), Count: int(k.usual()),
			})
		}
	}
	return found
}

// visit remembers the run's network, and reports whether it is new beside others.
func (k *keyPattern) visit(r useRun) (unusual bool) {
	prefix := r.network.String()
	i := slices.IndexFunc(k.Networks, func(n keyNetwork) bool { return n.Prefix == prefix })
	if i < 0 {
		unusual = len(k.Networks) > 0
		if len(k.Networks) >= maxNetworks {
			oldest := slices.MinFunc(k.Networks, func(a, b keyNetwork) int { return a.Last.Compare(b.Last) })
			k.Networks = slices.DeleteFunc(k.Networks, func(n keyNetwork) bool { return n == oldest })
		}
		k.Networks = append(k.Networks, keyNetwork{Prefix: prefix})
		i = len(k.Networks) - 1
	}
	if r.last.After(k.Networks[i].Last) {
		k.Networks[i].Last = r.last
	}
	return unusual
}

// usual is the most uses in an hour that are no burst.
func (k *keyPattern) usual() uint64 {
	return max(burstLeast, k.Baseline*burstFactor/baselineUnit)
}

// count adds the run's uses to its hour, and reports whether they are what makes it a
// burst. Uses that are written late count in the hour that was begun meanwhile. An hour
// moves the baseline by no more than a burst's beginning, so that an attack does not
// soon make itself usual.
func (k *keyPattern) count(r useRun) (burst bool) {
	if r.hour > k.Hour {
		if k.Hours++; k.InHour == 0 { // it is the key's first
			k.Hours = 0
		} else {
			k.fold()
		}
		k.Hour, k.InHour = r.hour, 0
	}
	before := k.InHour
	k.InHour += r.n
	return k.Hours >= burstHours && before <= k.usual() && k.InHour > k.usual()
}

// fold takes the hour that is over into the baseline.
func (k *keyPattern) fold() {
	uses := min(k.InHour, 1<<32) * baselineUnit
	if k.Hours == 1 {
		k.Baseline = uses
		return
	}
	if k.Hours > burstHours {
		uses = min(uses, k.usual()*baselineUnit)
	}
	k.Baseline = k.Baseline - k.Baseline/baselineShare + uses/baselineShare
}

// unite returns found and what of more it has not: of an attempt to write whose outcome
// nobody knows, and of the next one.
func unite(found, more []Event) []Event {
	for _, e := range more {
		if !slices.ContainsFunc(found, func(f Event) bool {
			return f.Type == e.Type && network(f.Client.Addr) == network(e.Client.Addr)
		}) {
			found = append(found, e)
		}
	}
	return found
}
