package auth

import (
	"context"
	"time"

	"github.com/datixlab/auth/internal/ident"
	"github.com/datixlab/auth/internal/record"
)

// An Organization is a group of users. Every user is in exactly one.
type Organization struct {
	ID        string // "org_…"
	Name      string
	CreatedAt time.Time // UTC
}

// An orgRecord is the record of an organization.
type orgRecord struct {
	Name    string
	Created time.Time
	newer   []byte
}

// Fields implements [record.Fields].
func (o *orgRecord) Fields(c *record.Codec) {
	c.String(&o.Name)
	c.Time(&o.Created)
	c.Rest(&o.newer)
}

func orgRow(oid string) record.Row[orgRecord] { return record.New[orgRecord](orgKey(oid)) }

// Organization returns the organization with this id, or ErrNotFound.
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
	if !org.Exists() {
		return Organization{}, ErrNotFound
	}
	return Organization{ID: organizationID, Name: org.Rec.Name, CreatedAt: org.Rec.Created}, nil
}

// createOrganization makes an organization and returns its id, "org_…".
func (m *Manager) createOrganization(ctx context.Context, name string, now time.Time) (id string, err error) {
	oid := ident.Timed(now)
	org := orgRow(oid)
	org.Rec = orgRecord{Name: name, Created: now}
	return orgPrefix + oid, m.records.Commit(ctx, org.Put())
}
