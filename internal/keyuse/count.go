package keyuse

import (
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/datixlab/auth/internal/netprefix"
)

const (
	hexDigits  = "0123456789abcdef"
	shardCount = len(hexDigits)
	maxKeys    = 16 << 10 // with uses that are not written yet, in each shard
	maxBuckets = 32       // of one key
)

type shard struct {
	mu   sync.Mutex
	keys map[string]*Pending
}

// shard returns the shard of a key, by its first digit. A kid is part of a hash, so all
// shards get equally many keys.
func (t *Tracker) shard(kid string) *shard {
	return &t.shards[strings.IndexByte(hexDigits, kid[0])]
}

// snapshot returns a copy of the uses of each key.
func (s *shard) snapshot() map[string]Uses {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make(map[string]Uses, len(s.keys))
	for kid, p := range s.keys {
		all[kid] = p.snapshot()
	}
	return all
}

// subtract removes the uses of a key that were written.
func (s *shard) subtract(kid string, written Uses) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.keys[kid]
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	u := &p.uses
	u.buckets = subtract(u.buckets, written.buckets)
	if u.count -= written.count; u.count == 0 {
		p.written = true
		delete(s.keys, kid)
	}
}

// A Pending counts the uses of one key that are not written yet.
type Pending struct {
	mu      sync.Mutex
	written bool // all of them; further uses are counted in another Pending
	uses    Uses
}

// add counts a use, or returns false if it must be counted in another Pending.
func (p *Pending) add(now time.Time, from netip.Addr) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.written {
		return false
	}
	u := &p.uses
	u.count++
	u.buckets = addUse(u.buckets, now, from)
	if now.After(u.last) {
		u.last, u.from = now, from
	}
	return true
}

// snapshot returns a copy of the uses.
func (p *Pending) snapshot() Uses {
	p.mu.Lock()
	defer p.mu.Unlock()
	snap := p.uses
	snap.buckets = slices.Clone(snap.buckets)
	return snap
}

// Uses are the uses of a key that are not written yet. They keep the address itself, since
// its text is made once for each write and not for each use.
type Uses struct {
	uid     string
	count   uint64
	last    time.Time
	from    netip.Addr // of the last
	buckets []bucket
}

// A bucket has the uses of a key from one network within one hour.
type bucket struct {
	network     netip.Prefix // zero: unknown
	addr        netip.Addr   // of the first use
	hour        uint64
	first, last time.Time
	n           uint64
}

// hourOf returns how many whole hours passed from 1970 to t.
func hourOf(t time.Time) uint64 { return uint64(max(0, t.Unix())) / 3600 }

// addUse counts a use. If it needs a bucket of its own and there are maxBuckets already, the
// last one counts it.
func addUse(buckets []bucket, now time.Time, from netip.Addr) []bucket {
	hour := hourOf(now)
	i := slices.IndexFunc(buckets, func(b bucket) bool { return b.addr == from && b.hour == hour })
	if i < 0 {
		network := netprefix.Wide(from)
		i = slices.IndexFunc(buckets, func(b bucket) bool { return b.network == network && b.hour == hour })
		if i < 0 && len(buckets) < maxBuckets {
			buckets = append(buckets, bucket{network: network, addr: from, hour: hour, first: now})
		}
		if i < 0 {
			i = len(buckets) - 1
		}
	}
	b := &buckets[i]
	b.n++
	if now.After(b.last) {
		b.last = now
	}
	return buckets
}

// subtract removes the uses that were written. Since the snapshot, uses were only added.
func subtract(buckets, written []bucket) []bucket {
	for i, w := range written {
		buckets[i].n -= w.n
		buckets[i].first = w.last // the uses that are left are later
	}
	return slices.DeleteFunc(buckets, func(b bucket) bool { return b.n == 0 })
}
