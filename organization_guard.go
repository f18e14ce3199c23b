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
// by the account. A member whose account is being made or moved at this moment is one. One whose
// end is announced is none.
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
	if !isIn(oid, &acct) {
		coming := m.isHeld(rec.Rec.Pending) || !acct.Exists() && m.isHeld(rec.Rec.Joined)
		return coming && !acct.Rec.Deleted, false, nil
	}
	admin = rows.enabledAdmin(&acct.Rec) && (change.ID == "" || change.keepsAdmin(&m.cfg))
	return true, admin, nil
}
