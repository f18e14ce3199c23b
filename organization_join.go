package auth

import (
	"cmp"
	"context"
	"errors"

	"github.com/datixlab/auth/internal/emailaddr"
	"github.com/datixlab/auth/store"
)

// A registration announces an account that is about to be created, see memberRecord. An account that
// exists moves. The change is announced in the organization that it leaves, and from then on every
// reader makes it, by joinMember:
//
//	announce  in the old organization, if the member is alone there
//	take      in the new one, if the invitation and its inviter are still good for it
//	change    the account: it moves if the invitation is taken for this change; otherwise it only
//	          notes that the change is made, which was nothing then
//	settle    in the old one, which ends with its last member, and then in the new one
//
// The member's record in the new organization names the old one. Whoever wants to settle it finishes
// the change there before. So nothing frees an invitation by which an account may still move.

// The kinds of changes of an account that moves to the organization of an invitation. Joining is what
// is announced where it leaves. Arriving is what that is where it comes, and is nothing by itself.
const (
	joining  changeKind = "join"
	arriving changeKind = "arrive"
)

// AcceptInvitation moves the caller's account to the organization that it is invited to, with the
// token of the invitation, and returns the account. The role is the invited one. In one Commit the
// account moves, and its other sessions, its API keys and what your program assigned with
// SetAssignedAgents end. If the token was mailed, the address is verified then. The organization that
// the caller leaves ends, and its invitations with it, unless [Manager.CreateOrganization] made it.
//
// It needs a fresh login, or the password and, where a second factor is on, a code of it. No code is
// spent on a call that is refused.
//
// The error is ErrInvalidOneTimeToken for a token that is wrong, used, revoked or expired, or of
// another address, and if the inviter could not invite any more: see [Manager.Invite]. It is
// ErrOrganizationNotEmpty if the caller's organization has other members; the token stays valid. It
// may also be ErrReauthenticationRequired, ErrInvalidCredentials or ErrRateLimited, and
// ErrUnavailable while the rosters of an older store are not complete.
//
// An acceptance that was cut off before the account moved is finished by the next one with the same
// token, which returns nil.
func (m *Manager) AcceptInvitation(ctx context.Context, id Identity, token, password, code Secret) (User, error) {
	defer m.calls.Begin()()
	f := newFactors(id, password, code)
	c, err := m.loadPrincipal(ctx, id, &f.pass, &f.totp)
	if err != nil {
		return User{}, err
	}
	if err := m.chargeChange(ctx, c.uid); err != nil {
		return User{}, err
	}
	oid, secret, ok := invitationMail.parse(token)
	if !ok {
		m.refuseMailToken(ctx, invitationMail, id.User.ID, malformed)
		return User{}, ErrInvalidOneTimeToken
	}
	home, ok := parseOrganization(c.acct.Rec.Org)
	if !ok {
		return User{}, ErrNotFound
	}
	ch := memberChange{Kind: joining, Org: oid, Session: c.sid, Actor: id.SessionID}
	decide := func(ctx context.Context, p *prospect) error {
		now, err := m.loadPrincipal(ctx, id)
		if err != nil {
			return err
		}
		one, err := m.openInvitation(ctx, oid, secret, digestOf(now.acct.Rec.Email))
		if err != nil {
			return err
		}
		if oid == home || !isIn(home, &now.acct) {
			return ErrInvalidOneTimeToken
		}
		p.change.Role, p.change.Invitation = one.Role, one.ID
		return m.checkAlone(ctx, home, &p.rows)
	}
	resumed := false
	err = m.proveFresh(ctx, id, c, f, "accept_invitation", func(ctx context.Context) error {
		p, err := m.consider(ctx, home, c.uid, ch, false, decide)
		if before := p.rows.member.Rec.announced(); err == nil && before.Kind == joining && before.Org == oid {
			resumed, err = m.opens(ctx, oid, secret, before.Invitation, digestOf(p.acct.Rec.Email))
		}
		return err
	})
	if err == nil {
		ctx = context.WithoutCancel(ctx) // a code may be spent
		_, err = m.change(ctx, home, c.uid, ch, false, decide)
	}
	acct, gone := accountRow(c.uid), errors.Is(err, ErrNotFound)
	if err == nil || gone {
		err = cmp.Or(m.records.Read(ctx, &acct), err)
	}
	switch {
	case isIn(oid, &acct) && (err == nil || gone && resumed):
		return m.user(id.User.ID, &acct.Rec), nil
	case gone && acct.Exists() && !acct.Rec.Deleted && !isIn(oid, &acct): // another move was finished before
		err = m.movedAway(ctx, id)
	case err == nil, errors.Is(err, ErrInvalidOneTimeToken), errors.Is(err, ErrNotFound): // ended meanwhile, or the account is gone
		return User{}, m.refuseInvited(ctx, id.User.ID)
	case errors.Is(err, ErrOrganizationNotEmpty):
		m.ReportDenied(ctx, id, "organization_not_empty")
	case errors.Is(err, errNoRoster):
		err = unavailable(err)
	}
	return User{}, err
}

// opens reports whether a token opens the invitation with this id, of a joining that was announced
// before. It is asked before others finish that, because then the invitation is used up.
func (m *Manager) opens(ctx context.Context, oid, secret, id, address string) (bool, error) {
	list := invitationsRow(oid)
	if err := m.records.Read(ctx, &list); err != nil {
		return false, err
	}
	one := list.Rec.opened(oid, secret, address)
	return one != nil && one.ID == id, nil
}

// checkAlone returns ErrOrganizationNotEmpty unless the member of the rows is the only one. In a
// Commit that requires the roster as it was read before, the answer is true.
func (m *Manager) checkAlone(ctx context.Context, oid string, rows *memberRows) error {
	if err := m.requireRosters(ctx); err != nil {
		return err
	}
	items, err := m.records.List(ctx, memberKey(oid, ""), membersAtFirst)
	if err != nil {
		return err
	}
	for _, it := range items {
		member, _, err := m.isMemberOf(ctx, oid, it.Key[len(memberKey(oid, "")):], rows)
		if err != nil {
			return err
		}
		if member {
			return ErrOrganizationNotEmpty
		}
	}
	if len(items) == membersAtFirst { // there may be more
		return ErrOrganizationNotEmpty
	}
	return nil
}

// joinMember makes the change of a member of the organization oid who joins another one, as
// finishChange. Made reports that the account has moved.
func (m *Manager) joinMember(ctx context.Context, oid, uid string, ch memberChange) (made bool, err error) {
	if err := m.takeFor(ctx, oid, uid, ch); err != nil && !errors.Is(err, ErrInvalidOneTimeToken) {
		return false, err
	}
	if _, err := m.makeChange(ctx, oid, uid, ch); err != nil {
		return false, err
	}
	acct := accountRow(uid)
	if err := m.records.Read(ctx, &acct); err != nil {
		return false, err
	}
	if !isIn(ch.Org, &acct) {
		if err := m.settleChange(ctx, oid, uid, ch.ID); err != nil {
			return false, err
		}
		return false, m.settleJoined(ctx, ch.Org, uid, ch.ID)
	}
	if err := m.endForeignKeys(ctx, uid, ch); err != nil {
		return true, err
	}
	if err := m.settleLeft(ctx, oid, uid, ch.ID); err != nil {
		return true, err
	}
	if err := m.removeIfEmpty(ctx, oid, false); err != nil {
		return true, err
	}
	return true, m.settleJoined(ctx, ch.Org, uid, ch.ID) // last: who finds it finishes the rest before
}

// takeFor takes the invitation of a change that is announced and not made.
func (m *Manager) takeFor(ctx context.Context, oid, uid string, ch memberChange) error {
	acct, member := accountRow(uid), memberRow(oid, uid)
	if err := m.records.Read(ctx, &acct); err != nil {
		return err
	}
	if err := m.records.Read(ctx, &member); err != nil {
		return err
	}
	if !isIn(oid, &acct) || acct.Rec.LastChange == ch.ID || member.Rec.announced().ID != ch.ID { // it was made
		return nil
	}
	return m.takeInvitation(ctx, ch.Org, uid, oid, ch.ID, func(r *invitationsRecord) *invitation { return r.find(ch.Invitation) })
}

// admits returns the invitation that is taken for a change, or nil if the account cannot move by it.
func (m *Manager) admits(ctx context.Context, uid string, ch memberChange, a *account) (*invitation, error) {
	org, list := orgRow(ch.Org), invitationsRow(ch.Org)
	if err := m.records.Read(ctx, &org, &list); err != nil {
		return nil, err
	}
	one := list.Rec.find(ch.Invitation)
	if one == nil || one.TakenBy != uid || one.TakenID != ch.ID || !org.Exists() || org.Rec.Ended ||
		!a.usable() || !emailaddr.Same(a.Email, canonicalOf(one.Email)) {
		return nil, nil
	}
	return one, nil
}

// canonicalOf returns the canonical form of an address that is one.
func canonicalOf(email string) string {
	canonical, _ := emailaddr.Canonical(email)
	return canonical
}

// finishJoining finishes the change by which a member comes from another organization.
func (m *Manager) finishJoining(ctx context.Context, oid, uid string, arrival memberChange) error {
	member := memberRow(arrival.Org, uid)
	if err := m.records.Read(ctx, &member); err != nil {
		return err
	}
	var err error
	if ch := member.Rec.announced(); ch.ID == arrival.ID {
		_, err = m.finishChange(withoutClient(ctx), arrival.Org, uid, ch)
	} else {
		err = m.removeIfEmpty(ctx, arrival.Org, false) // nobody may be left to look there
	}
	if err != nil {
		return err
	}
	return m.settleJoined(ctx, oid, uid, arrival.ID)
}

// settleJoined settles the record of a member who came from another organization, or did not. The
// change of the account is made.
func (m *Manager) settleJoined(ctx context.Context, oid, uid, pending string) error {
	return m.records.RetryAnyway(ctx, orgPartition(oid), func() error {
		rows, err := m.readMember(ctx, oid, uid)
		if err != nil || rows.member.Rec.PendingID != pending {
			return err
		}
		acct := accountRow(uid) // read after the roster, see memberRecord
		if err := m.records.Read(ctx, &acct); err != nil {
			return err
		}
		if isIn(oid, &acct) {
			return m.commitSettled(ctx, oid, &rows, &acct.Rec)
		}
		return m.commitGone(ctx, oid, &rows, &acct.Rec)
	})
}

// settleLeft settles the record of a member who has moved away, and removes the organization in the
// same Commit if nobody else is in it. So no crash leaves one that nobody would remove.
func (m *Manager) settleLeft(ctx context.Context, oid, uid, id string) error {
	whole := false
	err := m.records.RetryAnyway(ctx, orgPartition(oid), func() error {
		rows, err := m.readMember(ctx, oid, uid)
		if err != nil || rows.member.Rec.announced().ID != id {
			return err
		}
		items, err := m.records.List(ctx, memberKey(oid, ""), 2)
		if err != nil {
			return err
		}
		if whole = len(items) <= 1 && !rows.org.Rec.Kept; !whole {
			return m.records.Commit(ctx, rows.remove()...)
		}
		return m.records.Commit(ctx, rows.org.Remove(), rows.roster.Remove(), rows.member.Remove(), store.Delete(invitationsKey(oid)))
	})
	if err != nil || !whole {
		return err
	}
	return m.refillInvites(ctx, oid)
}
