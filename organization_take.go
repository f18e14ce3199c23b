package auth

import (
	"context"
	"errors"
	"slices"

	"github.com/datixlab/auth/internal/ident"
	"github.com/datixlab/auth/internal/record"
	"github.com/datixlab/auth/store"
)

// An invitation is taken before it is used up. The Commit that announces the new member in the
// organization takes the invitation: it notes by whom, and for which announcement. So of many who use
// a token at the same time one takes it. What becomes of it follows from the account, which decides:
//
//	the account is a member   the Commit that settles the member's record uses the invitation up
//	it never will be          the Commit that removes the member's record makes it free again
//	its record is gone or of another announcement    whoever finds that uses it up
//
// The last is the rule for all that nobody foresaw, so no token is good twice.

// errInvitationHeld is the cause if the owner of the address is using the token at this moment.
var errInvitationHeld = errors.New("auth: the invitation is being used")

// refuseInvited returns ErrInvalidOneTimeToken for an invitation that somebody cannot use.
func (m *Manager) refuseInvited(ctx context.Context, userID string) error {
	m.refuseMailToken(ctx, invitationMail, userID, "ended")
	return ErrInvalidOneTimeToken
}

// openInvitation returns the invitation that a token opens for the address with this digest. The
// error is ErrInvalidOneTimeToken, whatever is wrong with it. It is ErrUnavailable while a registration
// holds the invitation, which a crash may have cut off: then the token is good again within a minute.
func (m *Manager) openInvitation(ctx context.Context, oid, secret, address string) (invitation, error) {
	for settled := false; ; settled = true {
		org, list := orgRow(oid), invitationsRow(oid)
		if err := m.records.Read(ctx, &org, &list); err != nil {
			return invitation{}, err
		}
		one := list.Rec.opened(oid, secret, address)
		switch {
		case one == nil || !org.Exists() || org.Rec.Ended || !one.waits(m.now()):
			return invitation{}, ErrInvalidOneTimeToken
		case one.TakenBy == "":
			return *one, m.checkInviter(ctx, oid, one)
		case settled:
			return invitation{}, unavailable(errInvitationHeld)
		}
		if err := m.settleTake(ctx, oid, one); err != nil {
			return invitation{}, err
		}
	}
}

// checkInviter returns ErrInvalidOneTimeToken unless the inviter could invite now. A change of the
// inviter is announced before it is made, and that writes the roster. So in a Commit that requires
// the roster as it was read before, the answer is true.
func (m *Manager) checkInviter(ctx context.Context, oid string, one *invitation) error {
	member, acct := memberRow(oid, one.Inviter), accountRow(one.Inviter)
	if err := m.records.Read(ctx, &member); err != nil {
		return err
	}
	if err := m.records.Read(ctx, &acct); err != nil {
		return err
	}
	going, role := member.Rec.announced(), acct.Rec.Role
	if going.Kind == newRole && m.mayInvite(role, one.Role) {
		role = going.Role
	}
	if !going.keepsAdmin(&m.cfg) || !isIn(oid, &acct) || !acct.Rec.usable() || !m.mayInvite(role, one.Role) {
		return ErrInvalidOneTimeToken
	}
	return nil
}

// takeInvitation announces a member with the id pending and takes the invitation that find returns.
// From is the digits of the organization that the account comes from, "" for an account that is
// about to be created. If that was done before, it does nothing. The error is
// ErrInvalidOneTimeToken if the invitation is not to be had.
func (m *Manager) takeInvitation(ctx context.Context, oid, uid, from, pending string, find func(*invitationsRecord) *invitation) error {
	for settled := false; ; settled = true {
		var other invitation
		err := m.records.Retry(ctx, orgPartition(oid), func() error {
			rows, list := newMemberRows(oid, uid), invitationsRow(oid)
			rows.cfg, other = &m.cfg, invitation{}
			if err := m.records.Read(ctx, &rows.org, &rows.roster, &rows.member, &list); err != nil {
				return err
			}
			one := find(&list.Rec)
			switch {
			case one == nil || !rows.org.Exists() || rows.org.Rec.Ended:
				return ErrInvalidOneTimeToken
			case one.TakenID == pending:
				return nil
			case one.TakenBy != "":
				other = *one
				return nil
			case !one.waits(m.now()) || rows.member.Exists():
				return ErrInvalidOneTimeToken
			}
			if err := m.checkInviter(ctx, oid, one); err != nil {
				return err
			}
			one.TakenBy, one.TakenID = uid, pending
			rec := memberRecord{Role: one.Role, Joined: m.now(), Pending: m.now(), PendingID: pending, Invitation: one.ID, From: from}
			return m.records.Commit(ctx, append(rows.put(rec, false), putInvitations(&list))...)
		})
		if err != nil || other.TakenBy == "" {
			return err
		}
		if settled {
			return ErrInvalidOneTimeToken
		}
		if err := m.settleTake(ctx, oid, &other); err != nil {
			return err
		}
	}
}

// settleTaken finishes what was begun with invitations of an organization. After it, one that is
// taken is being used at this moment.
func (m *Manager) settleTaken(ctx context.Context, oid string) error {
	list := invitationsRow(oid)
	if err := m.records.Read(ctx, &list); err != nil {
		return err
	}
	for i := range list.Rec.Invitations {
		if one := &list.Rec.Invitations[i]; one.TakenBy != "" {
			if err := m.settleTake(ctx, oid, one); err != nil {
				return err
			}
		}
	}
	return nil
}

// settleTake is settleTaken for one invitation.
func (m *Manager) settleTake(ctx context.Context, oid string, one *invitation) error {
	member := memberRow(oid, one.TakenBy)
	if err := m.records.Read(ctx, &member); err != nil {
		return err
	}
	if member.Rec.PendingID == one.TakenID {
		_, err := m.settleMember(ctx, oid, one.TakenBy, "", false)
		return err
	}
	return m.records.Retry(ctx, orgPartition(oid), func() error {
		list := invitationsRow(oid)
		if err := m.records.Read(ctx, &list); err != nil {
			return err
		}
		if now := list.Rec.find(one.ID); now == nil || now.TakenID != one.TakenID {
			return nil
		}
		list.Rec.useUp(one.ID)
		return m.records.Commit(ctx, putInvitations(&list))
	})
}

// putInvitations returns the operation that writes the invitations as they are in the row, until the
// last of them expires. It requires the record as it was read.
func putInvitations(row *record.Row[invitationsRecord]) store.Op {
	if len(row.Rec.Invitations) == 0 {
		return row.Remove()
	}
	last := slices.MaxFunc(row.Rec.Invitations, func(a, b invitation) int { return a.Expires.Compare(b.Expires) })
	return row.Put().Until(last.Expires)
}

// useUp removes an invitation by which somebody has joined.
func (r *invitationsRecord) useUp(id string) {
	r.Invitations = slices.DeleteFunc(r.Invitations, func(one invitation) bool { return one.ID == id })
}

// uninvite returns the operations that end an invitation for the address of a member who goes.
// Otherwise it would be a way back: one waits if your program has made the account, or the member has
// changed to the invited address. Nobody can use one of a damaged record.
func (m *Manager) uninvite(ctx context.Context, oid, email string) ([]store.Op, error) {
	list := invitationsRow(oid)
	switch err := m.records.Read(ctx, &list); {
	case errors.Is(err, record.ErrDamaged):
		return nil, nil
	case err != nil:
		return nil, err
	}
	digest := digestOf(email)
	own := func(one *invitation) bool { return digestOf(one.Email) == digest }
	if !slices.ContainsFunc(list.Rec.Invitations, func(one invitation) bool { return own(&one) }) {
		return nil, nil
	}
	list.Rec.end(own)
	return []store.Op{putInvitations(&list)}, nil
}

// free makes an invitation free again that was taken for an announcement, or removes it if it was
// ended meanwhile.
func (r *invitationsRecord) free(id, pending string) {
	one := r.find(id)
	if one == nil || one.TakenID != pending {
		return
	}
	one.TakenBy, one.TakenID = "", ""
	r.end(func(i *invitation) bool { return i.ID == id && i.Digest == nil })
}

// commitMember commits operations on a member's record, as the record was read, and what settle does
// to the invitation that the member has taken.
func (m *Manager) commitMember(ctx context.Context, oid string, have memberRecord, settle func(*invitationsRecord), ops []store.Op) error {
	if have.Invitation == "" {
		return m.records.Commit(ctx, ops...)
	}
	list := invitationsRow(oid)
	if err := m.records.Read(ctx, &list); err != nil {
		return err
	}
	if list.Exists() {
		settle(&list.Rec)
		ops = append(ops, putInvitations(&list))
	}
	return m.records.Commit(ctx, ops...)
}

// commitSettled writes a member's record from the account. It uses up the invitation by which the
// member has joined.
func (m *Manager) commitSettled(ctx context.Context, oid string, rows *memberRows, a *account) error {
	have := rows.member.Rec
	return m.commitMember(ctx, oid, have, func(r *invitationsRecord) { r.useUp(have.Invitation) }, rows.put(rows.follow(a)))
}

// commitGone removes the record of a member who has no account in the organization. It frees the
// invitation that was taken, unless the account was deleted: then it may have been used.
func (m *Manager) commitGone(ctx context.Context, oid string, rows *memberRows, a *account) error {
	have, created := rows.member.Rec, a.Deleted && a.Epoch > 0
	if !rows.org.Exists() {
		have.Invitation = ""
	}
	return m.commitMember(ctx, oid, have, func(r *invitationsRecord) {
		if !created {
			r.free(have.Invitation, have.PendingID)
		}
	}, rows.remove())
}

// joinInvited is joinOrganization for a registration with an invitation. The error is
// ErrInvalidOneTimeToken if somebody else has used it, or if it has ended.
func (m *Manager) joinInvited(ctx context.Context, e entry, uid string) (arrival, error) {
	c := arrival{oid: e.oid, uid: uid, id: ident.Random()}
	return c, m.takeInvitation(ctx, e.oid, uid, "", c.id, func(r *invitationsRecord) *invitation {
		return r.opened(e.oid, e.secret, e.address)
	})
}

// freeInvitation frees the invitation of an account that was not created, and never will be.
func (m *Manager) freeInvitation(ctx context.Context, c arrival) error {
	return m.records.Retry(ctx, orgPartition(c.oid), func() error {
		member, list := memberRow(c.oid, c.uid), invitationsRow(c.oid)
		if err := m.records.Read(ctx, &member, &list); err != nil {
			return err
		}
		if member.Rec.Invitation == "" || member.Rec.PendingID != c.id {
			return nil
		}
		list.Rec.free(member.Rec.Invitation, c.id)
		return m.records.Commit(ctx, member.Unchanged(), putInvitations(&list))
	})
}

// entryByInvitation fills in what the account that u asks for gets by an invitation. The error is
// ErrInvalidOneTimeToken.
func (m *Manager) entryByInvitation(ctx context.Context, u *NewUser, oid, secret, canonical string) (entry, error) {
	digest := emailDigest(canonical)
	by, err := m.openInvitation(ctx, oid, secret, digest)
	u.Role, u.EmailVerified = by.Role, by.Mailed
	return entry{oid: oid, secret: secret, address: digest, unproven: m.SendsMail()}, err
}
