package auth

import (
	"context"
	"hash/maphash"
	"math"
	"strings"
	"time"

	"github.com/datixlab/auth/internal/parallel"
	"github.com/datixlab/auth/internal/record"
	"github.com/datixlab/auth/internal/stampcache"
)

// A Member is a user of an organization, as the other members may see them.
type Member struct {
	ID       string // "user_…"
	Email    string
	FullName string
	Role     string
	JoinedAt time.Time // UTC
	// TwoFactorEnabled and Disabled are for admins. To other members they are false.
	TwoFactorEnabled, Disabled bool
}

// A MemberQuery says which members [Manager.Members] returns. The zero value is the first page of all.
type MemberQuery struct {
	After string // the Next of the page before
	Limit int    // how many members a page has at most, 1 to 200; 0 is 50
}

// A MemberPage is a part of the list of members.
type MemberPage struct {
	Members []Member
	Next    string // MemberQuery.After of the next page; "" after the last
	ByAdmin bool   // the caller is an admin, who sees TwoFactorEnabled and Disabled
}

// Members returns a page of the members of the caller's organization, in the order of their ids.
// A page may have fewer members than Limit. Nobody is missing who is a member from before the first
// page until after the last.
//
// A change of a member that was cut off is finished by it. The error is an [*InputError] for a Limit
// out of range or an After that is of another list, or ErrUnavailable while the rosters of an
// older store are not complete.
func (m *Manager) Members(ctx context.Context, id Identity, q MemberQuery) (MemberPage, error) {
	c, err := m.loadPrincipal(ctx, id)
	if err != nil {
		return MemberPage{}, err
	}
	limit, err := pageLimit(q.Limit)
	if err != nil {
		return MemberPage{}, err
	}
	oid, ok := parseOrganization(c.acct.Rec.Org)
	if !ok {
		return MemberPage{}, ErrNotFound
	}
	found, next, err := readMembers(ctx, m, "members", oid, q.After, limit, m.settledMember)
	if err != nil {
		return MemberPage{}, err
	}
	page := MemberPage{Members: found, Next: next, ByAdmin: m.cfg.isAdmin(c.acct.Rec.Role)}
	if !page.ByAdmin {
		for i := range page.Members {
			page.Members[i].TwoFactorEnabled, page.Members[i].Disabled = false, false
		}
	}
	return page, nil
}

// readMembers reads the members of an organization that come after the cursor of the list, in the
// order of their ids. It leaves out those for whom read returns nil.
func readMembers[T any](ctx context.Context, m *Manager, list, oid, cursor string, limit int, read func(ctx context.Context, oid, uid string) (*T, error)) (members []T, next string, err error) {
	last, err := m.openCursor(cursor, list, oid)
	if err != nil {
		return nil, "", err
	}
	if err := m.requireRosters(ctx); err != nil {
		return nil, "", err
	}
	prefix, after := memberKey(oid, ""), ""
	if last != "" {
		after = prefix + last
	}
	items, err := m.records.ListAfter(ctx, prefix, after, limit)
	if err != nil {
		return nil, "", err
	}
	found := make([]*T, len(items))
	var calls []func() error
	for i, it := range items {
		last = strings.TrimPrefix(it.Key, prefix)
		uid := last
		calls = append(calls, func() (err error) {
			found[i], err = read(ctx, oid, uid)
			return err
		})
	}
	if err := parallel.Try(accountsAtOnce, calls, func(err error) error { return err }); err != nil {
		return nil, "", err
	}
	for _, one := range found {
		if one != nil {
			members = append(members, *one)
		}
	}
	if len(items) == limit {
		next = m.sealCursor(last, list, oid)
	}
	return members, next, nil
}

// accountsAtOnce is how many accounts of a page are read at the same time.
const accountsAtOnce = 16

// settledMember returns a member, or nil if the user is none. It settles what was announced and cut
// off.
func (m *Manager) settledMember(ctx context.Context, oid, uid string) (*Member, error) {
	for settled := false; ; settled = true {
		rec, acct := memberRow(oid, uid), accountRow(uid)
		if err := m.records.Read(ctx, &rec); err != nil || !rec.Exists() {
			return nil, err
		}
		if !settled && !rec.Rec.Pending.IsZero() {
			if state, err := m.settleMember(ctx, oid, uid, "", false); err != nil || state != memberLive {
				return nil, err
			}
			continue
		}
		if err := m.records.Read(ctx, &acct); err != nil || !isIn(oid, &acct) {
			return nil, err
		}
		return newMember(uid, &rec.Rec, &acct.Rec), nil
	}
}

func newMember(uid string, rec *memberRecord, a *account) *Member {
	return &Member{
		ID: userIDOf(uid), Email: a.Email, FullName: a.FullName, Role: a.Role, JoinedAt: rec.Joined,
		TwoFactorEnabled: a.Enrolment != "", Disabled: a.Disabled,
	}
}

// A memberCount is how many members an organization has, with the stamp of its partition from before
// they were counted.
type memberCount struct {
	id, part string
	n        int
	stamp    stampcache.Stamp
}

// MemberCount returns how many members an organization has, disabled ones too, or ErrNotFound. It
// reads the list of members, unless the store's stamp of the organization is the same as before. It
// finishes a change that was cut off. It is ErrUnavailable while the rosters of an older store are not
// complete.
func (m *Manager) MemberCount(ctx context.Context, organizationID string) (int, error) {
	if _, err := m.Organization(ctx, organizationID); err != nil {
		return 0, err
	}
	if err := m.requireRosters(ctx); err != nil {
		return 0, err
	}
	oid, _ := parseOrganization(organizationID)
	c, hash := &m.cache, maphash.String(m.cache.seed, organizationID)
	var old *memberCount
	if !c.counts.Off() {
		old = c.counts.Find(hash, func(o *memberCount) bool { return o.id == organizationID })
	}
	if old != nil && !c.stamps.Changed(old.part, old.stamp) {
		return old.n, nil
	}
	now := &memberCount{id: organizationID, part: orgPartition(oid)}
	now.stamp = c.stamps.Of(now.part)
	n, settled, err := m.countMembers(ctx, oid)
	if err != nil {
		return 0, err
	}
	if now.n = n; settled && !c.counts.Off() && now.stamp.Known() {
		c.counts.Put(hash, now, old, func(o *memberCount) bool { return c.stamps.Outdated(o.part, o.stamp) })
	}
	return n, nil
}

// countMembers returns how many members there are. Settled reports that none is on the way.
func (m *Manager) countMembers(ctx context.Context, oid string) (n int, settled bool, err error) {
	prefix := memberKey(oid, "")
	items, err := m.records.List(ctx, prefix, math.MaxInt)
	if err != nil {
		return 0, false, err
	}
	settled = true
	for _, it := range items {
		rec := record.New[memberRecord](it.Key)
		if err := rec.Decode(it.Value); err != nil {
			return 0, false, unavailable(err)
		}
		if rec.Rec.Pending.IsZero() {
			n++
			continue
		}
		settled = false
		state, err := m.settleMember(ctx, oid, strings.TrimPrefix(it.Key, prefix), "", false)
		if err != nil {
			return 0, false, err
		}
		if state == memberLive {
			n++
		}
	}
	return n, settled, nil
}
