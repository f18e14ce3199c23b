package auth

import (
	"context"
	"hash/maphash"
	"math"
	"strings"
	"time"

	"github.com/datixlab/auth/internal/record"
	"github.com/datixlab/auth/internal/stampcache"
	"github.com/datixlab/auth/store"
)

// An Organization is a group of users. Every user is in exactly one. An organization ends with
// its last user, see [Manager.DeleteUser], unless [Manager.CreateOrganization] made it.
type Organization struct {
	ID        string // "org_…"
	Name      string
	CreatedAt time.Time // UTC
}

// An orgRecord is the record of an organization.
type orgRecord struct {
	Name    string
	Created time.Time
	Kept    bool // it stays without a member
	Ended   bool // it is being deleted: nobody joins it any more
	newer   []byte
}

// Fields implements [record.Fields].
func (o *orgRecord) Fields(c *record.Codec) {
	c.String(&o.Name)
	c.Time(&o.Created)
	c.Bool(&o.Kept)
	c.Bool(&o.Ended)
	c.Rest(&o.newer)
}

func orgRow(oid string) record.Row[orgRecord] { return record.New[orgRecord](orgKey(oid)) }

// Organization returns the organization with this id. The error is ErrNotFound if there is
// none, and as soon as its deletion has begun.
func (m *Manager) Organization(ctx context.Context, organizationID string) (Organization, error) {
	if err := m.ready(); err != nil {
		return Organization{}, err
	}
	oid, ok := parseOrganization(organizationID)
	if !ok {
		return Organization{}, ErrNotFound
	}
	org := orgRow(oid)
	if err := m.records.Read(ctx, &org); err != nil {
		return Organization{}, err
	}
	if !org.Exists() || org.Rec.Ended {
		return Organization{}, ErrNotFound
	}
	return Organization{ID: organizationID, Name: org.Rec.Name, CreatedAt: org.Rec.Created}, nil
}

// An orgName is the name of an organization, with the stamp of its partition from before it was
// read.
type orgName struct {
	id, name, part string
	stamp          stampcache.Stamp
}

// OrganizationName is the name that [Manager.Organization] returns. It is for pages that show it
// with every request: it reads nothing while the store's stamp of the organization is the same.
func (m *Manager) OrganizationName(ctx context.Context, organizationID string) (string, error) {
	if err := m.ready(); err != nil {
		return "", err
	}
	c, hash := &m.cache, maphash.String(m.cache.seed, organizationID)
	var old *orgName
	if !c.names.Off() {
		old = c.names.Find(hash, func(o *orgName) bool { return o.id == organizationID })
	}
	if old != nil && !c.stamps.Changed(old.part, old.stamp) {
		return old.name, nil
	}
	oid, _ := parseOrganization(organizationID)
	now := &orgName{id: organizationID, part: orgPartition(oid)}
	now.stamp = c.stamps.Of(now.part)
	org, err := m.Organization(ctx, organizationID)
	if err != nil {
		return "", err
	}
	if now.name = org.Name; !c.names.Off() && now.stamp.Known() {
		c.names.Put(hash, now, old, func(o *orgName) bool { return c.stamps.Outdated(o.part, o.stamp) })
	}
	return org.Name, nil
}

// foundOrganization makes an organization whose only member is uid, as the account a says. That is
// created after it: if that fails, the caller calls dissolve. If the caller dies before, whoever
// voids its claim removes the organization, see emailClaim.
func (m *Manager) foundOrganization(ctx context.Context, oid, name, uid string, a *account, now time.Time) (arrival, error) {
	rows := newMemberRows(oid, uid)
	rows.cfg = &m.cfg
	rows.org.Rec = orgRecord{Name: name, Created: now}
	ops := rows.put(memberRecord{Role: a.Role, Disabled: a.Disabled, Joined: now}, rows.enabledAdmin(a))
	ops[0] = rows.org.Put()
	return arrival{oid: oid, uid: uid}, m.records.Commit(ctx, ops...)
}

// dissolve removes an organization that foundOrganization has made, and whose account was not
// created.
func (m *Manager) dissolve(ctx context.Context, c arrival) error {
	rows := newMemberRows(c.oid, c.uid)
	return m.records.Commit(ctx,
		store.Delete(rows.org.Key), store.Delete(rows.roster.Key), store.Delete(rows.member.Key))
}

// leaveOrganization removes the record of a member whose account is deleted or was not created,
// and the organization with its last member. A move of the member that was cut off ends with it. End
// is that of removeIfEmpty.
func (m *Manager) leaveOrganization(ctx context.Context, oid, uid string, end bool) error {
	member := memberRow(oid, uid)
	err := m.records.Read(ctx, &member)
	switch ch := member.Rec.announced(); {
	case err != nil:
	case ch.Kind == arriving:
		err = m.finishJoining(ctx, oid, uid, ch)
	case ch.Kind == removal, ch.Kind == departure:
		err = m.removeIfEmpty(ctx, ch.Org, true)
	}
	if err != nil {
		return err
	}
	err = m.records.Retry(ctx, orgPartition(oid), func() error {
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
		return m.records.Commit(ctx, rows.org.Remove(), rows.roster.Remove(), store.Delete(invitationsKey(oid)))
	})
	if err == nil && removed {
		_, err = m.removeAll(ctx, orgRecords(oid))
	}
	if err == nil && removed {
		err = m.refillInvites(ctx, oid)
	}
	return uids, err
}
