package keyuse

import (
	"net/netip"
	"slices"
	"time"

	"github.com/datixlab/auth/internal/netprefix"
	"github.com/datixlab/auth/internal/record"
)

const (
	dormantAfter  = 30 * 24 * time.Hour
	maxNetworks   = 8   // of a key that are remembered
	burstHours    = 8   // with uses, before there is a baseline
	burstFactor   = 10  // times the baseline
	burstLeast    = 100 // uses in an hour that are never a burst
	baselineShare = 8   // an hour moves the baseline by 1/8 of the difference
	baselineUnit  = 256 // of the baseline's fixed point
)

// A Kind is the way in which a use is unusual.
type Kind string

// The kinds of findings.
const (
	NewNetwork Kind = "new network" // an IPv4 /24 or IPv6 /48 that is not among the last eight, except the first one
	Woke       Kind = "woke"        // the first use after 30 days
	// Burst is more than 100 uses in an hour of the clock, and more than ten times the
	// average of the hours with uses. There must be eight such hours before.
	Burst Kind = "burst"
)

// A Finding is a use that is unusual for its key.
type Finding struct {
	Kind  Kind
	Time  time.Time  // of the first such use; for Burst the beginning of the hour
	Addr  netip.Addr // of the use; zero for Burst and if it is unknown
	Count int        // Woke: days without a use; Burst: the limit that was exceeded, in uses an hour
}

// A pattern is what is kept of the uses of a key, to compare the next use with.
type pattern struct {
	Networks []seenNetwork // the last that it was used from
	Hour     uint64        // since 1970, of the last use
	InHour   uint64        // uses in that hour
	Hours    uint64        // hours with uses before it
	Baseline uint64        // average uses of those hours, in 1/baselineUnit; later hours count more
}

type seenNetwork struct {
	Prefix string
	Last   time.Time
	First  time.Time // zero: a version before wrote it, which did not store that
}

func (p *pattern) fields(c *record.Codec) {
	record.List(c, &p.Networks, func(n *seenNetwork) {
		c.String(&n.Prefix)
		c.Time(&n.Last)
	})
	c.Uint(&p.Hour)
	c.Uint(&p.InHour)
	c.Uint(&p.Hours)
	c.Uint(&p.Baseline)
}

// firsts reads or writes when each network was seen first. The list has the prefixes again, since
// an older version changes Networks and keeps this list as it is.
func (p *pattern) firsts(c *record.Codec) {
	var list []seenNetwork
	for _, n := range p.Networks {
		if !n.First.IsZero() { // never, when it reads
			list = append(list, n)
		}
	}
	record.List(c, &list, func(n *seenNetwork) {
		c.String(&n.Prefix)
		c.Time(&n.First)
	})
	for _, n := range list {
		if i := p.index(n.Prefix); i >= 0 {
			p.Networks[i].First = n.First
		}
	}
}

// index returns the place of a network, or -1.
func (p *pattern) index(prefix string) int {
	return slices.IndexFunc(p.Networks, func(n seenNetwork) bool { return n.Prefix == prefix })
}

// observe adds the buckets to the pattern and returns what is unusual in them. The key
// was last used, or made, at last.
func (p *pattern) observe(last time.Time, buckets []bucket) (found []Finding) {
	for _, b := range buckets {
		if unused := b.first.Sub(last); unused >= dormantAfter {
			found = append(found, Finding{Kind: Woke, Time: b.first, Addr: b.addr, Count: int(unused / (24 * time.Hour))})
		}
		if b.last.After(last) {
			last = b.last
		}
		if b.network.IsValid() && p.seeNetwork(b) {
			found = append(found, Finding{Kind: NewNetwork, Time: b.first, Addr: b.addr})
		}
		if p.count(b) {
			found = append(found, Finding{Kind: Burst, Time: time.Unix(int64(p.Hour)*3600, 0).UTC(), Count: int(p.usual())})
		}
	}
	return found
}

// seeNetwork adds the bucket's network to the pattern. It reports whether the network is new
// while others are known.
func (p *pattern) seeNetwork(b bucket) (unusual bool) {
	prefix := b.network.String()
	i := p.index(prefix)
	if i < 0 {
		unusual = len(p.Networks) > 0
		if len(p.Networks) >= maxNetworks {
			oldest := slices.MinFunc(p.Networks, func(a, b seenNetwork) int { return a.Last.Compare(b.Last) })
			p.Networks = slices.DeleteFunc(p.Networks, func(n seenNetwork) bool { return n == oldest })
		}
		p.Networks = append(p.Networks, seenNetwork{Prefix: prefix, First: b.first})
		i = len(p.Networks) - 1
	}
	if b.last.After(p.Networks[i].Last) {
		p.Networks[i].Last = b.last
	}
	return unusual
}

// usual returns how many uses in an hour are not a burst.
func (p *pattern) usual() uint64 {
	return max(burstLeast, p.Baseline*burstFactor/baselineUnit)
}

// count adds the bucket's uses to its hour, and reports whether the hour becomes a burst by
// them. If a later hour has begun, the uses count in that one.
func (p *pattern) count(b bucket) (burst bool) {
	if b.hour > p.Hour {
		if p.Hours++; p.InHour == 0 { // it is the key's first
			p.Hours = 0
		} else {
			p.closeHour()
		}
		p.Hour, p.InHour = b.hour, 0
	}
	before := p.InHour
	p.InHour += b.n
	return p.Hours >= burstHours && before <= p.usual() && p.InHour > p.usual()
}

// closeHour adds the hour that is over to the baseline. Once there is a baseline, it counts
// no more uses of an hour than usual returns. So an attack does not soon become the average.
func (p *pattern) closeHour() {
	uses := min(p.InHour, 1<<32) * baselineUnit
	if p.Hours == 1 {
		p.Baseline = uses
		return
	}
	if p.Hours > burstHours {
		uses = min(uses, p.usual()*baselineUnit)
	}
	p.Baseline = p.Baseline - p.Baseline/baselineShare + uses/baselineShare
}

// merge adds to found, of an unconfirmed write, each Finding of more, of the next write,
// whose kind and network are not in it.
func merge(found, more []Finding) []Finding {
	for _, f := range more {
		if !slices.ContainsFunc(found, func(g Finding) bool {
			return g.Kind == f.Kind && netprefix.Wide(g.Addr) == netprefix.Wide(f.Addr)
		}) {
			found = append(found, f)
		}
	}
	return found
}
