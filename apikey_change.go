package auth

import (
	"context"
	"errors"

	"github.com/datixlab/auth/internal/printable"
	"github.com/datixlab/auth/internal/record"
)

// An APIKeyChange is what an owner changes about a key. A nil field stays as it is; one of
// Name, Description and Enabled is required. Scopes and expiry never change: rotate the key, or
// make another.
type APIKeyChange struct {
	Name        *string // 1 to 100 characters on one line
	Description *string // up to 500 characters on one line; "" removes it
	// Enabled false disables the key until it is enabled again.
	Enabled *bool
	// Password and Code are as in [NewAPIKey]. They are used only if Enabled is true.
	Password, Code Secret
}

func (c *APIKeyChange) enables() bool { return c.Enabled != nil && *c.Enabled }

// tidy gives c texts of its own, in the form in which they are stored.
func (c *APIKeyChange) tidy() {
	for _, text := range []**string{&c.Name, &c.Description} {
		if *text != nil {
			tidied := printable.Tidy(**text)
			*text = &tidied
		}
	}
	if c.Enabled != nil {
		own := *c.Enabled
		c.Enabled = &own
	}
}

// CheckAPIKeyChange returns the [*InputError] with which UpdateAPIKey would refuse change, or
// nil. It is for forms of your own, and reads no store.
func (m *Manager) CheckAPIKeyChange(change APIKeyChange) error {
	if err := m.ready(); err != nil {
		return err
	}
	change.tidy()
	if change.Name == nil && change.Description == nil && change.Enabled == nil {
		return invalidField("name", "required", "One of name, description and enabled is required.")
	}
	var fields []FieldError
	if change.Name != nil {
		if e := checkText("name", *change.Name, maxName, true); e != nil {
			fields = append(fields, *e)
		}
	}
	if change.Description != nil {
		if e := checkText("description", *change.Description, maxKeyText, false); e != nil {
			fields = append(fields, *e)
		}
	}
	return inputError(ErrInvalidInput, fields...)
}

// UpdateAPIKey changes one of the caller's keys and returns it as [Manager.APIKeys] does. From
// its return on a key that was disabled is rejected everywhere, as a revoked one is. A key can be
// enabled again, and then works until its old end. That needs what [Manager.CreateAPIKey] needs,
// except for room: a disabled key has its place. It needs it even if the key is enabled already.
//
// The error is an [*InputError], ErrNotFound for a key that is not the caller's, or one of
// CreateAPIKey. It is ErrRateLimited also after 60 changes of a name or description at once; one
// more is allowed every second. No budget limits how often a key is disabled.
func (m *Manager) UpdateAPIKey(ctx context.Context, id Identity, keyID string, change APIKeyChange) (APIKey, error) {
	defer m.calls.Begin()()
	change.tidy()
	kid, _ := parseKeyID(keyID)
	k, used := keyRow(uidOf(id), kid), keyUsageRow(uidOf(id), kid)
	uses := m.pendingUses(kid)
	proof := newFactors(id, change.Password, change.Code)
	rows := []record.Reader{&k}
	if change.enables() {
		rows = m.rowsForNewKey(proof, rows...)
	}
	c, err := m.loadPrincipal(ctx, id, append(rows, &used)...)
	if errors.Is(err, record.ErrDamaged) { // the damaged record may be that of the use, which a change does not need
		used = keyUsageRow(uidOf(id), kid)
		c, err = m.loadPrincipal(ctx, id, rows...)
	}
	if err != nil {
		return APIKey{}, err
	}
	if err := m.CheckAPIKeyChange(change); err != nil {
		return APIKey{}, err
	}
	if !k.Exists() || !c.acct.Rec.madeIn(k.Rec.Org) {
		return APIKey{}, m.refuseKeyID(ctx, id, keyID)
	}
	if change.Name != nil || change.Description != nil {
		if err := m.chargeChange(ctx, c.uid); err != nil {
			return APIKey{}, err
		}
	}
	if change.enables() {
		if err := m.allowKey(ctx, id, c, proof, func(context.Context) error { return nil }); err != nil {
			return APIKey{}, err
		}
	}
	var done []EventType
	err = m.retryAs(ctx, id, c, func() error {
		if !k.Exists() || !c.acct.Rec.madeIn(k.Rec.Org) {
			return ErrNotFound
		}
		if done = k.Rec.change(change); done == nil {
			return nil
		}
		return m.records.Commit(ctx, c.acct.Unchanged(), c.session.Unchanged(), k.Put())
	}, &k)
	if errors.Is(err, ErrNotFound) { // it was revoked meanwhile
		return APIKey{}, m.refuseKeyID(ctx, id, keyID)
	}
	for _, t := range done {
		var notices []Notice
		if t == EventAPIKeyEnabled {
			notices = []Notice{accountNotice(t, c.uid, &c.acct.Rec, c.acct.Rec.Email)}
		}
		m.report(ctx, err, id.keyEvent(t, keyID), notices...)
	}
	if err != nil {
		return APIKey{}, err
	}
	used.Rec.Merge(uses)
	return k.Rec.public(kid, used.Rec), nil
}

// change makes the change and returns the types of its events, nil if nothing is different.
func (k *keyRecord) change(c APIKeyChange) (done []EventType) {
	if c.Enabled != nil && *c.Enabled == k.Disabled {
		k.Disabled, k.Digest = !k.Disabled, inverted(k.Digest)
		done = append(done, EventAPIKeyDisabled)
		if *c.Enabled {
			done[0] = EventAPIKeyEnabled
		}
	}
	name, description := k.Name, k.Description
	if c.Name != nil {
		k.Name = *c.Name
	}
	if c.Description != nil {
		k.Description = *c.Description
	}
	if k.Name != name || k.Description != description {
		done = append(done, EventAPIKeyChanged)
	}
	return done
}

// storedDigest returns the digest that the record of a key has, enabled or not. It is
// limitedDigest, with every bit inverted in a disabled key. So a disabled key is rejected if its
// record loses that it is disabled, and by a program that does not know that keys can be.
func storedDigest(digest []byte, scopes string, disabled bool) []byte {
	digest = limitedDigest(digest, scopes)
	if disabled {
		return inverted(digest)
	}
	return digest
}

// inverted returns a copy of b with every bit inverted.
func inverted(b []byte) []byte {
	c := make([]byte, len(b))
	for i := range b {
		c[i] = ^b[i]
	}
	return c
}
