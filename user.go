package auth

import (
	"context"

	"github.com/datixlab/auth/internal/emailaddr"
)

// findUser reads the account with this public id, or returns ErrNotFound.
func (m *Manager) findUser(ctx context.Context, userID string) (uid string, acct *row[account], err error) {
	if err := m.ready(); err != nil {
		return "", nil, err
	}
	uid, ok := parseUser(userID)
	if !ok {
		return "", nil, ErrNotFound
	}
	a := newRow[account](userKey(uid, "acct"))
	if err := m.records.read(ctx, &a); err != nil {
		return "", nil, err
	}
	if !a.exists() || a.rec.Deleted {
		return "", nil, ErrNotFound
	}
	return uid, &a, nil
}

// User returns the account with this id, disabled or not, or ErrNotFound.
func (m *Manager) User(ctx context.Context, userID string) (User, error) {
	_, acct, err := m.findUser(ctx, userID)
	if err != nil {
		return User{}, err
	}
	return acct.rec.user(userID), nil
}

// UserByEmail returns the account that has this address, or ErrNotFound. It is for
// the host: shown to a stranger, the answer says who has an account.
func (m *Manager) UserByEmail(ctx context.Context, email string) (User, error) {
	if err := m.ready(); err != nil {
		return User{}, err
	}
	canonical, ok := emailaddr.Canonical(email)
	if !ok {
		return User{}, ErrNotFound
	}
	uid, _, err := m.emailOwner(ctx, emailDigest(canonical))
	if err != nil {
		return User{}, err
	}
	u, err := m.User(ctx, userIDOf(uid))
	if err == nil && !emailaddr.Same(u.Email, canonical) {
		return User{}, ErrNotFound
	}
	return u, err
}
