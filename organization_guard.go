package auth

import (
	"context"
	"errors"
	"math"
	"strings"
	"time"

	"github.com/datixlab/auth/store"
)

// An organization that has other members keeps an enabled admin. Whether a user may leave is
// decided in the Commit that takes the user out of the roster, which is in the partition of the
// organization. Two admins who leave at the same time change the same roster, so the second sees
// what the first has done. The account follows: it is ended after that Commit, by whoever finds it.

// errRostersIncomplete is the cause if nobody can say who else is a member.
var errRostersIncomplete = errors.New("auth: the rosters of the store are not complete")

// checkMayLeave returns ErrLastAdmin if the user must not leave the organization now. It changes
// nothing, and only leaveForGood decides.
func (m *Manager) checkMayLeave(ctx context.Context, uid string, a *account) error {
	oid, ok := parseOrganization(a.Org)
	if !ok {
		return nil
	}
	m.awaitRosters(ctx)
	rows, err := m.readMember(ctx, oid, uid)
	if err != nil || !rows.org.Exists() {
		return err
	}
	return m.mayLeave(ctx, oid, &rows, a)
}

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

// leaveForGood takes a user whose account is about to end out of the admins of the organization.
// That cannot be undone: whatever then finds that the account still exists ends it. It returns
// ErrLastAdmin if other members would be left without an enabled admin.
func (m *Manager) leaveForGood(ctx context.Context, uid string, a *account) error {
	oid, ok := parseOrganization(a.Org)
	if !ok {
		return nil
	}
	return m.records.Retry(ctx, orgPartition(oid), func() error {
		rows, err := m.readMember(ctx, oid, uid)
		if err != nil || !rows.org.Exists() {
			return err
		}
		if err := m.mayLeave(ctx, oid, &rows, a); err != nil {
			return err
		}
		rec, _ := rows.follow(a)
		rec.Leaving, rec.Pending = true, m.now()
		return m.records.Commit(ctx, rows.put(rec, false)...)
	})
}

// mayLeave is checkMayLeave with rows that were read.
func (m *Manager) mayLeave(ctx context.Context, oid string, rows *memberRows, a *account) error {
	if rows.member.Rec.Leaving || !rows.enabledAdmin(a) {
		return nil
	}
	for _, uid := range rows.roster.Rec.Admins {
		if _, admin, err := m.isMemberOf(ctx, oid, uid, rows); err != nil || admin {
			return err
		}
	}
	if _, walked := m.records.Store.(store.Walker); walked { // otherwise the rosters are all that there is to know
		if complete, err := m.rostersComplete(ctx); err != nil || !complete {
			return unavailable(errors.Join(errRostersIncomplete, err))
		}
	}
	prefix, others := memberKey(oid, ""), false
	for most := membersAtFirst; ; most = math.MaxInt {
		items, err := m.records.List(ctx, prefix, most)
		if err != nil {
			return err
		}
		for _, it := range items {
			uid := strings.TrimPrefix(it.Key, prefix)
			member, admin, err := m.isMemberOf(ctx, oid, uid, rows)
			if err != nil || admin { // the roster names at most maxRosterAdmins
				return err
			}
			others = others || member
		}
		switch {
		case others && !rows.roster.Rec.MoreAdmins:
			return ErrLastAdmin
		case len(items) == most:
			continue
		case others:
			return ErrLastAdmin
		}
		return nil
	}
}

// isMemberOf reports whether another user is a member of the organization, and an enabled admin,
// by the account. A member whose account is being made at this moment is one.
func (m *Manager) isMemberOf(ctx context.Context, oid, uid string, rows *memberRows) (member, admin bool, err error) {
	if uid == rows.uid {
		return false, false, nil
	}
	acct, record := accountRow(uid), memberRow(oid, uid)
	if err := m.records.Read(ctx, &record); err != nil || record.Rec.Leaving {
		return false, false, err
	}
	if err := m.records.Read(ctx, &acct); err != nil {
		return false, false, err
	}
	if !acct.Exists() {
		return m.isHeld(record.Rec.Pending) || m.isHeld(record.Rec.Joined), false, nil
	}
	member = !acct.Rec.Deleted && acct.Rec.Org == orgPrefix+oid
	return member, member && rows.enabledAdmin(&acct.Rec), nil
}
