package auth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"hash/maphash"
	"math"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/datixlab/auth/internal/jose"
	"github.com/datixlab/auth/internal/keyuse"
	"github.com/datixlab/auth/internal/record"
	"github.com/datixlab/auth/internal/stampcache"
	"github.com/datixlab/auth/store"
)

// A cachedCheck is the result of a check. The next check of the same credential needs no
// signature, no read and no decoding.
//
// It is used only while nothing that it rests on has changed:
//   - The credential: all of it is compared.
//   - The keys of the Manager: they never change.
//   - The records of one partition: the store's stamp is the same as before they were
//     read ([store.Stamper]).
//   - The time: it is between from and until.
//
// TwoFactorPolicy is called every time. If the stamp has changed or is unknown, only the proof
// of the signature is used, and the records are read again.
type cachedCheck struct {
	hash     uint64
	token    string            // all of an access token; "" for an API key
	digest   [sha256.Size]byte // of an API key
	id       string            // jti of the token
	times    jose.Validity     // of the token
	snapshot *snapshot
	from     int64 // Unix nanoseconds; before it the token is not valid yet
	until    int64 // Unix nanoseconds; from then on the credential or its session has ended
	uses     atomic.Pointer[keyuse.Pending]
}

// A snapshot is what the records of a session or of an API key say. It does not change, except
// for noted.
// It is used only while their partition has the stamp from before they were read, and a
// new token is compared with the session in it.
type snapshot struct {
	identity Identity         // without what is the token's own
	ids      tokenIDs         // of a session
	expires  time.Time        // of the session or key
	part     string           // partition of the records
	stamp    stampcache.Stamp // of it, from before they were read
	size     int              // bytes of the texts and lists that it keeps
	noted    atomic.Bool      // whether the use of ids.Unused is noted, see noteUse
}

// maxRememberedSize is the size of the largest snapshot that is cached, in bytes.
const maxRememberedSize = 8 << 10

// A checkCache has the results of checks: for Config.MaxRemembered credentials that were
// checked twice, and for as many sessions. The place of a result follows from a hash with a
// random seed, so no client can choose which result it replaces. Only credentials that were
// proven take a place.
type checkCache struct {
	stamps      stampcache.Reader
	seed        maphash.Seed
	credentials stampcache.Table[cachedCheck]
	sessions    stampcache.Table[snapshot]
	names       stampcache.Table[orgName]
	counts      stampcache.Table[memberCount]
}

// newCheckCache returns a cache of up to most credentials and as many sessions, and of the names
// and sizes of an eighth as many organizations; 0 is none.
func newCheckCache(s store.Store, most int) checkCache {
	return checkCache{
		stamps: stampcache.NewReader(s), seed: maphash.MakeSeed(),
		credentials: stampcache.New[cachedCheck](most), sessions: stampcache.New[snapshot](most),
		names: stampcache.New[orgName](most / 8), counts: stampcache.New[memberCount](most / 8),
	}
}

// A lookup is the hash of a credential and its cached check, nil if there is none.
type lookup struct {
	hash  uint64
	entry *cachedCheck
}

// token looks up an access token. The hash is of the end of its signature, which differs if
// anything in the token does. The whole text is compared only with a token of the same hash.
// The time of that comparison shows nothing to a client that does not have the signature.
func (m *checkCache) token(text string) lookup {
	if m.credentials.Off() || text == "" || len(text) > jose.MaxLen {
		return lookup{}
	}
	l := lookup{hash: maphash.String(m.seed, text[max(0, len(text)-jose.HMACLen):])}
	l.entry = m.credentials.Find(l.hash, func(r *cachedCheck) bool {
		return r.hash == l.hash && r.token == text
	})
	return l
}

// key looks up an API key.
func (m *checkCache) key(digest *[sha256.Size]byte) lookup {
	if m.credentials.Off() {
		return lookup{}
	}
	l := lookup{hash: maphash.Bytes(m.seed, digest[:])}
	l.entry = m.credentials.Find(l.hash, func(r *cachedCheck) bool {
		return r.hash == l.hash && r.token == "" && subtle.ConstantTimeCompare(r.digest[:], digest[:]) == 1
	})
	return l
}

// session returns the snapshot of a user's session if its records have not changed, else
// nil.
func (m *checkCache) session(user, session []byte) *snapshot {
	if m.sessions.Off() {
		return nil
	}
	s := m.sessions.Find(maphash.Bytes(m.seed, session), func(s *snapshot) bool {
		return s.identity.SessionID == string(session) && s.identity.User.ID == string(user)
	})
	if s == nil || m.changed(s) {
		return nil
	}
	return s
}

// changed reports whether the records of s may have changed.
func (m *checkCache) changed(s *snapshot) bool { return m.stamps.Changed(s.part, s.stamp) }

// outdated reports whether the records of s have changed for certain.
func (m *checkCache) outdated(s *snapshot) bool { return m.stamps.Outdated(s.part, s.stamp) }

// valid reports whether a check at now would have the result r.
func (m *checkCache) valid(r *cachedCheck, now time.Time) bool {
	at := now.UnixNano()
	return r.from <= at && at < r.until && !m.changed(r.snapshot)
}

// putSession caches the snapshot of a session from its first read on, since a client
// refreshes its token and the session stays.
func (m *checkCache) putSession(s *snapshot) {
	if m.sessions.Off() || !s.stamp.Known() || s.size > maxRememberedSize {
		return
	}
	hash := maphash.String(m.seed, s.identity.SessionID)
	old := m.sessions.Find(hash, func(other *snapshot) bool { return other.identity.SessionID == s.identity.SessionID })
	m.sessions.Put(hash, s, old, m.outdated)
}

// shouldStore reports whether the result is to be cached, and records that the credential was
// seen. A result is cached from the second check on, and again after its stamp has changed,
// unless it is too large. Without a stamp, only the result of a verified signature is cached.
func (m *checkCache) shouldStore(l lookup, s *snapshot, signed bool) bool {
	switch {
	case m.credentials.Off() || s.size > maxRememberedSize || !s.stamp.Known() && !signed:
		return false
	case l.entry != nil:
		return s.stamp.Known()
	}
	return m.credentials.Again(l.hash)
}

// put caches r, the result for the credential of l. The token is copied, since it may be part
// of a larger text.
func (m *checkCache) put(l lookup, r *cachedCheck) {
	r.hash, r.token = l.hash, strings.Clone(r.token)
	if l.entry != nil {
		r.uses.Store(l.entry.uses.Load())
	}
	m.credentials.Put(l.hash, r, l.entry, func(r *cachedCheck) bool { return m.outdated(r.snapshot) })
}

// identify fills id. Its agents are a copy, since callers may sort them.
func (s *snapshot) identify(id *Identity) {
	*id = s.identity
	id.User.AssignedAgents = slices.Clone(id.User.AssignedAgents)
}

// identifyToken fills id for this token of the session.
func (s *snapshot) identifyToken(id *Identity, tokenID string, expires int64) {
	s.identify(id)
	id.ExpiresAt, id.tokenID = time.Unix(expires, 0).UTC(), tokenID
}

// A snapshotArena is the memory of a read and the snapshot of what was read, in one
// allocation.
type snapshotArena struct {
	record.Arena
	snapshot snapshot
}

// usualTexts is how many bytes of names and texts a check of a credential usually reads.
const usualTexts = 512

// newSnapshotArena returns a snapshotArena for the check of a credential.
func newSnapshotArena() *snapshotArena {
	a := new(snapshotArena)
	a.Grow(usualTexts)
	return a
}

// finish returns the snapshot of records that were read into the arena.
func (a *snapshotArena) finish(part string, stamp stampcache.Stamp) *snapshot {
	s := &a.snapshot
	s.part, s.stamp = part, stamp
	s.size = a.Size() + 16*len(s.identity.User.AssignedAgents)
	return s
}

// nanos returns t in Unix nanoseconds, or the nearest that an int64 can hold. The zero time
// means "never" and is the largest.
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

// cacheTimeout bounds the time that a call takes for cacheSession, when its work is done.
const cacheTimeout = 50 * time.Millisecond

// cacheSession reads a session that was just written and caches it, since this process
// usually checks the new token next. Before is the partition's stamp from before the Commit.
// If it is unchanged or unknown, the store has not heard of the Commit yet, and nothing is
// cached. Errors are ignored; the read takes cacheTimeout at most.
func (m *Manager) cacheSession(ctx context.Context, uid, sid string, before stampcache.Stamp) {
	after := m.cache.stamps.Of(store.Partition(sessionKey(uid, sid)))
	if !before.Known() || !after.Known() || after == before || m.cache.sessions.Off() {
		return
	}
	from := m.records
	from.Timeout, from.Fault = min(from.Timeout, cacheTimeout), func(context.Context, string) {}
	t, a := new(tokenCheck), newSnapshotArena()
	t.claims.SetIDs(userIDOf(uid), sessionIDOf(sid), "")
	if m.readRecords(ctx, from, t, &a.Arena) == nil && t.alive() {
		m.cache.putSession(m.snapshot(t, a))
	}
}
