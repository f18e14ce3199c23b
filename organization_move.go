package auth

import (
	"context"

	"github.com/datixlab/auth/store"
)

// A member who is removed, or leaves, goes on in an organization of their own. It is named after
// them and has an id that the announced change names. So whoever finishes the change founds
// the same one. First it is founded, with the member as one who is on their way. Then one Commit
// moves the account, and ends its sessions and API keys: a key names the organization in which it
// was made, and a check refuses that of another. The records of the keys are removed after it.
//
// The member's record in the new organization is settled last: until then it names the former one.
// Nobody may be left in that, so whoever finds the new record finishes the move.
//
// With Config.NoRegistration nobody has an organization of their own but by your program. There the
// account is disabled in the same Commit, and has the lowest role. So if your program enables it
// again, it has no right in any organization of others.

// moveTo fills in where the account of a change that moves it goes.
func (m *Manager) moveTo(ch *memberChange, oid string) {
	ch.Org, ch.Role = oid, m.cfg.FirstRole
	if m.cfg.NoRegistration {
		ch.Role, ch.Disable, ch.Session = m.cfg.Roles[0], true, ""
	}
}

// move moves the account. What your program has assigned to the user was for the organization.
func (ch *memberChange) move(a *account) {
	a.Org, a.Role, a.Agents = orgPrefix+ch.Org, ch.Role, nil
	a.Disabled = a.Disabled || ch.Disable
	a.KeysNamed = true
	a.Epoch++
}

// moveMember finishes a change that moves a member out of the organization oid, as finishChange.
func (m *Manager) moveMember(ctx context.Context, oid, uid string, ch memberChange) (made bool, err error) {
	if err := m.foundOwn(ctx, oid, uid, ch); err != nil {
		return false, err
	}
	switch made, err := m.makeChange(ctx, oid, uid, ch); {
	case err != nil:
		return false, err
	case !made:
		return false, m.removeIfEmpty(ctx, ch.Org, true)
	}
	if err := m.endForeignKeys(ctx, uid, ch); err != nil {
		return true, err
	}
	if err := m.settleChange(ctx, oid, uid, ch.ID); err != nil {
		return true, err
	}
	if err := m.removeIfEmpty(ctx, oid, false); err != nil {
		return true, err
	}
	if err := m.settleJoined(ctx, ch.Org, uid, ch.ID); err != nil { // last: who finds it finishes the rest before
		return true, err
	}
	acct := accountRow(uid)
	if err := m.records.Read(ctx, &acct); err != nil || isIn(ch.Org, &acct) {
		return true, err
	}
	return true, m.removeIfEmpty(ctx, ch.Org, true) // others have finished it, and more
}

// foundOwn makes the organization that a member moves to, unless that was done, or says again that
// the member is on the way.
func (m *Manager) foundOwn(ctx context.Context, oid, uid string, ch memberChange) error {
	acct, member := accountRow(uid), memberRow(oid, uid)
	if err := m.records.Read(ctx, &acct); err != nil {
		return err
	}
	if err := m.records.Read(ctx, &member); err != nil {
		return err
	}
	if !isIn(oid, &acct) || member.Rec.announced().ID != ch.ID { // it was finished
		return nil
	}
	return m.records.RetryAnyway(ctx, orgPartition(ch.Org), func() error {
		rows, err := m.readMember(ctx, ch.Org, uid)
		if err != nil {
			return err
		}
		now := m.now()
		have := rows.member.Rec
		if rows.org.Exists() && rows.member.Exists() && (have.PendingID == "" || m.isHeld(have.Pending)) {
			return nil
		}
		ops := rows.put(memberRecord{Role: ch.Role, Joined: now, Pending: now, PendingID: ch.ID, From: oid}, false)
		if !rows.org.Exists() {
			rows.org.Rec = orgRecord{Name: acct.Rec.FullName, Created: now}
			ops[0] = rows.org.Put()
		}
		return m.records.Commit(ctx, ops...)
	})
}

// madeIn reports whether an API key that names this organization is one of the account as it is. An
// older version names none: such a key is one until the account moves.
func (a *account) madeIn(org string) bool { return org == a.Org || org == "" && !a.KeysNamed }

// endForeignKeys removes the records of API keys that were made in another organization. They are
// refused already.
func (m *Manager) endForeignKeys(ctx context.Context, uid string, ch memberChange) error {
	rows, err := m.keyRows(ctx, uid)
	if err != nil {
		return err
	}
	acct := accountRow(uid) // read after the keys: one that is made after another move is of the account
	if err := m.records.Read(ctx, &acct); err != nil {
		return err
	}
	for _, k := range rows {
		if acct.Rec.madeIn(k.Rec.Org) {
			continue
		}
		kid := kidOf(uid, k.Key)
		err := m.records.Commit(ctx, store.Delete(k.Key), store.Delete(keyUsageKey(uid, kid)))
		m.report(ctx, err, Event{
			Type: EventAPIKeyRevoked, Actor: ch.Actor, UserID: userIDOf(uid), OrganizationID: k.Rec.Org, APIKeyID: keyIDPrefix + kid, Reason: "moved",
		})
		if err != nil {
			return err
		}
	}
	return nil
}
