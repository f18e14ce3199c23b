package keyuse

import (
	"net/netip"
	"time"

	"github.com/datixlab/auth/internal/netprefix"
	"github.com/datixlab/auth/internal/record"
)

// A Usage is the record of when and how often a key was used. It is not part of the key's
// record. So writing it can neither bring a key back nor undo a change of the key.
type Usage struct {
	Last    time.Time // zero: the key was never used
	Count   uint64
	Address string // netprefix.Text of the last use, "" if it is unknown
	pattern pattern
	newer   []byte
}

// Fields implements [record.Fields].
func (u *Usage) Fields(c *record.Codec) {
	c.Time(&u.Last)
	c.Uint(&u.Count)
	c.String(&u.Address)
	u.pattern.fields(c)
	c.Rest(&u.newer)
}

// Merge adds the uses in more, which are not in u yet. Last never becomes earlier.
func (u *Usage) Merge(more Usage) {
	u.Count += more.Count
	if more.Last.After(u.Last) {
		u.Last, u.Address = more.Last, more.Address
	}
}

// observe adds the buckets to the pattern and returns what is unusual in them. A pattern
// without networks begins with that of the last use, which a record of an older version has.
func (u *Usage) observe(created time.Time, buckets []bucket) []Finding {
	if addr, err := netip.ParseAddr(u.Address); err == nil && len(u.pattern.Networks) == 0 {
		u.pattern.Networks = []seenNetwork{{netprefix.Wide(addr).String(), u.Last}}
	}
	if u.Last.After(created) {
		created = u.Last
	}
	return u.pattern.observe(created, buckets)
}
