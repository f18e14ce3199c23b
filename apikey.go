package auth

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/datixlab/auth/internal/checkdigits"
	"github.com/datixlab/auth/internal/ident"
	"github.com/datixlab/auth/internal/keyuse"
	"github.com/datixlab/auth/internal/parallel"
	"github.com/datixlab/auth/internal/printable"
	"github.com/datixlab/auth/internal/record"
	"github.com/datixlab/auth/store"
)

// An API key is its prefix, 30 random base62 digits (178 bits), the 29 digits of its user's id
// and 6 digits of a CRC-32 over all of that:
//
//	sk_live_ xyz…(30) …(29) …(6)
//
// The digits of the user name the partition of the key. So one read returns the key and its
// owner, and one Commit makes or revokes the key on a condition of the account. The checksum
// rejects a mistyped key before the store is asked. The store has only the key's SHA-256. That
// needs no slow hash, since nobody can guess 178 bits.
const (
	keySecretLen = 30
	maxKeyPrefix = 32
	keyIDLen     = 32 // hex digits: the first half of the key's SHA-256
	keyShown     = 3  // digits of the secret that are part of APIKey.Prefix
	maxAPIKeyTTL = 3650 * 24 * time.Hour
	maxKeyText   = 500 // code points in a key's description
)

// A NewAPIKey is what the owner chooses for a new key.
type NewAPIKey struct {
	Name        string // 1 to 100 characters on one line
	Description string // up to 500 characters on one line
	// ExpiresIn is the lifetime, up to 3650 days. Zero: Config.APIKeyTTL.
	ExpiresIn time.Duration
	// Scopes limit the key: 1 to 32 different scope-tokens (RFC 6749, 3.3), each 1 to 64
	// bytes of printable ASCII without space, '"' and '\'. Nil: all rights of the owner.
	// An empty list is refused. It is a pointer so that a list that was computed as empty
	// cannot mean "all".
	Scopes *[]string
	// Password and Code are the proof for Config.APIKeysNeedFreshLogin if the login is not
	// fresh: the caller's password and, where a second factor is on, a code of it, TOTP or
	// backup. With a Code, Password is required even if the login is fresh, if the account has
	// one. Without that setting both are ignored.
	Password, Code Secret
}

// An APIKey describes an API key. The key itself is returned only once, by
// [Manager.CreateAPIKey] or [Manager.RotateAPIKey].
type APIKey struct {
	ID          string // "key_…"
	Name        string
	Description string
	Prefix      string    // "sk_live_xyz..."
	CreatedAt   time.Time // UTC, as all times of a key
	ExpiresAt   time.Time // zero: it does not expire
	LastUsedAt  time.Time // zero: it was never used
	LastAddress string    // IPv4 address or IPv6 /64 of the last use, "" if there is none
	Uses        uint64    // how often it was accepted
	Scopes      []string  // sorted, a copy; nil: a key without scopes
	Enabled     bool      // false: it is rejected until [Manager.UpdateAPIKey] enables it
	ReplacedBy  string    // "key_…" of the key that a rotation made, "" if there was none
	ReplacedAt  time.Time // when that was; ExpiresAt is then the end of the overlap
}

type keyRecord struct {
	Digest      []byte // storedDigest of the key's SHA-256
	Name        string
	Description string
	Prefix      string
	Created     time.Time
	Expires     time.Time
	Scopes      string // "": a key without scopes, see apikey_scope.go
	Disabled    bool   // then Digest is inverted, see [storedDigest]
	Replaced    time.Time
	Successor   string // the digits of the key that replaced it
	Org         string // "org_…" in which it was made, see account.madeIn
	newer       []byte
}

// Fields implements [record.Fields].
func (k *keyRecord) Fields(c *record.Codec) {
	c.Bytes(&k.Digest)
	c.String(&k.Name)
	c.String(&k.Description)
	c.String(&k.Prefix)
	c.Time(&k.Created)
	c.Time(&k.Expires)
	c.String(&k.Scopes)
	c.Bool(&k.Disabled)
	c.Time(&k.Replaced)
	c.String(&k.Successor)
	c.String(&k.Org)
	c.Rest(&k.newer)
}

func keyRow(uid, kid string) record.Row[keyRecord] { return record.New[keyRecord](apiKeyKey(uid, kid)) }

func (k *keyRecord) expired(now time.Time) bool { return expiredKey(k.Expires, now) }

func expiredKey(expires, now time.Time) bool { return !expires.IsZero() && !now.Before(expires) }

// active reports whether the key can be rotated.
func (k *keyRecord) active(now time.Time) bool {
	return !k.expired(now) && !k.Disabled && k.Replaced.IsZero()
}

func (k *keyRecord) public(kid string, u keyuse.Usage) APIKey {
	key := APIKey{
		ID: keyIDPrefix + kid, Name: k.Name, Description: k.Description, Prefix: k.Prefix,
		CreatedAt: k.Created, ExpiresAt: k.Expires, LastUsedAt: u.Last, LastAddress: u.Address, Uses: u.Count,
		Scopes: scopeList(k.Scopes), Enabled: !k.Disabled, ReplacedAt: k.Replaced,
	}
	if k.Successor != "" {
		key.ReplacedBy = keyIDPrefix + k.Successor
	}
	return key
}

// keysMade is how many keys a user has ever made. Every Commit that makes a key writes it. So
// the second of two racers counts the keys again, and the limit holds. A revocation does not
// write it, since it must need nothing but the key.
type keysMade struct {
	N     uint64
	newer []byte
}

// Fields implements [record.Fields].
func (k *keysMade) Fields(c *record.Codec) {
	c.Uint(&k.N)
	c.Rest(&k.newer)
}

func keysMadeRow(uid string) record.Row[keysMade] { return record.New[keysMade](keysMadeKey(uid)) }

// CreateAPIKey makes a key for the caller and returns its description and the key, which
// cannot be read again. The error is an [*InputError], ErrAPIKeyLimit or ErrRateLimited.
//
// With Config.APIKeysNeedFreshLogin there are two more. ErrInvalidCredentials means that
// n.Password or n.Code is wrong. It does not say which, and both are charged.
// ErrReauthenticationRequired means that one is missing and the login is not fresh.
func (m *Manager) CreateAPIKey(ctx context.Context, id Identity, n NewAPIKey) (APIKey, Secret, error) {
	defer m.calls.Begin()()
	made, proof := keysMadeRow(uidOf(id)), newFactors(id, n.Password, n.Code)
	c, err := m.loadPrincipal(ctx, id, m.rowsForNewKey(proof, &made)...)
	if err != nil {
		return APIKey{}, "", err
	}
	if n.Scopes != nil { // a copy, since the caller may change the list meanwhile
		own := slices.Clone(*n.Scopes)
		n.Scopes = &own
	}
	n.tidy()
	if err := m.CheckNewAPIKey(n); err != nil {
		return APIKey{}, "", err
	}
	if err := m.allowNewKey(ctx, id, c, proof); err != nil {
		return APIKey{}, "", err
	}
	ttl := n.ExpiresIn
	if ttl == 0 {
		ttl = m.cfg.APIKeyTTL
	}
	now := m.now()
	rec := keyRecord{Name: n.Name, Description: n.Description, Created: now, Scopes: scopeText(n.Scopes)}
	if ttl > 0 {
		rec.Expires = now.Add(ttl)
	}
	return m.addAPIKey(ctx, id, c, made, rec, nil)
}

// tidy brings the texts of n into the form in which they are stored.
func (n *NewAPIKey) tidy() {
	n.Name, n.Description = printable.Tidy(n.Name), printable.Tidy(n.Description)
}

// CheckNewAPIKey returns the [*InputError] with which CreateAPIKey would refuse n, or nil. It
// is for forms of your own, and reads no store.
func (m *Manager) CheckNewAPIKey(n NewAPIKey) error {
	if err := m.ready(); err != nil {
		return err
	}
	var fields []FieldError
	n.tidy()
	if e := checkText("name", n.Name, maxName, true); e != nil {
		fields = append(fields, *e)
	}
	if e := checkText("description", n.Description, maxKeyText, false); e != nil {
		fields = append(fields, *e)
	}
	if n.ExpiresIn < 0 || n.ExpiresIn > maxAPIKeyTTL {
		fields = append(fields, FieldError{"expires_in_days", "out_of_range", fmt.Sprintf("It is not within 1 and %d.", maxAPIKeyTTL/(24*time.Hour))})
	}
	if e := checkScopes(n.Scopes); e != nil {
		fields = append(fields, *e)
	}
	return inputError(ErrInvalidInput, fields...)
}

// addAPIKey stores a new key with the fields of rec, and returns it. Extra may be nil. It gets
// the digits of the new key, and returns a further operation of the Commit, or why no key is
// made. Before it is called again, more is read again.
func (m *Manager) addAPIKey(
	ctx context.Context, id Identity, c *principal, made record.Row[keysMade], rec keyRecord,
	extra func(kid string) (store.Op, error), more ...record.Reader,
) (APIKey, Secret, error) {
	uid := c.uid
	text := checkdigits.Add(m.cfg.APIKeyPrefix + ident.Digits(keySecretLen) + uid)
	digest := sha256.Sum256([]byte(text))
	rec.Digest = limitedDigest(digest[:], rec.Scopes)
	rec.Prefix = text[:len(m.cfg.APIKeyPrefix)+keyShown] + "..."
	kid := hex.EncodeToString(digest[:keyIDLen/2])
	k := keyRow(uid, kid)
	k.Rec = rec
	err := m.retryAs(ctx, id, c, func() error {
		evicted, err := m.evictExpired(ctx, uid, &c.acct.Rec)
		if err != nil {
			return err
		}
		k.Rec.Org = c.acct.Rec.Org
		ops := append(evicted, c.acct.Unchanged(), c.session.Unchanged(), k.Put())
		if extra != nil {
			op, err := extra(kid)
			if err != nil {
				return err
			}
			ops = append(ops, op)
		}
		made.Rec.N++
		return m.records.Commit(ctx, append(ops, made.Put())...)
	}, append(more, &made)...)
	err = m.overKeyLimit(ctx, id, uid, err)
	key := k.Rec.public(kid, keyuse.Usage{})
	m.report(ctx, err, id.keyEvent(EventAPIKeyCreated, key.ID), accountNotice(EventAPIKeyCreated, uid, &c.acct.Rec, c.acct.Rec.Email))
	if err != nil {
		return APIKey{}, "", err
	}
	return key, Secret(text), nil
}

// evictExpired returns the operations that remove as many keys of the user as one more key needs,
// or none: keys that are expired, or were left in another organization than that of a. It returns
// ErrAPIKeyLimit if there are too few.
func (m *Manager) evictExpired(ctx context.Context, uid string, a *account) (ops []store.Op, err error) {
	rows, err := m.keyRows(ctx, uid)
	if err != nil {
		return nil, err
	}
	left := len(rows)
	for _, k := range rows {
		if left < m.cfg.MaxAPIKeys || len(ops) == 40 {
			break
		}
		if k.Rec.expired(m.now()) || !a.madeIn(k.Rec.Org) {
			ops = append(ops, k.Remove(), store.Delete(keyUsageKey(uid, kidOf(uid, k.Key))))
			left--
		}
	}
	if left >= m.cfg.MaxAPIKeys {
		return nil, ErrAPIKeyLimit
	}
	return ops, nil
}

func kidOf(uid, key string) string { return strings.TrimPrefix(key, apiKeyKey(uid, "")) }

// keyRows reads the key records of the user. A damaged one is left out: its key is rejected
// too.
func (m *Manager) keyRows(ctx context.Context, uid string) ([]record.Row[keyRecord], error) {
	return record.All[keyRecord](ctx, m.records, apiKeyKey(uid, ""))
}

// APIKeys returns the caller's keys, the newest first. Expired ones are included until they
// are revoked or removed for a new key. Uses that this Manager accepted are included at once,
// uses that another accepted within Config.UsageInterval.
func (m *Manager) APIKeys(ctx context.Context, id Identity) ([]APIKey, error) {
	uid, _, err := m.sessionOf(ctx, id)
	if err != nil {
		return nil, err
	}
	var c *principal
	var rows []record.Row[keyRecord]
	var ended, failed error
	parallel.Do(
		func() { c, ended = m.loadPrincipal(ctx, id) },
		func() { rows, failed = m.keyRows(ctx, uid) },
	)
	if ended != nil {
		return nil, ended
	}
	if failed != nil {
		return nil, failed
	}
	return m.addUsage(ctx, uid, c.acct.Rec.keysOf(rows))
}

// keysOf returns the rows of API keys that were not left in another organization.
func (a *account) keysOf(rows []record.Row[keyRecord]) []record.Row[keyRecord] {
	return slices.DeleteFunc(rows, func(k record.Row[keyRecord]) bool { return !a.madeIn(k.Rec.Org) })
}
