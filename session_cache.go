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

	"github.com/datixlab/auth/internal/jose"
	"github.com/datixlab/auth/internal/keyuse"
	"github.com/datixlab/auth/internal/record"
	"github.com/datixlab/auth/store"
)

// A cachedCheck is what a check of a credential came to, so that the next check of it
// can do without the signature, the store and the records.
//
// It is never a stale answer. What it rests on is the credential, all of which is
// compared; the keys of the Manager, which never change; the records of one partition,
// which are what they were for as long as the store's stamp is ([store.Stamper]); and
// the time, which a check compares with from and until. TwoFactorPolicy, which is the
// host's, is asked each time. Where the stamp is another one, or unknown, all that is
// left is that the signature is good: the records are read again.
type cachedCheck struct {
	hash     uint64
	token    string            // all of an access token, or
	digest   [sha256.Size]byte // of an API key
	id       string            // of a token, whose signature was good
	times    jose.Validity     // of it
	snapshot *snapshot
	from     int64 // Unix nanoseconds; before it the token is of the future
	until    int64 // from then on it, or its session, has ended
	uses     atomic.Pointer[keyuse.Pending]
}

// A snapshot is what the records of a session, or of an API key, came to. It does not
// change, and is never stale either: it holds for the stamp that the store had before
// the records were read, and a token that is new is held against the session in it.
type snapshot struct {
	identity Identity  // but for what is the token's own
	ids      tokenIDs  // of a session
	expires  time.Time // it does
	part     string    // partition of the records
	stamp    stamp     // as it was before they were read
	size     int       // bytes of the texts and lists that it holds on to
}

// A stamp is the number that a store has for a partition; the zero stamp is unknown.
type stamp struct {
	number uint64
	known  bool
}

const (
	ways              = 4       // where there is room for a credential, or a session
	maxRememberedSize = 8 << 10 // of a snapshot
)

// A checkCache keeps what is remembered: Config.MaxRemembered credentials of those that
// were seen twice, and as many sessions. Where one lies is found with a hash that nobody
// can foresee, so nobody can choose whose place it takes, and only credentials that have
// proven good take one.
type checkCache struct {
	stamper     store.Stamper // nil where the store is none
	seed        maphash.Seed
	credentials []set[cachedCheck] // 0 or a power of two of them
	sessions    []set[snapshot]    // as many
}

// A set has those that share a part of their hash.
type set[T any] struct {
	once atomic.Uint64 // hash of the last credential that was seen for the first time
	ways [ways]atomic.Pointer[T]
}

func newMemory(s store.Store, most int) checkCache {
	m := checkCache{seed: maphash.MakeSeed()}
	m.stamper, _ = s.(store.Stamper)
	if most > 0 {
		n := 1
		for n*ways < most {
			n *= 2
		}
		m.credentials, m.sessions = make([]set[cachedCheck], n), make([]set[snapshot], n)
	}
	return m
}

// stamp returns that of a partition as it is now.
func (m *checkCache) stamp(partition string) (s stamp) {
	if m.stamper != nil {
		s.number, s.known = m.stamper.Stamp(partition)
	}
	return s
}

// setOf returns the set that a hash falls to.
func setOf[T any](sets []set[T], hash uint64) *set[T] { return &sets[hash&uint64(len(sets)-1)] }

// find returns the first in the set that is the one, or nil. Two may be, of checks at the
// same time: whoever replaces one replaces the first, so the other is not found again.
func (s *set[T]) find(is func(*T) bool) *T {
	for i := range s.ways {
		if v := s.ways[i].Load(); v != nil && is(v) {
			return v
		}
	}
	return nil
}

// put remembers v: in the place of old, or in a free one, or in that of something that
// is outdated; else in one by chance.
func (s *set[T]) put(v, old *T, outdated func(*T) bool) {
	at := int(rand.Uint32() % ways) //nolint:gosec // which entry goes is no secret
	for i := range s.ways {
		has := s.ways[i].Load()
		if has == nil || has == old {
			at = i
			break
		}
		if outdated(has) {
			at = i
		}
	}
	s.ways[at].Store(v)
}

// A lookup is the hash of a credential, and what is remembered of it, if anything is.
type lookup struct {
	hash  uint64
	entry *cachedCheck
}

// token looks an access token up. It is found by the end of its signature, which differs
// where anything does. The rest is compared with a text that ends in the same one alone:
// how long that takes tells something to whoever has it, and they have what makes the
// token good.
func (m *checkCache) token(text string) lookup {
	if len(m.credentials) == 0 || text == "" || len(text) > jose.MaxLen {
		return lookup{}
	}
	l := lookup{hash: maphash.String(m.seed, text[max(0, len(text)-jose.HMACLen):])}
	l.entry = setOf(m.credentials, l.hash).find(func(r *cachedCheck) bool {
		return r.hash == l.hash && r.token == text
	})
	return l
}

// key looks an API key up.
func (m *checkCache) key(digest *[sha256.Size]byte) lookup {
	if len(m.credentials) == 0 {
		return lookup{}
	}
	l := lookup{hash: maphash.Bytes(m.seed, digest[:])}
	l.entry = setOf(m.credentials, l.hash).find(func(r *cachedCheck) bool {
		return r.hash == l.hash && r.token == "" && subtle.ConstantTimeCompare(r.digest[:], digest[:]) == 1
	})
	return l
}

// session returns what the records of a user's session came to, if they are what they
// were; else nil.
func (m *checkCache) session(user, session []byte) *snapshot {
	if len(m.sessions) == 0 {
		return nil
	}
	s := setOf(m.sessions, maphash.Bytes(m.seed, session)).find(func(s *snapshot) bool {
		return s.identity.SessionID == string(session) && s.identity.User.ID == string(user)
	})
	if s == nil || m.changed(s) {
		return nil
	}
	return s
}

// changed reports whether the records may be others than those that came to s.
func (m *checkCache) changed(s *snapshot) bool {
	return !s.stamp.known || m.stamp(s.part) != s.stamp
}

// outdated reports whether they certainly are: where stamps are unknown for a while, what
// is remembered is kept.
func (m *checkCache) outdated(s *snapshot) bool {
	now := m.stamp(s.part)
	return now.known && now != s.stamp
}

// valid reports whether the check of r comes to the same at now.
func (m *checkCache) valid(r *cachedCheck, now time.Time) bool {
	at := now.UnixNano()
	return r.from <= at && at < r.until && !m.changed(r.snapshot)
}

// putSession remembers what the records of a session came to, from the first time on
// that they are read: whoever has a token of it will have others.
func (m *checkCache) putSession(s *snapshot) {
	if len(m.sessions) == 0 || !s.stamp.known || s.size > maxRememberedSize {
		return
	}
	in := setOf(m.sessions, maphash.String(m.seed, s.identity.SessionID))
	old := in.find(func(other *snapshot) bool { return other.identity.SessionID == s.identity.SessionID })
	in.put(s, old, m.outdated)
}

// shouldStore reports whether put is worth its while, and notes that the credential was seen: one
// is remembered from the second time on, and again once its records have another stamp, if
// what was read is not out of the ordinary. Where no stamp is known there is nothing to
// remember but a signature.
func (m *checkCache) shouldStore(l lookup, s *snapshot, signed bool) bool {
	switch {
	case len(m.credentials) == 0 || s.size > maxRememberedSize || !s.stamp.known && !signed:
		return false
	case l.entry != nil:
		return s.stamp.known
	}
	return setOf(m.credentials, l.hash).once.Swap(l.hash) == l.hash
}

// put remembers r, which was looked up. The token is copied: it may be a part of
// something large.
func (m *checkCache) put(l lookup, r *cachedCheck) {
	r.hash, r.token = l.hash, strings.Clone(r.token)
	if l.entry != nil {
		r.uses.Store(l.entry.uses.Load())
	}
	setOf(m.credentials, l.hash).put(r, l.entry, func(r *cachedCheck) bool { return m.outdated(r.snapshot) })
}

// identify fills id. Its agents are the caller's own: they are what a caller may want to
// sort.
func (s *snapshot) identify(id *Identity) {
	*id = s.identity
	id.User.AssignedAgents = slices.Clone(id.User.AssignedAgents)
}

// identifyToken fills id for whoever has this token of the session.
func (s *snapshot) identifyToken(id *Identity, tokenID string, expires int64) {
	s.identify(id)
	id.ExpiresAt, id.tokenID = time.Unix(expires, 0).UTC(), tokenID
}

// A snapshotArena is the memory of a read and the snapshot that comes of it, in one
// allocation.
type snapshotArena struct {
	record.Arena
	snapshot snapshot
}

// usualTexts is how many bytes the names and the texts of the records take that a check
// of a credential reads, as a rule.
const usualTexts = 512

// newSnapshotArena returns one for the check of a credential.
func newSnapshotArena() *snapshotArena {
	a := new(snapshotArena)
	a.Grow(usualTexts)
	return a
}

// finish returns the snapshot of records that were read into the arena.
func (a *snapshotArena) finish(part string, stamp stamp) *snapshot {
	s := &a.snapshot
	s.part, s.stamp = part, stamp
	s.size = a.Size() + 16*len(s.identity.User.AssignedAgents)
	return s
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
