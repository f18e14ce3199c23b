package auth

import (
	"context"
	"errors"
	"strings"

	"github.com/datixlab/auth/internal/ident"
	"github.com/datixlab/auth/internal/printable"
	"github.com/datixlab/auth/store"
)

// CreateOrganization makes an organization without a member. It stays until
// [Manager.DeleteOrganization], also without a member, and is otherwise like one that
// [Manager.Register] makes: CreateUser adds to it. It is for your program: it checks no
// permission and no limit of attempts. Two organizations may have one name, of 1 to 100
// characters. A name is stored as that of a registration is. The error is an [*InputError] for
// the field "name".
func (m *Manager) CreateOrganization(ctx context.Context, name string) (Organization, error) {
	defer m.calls.Begin()()
	if err := m.ready(); err != nil {
		return Organization{}, err
	}
	name = printable.Tidy(name)
	if e := checkText("name", name, maxName, true); e != nil {
		return Organization{}, inputError(ErrInvalidInput, *e)
	}
	now := m.now()
	oid := ident.Timed(now)
	org := orgRow(oid)
	org.Rec = orgRecord{Name: name, Created: now, Kept: true}
	err := m.records.Commit(ctx, org.Put())
	made := Organization{ID: orgPrefix + oid, Name: name, CreatedAt: now}
	m.reportByProgram(ctx, err, Event{Type: EventOrganizationCreated, OrganizationID: made.ID})
	if err != nil {
		return Organization{}, err
	}
	return made, nil
}

// DeleteOrganization deletes the organization and every account in it, as
// [Manager.DeleteUser] does. There is no undo, and no last admin stops it. One Commit ends the
// organization: from then on Organization and CreateUser return ErrNotFound for it, and an
// account that is being made in it fails. The members are deleted after it, one after the
// other, with an event for each.
//
// Nil means that the deletion is done. If DeleteOrganization returns ErrUnavailable or is cut
// off, some members may still be able to log in. Call it again until it returns nil, at any
// time: it continues. ErrNotFound means that there is no such organization and nothing of it.
//
// It deletes nothing and returns ErrUnavailable if its list of members may be incomplete. It may
// be on a store that is no [store.Walker], and on a store with accounts of a version without
// rosters until [New] has added them.
func (m *Manager) DeleteOrganization(ctx context.Context, organizationID string) error {
	defer m.calls.Begin()()
	if err := m.ready(); err != nil {
		return err
	}
	oid, ok := parseOrganization(organizationID)
	if !ok {
		return ErrNotFound
	}
	complete, err := m.rostersComplete(ctx)
	if err == nil && !complete {
		err = unavailable(errRostersIncomplete)
	}
	if err != nil {
		return err
	}
	if err := m.endOrganization(ctx, oid); err != nil {
		return err
	}
	prefix := memberKey(oid, "")
	for {
		items, err := m.records.List(ctx, prefix, store.MaxOps)
		if err != nil {
			return err
		}
		for _, it := range items {
			if err := m.deleteMember(ctx, oid, strings.TrimPrefix(it.Key, prefix)); err != nil {
				return err
			}
		}
		if len(items) == 0 {
			return m.removeIfEmpty(ctx, oid, true)
		}
	}
}

// endOrganization marks an organization, so that nobody joins it any more. The error is
// ErrNotFound if there is none and nothing of it.
func (m *Manager) endOrganization(ctx context.Context, oid string) error {
	ended := false
	err := m.records.RetryAnyway(ctx, orgPartition(oid), func() error {
		org := orgRow(oid)
		if err := m.records.Read(ctx, &org); err != nil {
			return err
		}
		if ended = org.Rec.Ended; ended {
			return nil
		}
		if !org.Exists() {
			ended = true // its removal was cut off
			items, err := m.records.List(ctx, orgRecords(oid), 1)
			if err == nil && len(items) == 0 {
				err = ErrNotFound
			}
			return err
		}
		org.Rec.Ended = true
		return m.records.Commit(ctx, org.Put())
	})
	if !ended {
		m.reportByProgram(ctx, err, Event{Type: EventOrganizationDeleted, OrganizationID: orgPrefix + oid})
	}
	return err
}

// deleteMember deletes the account that a member's record is of, or continues its deletion, and
// then removes the record. So no deletion that was cut off is forgotten: its record is there. An
// account of another organization is not deleted, and a creation that is under way fails.
func (m *Manager) deleteMember(ctx context.Context, oid, uid string) error {
	member, acct := memberRow(oid, uid), accountRow(uid)
	if err := m.records.Read(ctx, &member); err != nil {
		return err
	}
	if ch := member.Rec.announced(); ch.moves() || ch.Kind == arriving { // the member has left before
		if _, err := m.finishChange(withoutClient(ctx), oid, uid, ch); err != nil {
			return err
		}
	}
	if err := m.records.Read(ctx, &acct); err != nil {
		return err
	}
	if acct.Exists() && acct.Rec.Org == orgPrefix+oid {
		ch := memberChange{Kind: deletion, Actor: actorOf(ctx)}
		left, err := m.deleteAccount(ctx, uid, ch.ending(uid, acct.Rec.Org))
		if err == nil {
			err = m.finishDeletion(ctx, uid, left)
		}
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
	}
	_, err := m.settleMember(ctx, oid, uid, "", true)
	return err
}
