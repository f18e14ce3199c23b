package auth

import (
	"context"
	"errors"
	"math"
	"strings"
	"time"

	"github.com/datixlab/auth/internal/record"
	"github.com/datixlab/auth/store"
)

// An organization that has other members keeps an enabled admin. Whether one may go is decided in
// the Commit that announces it, which requires the roster as it was read: see memberChange. Every
// change that ends an enabled admin is announced there. So of two admins who go at the same time,
// the second sees what the first has announced, and who has announced it counts as gone.
//
// An admin is found by the account. It is read after the member's record, and that after the roster.
// So an admin who was found, and has announced nothing, is one until the roster changes.

// errRostersIncomplete is the cause if nobody can say who else is a member.
var errRostersIncomplete = errors.New("auth: the rosters of the store are not complete")

// awaitRosters waits for the rosters to be complete, at most as long as for the store. On a new
// store they are within milliseconds of New.
func (m *Manager) awaitRosters(ctx context.Context) {
	if m.complete.Load() {
		return
	}
	late := time.NewTimer(m.cfg.StoreTimeout)
	defer late.Stop()
	select {
	case <-m.background.done:
	case <-ctx.Done():
	case <-late.C:
	}
}

// awaitRostersFor is awaitRosters if the change of the account may need them.
func (m *Manager) awaitRostersFor(ctx context.Context, a *account, ch memberChange) {
	if a.usable() && m.cfg.isAdmin(a.Role) && !ch.keepsAdmin(&m.cfg) && !isForced(ctx) {
		m.awaitRosters(ctx)
	}
}

// checkRosters returns ErrUnavailable while the rosters may lack accounts. On a store that cannot
// be walked they are all that there is to know.
func (m *Manager) checkRosters(ctx context.Context) error {
	if _, walked := m.records.Store.(store.Walker); !walked {
		return nil
	}
	if complete, err := m.rostersComplete(ctx); err != nil || !complete {
		return unavailable(errors.Join(errRostersIncomplete, err))
	}
	return nil
}

// A prospect is a change before it is announced.
type prospect struct {
	rows   memberRows
	acct   record.Row[account]
	change memberChange
	ends   bool                        // it ends an enabled admin
	first  func(context.Context) error // it must be done first, outside of the organization's turn; nil: nothing
}

// A decider says whether a change of a member is allowed by the records of the prospect, which
// were read in the order roster, account. What it reads itself is read after the roster. It may
// fill in the change. It is called again after each conflict.
type decider func(ctx context.Context, p *prospect) error

// consider reads what a change of a member depends on, and decides. It changes nothing. Forced is
// that of WithForce.
func (m *Manager) consider(ctx context.Context, oid, uid string, change memberChange, forced bool, decide decider) (p prospect, err error) {
	p.change = change
	if p.rows, err = m.readMember(ctx, oid, uid); err != nil {
		return p, err
	}
	p.acct = accountRow(uid)
	if err := m.records.Read(ctx, &p.acct); err != nil {
		return p, err
	}
	if before := p.rows.member.Rec.announced(); before.ID != "" {
		p.first = func(ctx context.Context) error {
			_, err := m.finishChange(ctx, oid, uid, before)
			return err
		}
		return p, nil
	}
	switch {
	case !isIn(oid, &p.acct):
		return p, ErrNotFound
	case !p.rows.org.Exists():
		return p, errNoRoster
	}
	if decide != nil {
		err = decide(ctx, &p)
	}
	if err == nil {
		err = m.considerAdmins(ctx, oid, &p, forced)
	}
	if other := (unsettled{}); errors.As(err, &other) {
		p.first = func(ctx context.Context) error {
			_, err := m.settleMember(ctx, oid, other.uid, "", false)
			return err
		}
		return p, nil
	}
	return p, err
}

// considerAdmins notes in the prospect whether it ends an enabled admin, and then asks guardAdmins.
func (m *Manager) considerAdmins(ctx context.Context, oid string, p *prospect, forced bool) error {
	if p.ends = p.rows.enabledAdmin(&p.acct.Rec) && !p.change.keepsAdmin(&m.cfg); !p.ends {
		return nil
	}
	err := m.guardAdmins(ctx, oid, &p.rows)
	if forced && !errors.As(err, new(unsettled)) {
		p.change.Orphans, err = errors.Is(err, ErrLastAdmin), nil
	}
	return err
}

// An unsettled member has a record, and no account in the organization. Whether one can still come by
// it is not known before [Manager.settleMember].
type unsettled struct{ uid string }

// Error implements error.
func (unsettled) Error() string { return "auth: a member is not settled" }

// guardAdmins returns ErrLastAdmin if the member of the rows, an enabled admin, is the last one of
// the organization, and there are other members. It returns ErrUnavailable if it cannot know.
func (m *Manager) guardAdmins(ctx context.Context, oid string, rows *memberRows) error {
	for _, uid := range rows.roster.Rec.Admins {
		if _, admin, err := m.isMemberOf(ctx, oid, uid, rows); err != nil || admin {
			return err
		}
	}
	if err := m.checkRosters(ctx); err != nil {
		return err
	}
	prefix, others := memberKey(oid, ""), false
	for most := membersAtFirst; ; most = math.MaxInt {
		items, err := m.records.List(ctx, prefix, most)
		if err != nil {
			return err
		}
		for _, it := range items {
			if others && !m.mayBeAdmin(it) {
				continue
			}
			uid := strings.TrimPrefix(it.Key, prefix)
			member, admin, err := m.isMemberOf(ctx, oid, uid, rows)
			if err != nil || admin { // one that the roster does not name
				return err
			}
			others = others || member
		}
		switch {
		case len(items) == most:
			continue
		case others:
			return ErrLastAdmin
		}
		return nil
	}
}

// mayBeAdmin reports whether the account of a member may be an admin by what the member's record says.
// The roster may not name one who was made an admin while nothing was settled, or whose role was none
// of an admin by an earlier Config.Roles, or who is one too many for it.
func (m *Manager) mayBeAdmin(it store.Item) bool {
	member := record.New[memberRecord](it.Key)
	err := member.Decode(it.Value)
	return err != nil || !member.Rec.Pending.IsZero() || m.cfg.isAdmin(member.Rec.Role)
}

// isMemberOf reports whether another user is a member of the organization, and an enabled admin,
// by the account. One whose end is announced is none. One whose account may be being made at this
// moment is a member. The error is unsettled for a record that is there for longer without an account:
// by its age alone nobody can say that no account comes.
func (m *Manager) isMemberOf(ctx context.Context, oid, uid string, rows *memberRows) (member, admin bool, err error) {
	if uid == rows.uid {
		return false, false, nil
	}
	acct, rec := accountRow(uid), memberRow(oid, uid)
	if err := m.records.Read(ctx, &rec); err != nil {
		return false, false, err
	}
	change := rec.Rec.announced()
	if change.Kind == deletion || change.moves() {
		return false, false, nil
	}
	if err := m.records.Read(ctx, &acct); err != nil {
		return false, false, err
	}
	switch coming := m.isHeld(rec.Rec.Pending) || !acct.Exists() && m.isHeld(rec.Rec.Joined); {
	case isIn(oid, &acct):
		admin = rows.enabledAdmin(&acct.Rec) && change.keepsAdmin(&m.cfg)
		return true, admin, nil
	case acct.Rec.Deleted, !rec.Exists():
		return false, false, nil
	case coming && change.Kind != arriving: // who is arriving has announced it, and so it is finished
		return true, false, nil
	}
	return false, false, unsettled{uid}
}
