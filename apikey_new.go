package auth

import (
	"context"
	"errors"

	"github.com/datixlab/auth/internal/record"
)

// newKeyBudget is the budget of keys that the user makes, rotates or enables.
func (m *Manager) newKeyBudget(uid string) budget {
	return budget{name: "new_key", key: userKey(uid, "newkey"), limit: m.cfg.Limits.APIKeyByAccount}
}

// rowsForNewKey adds the records of the proof to the rows that are read before a key is made,
// if a proof may be needed.
func (m *Manager) rowsForNewKey(proof *factors, more ...record.Reader) []record.Reader {
	if m.cfg.APIKeysNeedFreshLogin {
		more = append(more, &proof.pass, &proof.totp)
	}
	return more
}

// allowNewKey returns nil if the caller may make one more key, whether new or by rotation. It
// is allowKey, and spends no code where the limit of keys is reached.
func (m *Manager) allowNewKey(ctx context.Context, id Identity, c *principal, proof *factors) error {
	return m.allowKey(ctx, id, c, proof, func(ctx context.Context) error {
		_, err := m.evictExpired(ctx, c.uid, &c.acct.Rec)
		return m.overKeyLimit(ctx, id, c.uid, err)
	})
}

// allowKey returns nil if the caller may have a key that is accepted and was not before, whether
// new or enabled. It charges the budget of new keys. With APIKeysNeedFreshLogin the caller needs
// a fresh login or the proof. Room is called after the proof, and before its code is spent.
func (m *Manager) allowKey(ctx context.Context, id Identity, c *principal, proof *factors, room func(ctx context.Context) error) error {
	charge := m.chargingOnce(c.uid, []budget{m.newKeyBudget(c.uid)})
	if !m.cfg.APIKeysNeedFreshLogin {
		return charge(ctx)
	}
	return m.proveFresh(ctx, id, c, proof, "new_key", func(ctx context.Context) error {
		if err := charge(ctx); err != nil {
			return err
		}
		return room(ctx)
	})
}

// overKeyLimit returns err. If that is ErrAPIKeyLimit, no key was made: it reports that, and
// gives the charge for the key back.
func (m *Manager) overKeyLimit(ctx context.Context, id Identity, uid string, err error) error {
	if errors.Is(err, ErrAPIKeyLimit) {
		m.refund(ctx, []budget{m.newKeyBudget(uid)}, budget.hits)
		m.ReportDenied(ctx, id, "api_key_limit")
	}
	return err
}
