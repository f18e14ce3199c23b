package auth

import (
	"context"
	"errors"
	"slices"

	"github.com/datixlab/auth/internal/netprefix"
	"github.com/datixlab/auth/store"
)

// DeleteUser deletes the account and all that the store has of the user. That is sessions, API
// keys, the second factor, the claim of the email address, the networks of the last logins and
// the membership of the organization. The organization ends with its last user, unless
// [Manager.CreateOrganization] made it. One Commit puts a tombstone in place of the account,
// which ends every credential and frees the address. The rest is removed after it.
//
// Nil means that the deletion is done. For 24 hours a tombstone stays, with nothing but the
// user's id in its key. If DeleteUser returns ErrUnavailable or is cut off, call it again until
// it returns nil, at any time: it continues. ErrNotFound means that there is no such account
// and nothing of it. The error is ErrLastAdmin for the last enabled admin of other members: see
// [WithForce].
//
// Counters of attempts at an address belong to whoever typed it: they stay until they expire, as
// Config.Limits says. An organization stays if its list of members may be incomplete, see
// [Manager.DeleteOrganization].
func (m *Manager) DeleteUser(ctx context.Context, userID string) error {
	defer m.calls.Begin()()
	if err := m.ready(); err != nil {
		return err
	}
	uid, ok := parseUser(userID)
	if !ok {
		return ErrNotFound
	}
	ch := memberChange{Kind: deletion, Actor: actorOf(ctx)}
	for range maxFinished {
		acct := accountRow(uid)
		if err := m.records.Read(ctx, &acct); err != nil {
			return err
		}
		end := ch.ending(uid, acct.Rec.Org)
		oid, ok := parseOrganization(acct.Rec.Org)
		if !ok || !isIn(oid, &acct) { // there is nothing to guard
			return m.endAccount(ctx, uid, end)
		}
		m.awaitRostersFor(ctx, &acct.Rec, ch)
		announced, err := m.announceChange(ctx, oid, uid, ch, isForced(ctx), nil)
		switch {
		case err == nil:
			return m.endAccount(context.WithoutCancel(ctx), uid, announced.ending(uid, acct.Rec.Org))
		case errors.Is(err, ErrNotFound): // deleted, or in another organization by now
			continue
		case errors.Is(err, errNoRoster), errors.Is(err, ErrUnavailable):
			end.allow = func(a *account) error {
				if m.needsNoRoster(ctx, a, ch, err) {
					return nil
				}
				return err
			}
			return m.endAccount(ctx, uid, end)
		}
		return err
	}
	return unavailable(store.ErrConflict)
}

// DeleteAccount deletes the caller's account, as [Manager.DeleteUser] does. It needs the password
// and, where a second factor is on, a code of it, TOTP or backup, however fresh the login is. An
// account without a password needs a fresh login instead. The address gets a notice.
//
// An organization that has other members keeps an enabled admin: the error is ErrLastAdmin for the
// last one, and no code is spent. First an admin stops being one, which cannot be undone. If the
// call is cut off after that, another call finishes it.
//
// The error is ErrInvalidCredentials if the password or the code is wrong, without saying which.
// It is ErrReauthenticationRequired if one is missing. It may also be ErrRateLimited.
func (m *Manager) DeleteAccount(ctx context.Context, id Identity, password, code Secret) error {
	defer m.calls.Begin()()
	f := newFactors(id, password, code)
	c, err := m.loadPrincipal(ctx, id, &f.pass, &f.totp)
	if err != nil {
		return err
	}
	oid, guarded := parseOrganization(c.acct.Rec.Org)
	ch := memberChange{Kind: deletion, Actor: id.SessionID, Notify: true}
	m.awaitRostersFor(ctx, &c.acct.Rec, ch)
	allow := func(ctx context.Context) (err error) {
		if guarded {
			_, err = m.consider(ctx, oid, c.uid, ch, false, nil)
		}
		return unlessNoRoster(err)
	}
	if err := m.proveBoth(ctx, id, c, f, "delete_account", allow); err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx) // the code is spent, and the next step cannot be undone
	if guarded {
		switch _, err := m.announceChange(ctx, oid, c.uid, ch, false, nil); {
		case errors.Is(err, ErrNotFound):
			return m.ended(ctx, id, c.uid)
		case unlessNoRoster(err) != nil:
			return beforeChange(err)
		}
	}
	return m.endAccount(ctx, c.uid, ch.ending(c.uid, c.acct.Rec.Org))
}

// ended returns nil if the caller's account was deleted meanwhile, such as by an earlier call that was
// cut off and is finished now. Otherwise it has moved, and the call has done nothing.
func (m *Manager) ended(ctx context.Context, id Identity, uid string) error {
	acct := accountRow(uid)
	if err := m.records.Read(ctx, &acct); err != nil || !acct.Exists() || acct.Rec.Deleted {
		return err
	}
	return m.movedAway(ctx, id)
}

// movedAway returns the error of a call whose account others have moved before it: ErrInvalidToken if
// that has ended the caller's session, and otherwise ErrUnavailable.
func (m *Manager) movedAway(ctx context.Context, id Identity) error {
	if _, err := m.loadPrincipal(ctx, id); err != nil {
		return err
	}
	return unavailable(store.ErrConflict)
}

// unlessNoRoster returns err, and nil for errNoRoster.
func unlessNoRoster(err error) error {
	if errors.Is(err, errNoRoster) {
		return nil
	}
	return err
}

// An ending says how an account is deleted.
type ending struct {
	event   Event // with the actor
	notify  bool  // the user gets a notice
	orphans bool  // see memberChange
	// allow is called with the account before it is deleted. Nil: it may be.
	allow func(*account) error
}

// ending returns how the change deletes an account.
func (ch *memberChange) ending(uid, organizationID string) ending {
	return ending{event: ch.event(uid, organizationID), notify: ch.Notify, orphans: ch.Orphans}
}

// endAccount deletes an account and all that is left of it.
func (m *Manager) endAccount(ctx context.Context, uid string, end ending) error {
	left, err := m.deleteAccount(ctx, uid, end)
	if err != nil {
		return err
	}
	if oid, ok := parseOrganization(left.Org); ok {
		if err := m.leaveOrganization(ctx, oid, uid, true); err != nil {
			return err
		}
	}
	return m.finishDeletion(ctx, uid, left)
}

// deleteAccount puts a tombstone in place of the account and removes all that is left of the
// user, but for the membership of the organization.
func (m *Manager) deleteAccount(ctx context.Context, uid string, end ending) (left account, err error) {
	if left, err = m.writeTombstone(ctx, uid, end); err != nil {
		return left, err
	}
	for _, digest := range left.Digests {
		if err := m.refillKnown(ctx, digest, uid); err != nil {
			return left, err
		}
		if err := m.forgetEmail(ctx, digest, uid); err != nil {
			return left, err
		}
	}
	if _, err := m.removeAllBut(ctx, accountKey(uid), userKey(uid, "")); err != nil {
		return left, err
	}
	return left, m.refill(ctx, m.userBudgets(uid))
}

// finishDeletion writes the tombstone bare, with an end: nothing is left to remove.
func (m *Manager) finishDeletion(ctx context.Context, uid string, left account) error {
	done := accountRow(uid)
	done.Rec = account{Deleted: true, Epoch: left.Epoch}
	return m.records.Commit(ctx, done.Overwrite().Until(m.now().Add(tombstoneTTL)))
}

// writeTombstone puts a tombstone in place of the account and returns it. While it says what is
// left to remove in other partitions, it has no end. An earlier tombstone is written again,
// since its Commit may have been unconfirmed. An account that is gone gets one if it has left
// records, as an older version did whose deletion was cut off. Otherwise the error is
// ErrNotFound.
func (m *Manager) writeTombstone(ctx context.Context, uid string, end ending) (left account, err error) {
	deleted := false
	var notices []Notice
	err = m.records.RetryAnyway(ctx, userPartition(uid), func() error {
		acct := accountRow(uid)
		if err := m.records.Read(ctx, &acct); err != nil {
			return err
		}
		if !acct.Exists() {
			items, err := m.records.List(ctx, userKey(uid, ""), 1)
			if err != nil {
				return err
			}
			if len(items) == 0 {
				return ErrNotFound
			}
		}
		if deleted = !acct.Exists() || acct.Rec.Deleted; !deleted && end.allow != nil {
			if err := end.allow(&acct.Rec); err != nil {
				return err
			}
		}
		if notices = nil; end.notify {
			notices = []Notice{accountNotice(EventUserDeleted, uid, &acct.Rec, acct.Rec.Email)}
		}
		acct.Rec = acct.Rec.tombstone()
		left = acct.Rec
		write := acct.Put()
		if left.Org == "" && len(left.Digests) == 0 {
			write = write.Until(m.now().Add(tombstoneTTL)) // what is left is in this partition
		}
		return m.records.Commit(ctx, write,
			store.Delete(passwordKey(uid)), store.Delete(totpKey(uid)),
			store.Delete(tempKey(uid)), store.Delete(keysMadeKey(uid)))
	})
	if !deleted {
		m.report(ctx, err, end.event, notices...)
		if end.orphans {
			m.reportOrphans(ctx, err, end.event)
		}
	}
	return left, err
}

// tombstone returns the tombstone of an account.
func (a *account) tombstone() account {
	t := account{Deleted: true, Epoch: a.Epoch + 1, Org: a.Org, Digests: slices.Clone(a.Digests)}
	for _, email := range []string{a.Email, a.PendingEmail} {
		if digest := digestOf(email); digest != "" {
			t.Digests = append(t.Digests, digest)
		}
	}
	return t
}

// userBudgets are the budgets whose key has the user's id and no network. Those of networks that
// are not known any more, and of sessions, end by themselves.
func (m *Manager) userBudgets(uid string) []budget {
	budgets := append(m.elsewhereCodeBudgets(uid), m.codeBudgets(uid, netprefix.Unknown, true)...)
	return append(budgets, m.confirmBudget(uid), forgiveBudget(uid), m.newKeyBudget(uid), newCodesBudget(uid), firstCodesBudget(uid),
		newFactorBudget(uid), checkBudget(uid), newEmailBudget(uid), memberBudget(uid), inviterBudget(uid), unprovenInviterBudget(uid))
}

// refillKnown empties the counters of codes from the networks that are known to the user beside
// the address with this digest.
func (m *Manager) refillKnown(ctx context.Context, digest, uid string) error {
	owner, known, err := m.emailOwner(ctx, digest)
	if err != nil || owner != uid {
		return err
	}
	var budgets []budget
	for _, prefix := range known.Rec.Prefixes {
		budgets = append(budgets, m.codeBudgets(uid, prefix, true)...)
	}
	return m.refill(ctx, budgets)
}

// removeAll removes every record under prefix and returns how many there were.
func (m *Manager) removeAll(ctx context.Context, prefix string) (n int, err error) {
	return m.removeAllBut(ctx, "", prefix)
}

// removeAllBut is removeAll, and leaves the record with the key kept.
func (m *Manager) removeAllBut(ctx context.Context, kept, prefix string) (n int, err error) {
	for {
		items, err := m.records.List(ctx, prefix, store.MaxOps)
		if err != nil {
			return n, err
		}
		var ops []store.Op
		for _, it := range items {
			if it.Key != kept {
				ops = append(ops, store.Delete(it.Key))
			}
		}
		if len(ops) == 0 {
			return n, nil
		}
		if err := m.records.Commit(ctx, ops...); err != nil {
			return n, err
		}
		n += len(ops)
	}
}
