package auth

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/datixlab/auth/internal/parallel"
	"github.com/datixlab/auth/internal/record"
	"github.com/datixlab/auth/store"
)

// A Revocation says what [Manager.RevokeAll] ends besides sessions. The zero value is
// for a restored backup.
type Revocation struct {
	// KeepAPIKeys lets API keys go on.
	KeepAPIKeys bool
	// VoidBackupCodes makes every user's backup codes void; their authenticators go
	// on. Users can make new codes, and whoever has lost the authenticator needs
	// ResetTwoFactor.
	VoidBackupCodes bool
}

// Revoked is what [Manager.RevokeAll] did.
type Revoked struct {
	Users   int // accounts whose sessions it ended, whether they had any or not
	APIKeys int // that it removed
	Damaged int // accounts that could not be read, or not in full, and need another run once mended
}

// revokedAtOnce is how many accounts are under way: on bbolt they share fsyncs, on
// Redis the wait for an answer.
const revokedAtOnce = 16

// RevokeAll ends, for every account, disabled ones included, all sessions, all logins
// that wait for their second factor, and all API keys. It is for a backup that was
// restored, in which whatever was revoked since is alive again: run it before the
// service starts. Beside a service that runs it ends everything that there was when it
// began, and more.
//
// What it ends stays ended at once and on every instance, account by account. If it
// fails or is cut off, run it again: that is harmless. Of accounts that are damaged it
// does what it can, goes on with the others and, at the end, returns ErrUnavailable
// with their number. It needs a store that is a [store.Walker]; an account that a walk
// shows twice is counted twice. The audit gets one EventAllRevoked.
//
// It cannot bring back what the backup does not have. Passwords, addresses, roles and
// second factors are those of the backup: users who were disabled or deleted since must
// be again, a password that became known must be replaced, and a second factor that was
// taken from somebody reset. Backup codes that were used since are good again, unless
// VoidBackupCodes is set, and a TOTP code is for the 90 seconds that it is of.
func (m *Manager) RevokeAll(ctx context.Context, r Revocation) (Revoked, error) {
	if err := m.ready(); err != nil {
		return Revoked{}, err
	}
	walker, ok := m.records.Store.(store.Walker)
	if !ok {
		return Revoked{}, fmt.Errorf("auth: RevokeAll needs a store that is a store.Walker, and %T is none", m.records.Store)
	}
	done, err := m.revokeEach(ctx, walker, r)
	if err == nil && done.Damaged > 0 {
		err = unavailable(fmt.Errorf("%d accounts: %w", done.Damaged, record.ErrDamaged))
	}
	e := Event{Type: EventAllRevoked, Count: done.Users}
	if err != nil {
		e.Reason = "unfinished"
	}
	m.emitHost(ctx, e)
	return done, err
}

func (m *Manager) revokeEach(ctx context.Context, s store.Walker, r Revocation) (done Revoked, err error) {
	for place := ""; ; {
		page, err := m.records.Walk(ctx, s, place)
		if err != nil {
			return done, err
		}
		for uids := range slices.Chunk(accountsOf(page), revokedAtOnce) {
			if err := m.revokeSome(ctx, uids, r, &done); err != nil {
				return done, err
			}
		}
		if place = page.Next; place == "" {
			return done, nil
		}
	}
}

// accountsOf are the users whose accounts are on the page.
func accountsOf(page store.Page) (uids []string) {
	for _, rec := range page.Records {
		uid, isUser := strings.CutPrefix(rec.Key, "u.")
		if uid, isAccount := strings.CutSuffix(uid, "/acct"); isUser && isAccount {
			uids = append(uids, uid)
		}
	}
	return uids
}

// revokeSome adds to done what it did for each of the users. It returns an error where
// it makes no sense to go on.
func (m *Manager) revokeSome(ctx context.Context, uids []string, r Revocation, done *Revoked) error {
	each, errs := make([]Revoked, len(uids)), make([]error, len(uids))
	calls := make([]func(), len(uids))
	for i, uid := range uids {
		calls[i] = func() { each[i], errs[i] = m.revokeUser(ctx, uid, r) }
	}
	parallel.Do(calls...)
	for _, one := range each {
		done.Users += one.Users
		done.APIKeys += one.APIKeys
		done.Damaged += one.Damaged
	}
	return errors.Join(errs...)
}

// revokeUser ends the sessions first, so that none of them makes another key.
func (m *Manager) revokeUser(ctx context.Context, uid string, r Revocation) (done Revoked, err error) {
	steps := []func() error{func() error {
		_, err := m.editAccount(ctx, userIDOf(uid), endSessions)
		switch {
		case err == nil:
			done.Users = 1
		case errors.Is(err, ErrNotFound): // it is deleted
			return nil
		}
		return err
	}}
	if !r.KeepAPIKeys {
		steps = append(steps,
			func() (err error) { done.APIKeys, err = m.removeAll(ctx, apiKeyKey(uid, "")); return err },
			func() error { _, err := m.removeAll(ctx, keyUsageKey(uid, "")); return err })
	}
	if r.VoidBackupCodes {
		steps = append(steps, func() error { return m.voidBackupCodes(ctx, uid) })
	}
	for _, step := range steps {
		if err := step(); errors.Is(err, record.ErrDamaged) {
			done.Damaged = 1
		} else if err != nil {
			return done, err
		}
	}
	return done, nil
}

func (m *Manager) voidBackupCodes(ctx context.Context, uid string) error {
	return m.records.Retry(ctx, func() error {
		totp := totpRow(uid)
		if err := m.records.Read(ctx, &totp); err != nil || len(totp.Rec.Active.Backup.Tags) == 0 {
			return err
		}
		totp.Rec.Active.Backup.Tags = nil
		return m.records.Commit(ctx, totp.Put())
	})
}
