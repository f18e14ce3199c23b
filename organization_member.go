package auth

import (
	"context"
	"slices"
	"time"

	"github.com/datixlab/auth/internal/ident"
	"github.com/datixlab/auth/internal/record"
	"github.com/datixlab/auth/store"
)

// A memberRecord is what the partition of an organization knows of one member. The account
// decides: the record follows it. A change of a member is three Commits, see organization_change.go:
//
//	announce  the record of the member gets the change, if the guard allows it
//	change    the account is written, and from here on the change is in effect
//	settle    the record is written from the account, without the change
//
// A new account is announced in the same way, without a change. If a creation is cut off, the next
// reader of a record that has been pending for claimHold settles it. If there is no account then,
// it puts a tombstone in its place, so that a creation that was merely slow fails. An organization
// that has lost its last account does not wait: a creation that is under way fails.
//
// Every Commit that adds, changes or removes a member's record also writes the roster, on the
// condition that it is as it was read. Before that it reads the account, and after the roster.
// A deletion ends the account first and then writes the roster. So nothing adds a record for a
// user that is deleted, and of an organization's removal and a new member exactly one happens.
type memberRecord struct {
	Role      string
	Disabled  bool
	Joined    time.Time
	Pending   time.Time // when what is not settled was announced; zero: nothing is
	PendingID string    // of it, so that another announcement differs
	// Overlap is of an older version: it had another change under way when it announced one.
	Overlap bool
	// Leaving: the user is being deleted. It is written for older versions, which know no Change.
	// Whoever finds the account alive finishes the deletion.
	Leaving bool
	Change  memberChange // it counts if its ID is PendingID: see announced
	// Invitation is the ID of the one that a member who is not settled has taken, and From the digits of
	// the organization that they come from, "" for a new account: see organization_join.go.
	Invitation string
	From       string
	newer      []byte
}

// Fields implements [record.Fields].
func (r *memberRecord) Fields(c *record.Codec) {
	c.String(&r.Role)
	c.Bool(&r.Disabled)
	c.Time(&r.Joined)
	c.Time(&r.Pending)
	c.String(&r.PendingID)
	c.Bool(&r.Overlap)
	c.Bool(&r.Leaving)
	r.Change.fields(c)
	c.String(&r.Invitation)
	c.String(&r.From)
	c.Rest(&r.newer)
}

func memberRow(oid, uid string) record.Row[memberRecord] {
	return record.New[memberRecord](memberKey(oid, uid))
}

// maxRosterAdmins is how many admins a roster names.
const maxRosterAdmins = 1000

// A rosterRecord is what an organization's members have in common.
type rosterRecord struct {
	Version uint64   // goes up with every change of a member's record
	Admins  []string // the digits of enabled admins, in their order as bytes
	// MoreAdmins: there were more than maxRosterAdmins once, so Admins may lack some.
	MoreAdmins bool
	newer      []byte
}

// Fields implements [record.Fields].
func (r *rosterRecord) Fields(c *record.Codec) {
	c.Uint(&r.Version)
	c.Strings(&r.Admins)
	c.Bool(&r.MoreAdmins)
	c.Rest(&r.newer)
}

func rosterRow(oid string) record.Row[rosterRecord] { return record.New[rosterRecord](rosterKey(oid)) }

// setAdmin adds the user to Admins, or removes them.
func (r *rosterRecord) setAdmin(uid string, admin bool) {
	at, found := slices.BinarySearch(r.Admins, uid)
	switch {
	case admin && !found && len(r.Admins) >= maxRosterAdmins:
		r.MoreAdmins = true
	case admin && !found:
		r.Admins = slices.Insert(slices.Clone(r.Admins), at, uid)
	case !admin && found:
		r.Admins = slices.Delete(slices.Clone(r.Admins), at, at+1)
	}
}

// memberRows are the rows that change together with a member.
type memberRows struct {
	uid    string
	cfg    *Config // nil in rows that are not read
	org    record.Row[orgRecord]
	roster record.Row[rosterRecord]
	member record.Row[memberRecord]
}

func newMemberRows(oid, uid string) memberRows {
	return memberRows{uid: uid, org: orgRow(oid), roster: rosterRow(oid), member: memberRow(oid, uid)}
}

func (m *Manager) readMember(ctx context.Context, oid, uid string) (memberRows, error) {
	r := newMemberRows(oid, uid)
	r.cfg = &m.cfg
	return r, m.records.Read(ctx, &r.org, &r.roster, &r.member)
}

// put returns the operations that write the member's record, and the roster with it.
func (r *memberRows) put(rec memberRecord, admin bool) []store.Op {
	r.member.Rec = rec
	r.roster.Rec.Version++
	r.roster.Rec.setAdmin(r.uid, admin)
	return []store.Op{r.org.Unchanged(), r.roster.Put(), r.member.Put()}
}

// remove returns the operations that remove the member's record. They write the roster also if
// there is no record, so that a Commit which is under way adds none.
func (r *memberRows) remove() []store.Op {
	if !r.org.Exists() { // nothing adds a member to it
		return []store.Op{store.Delete(r.roster.Key), store.Delete(r.member.Key)}
	}
	r.roster.Rec.Version++
	r.roster.Rec.setAdmin(r.uid, false)
	return []store.Op{r.org.Unchanged(), r.roster.Put(), r.member.Remove()}
}

func (r *memberRows) isAdmin() bool { return slices.Contains(r.roster.Rec.Admins, r.uid) }

// follow returns the member's record as the account makes it, and whether the member is an
// enabled admin. A record that is new begins with the account.
func (r *memberRows) follow(a *account) (rec memberRecord, admin bool) {
	rec = r.member.Rec
	if !r.member.Exists() {
		rec.Joined = a.Created
	}
	rec.Role, rec.Disabled = a.Role, a.Disabled
	rec.Pending, rec.PendingID, rec.Overlap, rec.Change = time.Time{}, "", false, memberChange{}
	rec.Invitation, rec.From = "", ""
	return rec, !rec.Leaving && r.enabledAdmin(a)
}

// enabledAdmin reports whether an account is that of an enabled admin.
func (r *memberRows) enabledAdmin(a *account) bool {
	return a.usable() && r.cfg.isAdmin(a.Role)
}

// settled reports whether the rows say what the account does.
func (r *memberRows) settled(a *account) bool {
	rec, admin := r.follow(a)
	have := r.member.Rec
	return r.member.Exists() && have.Pending.IsZero() && have.Role == rec.Role && have.Disabled == rec.Disabled &&
		(r.isAdmin() == admin || admin && r.roster.Rec.MoreAdmins)
}

// An arrival is a member whose account is about to be there. The zero value is none.
type arrival struct{ oid, uid, id string }

// joinOrganization announces an account that is about to be created. The error is ErrNotFound
// if there is no such organization.
func (m *Manager) joinOrganization(ctx context.Context, oid, uid, role string, now time.Time) (arrival, error) {
	c := arrival{oid: oid, uid: uid, id: ident.Random()}
	return c, m.records.Retry(ctx, orgPartition(oid), func() error {
		rows, err := m.readMember(ctx, oid, uid)
		if err != nil {
			return err
		}
		if !rows.org.Exists() || rows.org.Rec.Ended {
			return ErrNotFound
		}
		rec := memberRecord{Role: role, Joined: now, Pending: m.now(), PendingID: c.id}
		return m.records.Commit(ctx, rows.put(rec, false)...)
	})
}

// settleArrival is settleMember for an account that was created. If it fails, the next reader of
// the member's record does it.
func (m *Manager) settleArrival(ctx context.Context, c arrival) {
	if c.id != "" {
		_, _ = m.settleMember(context.WithoutCancel(ctx), c.oid, c.uid, c.id, false)
	}
}

// A memberState is what settleMember found.
type memberState int

const (
	memberGone    memberState = iota // there is no account here and no record any more
	memberPending                    // there is no account here yet, and it may be on its way
	memberLive                       // there is an account
)

// settleMember finishes a change of a member that was announced. Then it writes the record from
// the account, or removes it if the account is gone. It leaves a creation alone that may still be
// under way, unless it is the one with this id. With end it ends a creation that is under way: the
// account can no longer be created.
func (m *Manager) settleMember(ctx context.Context, oid, uid, id string, end bool) (state memberState, err error) {
	var change memberChange
	err = m.records.Retry(ctx, orgPartition(oid), func() error {
		change = memberChange{}
		rows, err := m.readMember(ctx, oid, uid)
		if err != nil {
			return err
		}
		acct := accountRow(uid) // read after the roster, see memberRecord
		if err := m.records.Read(ctx, &acct); err != nil {
			return err
		}
		have := &rows.member.Rec
		announced := have.announced()
		switch state = memberGone; {
		case isIn(oid, &acct) && announced.ID != "":
			if state = memberLive; announced.Kind != deletion || !m.isHeld(have.Pending) {
				change = announced
			}
			return nil
		case isIn(oid, &acct):
			state = memberLive
			underWay := m.isHeld(have.Pending) && (have.PendingID != id || have.Overlap)
			if underWay || rows.settled(&acct.Rec) || !rows.org.Exists() {
				return nil
			}
			return m.commitSettled(ctx, oid, &rows, &acct.Rec)
		case !rows.member.Exists():
			return nil
		case acct.Exists() && (announced.moves() || announced.Kind == arriving) && !acct.Rec.Deleted:
			change = announced // it has moved, or is on its way
			return nil
		case acct.Exists() && (acct.Rec.Deleted || end || !m.isHeld(have.Pending)):
		case !end && (m.isHeld(have.Pending) || m.isHeld(have.Joined)):
			state = memberPending
			return nil
		case !acct.Exists():
			if err := m.voidAccount(ctx, &acct); err != nil {
				return err
			}
		}
		return m.commitGone(ctx, oid, &rows, &acct.Rec)
	})
	if err == nil && change.ID != "" {
		if _, err = m.finishChange(withoutClient(ctx), oid, uid, change); err == nil {
			state, err = m.stateOf(ctx, oid, uid)
		}
	}
	return state, err
}

// stateOf returns the state of a member whose record is settled.
func (m *Manager) stateOf(ctx context.Context, oid, uid string) (memberState, error) {
	acct := accountRow(uid)
	if err := m.records.Read(ctx, &acct); err != nil || !isIn(oid, &acct) {
		return memberGone, err
	}
	return memberLive, nil
}

// isIn reports whether an account is there and of the organization.
func isIn(oid string, acct *record.Row[account]) bool {
	return acct.Exists() && !acct.Rec.Deleted && acct.Rec.Org == orgPrefix+oid
}

// isHeld reports whether what began at since may still be under way.
func (m *Manager) isHeld(since time.Time) bool {
	return isRecent(since, m.now(), claimHold)
}
