package auth

import (
	"context"
	"encoding/hex"
	"errors"
	"strings"
	"time"

	"github.com/datixlab/auth/internal/record"
	"github.com/datixlab/auth/store"
)

// RevokeAPIKey removes a key of the caller. From its return on the key is rejected
// everywhere. For a key that is unknown or another user's the error is ErrNotFound.
func (m *Manager) RevokeAPIKey(ctx context.Context, id Identity, keyID string) error {
	defer m.calls.Begin()()
	kid, _ := parseKeyID(keyID)
	k := keyRow(uidOf(id), kid)
	c, err := m.loadPrincipal(ctx, id, &k)
	if errors.Is(err, record.ErrDamaged) { // the damaged record may be the key, which can be revoked too
		c, err = m.loadPrincipal(ctx, id)
	}
	if err != nil {
		return err
	}
	err = m.removeKey(ctx, c.uid, k)
	if errors.Is(err, ErrNotFound) {
		return m.refuseKeyID(ctx, id, keyID)
	}
	m.report(ctx, err, id.keyEvent(EventAPIKeyRevoked, keyID))
	return err
}

// refuseKeyID returns ErrNotFound for the id of a key that is not the caller's.
func (m *Manager) refuseKeyID(ctx context.Context, id Identity, keyID string) error {
	if _, ok := parseKeyID(keyID); !ok {
		keyID = "" // it is the client's text
	}
	e := id.keyEvent(EventAccessDenied, keyID)
	e.Reason = "not_found"
	m.emit(ctx, e)
	return ErrNotFound
}

// removeKey removes the key that was read into k, damaged or not. If there is none it takes no
// turn: a client can ask for that without end.
func (m *Manager) removeKey(ctx context.Context, uid string, k record.Row[keyRecord]) error {
	if !k.Exists() {
		return ErrNotFound
	}
	return m.records.RetryAnywayFrom(ctx, userPartition(uid), func() error { return m.readAnyKey(ctx, &k) }, func() error {
		if !k.Exists() {
			return ErrNotFound
		}
		return m.records.Commit(ctx, k.Remove(), store.Delete(keyUsageKey(uid, kidOf(uid, k.Key))))
	})
}

func (m *Manager) readAnyKey(ctx context.Context, k *record.Row[keyRecord]) error {
	err := m.records.Read(ctx, k)
	if errors.Is(err, record.ErrDamaged) {
		return nil
	}
	return err
}

// RotateAPIKey replaces one of the caller's keys: it makes a key with the same name,
// description, lifetime and scopes. The old key stays valid for overlap, 0 to 30 days, but not
// beyond its own end. Meanwhile programs can change to the new one, and identities of the old
// one have ReplacedAt. Both changes are one Commit, so of two rotations at once one is made.
//
// Password and code are for Config.APIKeysNeedFreshLogin, as in [NewAPIKey]. The error is
// ErrNotFound for a key that is not the caller's, ErrAPIKeyNotActive for one that has expired,
// is disabled or was replaced before, or one of [Manager.CreateAPIKey]. If the answer was lost
// with the new key in it, rotate the new key: [APIKey].ReplacedBy is its id.
func (m *Manager) RotateAPIKey(ctx context.Context, id Identity, keyID string, overlap time.Duration, password, code Secret) (APIKey, Secret, error) {
	defer m.calls.Begin()()
	kid, _ := parseKeyID(keyID)
	made, old := keysMadeRow(uidOf(id)), keyRow(uidOf(id), kid)
	proof := newFactors(id, password, code)
	c, err := m.loadPrincipal(ctx, id, m.rowsForNewKey(proof, &made, &old)...)
	if err != nil {
		return APIKey{}, "", err
	}
	if overlap < 0 || overlap > maxOverlap {
		return APIKey{}, "", invalidField("overlap", "out_of_range", "It is not within 0 and 30 days.")
	}
	now := m.now()
	rotatable := func() error {
		switch {
		case !old.Exists(), !c.acct.Rec.madeIn(old.Rec.Org):
			return ErrNotFound
		case !old.Rec.active(m.now()):
			return ErrAPIKeyNotActive
		}
		return nil
	}
	if err := rotatable(); err != nil {
		return APIKey{}, "", m.refuseRotation(ctx, id, keyID, err)
	}
	if err := m.allowNewKey(ctx, id, c, proof); err != nil {
		return APIKey{}, "", err
	}
	rec := old.Rec
	rec.Created = now
	if !old.Rec.Expires.IsZero() {
		rec.Expires = now.Add(old.Rec.Expires.Sub(old.Rec.Created))
	}
	key, text, err := m.addAPIKey(ctx, id, c, made, rec, func(successor string) (store.Op, error) {
		if err := rotatable(); err != nil {
			return store.Op{}, err
		}
		old.Rec.Replaced, old.Rec.Successor = now, successor
		if until := now.Add(overlap); old.Rec.Expires.IsZero() || until.Before(old.Rec.Expires) {
			old.Rec.Expires = until
		}
		return old.Put(), nil
	}, &old)
	m.report(ctx, err, id.keyEvent(EventAPIKeyRotated, keyID))
	return key, text, m.refuseRotation(ctx, id, keyID, err)
}

// maxOverlap is how long a replaced key is accepted at the most.
const maxOverlap = 30 * 24 * time.Hour

// refuseRotation returns err. If it says that there is no such key, or none that is active, it
// reports that.
func (m *Manager) refuseRotation(ctx context.Context, id Identity, keyID string, err error) error {
	switch {
	case errors.Is(err, ErrNotFound):
		return m.refuseKeyID(ctx, id, keyID)
	case errors.Is(err, ErrAPIKeyNotActive):
		e := id.keyEvent(EventAccessDenied, keyID)
		e.Reason = "api_key_not_active"
		m.emit(ctx, e)
	}
	return err
}

// parseKeyID returns the digits of a key's identifier. If it is none, they are "", which no key
// has.
func parseKeyID(keyID string) (kid string, ok bool) {
	kid, ok = strings.CutPrefix(keyID, keyIDPrefix)
	if _, err := hex.DecodeString(kid); !ok || err != nil || len(kid) != keyIDLen || strings.ToLower(kid) != kid {
		return "", false
	}
	return kid, true
}
