package auth

import (
	"context"
	"math"
	"strings"

	"github.com/datixlab/auth/store"
)

// leaveOrganization removes the record of a member whose account is deleted or was not created,
// and the organization with its last member. End is that of removeIfEmpty.
func (m *Manager) leaveOrganization(ctx context.Context, oid, uid string, end bool) error {
	err := m.records.Retry(ctx, orgPartition(oid), func() error {
		rows, err := m.readMember(ctx, oid, uid)
		if err != nil {
			return err
		}
		return m.records.Commit(ctx, rows.remove()...)
	})
	if err != nil {
		return err
	}
	return m.removeIfEmpty(ctx, oid, end)
}

// removeIfEmpty removes an organization without a member that has an account. With end it ends
// creations of accounts in it that are under way; otherwise these keep it. It does nothing
// before every account of the store is in its roster, see completeRosters.
func (m *Manager) removeIfEmpty(ctx context.Context, oid string, end bool) error {
	if complete, err := m.rostersComplete(ctx); err != nil || !complete {
		return err
	}
	for most := membersAtFirst; ; most = math.MaxInt {
		uids, err := m.removeUnlessMembers(ctx, oid, most)
		if err != nil || len(uids) == 0 {
			return err
		}
		var pending []string
		for _, uid := range uids {
			state, err := m.settleMember(ctx, oid, uid, "", false)
			if err != nil || state == memberLive {
				return err
			}
			if state == memberPending {
				pending = append(pending, uid)
			}
		}
		if len(uids) == most { // there may be more, and one of them has an account
			continue
		}
		if len(pending) > 0 && !end {
			return nil
		}
		for _, uid := range pending {
			if state, err := m.settleMember(ctx, oid, uid, "", true); err != nil || state == memberLive {
				return err
			}
		}
	}
}

// membersAtFirst is how many members are looked at before all of them are.
const membersAtFirst = 16

// removeUnlessMembers removes the organization if it has no member's record, with all that is
// in its partition. Otherwise it returns up to most of its members. One that stays without a
// member is left alone until its deletion has begun.
func (m *Manager) removeUnlessMembers(ctx context.Context, oid string, most int) (uids []string, err error) {
	prefix, removed := memberKey(oid, ""), false
	err = m.records.Retry(ctx, orgPartition(oid), func() error {
		rows := newMemberRows(oid, "")
		if err := m.records.Read(ctx, &rows.org, &rows.roster); err != nil {
			return err
		}
		items, err := m.records.List(ctx, prefix, most)
		if err != nil {
			return err
		}
		uids = nil
		for _, it := range items {
			uids = append(uids, strings.TrimPrefix(it.Key, prefix))
		}
		if removed = len(uids) == 0 && (!rows.org.Rec.Kept || rows.org.Rec.Ended); !removed {
			return nil
		}
		return m.records.Commit(ctx, store.Delete(rows.org.Key).Was(rows.org.Raw), store.Delete(rows.roster.Key).Was(rows.roster.Raw))
	})
	if err == nil && removed {
		_, err = m.removeAll(ctx, orgRecords(oid))
	}
	return uids, err
}
