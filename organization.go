package auth

import (
	"context"
	"time"

	"github.com/datixlab/auth/internal/record"
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

// foundOrganization makes an organization whose only member is the admin uid. The account is
// created after it: if that fails, the caller calls dissolve. If the caller dies before, whoever
// voids its claim removes the organization, see emailClaim.
func (m *Manager) foundOrganization(ctx context.Context, oid, name, uid string, now time.Time) (memberChange, error) {
	rows := newMemberRows(oid, uid)
	rows.org.Rec = orgRecord{Name: name, Created: now}
	ops := rows.put(memberRecord{Role: m.cfg.FirstRole, Joined: now}, true)
	ops[0] = rows.org.Put()
	return memberChange{oid: oid, uid: uid}, m.records.Commit(ctx, ops...)
}

// dissolve removes an organization that foundOrganization has made, and whose account was not
// created.
func (m *Manager) dissolve(ctx context.Context, c memberChange) error {
	rows := newMemberRows(c.oid, c.uid)
	return m.records.Commit(ctx,
		store.Delete(rows.org.Key), store.Delete(rows.roster.Key), store.Delete(rows.member.Key))
}
