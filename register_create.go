package auth

import (
	"context"
	"errors"
	"time"

	"github.com/datixlab/auth/internal/ident"
	"github.com/datixlab/auth/internal/parallel"
	"github.com/datixlab/auth/internal/record"
	"github.com/datixlab/auth/store"
)

// create claims the email address, then enters the organization, and then makes the account.
// See emailClaim and memberRecord for a crash in between. Known are the first known networks of
// the account. The event has the actor, and is emitted as it is or as taken.
func (m *Manager) create(ctx context.Context, u NewUser, canonical string, known []string, event Event, e entry) (User, error) {
	hash := ""
	if u.Password != "" { // first: a call that is shed writes nothing and asks nobody
		var err error
		if hash, err = m.hashPassword(ctx, u.Password); err != nil {
			return User{}, err
		}
		if err := m.checkBreached(ctx, "password", u.Password); err != nil {
			return User{}, err
		}
	}
	return m.createDraft(ctx, draft{NewUser: u, hash: hash, known: known}, canonical, event, e)
}

// A draft is an account that is about to be made, with its password hash or "".
type draft struct {
	NewUser
	hash  string
	known []string
	// Of an import:
	disabled bool
	created  time.Time // zero is now
	secret   []byte    // of the second factor, or nil
}

// createDraft is create for a password that is hashed.
func (m *Manager) createDraft(ctx context.Context, d draft, canonical string, event Event, e entry) (User, error) {
	u, now := d.NewUser, m.now()
	uid := ident.Timed(now)
	if e.name != "" {
		e.oid = ident.Timed(now)
	}
	claim, err := m.claimEmail(ctx, canonical, uid, e.founds(), newKnownNetworks(canonical, uid, d.known))
	if errors.Is(err, ErrEmailTaken) {
		m.emit(ctx, event.taken())
	}
	if err != nil {
		if claim.Rec.User == uid { // it may have been written, and then is exactly this
			claim.Raw = claim.Overwrite().Value
			m.abandonClaim(ctx, canonical, claim)
		}
		return User{}, err
	}
	acct := accountRow(uid)
	acct.Rec = account{Email: u.Email, FullName: u.FullName, Role: u.Role, Created: now, Disabled: d.disabled, Unproven: e.unproven}
	if !d.created.IsZero() {
		acct.Rec.Created = d.created
	}
	if u.EmailVerified {
		acct.Rec.proveEmail()
	}
	member, err := m.enter(ctx, e, uid, &acct.Rec, now)
	if err != nil {
		m.undo(ctx, e, member, canonical, claim)
		return User{}, err
	}
	acct.Rec.Org = orgPrefix + member.oid
	pass := passwordRow(uid)
	pass.Rec = passwordRecord{Hash: d.hash, Changed: now}
	var writes []store.Op
	if d.secret != nil {
		totp := m.importedFactor(uid, d.secret, now)
		acct.Rec.Enrolment = totp.Rec.Active.ID
		writes = append(writes, totp.Put())
	}
	writes = append(writes, acct.Put(), pass.Put())
	err = m.records.Commit(ctx, writes...)
	if errors.Is(err, store.ErrConflict) { // after claimHold the address went to another account
		m.undo(ctx, e, member, canonical, claim)
		if e.secret != "" { // or somebody else was faster with the invitation
			if _, err := m.openInvitation(ctx, e.oid, e.secret, e.address); err != nil {
				return User{}, err
			}
		}
		if u.OrganizationID != "" { // or the organization has ended meanwhile
			if _, err := m.Organization(ctx, u.OrganizationID); err != nil {
				return User{}, err
			}
		}
		m.emit(ctx, event.taken())
		return User{}, ErrEmailTaken
	}
	user := m.user(userIDOf(uid), &acct.Rec)
	event.UserID, event.OrganizationID = user.ID, user.OrganizationID
	m.report(ctx, err, event)
	if err != nil {
		if m.uncreate(ctx, err, acct.Key, writes) {
			m.undo(ctx, e, member, canonical, claim)
		}
		return User{}, err
	}
	m.settleArrival(ctx, member)
	return user, nil
}

// uncreate ends a registration whose last Commit returned commitErr. If the outcome is unknown,
// it removes the records if they are exactly what that Commit writes. If they are not
// there, a tombstone keeps the Commit from writing them later. It reports whether the account
// does not exist and never will, so that its address can be given up.
func (m *Manager) uncreate(ctx context.Context, commitErr error, acctKey string, writes []store.Op) bool {
	if !errors.Is(commitErr, record.ErrOutcomeUnknown) {
		return true
	}
	ctx = context.WithoutCancel(ctx)
	tombstone := record.New[account](acctKey)
	tombstone.Rec.Deleted = true
	var remove []store.Op
	for _, op := range writes {
		remove = append(remove, store.Delete(op.Key).Was(op.Value))
	}
	var err error
	for range 2 { // the Commit may be carried out between the first two of these
		if err = m.records.Commit(ctx, remove...); !errors.Is(err, store.ErrConflict) {
			break
		}
		if err = m.records.Commit(ctx, tombstone.Put().Until(m.now().Add(tombstoneTTL))); !errors.Is(err, store.ErrConflict) {
			break
		}
	}
	return err == nil
}

// An entry is the organization of a new account: one that exists or, with a name, one that is
// made for it.
type entry struct {
	oid, name string
	unproven  bool // account.Unproven
	// secret and address are of the token of an invitation, and the digest of the invited address.
	secret, address string
}

// founds returns the organization that is made for the account, or "".
func (e entry) founds() string {
	if e.name == "" {
		return ""
	}
	return e.oid
}

func (m *Manager) enter(ctx context.Context, e entry, uid string, a *account, now time.Time) (arrival, error) {
	switch {
	case e.name != "":
		return m.foundOrganization(ctx, e.oid, e.name, uid, a, now)
	case e.secret != "":
		return m.joinInvited(ctx, e, uid)
	}
	return m.joinOrganization(ctx, e.oid, uid, a.Role, now)
}

// undo ends an entry, and removes a claim, of an account that was not created. If the
// organization of the claim cannot be removed, the claim stays, for whoever voids it.
func (m *Manager) undo(ctx context.Context, e entry, c arrival, canonical string, claim record.Row[emailClaim]) {
	ctx = context.WithoutCancel(ctx)
	if e.founds() == "" {
		parallel.Do(
			func() { m.abandonClaim(ctx, canonical, claim) },
			func() {
				if e.secret == "" || m.freeInvitation(ctx, c) == nil {
					_ = m.leaveOrganization(ctx, c.oid, c.uid, true)
				}
			},
		)
		return
	}
	if m.dissolve(ctx, c) == nil {
		m.abandonClaim(ctx, canonical, claim)
	}
}

// taken returns the event for an account that was not made because the address is taken.
func (e Event) taken() Event {
	e.Type, e.Role, e.Action = EventEmailTaken, "", "register"
	if e.Actor != "" {
		e.Action = "create_user"
	}
	if e.Reason == imported {
		e.Action, e.Reason = "import_user", ""
	}
	return e
}
