package auth

import (
	"context"
	"errors"

	"github.com/datixlab/auth/internal/ident"
	"github.com/datixlab/auth/internal/record"
	"github.com/datixlab/auth/store"
)

// A changeKind says what a change of a member does to the account.
type changeKind string

const (
	newRole   changeKind = "role"
	disabling changeKind = "disable"
	enabling  changeKind = "enable"
	deletion  changeKind = "delete" // see endAccount
	removal   changeKind = "remove" // by an admin: the account moves, see organization_move.go
	departure changeKind = "leave"  // by the member
)

// A memberChange is a change of a member's account. The Commit that announces it in the member's
// record decides whether it is made: see guardAdmins. From then on it is only ever finished. A
// member whose end as an admin is announced is no admin any more to later decisions. So nobody
// may undo an announcement: a caller that was merely slow would make the change later.
//
// Whoever finds an announced change makes it, by the same function as the caller, and at once. So
// no clock decides. Only the one whose Commit makes it reports it. The next change of the
// member is announced after that. The account has the ID of the last change that was made, so
// none is made twice, even if later changes have undone what it did.
type memberChange struct {
	ID      string // "": none
	Kind    changeKind
	Role    string // the new one
	Org     string // the digits of the organization that the account moves to
	Session string // the digits of the session that goes on
	Actor   string // of its event
	Notify  bool   // the user gets a notice
	Disable bool   // the account that moves is disabled
	// Orphans: it was forced, and leaves other members without an enabled admin.
	Orphans bool
	// Invitation is the ID of the one by which the account joins the organization Org.
	Invitation string
}

// fields names the fields at the end of a memberRecord.
func (ch *memberChange) fields(c *record.Codec) {
	c.String(&ch.ID)
	c.String((*string)(&ch.Kind))
	c.String(&ch.Role)
	c.String(&ch.Org)
	c.String(&ch.Session)
	c.String(&ch.Actor)
	c.Bool(&ch.Notify)
	c.Bool(&ch.Disable)
	c.Bool(&ch.Orphans)
	c.String(&ch.Invitation)
}

// announced returns the change that is announced in the record. Its ID is "" if there is none.
// An older version that has settled or announced something since does not know the change, and has
// made it void with its PendingID.
func (r *memberRecord) announced() memberChange {
	switch {
	case r.Change.ID != "" && r.Change.ID == r.PendingID:
		return r.Change
	case r.From != "" && r.PendingID != "":
		return memberChange{ID: r.PendingID, Kind: arriving, Org: r.From}
	case r.Leaving:
		return memberChange{ID: "leaving", Kind: deletion, Actor: actorManager}
	}
	return memberChange{}
}

// moves reports whether the account gets another organization.
func (ch *memberChange) moves() bool {
	return ch.Kind == removal || ch.Kind == departure || ch.Kind == joining
}

// keepsAdmin reports whether an enabled admin is one in the organization after the change. After none
// it is one.
func (ch *memberChange) keepsAdmin(c *Config) bool {
	return ch.Kind == "" || ch.Kind == enabling || ch.Kind == arriving || ch.Kind == newRole && c.isAdmin(ch.Role)
}

// edit makes the change in the account.
func (ch *memberChange) edit(a *account) {
	switch ch.Kind {
	case newRole:
		a.Role = ch.Role
	case disabling:
		a.Disabled = true
		a.Epoch++
	case enabling:
		a.Disabled = false
	case removal, departure, joining:
		ch.move(a)
	}
}

// errNoRoster reports an account whose organization has no record. Nobody else is in it.
var errNoRoster = errors.New("auth: the organization has no record")

// announceChange decides and announces a change of a member, after finishing one that is announced.
// It returns the change as announced. The error is ErrNotFound if the account is not in the
// organization, errNoRoster, or one of decide or the guard. If it matches
// record.ErrOutcomeUnknown, the change may have been announced, and is then finished by the next
// reader.
func (m *Manager) announceChange(ctx context.Context, oid, uid string, change memberChange, forced bool, decide decider) (memberChange, error) {
	change.ID = ident.Random()
	for range maxFinished {
		var p prospect
		err := m.records.RetryAnyway(ctx, orgPartition(oid), func() (err error) {
			if p, err = m.consider(ctx, oid, uid, change, forced, decide); err != nil || p.first != nil {
				return err
			}
			rec := p.rows.member.Rec
			if !p.rows.member.Exists() {
				rec, _ = p.rows.follow(&p.acct.Rec)
			}
			rec.Overlap, rec.Leaving = false, p.change.Kind == deletion
			rec.Pending, rec.PendingID, rec.Change = m.now(), p.change.ID, p.change
			ops := p.rows.put(rec, p.rows.isAdmin() && !p.ends)
			if p.change.Kind == deletion || p.change.moves() {
				uninvite, err := m.uninvite(ctx, oid, p.acct.Rec.Email)
				if err != nil {
					return err
				}
				ops = append(ops, uninvite...)
			}
			return m.records.Commit(ctx, ops...)
		})
		if err != nil || p.first == nil {
			return p.change, err
		}
		if err := p.first(withoutClient(ctx)); err != nil {
			return change, beforeChange(err)
		}
	}
	return change, unavailable(store.ErrConflict)
}

// maxFinished is how many changes of others a call finishes before its own.
const maxFinished = 100

// finishChange makes an announced change and settles it. Any number of callers may do it at
// the same time. Made reports that the change is in effect, also if it is not settled. It is false
// without an error if an older version has made the announcement void before.
func (m *Manager) finishChange(ctx context.Context, oid, uid string, ch memberChange) (made bool, err error) {
	ctx = context.WithoutCancel(ctx)
	switch {
	case ch.Kind == deletion:
		err := m.endAccount(ctx, uid, ch.ending(uid, orgPrefix+oid))
		return err == nil, err
	case ch.Kind == arriving:
		err := m.finishJoining(ctx, oid, uid, ch)
		return err == nil, err
	case ch.Kind == joining:
		return m.joinMember(ctx, oid, uid, ch)
	case ch.moves():
		return m.moveMember(ctx, oid, uid, ch)
	}
	if made, err := m.makeChange(ctx, oid, uid, ch); !made {
		return false, err
	}
	return true, m.settleChange(ctx, oid, uid, ch.ID)
}

// withoutClient returns a context for what another caller has begun: no event of it has the
// client of this one.
func withoutClient(ctx context.Context) context.Context { return WithClient(ctx, Client{}) }

// makeChange makes an announced change in the account, unless that was done. The account is read
// before the record that announces the change. So if the record still does, nothing was settled
// when the account was read, and no later change was made in it. Made is as for finishChange.
func (m *Manager) makeChange(ctx context.Context, oid, uid string, ch memberChange) (made bool, err error) {
	acct, session, member := accountRow(uid), sessionRow(uid, ch.Session), memberRow(oid, uid)
	over, void := false, false
	err = m.records.RetryAnyway(ctx, userPartition(uid), func() error {
		rows := []record.Reader{&acct}
		if ch.Session != "" {
			rows = append(rows, &session)
		}
		if err := m.records.Read(ctx, rows...); err != nil {
			return err
		}
		if err := m.records.Read(ctx, &member); err != nil {
			return err
		}
		if over = !isIn(oid, &acct) || acct.Rec.LastChange == ch.ID || member.Rec.announced().ID != ch.ID; over {
			void = isIn(oid, &acct) && acct.Rec.LastChange != ch.ID && member.Rec.Change.ID == ch.ID
			return nil
		}
		goesOn := ch.Session != "" && session.Rec.alive(&acct, m.now())
		if ch.Kind == joining {
			by, err := m.admits(ctx, uid, ch, &acct.Rec)
			if err != nil {
				return err
			}
			if over = by == nil; over { // it is made, and was nothing
				acct.Rec.LastChange = ch.ID
				return m.records.Commit(ctx, acct.Put())
			}
			if by.Mailed {
				acct.Rec.proveEmail()
			}
		}
		ch.edit(&acct.Rec)
		acct.Rec.LastChange = ch.ID
		ops := []store.Op{acct.Put()}
		if ch.moves() {
			ops = append(ops, store.Delete(tempKey(uid)))
		}
		if goesOn && acct.Rec.usable() {
			session.Rec.Epoch, session.Rec.Org = acct.Rec.Epoch, acct.Rec.Org
			ops = append(ops, session.Put().Until(session.Rec.Expires))
		}
		return m.records.Commit(ctx, ops...)
	})
	if !over {
		m.reportChange(ctx, err, ch, uid, orgPrefix+oid, &acct.Rec)
	}
	return err == nil && !void, err
}

// settleChange writes the record of a member whose announced change is made, or removes it if the
// account is gone from the organization.
func (m *Manager) settleChange(ctx context.Context, oid, uid, id string) error {
	return m.records.RetryAnyway(ctx, orgPartition(oid), func() error {
		rows, err := m.readMember(ctx, oid, uid)
		if err != nil || rows.member.Rec.announced().ID != id {
			return err
		}
		acct := accountRow(uid) // read after the roster, see memberRecord
		if err := m.records.Read(ctx, &acct); err != nil {
			return err
		}
		if isIn(oid, &acct) {
			return m.commitSettled(ctx, oid, &rows, &acct.Rec)
		}
		return m.records.Commit(ctx, rows.remove()...)
	})
}

// change announces a change of a member and makes it. Once it is announced it happens, also if the
// client leaves. After an error the next reader finishes what was announced. Undecided reports that
// the change was not announced for certain.
func (m *Manager) change(ctx context.Context, oid, uid string, change memberChange, forced bool, decide decider) (undecided bool, err error) {
	for range maxFinished {
		announced, err := m.announceChange(ctx, oid, uid, change, forced, decide)
		if errors.Is(err, record.ErrOutcomeUnknown) {
			m.reportChange(ctx, err, announced, uid, orgPrefix+oid, nil)
		}
		if err != nil {
			return true, err
		}
		switch made, err := m.finishChange(ctx, oid, uid, announced); {
		case made:
			return false, nil // if it is not settled, the next reader does that
		case err != nil, change.Kind == joining: // which may be nothing, see joinMember
			return false, err
		}
	}
	return false, unavailable(store.ErrConflict)
}

// changeEvents are the types of the events of changes.
var changeEvents = map[changeKind]EventType{
	newRole: EventRoleChanged, disabling: EventUserDisabled, enabling: EventUserEnabled,
	removal: EventMemberRemoved, departure: EventMemberLeft, deletion: EventUserDeleted, joining: EventInvitationAccepted,
}

// event returns the event of a change.
func (ch *memberChange) event(uid, organizationID string) Event {
	e := Event{Type: changeEvents[ch.Kind], Actor: ch.Actor, UserID: userIDOf(uid), OrganizationID: organizationID}
	if ch.Kind == newRole {
		e.Role = ch.Role
	}
	if ch.Kind == joining {
		e.Role, e.OrganizationID = ch.Role, orgPrefix+ch.Org
	}
	if ch.Kind == departure || ch.Kind == joining || ch.Kind == deletion && ch.Notify { // the users themselves
		e.SessionID = ch.Actor
	}
	return e
}

// reportChange emits the event and the notice of a change whose Commit returned err. Acct may be
// nil.
func (m *Manager) reportChange(ctx context.Context, err error, ch memberChange, uid, organizationID string, acct *account) {
	e := ch.event(uid, organizationID)
	var notices []Notice
	if acct != nil && ch.Notify {
		notices = append(notices, accountNotice(e.Type, uid, acct, acct.Email))
	}
	m.report(ctx, err, e, notices...)
	if ch.Orphans {
		m.reportOrphans(ctx, err, e)
	}
}

// reportOrphans emits that a forced change, which has the event e, left other members of the
// organization without an enabled admin.
func (m *Manager) reportOrphans(ctx context.Context, err error, e Event) {
	m.report(ctx, err, Event{
		Type: EventOrganizationWithoutAdmin, Actor: e.Actor, UserID: e.UserID, OrganizationID: e.OrganizationID,
	})
}
