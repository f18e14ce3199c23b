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
	kid, ok := parseKeyID(keyID)
	k := keyRow(uidOf(id), kid)
	var more []record.Reader
	if ok {
		more = append(more, &k)
	}
	c, err := m.loadPrincipal(ctx, id, more...)
	if errors.Is(err, record.ErrDamaged) { // the damaged record may be the key, which can be revoked too
		c, err = m.loadPrincipal(ctx, id)
	}
	if err != nil {
		return err
	}
	if !ok {
		return m.refuseKeyID(ctx, id, "")
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
// beyond its own end. Meanwhile programs can change to the new one. Both changes are one
// Commit. Password and code are for Config.APIKeysNeedFreshLogin, as in [NewAPIKey]. The error
// is ErrNotFound for a key that is not the caller's or has expired, or one of
// [Manager.CreateAPIKey].
func (m *Manager) RotateAPIKey(ctx context.Context, id Identity, keyID string, overlap time.Duration, password, code Secret) (APIKey, Secret, error) {
	defer m.calls.Begin()()
	if overlap < 0 || overlap > 30*24*time.Hour {
		return APIKey{}, "", invalidField("overlap", "out_of_range", "It is not within 0 and 30 days.")
	}
	kid, ok := parseKeyID(keyID)
	if !ok {
		return APIKey{}, "", ErrNotFound
	}
	made, old := keysMadeRow(uidOf(id)), keyRow(uidOf(id), kid)
	proof := newFactors(id, password, code)
	c, err := m.loadPrincipal(ctx, id, m.rowsForNewKey(proof, &made, &old)...)
	if err != nil {
		return APIKey{}, "", err
	}
	now := m.now()
	if !old.Exists() || old.Rec.expired(now) {
		return APIKey{}, "", m.refuseKeyID(ctx, id, keyID)
	}
	if err := m.allowNewKey(ctx, id, c, proof); err != nil {
		return APIKey{}, "", err
	}
	rec := old.Rec
	rec.Created = now
	if !old.Rec.Expires.IsZero() {
		rec.Expires = now.Add(old.Rec.Expires.Sub(old.Rec.Created))
	}
	key, text, err := m.addAPIKey(ctx, id, c, made, rec, func() ([]store.Op, error) {
		if err := m.records.Read(ctx, &old); err != nil {
			return nil, err
		}
		if !old.Exists() || old.Rec.expired(m.now()) {
			return nil, ErrNotFound
		}
		if until := now.Add(overlap); old.Rec.Expires.IsZero() || until.Before(old.Rec.Expires) {
			old.Rec.Expires = until
		}
		return []store.Op{old.Put()}, nil
	})
	m.report(ctx, err, id.keyEvent(EventAPIKeyRotated, keyID))
	if errors.Is(err, ErrNotFound) { // the old key was revoked or expired meanwhile
		err = m.refuseKeyID(ctx, id, keyID)
	}
	return key, text, err
}

func parseKeyID(keyID string) (kid string, ok bool) {
	kid, ok = strings.CutPrefix(keyID, keyIDPrefix)
	if !ok || len(kid) != keyIDLen {
		return "", false
	}
	_, err := hex.DecodeString(kid)
	return kid, err == nil && strings.ToLower(kid) == kid
}
