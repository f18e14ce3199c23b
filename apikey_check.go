package auth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/datixlab/auth/internal/checkdigits"
	"github.com/datixlab/auth/internal/ident"
	"github.com/datixlab/auth/internal/keyuse"
	"github.com/datixlab/auth/internal/record"
	"github.com/datixlab/auth/store"
)

// IsAPIKey reports whether a credential is an API key by its form: it begins with
// Config.APIKeyPrefix. It does not check the key.
func (m *Manager) IsAPIKey(credential Secret) bool {
	return strings.HasPrefix(string(credential), m.cfg.APIKeyPrefix)
}

// A keyCheck is an API key that is checked, with the records of the key and its owner.
type keyCheck struct {
	userID, id string
	digest     [sha256.Size]byte
	acct       record.Row[account]
	key        record.Row[keyProof]
}

// keyChecks are used again by later checks. No Identity keeps a part of one.
var keyChecks = sync.Pool{New: func() any { return new(keyCheck) }}

// digestKey returns the SHA-256 of a key, and false if it has not the prefix and the length of
// one.
func digestKey(prefix, key string) (digest [sha256.Size]byte, ok bool) {
	const digits = keySecretLen + ident.TimedLen + checkdigits.Len
	var buf [maxKeyPrefix + digits]byte
	if !strings.HasPrefix(key, prefix) || len(key) != len(prefix)+digits {
		return digest, false
	}
	text := buf[:copy(buf[:], key)]
	defer clear(text)
	return sha256.Sum256(text), true
}

// parseKey returns the digits of a key's user, if the key is well formed.
func parseKey(prefix, key string) (uid string, ok bool) {
	digits, ok := checkdigits.Cut(key, prefix, keySecretLen+ident.TimedLen)
	if !ok {
		return "", false
	}
	return digits[keySecretLen:], true
}

// name sets the ids of the user and the API key and the keys of their records. They are parts
// of the arena.
func (k *keyCheck) name(uid string, in *record.Arena) {
	var kid [keyIDLen]byte
	hex.Encode(kid[:], k.digest[:keyIDLen/2])
	k.userID, k.id = in.Join(userPrefix, uid), in.Join(keyIDPrefix, in.Text(kid[:]))
	k.acct.Key, k.key.Key = accountKeyIn(in, uid), apiKeyKeyIn(in, uid, in.Text(kid[:]))
}

// proven reports whether the store has a record of this very key, with its scopes unchanged,
// enabled or not.
func (k *keyCheck) proven() bool {
	rec := &k.key.Rec
	return k.key.Exists() && subtle.ConstantTimeCompare(rec.Digest, storedDigest(k.digest[:], rec.Scopes, rec.Disabled)) == 1
}

// VerifyAPIKey returns the identity that the key stands for, as the key and its owner are
// now (see [Manager.VerifyAccessToken]). The error is:
//   - ErrInvalidToken for a malformed, unknown, expired or revoked key, or one that is
//     disabled, or whose owner is.
//   - ErrTwoFactorSetupRequired if Config.TwoFactorPolicy binds the owner, who has no second
//     factor.
//   - ErrUnavailable if the store did not answer.
//
// A mistyped key costs no call of the store. Scopes are not checked: call
// [Identity.HasScope]. A use is counted in memory and written within Config.UsageInterval.
//
// When uses are written, they are compared with earlier ones. Three events report unusual
// uses, once for all Managers on the store. No use is refused for them.
//   - EventAPIKeyNewNetwork: a network (IPv4 /24, IPv6 /48) that is not among the key's
//     last eight, except its first.
//   - EventAPIKeyWoke: the first use after 30 days.
//   - EventAPIKeyBurst: over 100 uses in a clock hour and over ten times the average of the
//     hours with uses. There must be eight such hours before.
func (m *Manager) VerifyAPIKey(ctx context.Context, key Secret) (id Identity, err error) {
	if err := m.ready(); err != nil {
		return Identity{}, err
	}
	digest, ok := digestKey(m.cfg.APIKeyPrefix, string(key))
	if !ok {
		return Identity{}, m.refuseMalformedKey(ctx)
	}
	now := m.now()
	at := m.cache.key(&digest)
	var last *atomic.Pointer[keyuse.Pending]
	if r := at.entry; r != nil && m.cache.valid(r, now) {
		r.snapshot.identify(&id)
		last = &r.uses
	} else {
		uid, ok := parseKey(m.cfg.APIKeyPrefix, string(key))
		if !ok {
			return Identity{}, m.refuseMalformedKey(ctx)
		}
		s, err := m.proveKey(ctx, uid, digest, at)
		if err != nil {
			return Identity{}, err
		}
		s.identify(&id)
		now = m.now()
	}
	if m.cfg.TwoFactorPolicy.enrolmentOnly(id.User, now) {
		m.ReportDenied(ctx, id, "two_factor_setup_required")
		return Identity{}, ErrTwoFactorSetupRequired
	}
	m.usage.Touch(last, id.User.ID[len(userPrefix):], id.APIKeyID[len(keyIDPrefix):], now, ClientFrom(ctx).Addr)
	return id, nil
}

// proveKey reads the records of the key and its owner, checks the key against them and
// returns their snapshot. It caches the check if the key was seen before.
func (m *Manager) proveKey(ctx context.Context, uid string, digest [sha256.Size]byte, at lookup) (*snapshot, error) {
	k := keyChecks.Get().(*keyCheck)
	defer func() {
		*k = keyCheck{}
		keyChecks.Put(k)
	}()
	a := newSnapshotArena()
	k.digest = digest
	k.name(uid, &a.Arena)
	part := store.Partition(k.acct.Key)
	before := m.cache.stamps.Of(part)
	if err := m.records.ReadIn(ctx, &a.Arena, &k.acct, &k.key); err != nil {
		return nil, err
	}
	acct, rec := &k.acct.Rec, &k.key.Rec
	if !k.acct.Exists() || !acct.usable() || !k.proven() || rec.Disabled || !acct.madeIn(rec.Org) || expiredKey(rec.Expires, m.now()) {
		return nil, m.refuseKey(ctx, k)
	}
	id := &a.snapshot.identity
	id.User, id.APIKeyID, id.ExpiresAt = m.user(k.userID, acct), k.id, rec.Expires
	id.ReplacedAt = rec.Replaced
	id.unscoped, id.scopes = rec.Scopes == "", rec.Scopes
	s := a.finish(part, before)
	if m.cache.shouldStore(at, s, false) {
		m.cache.put(at, &cachedCheck{digest: digest, snapshot: s, from: math.MinInt64, until: nanos(rec.Expires)})
	}
	return s, nil
}

// refuseMalformedKey returns ErrInvalidToken for a text that is not a key of any Manager.
func (m *Manager) refuseMalformedKey(ctx context.Context) error {
	m.emit(ctx, Event{Type: EventAPIKeyRefused, Reason: malformed})
	return ErrInvalidToken
}

// refuseKey returns ErrInvalidToken for a well-formed key and emits the reason. The event names
// the user only if the key was proven to be theirs.
func (m *Manager) refuseKey(ctx context.Context, k *keyCheck) error {
	e := Event{Type: EventAPIKeyRefused, APIKeyID: k.id, Reason: "unknown"}
	if k.acct.Exists() && k.proven() {
		e.UserID, e.OrganizationID, e.Reason = k.userID, k.acct.Rec.Org, "expired"
		switch {
		case !k.acct.Rec.usable():
			e.Reason = "disabled"
		case k.key.Rec.Disabled:
			e.Reason = "disabled_key"
		case !k.acct.Rec.madeIn(k.key.Rec.Org):
			e.Reason = "moved"
		}
	}
	m.emit(ctx, e)
	return ErrInvalidToken
}

// A keyProof has the fields of a keyRecord that a check needs. It skips the other texts, so
// that they are not copied. It is never written.
type keyProof struct {
	Digest   []byte
	Expires  time.Time
	Scopes   string
	Disabled bool
	Replaced time.Time
	Org      string
}

// Fields implements [record.Fields].
func (k *keyProof) Fields(c *record.Codec) {
	c.Bytes(&k.Digest)
	c.Skip() // Name
	c.Skip() // Description
	c.Skip() // Prefix
	var created time.Time
	c.Time(&created)
	c.Time(&k.Expires)
	c.String(&k.Scopes)
	c.Bool(&k.Disabled)
	c.Time(&k.Replaced)
	c.Skip() // Successor
	c.String(&k.Org)
}
