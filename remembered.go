package auth

import (
	"crypto/sha256"
	"crypto/subtle"
	"hash/maphash"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/datixlab/auth/store"
)

// A remembered is what a check of a credential came to, so that the next check of it
// can do without the signature, the store and the records.
//
// It is never a stale answer. What it rests on is the credential, all of which is
// compared; the keys of the Manager, which never change; the records of one partition,
// which are what they were for as long as the store's stamp is ([store.Stamper]); and
// the time, which a check compares with from and until. TwoFactorPolicy, which is the
// host's, is asked each time. Where the stamp is another one, or unknown, all that is
// left is that the signature is good: the records are read again.
type remembered struct {
	hash     uint64
	token    string            // all of an access token, or
	digest   [sha256.Size]byte // of an API key
	claims   claims            // of a token, whose signature was good
	identity Identity
	part     string // partition of the records
	stamp    uint64 // as it was before they were read
	stamped  bool   // it was known
	from     int64  // Unix nanoseconds; before it the token is of the future
	until    int64  // from then on it, or its session, has ended
	uses     atomic.Pointer[pendingUse]
}

const (
	ways               = 4       // places that there are for a credential
	maxRememberedTexts = 8 << 10 // bytes of the texts that one holds on to
)

// A memory keeps what is remembered: Config.MaxRemembered credentials of those that
// were seen twice. The place of one is found with a hash that nobody can foresee, so
// nobody can choose whose it takes, and only credentials that have proven good take one.
type memory struct {
	stamper store.Stamper // nil where the store is none
	seed    maphash.Seed
	sets    []memorySet // 0 or a power of two of them
}

type memorySet struct {
	once  atomic.Uint64 // hash of the last credential that was seen for the first time
	known [ways]atomic.Pointer[remembered]
}

func newMemory(s store.Store, most int) memory {
	m := memory{seed: maphash.MakeSeed()}
	m.stamper, _ = s.(store.Stamper)
	if most > 0 {
		n := 1
		for n*ways < most {
			n *= 2
		}
		m.sets = make([]memorySet, n)
	}
	return m
}

// stamp returns the number of a partition as it is now.
func (m *memory) stamp(partition string) (stamp uint64, known bool) {
	if m.stamper == nil {
		return 0, false
	}
	return m.stamper.Stamp(partition)
}

func (m *memory) set(hash uint64) *memorySet { return &m.sets[hash&uint64(len(m.sets)-1)] }

// A place is where a credential is remembered, and what is.
type place struct {
	hash  uint64
	known *remembered // nil: nothing
}

// token returns the place of an access token. Bytes are compared where the hashes are
// equal, so how long that takes tells nothing of a token that somebody has a part of.
func (m *memory) token(text string) place {
	if len(m.sets) == 0 || len(text) > maxToken {
		return place{}
	}
	p := place{hash: maphash.String(m.seed, text)}
	set := m.set(p.hash)
	for i := range set.known {
		if r := set.known[i].Load(); r != nil && r.hash == p.hash && r.token == text {
			p.known = r
			break
		}
	}
	return p
}

// key returns the place of an API key.
func (m *memory) key(digest *[sha256.Size]byte) place {
	if len(m.sets) == 0 {
		return place{}
	}
	p := place{hash: maphash.Bytes(m.seed, digest[:])}
	set := m.set(p.hash)
	for i := range set.known {
		r := set.known[i].Load()
		if r != nil && r.hash == p.hash && r.token == "" && subtle.ConstantTimeCompare(r.digest[:], digest[:]) == 1 {
			p.known = r
			break
		}
	}
	return p
}

// wants reports whether put is worth its while: a credential is remembered from the
// second time on that it is seen, and again once its records have another stamp, if the
// texts of what was read are not out of the ordinary. Where no stamp is known there is
// nothing to remember but a signature.
func (m *memory) wants(p place, stamped, signed bool, in *room) bool {
	switch {
	case len(m.sets) == 0 || in.texts.Len() > maxRememberedTexts || !stamped && !signed:
		return false
	case p.known != nil:
		return stamped
	}
	return m.set(p.hash).once.Swap(p.hash) == p.hash
}

// recall returns the identity that r came to. Its agents are the caller's own: they are
// what a caller may want to sort.
func (r *remembered) recall() Identity {
	id := r.identity
	id.User.AssignedAgents = slices.Clone(id.User.AssignedAgents)
	return id
}

// put remembers r, which has a place: its own, or a free one, or that of something that
// has changed since; else one by chance. It makes copies of what would hold on to more.
func (m *memory) put(p place, r *remembered) {
	r.hash, r.token, r.part = p.hash, strings.Clone(r.token), strings.Clone(r.part)
	r.identity.AMR = slices.Clip(slices.Clone(r.identity.AMR)) // whoever appends to it has a copy
	r.identity.User.AssignedAgents = slices.Clone(r.identity.User.AssignedAgents)
	if p.known != nil {
		r.uses.Store(p.known.uses.Load())
	}
	set, at := m.set(p.hash), int(rand.Uint32()%ways) //nolint:gosec // which entry goes is no secret
	for i := range set.known {
		k := set.known[i].Load()
		if k == nil || k == p.known {
			at = i
			break
		}
		if stamp, known := m.stamp(k.part); known && stamp != k.stamp {
			at = i
		}
	}
	set.known[at].Store(r)
}

// holds reports whether the check of r comes to the same at now.
func (m *memory) holds(r *remembered, now time.Time) bool {
	at := now.UnixNano()
	if !r.stamped || at < r.from || at >= r.until {
		return false
	}
	stamp, known := m.stamp(r.part)
	return known && stamp == r.stamp
}

// nanos is t in Unix nanoseconds, as far as they go; the zero time is the end of time.
func nanos(t time.Time) int64 {
	const most = math.MaxInt64 / int64(time.Second)
	switch s := t.Unix(); {
	case t.IsZero() || s >= most:
		return math.MaxInt64
	case s <= -most:
		return math.MinInt64
	}
	return t.UnixNano()
}
