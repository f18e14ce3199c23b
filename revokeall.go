package auth

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/datixlab/auth/internal/record"
	"github.com/datixlab/auth/store"
)

// A Revocation says what [Manager.RevokeAll] ends besides sessions. The zero value is for a
// restored backup.
type Revocation struct {
	// KeepAPIKeys keeps API keys valid.
	KeepAPIKeys bool
	// VoidBackupCodes makes the backup codes of every user void. Their authenticators
	// work as before. Users can make new codes. A user without the authenticator needs
	// ResetTwoFactor.
	VoidBackupCodes bool
}

// Revoked is what [Manager.RevokeAll] did.
type Revoked struct {
	Users   int // accounts whose sessions it ended, also those that had none
	APIKeys int // keys that it removed
	Damaged int // accounts with damaged records, for which it must run again after their repair
}

// RevokeAll ends all sessions, all logins that wait for their second factor, the trust in all devices
// and all API keys of every account, also of disabled ones. It is for a backup that was restored:
// credentials that were revoked after the backup are valid again. Run it before the service starts.
// While a service runs, it ends at least all that existed when it began.
//
// It works account by account. What it has ended is rejected everywhere from then on. If it
// fails or is interrupted, also by Close, run it again: that does no harm. If records of an
// account are damaged, it ends the rest of that account and goes on with the others. At the end
// it returns ErrUnavailable with the number of damaged accounts. It emits one EventAllRevoked.
//
// The store must be a [store.Walker]; otherwise it returns ErrUnsupported and does nothing. An
// account that a walk returns twice is counted twice.
//
// RevokeAll cannot restore what the backup lacks. Disable or delete again the users that were
// disabled or deleted since. Replace passwords that became known. Reset second factors that
// were stolen. Backup codes that were used since work again, unless VoidBackupCodes is set. A
// TOTP code that was used since works again within its 90 seconds.
func (m *Manager) RevokeAll(ctx context.Context, r Revocation) (Revoked, error) {
	defer m.calls.Begin()()
	if err := m.ready(); err != nil {
		return Revoked{}, err
	}
	walker, ok := m.records.Store.(store.Walker)
	if !ok {
		return Revoked{}, fmt.Errorf("%w: RevokeAll needs a store.Walker, and %T is none", ErrUnsupported, m.records.Store)
	}
	done, err := m.revokeEach(ctx, walker, r)
	if err == nil && done.Damaged > 0 {
		err = unavailable(fmt.Errorf("%d accounts: %w", done.Damaged, record.ErrDamaged))
	}
	e := Event{Type: EventAllRevoked, Count: done.Users}
	if err != nil {
		e.Reason = "unfinished"
	}
	m.emitByProgram(ctx, e)
	return done, err
}

func (m *Manager) revokeEach(ctx context.Context, s store.Walker, r Revocation) (done Revoked, err error) {
	var mu sync.Mutex
	err = m.records.WalkEach(ctx, s, func(page store.Page) (calls []func() error) {
		for _, uid := range accountsOf(page) {
			calls = append(calls, func() error {
				if err := m.ready(); err != nil { // Close waits for the event, but not for all accounts
					return err
				}
				one, err := m.revokeUser(ctx, uid, r)
				mu.Lock()
				defer mu.Unlock()
				done.Users += one.Users
				done.APIKeys += one.APIKeys
				done.Damaged += one.Damaged
				return err
			})
		}
		return calls
	}, func(err error) error { return err })
	return done, err
}

// accountsOf returns the users whose accounts are on the page.
func accountsOf(page store.Page) (uids []string) {
	for _, rec := range page.Records {
		if uid := uidOfAccount(rec.Key); uid != "" {
			uids = append(uids, uid)
		}
	}
	return uids
}

// uidOfAccount returns the user whose account has the key, or "" if it is of another record.
func uidOfAccount(key string) string {
	uid, isUser := strings.CutPrefix(key, "u.")
	uid, isAccount := strings.CutSuffix(uid, "/acct")
	if !isUser || !isAccount {
		return ""
	}
	return uid
}

// revokeUser revokes one user. It ends the sessions first, so that none of them makes another
// key.
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
	return m.records.RetryAnyway(ctx, userPartition(uid), func() error {
		totp := totpRow(uid)
		if err := m.records.Read(ctx, &totp); err != nil || len(totp.Rec.Active.Backup.Tags) == 0 {
			return err
		}
		totp.Rec.Active.Backup.Tags = nil
		return m.records.Commit(ctx, totp.Put())
	})
}
