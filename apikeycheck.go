package auth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"strings"
	"sync"
	"time"
)

// IsAPIKey reports whether a credential is meant to be an API key: it begins with
// Config.APIKeyPrefix. It says nothing of its worth.
func (m *Manager) IsAPIKey(credential Secret) bool {
	return strings.HasPrefix(string(credential), m.cfg.APIKeyPrefix)
}

// A liveKey is an API key as it was presented, and the records that say what it is
// worth.
type liveKey struct {
	uid, kid   string
	userID, id string // the same with their prefixes
	digest     [sha256.Size]byte
	acct       row[account]
	key        row[keyProof]
	text       []byte // room for the key, used again
}

// liveKeys are kept from one check to the next: an Identity holds on to none.
var liveKeys = sync.Pool{New: func() any { return new(liveKey) }}

// parse takes a key apart, and reports whether it is well formed.
func (k *liveKey) parse(prefix, key string) bool {
	rest, ok := strings.CutPrefix(key, prefix)
	if !ok || !isBase62(rest, keySecretLen+timedLen+keyCheckLen) {
		return false
	}
	k.text = append(k.text[:0], key...)
	defer clear(k.text)
	if body := len(key) - keyCheckLen; keyChecksum(k.text[:body]) != [keyCheckLen]byte(k.text[body:]) {
		return false
	}
	k.digest = sha256.Sum256(k.text)
	k.name(rest[keySecretLen : keySecretLen+timedLen])
	return true
}

// name sets what the user and the digest are called, all of it as parts of one text:
// what makes a text is the allocation.
func (k *liveKey) name(uid string) {
	var kid [keyIDLen]byte
	hex.Encode(kid[:], k.digest[:keyIDLen/2])
	all := userPrefix + uid + keyIDPrefix + string(kid[:]) +
		"u." + uid + "/acct" + "u." + uid + "/k." + string(kid[:])
	k.userID, all = all[:len(userPrefix)+timedLen], all[len(userPrefix)+timedLen:]
	k.id, all = all[:len(keyIDPrefix)+keyIDLen], all[len(keyIDPrefix)+keyIDLen:]
	k.uid, k.kid = k.userID[len(userPrefix):], k.id[len(keyIDPrefix):]
	k.acct.key, k.key.key = all[:len("u./acct")+timedLen], all[len("u./acct")+timedLen:]
}

// proven reports whether the key's record is there, and of this key with these scopes.
func (k *liveKey) proven() bool {
	return k.key.exists() && subtle.ConstantTimeCompare(k.key.rec.Digest, limitedDigest(k.digest[:], k.key.rec.Scopes)) == 1
}

// VerifyAPIKey returns who the key speaks for, or ErrInvalidToken, or
// ErrTwoFactorSetupRequired if Config.TwoFactorPolicy asks its owner for a second factor
// first, or ErrUnavailable if the store could not say. It reads the key and the account at
// the time of the call: what has been revoked or disabled anywhere is seen at once.
// Unknown, expired and revoked keys are one and the same, and a mistyped one is
// refused without asking the store. Scopes refuse nothing here: ask [Identity.HasScope].
// The use is counted in memory and written within Config.UsageInterval.
//
// What is written is compared with how the key was used before, and events say what is
// new: EventAPIKeyNewNetwork, a use from an IPv4 /24 or IPv6 /48 that none of the last
// eight is (the network of the first use is none); EventAPIKeyWoke, a use after 30
// days without one; EventAPIKeyBurst, at most once an hour, more than 100 uses within an
// hour of the clock and more than ten times the average of the hours that the key was
// used in, once those are eight. Of any number of Managers that share a store one
// tells of it, within UsageInterval. None of it refuses anything.
func (m *Manager) VerifyAPIKey(ctx context.Context, key Secret) (Identity, error) {
	if err := m.ready(); err != nil {
		return Identity{}, err
	}
	k := liveKeys.Get().(*liveKey)
	defer liveKeys.Put(k)
	if !k.parse(m.cfg.APIKeyPrefix, string(key)) {
		m.emit(ctx, Event{Type: EventAPIKeyRefused, Reason: malformed})
		return Identity{}, ErrInvalidToken
	}
	if err := m.records.read(ctx, &k.acct, &k.key); err != nil {
		return Identity{}, err
	}
	now, acct, rec := m.now(), &k.acct.rec, &k.key.rec
	if !k.acct.exists() || !acct.open() || !k.proven() || expiredKey(rec.Expires, now) {
		return Identity{}, m.refuseKey(ctx, k)
	}
	user := acct.user(k.userID)
	if m.cfg.TwoFactorPolicy.enrolmentOnly(user, now) {
		m.ReportDenied(ctx, Identity{User: user, APIKeyID: k.id}, "two_factor_setup_required")
		return Identity{}, ErrTwoFactorSetupRequired
	}
	m.usage.touch(k.uid, k.kid, now, ClientFrom(ctx).Addr)
	return Identity{
		User: user, APIKeyID: k.id, ExpiresAt: rec.Expires, unscoped: rec.Scopes == "", scopes: rec.Scopes,
	}, nil
}

// refuseKey returns ErrInvalidToken for a well-formed key, and says to the audit why.
// The user that a key names is told only if the key is theirs.
func (m *Manager) refuseKey(ctx context.Context, k *liveKey) error {
	e := Event{Type: EventAPIKeyRefused, APIKeyID: k.id, Reason: "unknown"}
	if k.acct.exists() && k.proven() {
		e.UserID, e.OrganizationID, e.Reason = k.userID, k.acct.rec.Org, "expired"
		if !k.acct.rec.open() {
			e.Reason = "disabled"
		}
	}
	m.emit(ctx, e)
	return ErrInvalidToken
}

// keyProof is what a check reads of a keyRecord: of its texts only the scopes, since a
// text costs one more allocation. It is never written.
type keyProof struct {
	Digest  []byte
	Expires time.Time
	Scopes  string
}

func (k *keyProof) fields(c *codec) {
	c.bytes(&k.Digest)
	c.skip() // Name
	c.skip() // Description
	c.skip() // Prefix
	var created time.Time
	c.time(&created)
	c.time(&k.Expires)
	c.string(&k.Scopes)
}
