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
	hash   uint64
	token  string            // all of an access token, or
	digest [sha256.Size]byte // of an API key
	id     string            // of a token, whose signature was good
	times  validity          // of it
	found  *found
	from   int64 // Unix nanoseconds; before it the token is of the future
	until  int64 // from then on it, or its session, has ended
	uses   atomic.Pointer[pendingUse]
}

// A found is what the records of a session, or of an API key, came to. It does not
// change, and is never stale either: it holds for the stamp that the store had before
// the records were read, and a token that is new is held against the session in it.
type found struct {
	identity Identity  // but for what is the token's own
	ids      tokenIDs  // of a session
	expires  time.Time // it does
	part     string    // partition of the records
	stamp    uint64    // as it was before they were read
	stamped  bool      // it was known
	size     int       // bytes of the texts that it holds on to
}

const (
	ways               = 4       // places that there are for a credential, or a session
	maxRememberedTexts = 8 << 10 // bytes of the texts that one holds on to
	signatureEnd       = 43      // bytes of a token that its place is found by: an HMAC-SHA256
)

// A memory keeps what is remembered: Config.MaxRemembered credentials of those that
// were seen twice, and as many sessions. The place of one is found with a hash that
// nobody can foresee, so nobody can choose whose it takes, and only credentials that
// have proven good take one.
type memory struct {
	stamper     store.Stamper // nil where the store is none
	seed        maphash.Seed
	credentials []set[remembered] // 0 or a power of two of them
	sessions    []set[found]      // as many
}

// A set has the places of those that share a part of their hash.
type set[T any] struct {
	once  atomic.Uint64 // hash of the last credential that was seen for the first time
	known [ways]atomic.Pointer[T]
}

func newMemory(s store.Store, most int) memory {
	m := memory{seed: maphash.MakeSeed()}
	m.stamper, _ = s.(store.Stamper)
	if most > 0 {
		n := 1
		for n*ways < most {
			n *= 2
		}
		m.credentials, m.sessions = make([]set[remembered], n), make([]set[found], n)
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

// setOf returns the set that a hash falls to.
func setOf[T any](sets []set[T], hash uint64) *set[T] { return &sets[hash&uint64(len(sets)-1)] }

// put remembers v: in the place of old, or in a free one, or in that of something that
// has changed since; else in one by chance.
func (s *set[T]) put(v, old *T, changed func(*T) bool) {
	at := int(rand.Uint32() % ways) //nolint:gosec // which entry goes is no secret
	for i := range s.known {
		k := s.known[i].Load()
		if k == nil || k == old {
			at = i
			break
		}
		if changed(k) {
			at = i
		}
	}
	s.known[at].Store(v)
}

// A place is where a credential is remembered, and what is.
type place struct {
	hash  uint64
	known *remembered // nil: nothing
}

// token returns the place of an access token. It is found by the end of the signature,
// which differs where anything does. All bytes are compared where the hashes are equal,
// so how long that takes tells nothing of a token that somebody has a part of.
func (m *memory) token(text string) place {
	if len(m.credentials) == 0 || len(text) > maxToken {
		return place{}
	}
	p := place{hash: maphash.String(m.seed, text[max(0, len(text)-signatureEnd):])}
	s := setOf(m.credentials, p.hash)
	for i := range s.known {
		if r := s.known[i].Load(); r != nil && r.hash == p.hash && r.token == text {
			p.known = r
			break
		}
	}
	return p
}

// key returns the place of an API key.
func (m *memory) key(digest *[sha256.Size]byte) place {
	if len(m.credentials) == 0 {
		return place{}
	}
	p := place{hash: maphash.Bytes(m.seed, digest[:])}
	s := setOf(m.credentials, p.hash)
	for i := range s.known {
		r := s.known[i].Load()
		if r != nil && r.hash == p.hash && r.token == "" && subtle.ConstantTimeCompare(r.digest[:], digest[:]) == 1 {
			p.known = r
			break
		}
	}
	return p
}

// session returns what the records of a user's session came to, if they are what they
// were; else nil.
func (m *memory) session(user, session []byte) *found {
	if len(m.sessions) == 0 {
		return nil
	}
	s := setOf(m.sessions, maphash.Bytes(m.seed, session))
	for i := range s.known {
		f := s.known[i].Load()
		if f != nil && f.identity.SessionID == string(session) && f.identity.User.ID == string(user) {
			if m.changed(f) {
				return nil
			}
			return f
		}
	}
	return nil
}

// changed reports whether the records may be others than those that came to f.
func (m *memory) changed(f *found) bool {
	stamp, known := m.stamp(f.part)
	return !f.stamped || !known || stamp != f.stamp
}

// outdated reports whether they are others.
func (m *memory) outdated(f *found) bool {
	stamp, known := m.stamp(f.part)
	return known && stamp != f.stamp
}

// holds reports whether the check of r comes to the same at now.
func (m *memory) holds(r *remembered, now time.Time) bool {
	at := now.UnixNano()
	return r.from <= at && at < r.until && !m.changed(r.found)
}

// putSession remembers what the records of a session came to, from the first time on
// that they are read: whoever has a token of it will have others.
func (m *memory) putSession(f *found) {
	if len(m.sessions) == 0 || !f.stamped || f.size > maxRememberedTexts {
		return
	}
	s := setOf(m.sessions, maphash.String(m.seed, f.identity.SessionID))
	var old *found
	for i := range s.known {
		if k := s.known[i].Load(); k != nil && k.identity.SessionID == f.identity.SessionID {
			old = k
		}
	}
	s.put(f, old, m.outdated)
}

// wants reports whether put is worth its while: a credential is remembered from the
// second time on that it is seen, and again once its records have another stamp, if the
// texts of what was read are not out of the ordinary. Where no stamp is known there is
// nothing to remember but a signature.
func (m *memory) wants(p place, f *found, signed bool) bool {
	switch {
	case len(m.credentials) == 0 || f.size > maxRememberedTexts || !f.stamped && !signed:
		return false
	case p.known != nil:
		return f.stamped
	}
	return setOf(m.credentials, p.hash).once.Swap(p.hash) == p.hash
}

// put remembers r, which has a place. The token is copied: it may be a part of
// something large.
func (m *memory) put(p place, r *remembered) {
	r.hash, r.token = p.hash, strings.Clone(r.token)
	if p.known != nil {
		r.uses.Store(p.known.uses.Load())
	}
	setOf(m.credentials, p.hash).put(r, p.known, func(k *remembered) bool { return m.outdated(k.found) })
}

// tell fills id with the identity of whoever has a token of the session.
func (f *found) tell(id *Identity, tokenID string, expires int64) {
	f.recall(id)
	id.ExpiresAt, id.tokenID = time.Unix(expires, 0).UTC(), tokenID
}

// recall fills id with the identity. Its agents are the caller's own: they are what a
// caller may want to sort.
func (f *found) recall(id *Identity) {
	*id = f.identity
	id.User.AssignedAgents = slices.Clone(id.User.AssignedAgents)
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
