package auth

import (
	"context"
	"time"

	"github.com/datixlab/auth/internal/ident"
)

// An Organization is what its members have in common.
type Organization struct {
	ID        string // "org_…"
	Name      string
	CreatedAt time.Time // UTC
}

type orgRecord struct {
	Name    string
	Created time.Time
	newer   []byte
}

func (o *orgRecord) fields(c *codec) {
	c.string(&o.Name)
	c.time(&o.Created)
	c.rest(&o.newer)
}

func orgRow(oid string) row[orgRecord] { return newRow[orgRecord](orgKey(oid)) }

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
	if err := m.records.read(ctx, &org); err != nil {
		return Organization{}, err
	}
	if !org.exists() {
		return Organization{}, ErrNotFound
	}
	return Organization{ID: organizationID, Name: org.rec.Name, CreatedAt: org.rec.Created}, nil
}

func (m *Manager) createOrganization(ctx context.Context, name string, now time.Time) (id string, err error) {
	oid := ident.Timed(now)
	org := orgRow(oid)
	org.rec = orgRecord{Name: name, Created: now}
	return orgPrefix + oid, m.records.commit(ctx, org.put())
}
