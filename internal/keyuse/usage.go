package keyuse

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"github.com/datixlab/auth/internal/netprefix"
	"github.com/datixlab/auth/internal/record"
)

// maxHours is how many hours with uses are remembered: those of a week, if all have some.
const maxHours = 168

// A Usage is the record of when and how often a key was used. It is not part of the key's
// record. So writing it can neither bring a key back nor undo a change of the key.
type Usage struct {
	Last    time.Time // zero: the key was never used
	Count   uint64
	Address string // netprefix.Text of the last use, "" if it is unknown
	pattern pattern
	Hours   []Hour // the last with uses, in order
	newer   []byte
}

// An Hour has the uses within an hour of the clock.
type Hour struct {
	Number uint64 // hours since 1970
	Uses   uint64
}

// From returns when the hour begins, in UTC.
func (h Hour) From() time.Time { return time.Unix(int64(h.Number)*3600, 0).UTC() }

// A Network is one of the last that a key was used from.
type Network struct {
	Prefix netip.Prefix // an IPv4 /24 or IPv6 /48
	First  time.Time    // since it is remembered; zero: unknown
	Last   time.Time
}

// Fields implements [record.Fields].
func (u *Usage) Fields(c *record.Codec) {
	c.Time(&u.Last)
	c.Uint(&u.Count)
	c.String(&u.Address)
	u.pattern.fields(c)
	var last uint64
	record.List(c, &u.Hours, func(h *Hour) { // as the distance from the one before, which is short
		since := h.Number - last
		c.Uint(&since)
		last += since
		h.Number = last
		c.Uint(&h.Uses)
	})
	u.pattern.firsts(c)
	c.Rest(&u.newer)
}

// Networks returns the networks, the one that was used last first.
func (u *Usage) Networks() (all []Network) {
	for _, n := range u.pattern.Networks {
		if p, err := netip.ParsePrefix(n.Prefix); err == nil {
			all = append(all, Network{p, n.First, n.Last})
		}
	}
	slices.SortStableFunc(all, func(a, b Network) int { return b.Last.Compare(a.Last) })
	return all
}

// LastNetwork returns the network of the last use: the address of IPv4, or the /64 of IPv6. It is
// zero if that is unknown.
func (u *Usage) LastNetwork() netip.Prefix {
	addr, err := netip.ParseAddr(u.Address)
	if err != nil {
		return netip.Prefix{}
	}
	return netip.PrefixFrom(addr, min(addr.BitLen(), 64))
}

// Merge adds the uses in more, which are not in u yet. Last never becomes earlier.
func (u *Usage) Merge(more Uses) { u.add(time.Time{}, more) }

// add is Merge, and returns what is unusual in the uses of a key that was made at created.
func (u *Usage) add(created time.Time, more Uses) (found []Finding) {
	u.completeOlder()
	if u.Last.After(created) {
		created = u.Last
	}
	found = u.pattern.observe(created, more.buckets)
	for _, b := range more.buckets {
		u.countHour(b)
	}
	u.Count += more.count
	if more.last.After(u.Last) {
		u.Last, u.Address = more.last, ""
		if more.from.IsValid() {
			u.Address = netprefix.Text(more.from)
		}
	}
	return found
}

// completeOlder adds to the record of an older version what follows from its other fields: the
// network of the last use, and the hour of it.
func (u *Usage) completeOlder() {
	p := &u.pattern
	if addr, err := netip.ParseAddr(u.Address); err == nil && len(p.Networks) == 0 {
		p.Networks = []seenNetwork{{Prefix: netprefix.Wide(addr).String(), Last: u.Last}}
	}
	if len(u.Hours) == 0 && p.InHour > 0 {
		u.Hours = []Hour{{p.Hour, p.InHour}}
	}
}

// countHour adds the uses of b to their hour, and forgets the oldest hour if there are too many.
func (u *Usage) countHour(b bucket) {
	i, found := slices.BinarySearchFunc(u.Hours, b.hour, func(h Hour, number uint64) int { return cmp.Compare(h.Number, number) })
	if !found {
		u.Hours = slices.Insert(u.Hours, i, Hour{Number: b.hour})
	}
	u.Hours[i].Uses += b.n
	if len(u.Hours) > maxHours {
		u.Hours = slices.Delete(u.Hours, 0, 1)
	}
}
