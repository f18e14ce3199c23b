package auth

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/datixlab/auth/internal/record"
	"github.com/datixlab/auth/store"
)

// A rostersRecord says how far the rosters of a store are that had accounts before there were
// rosters. It has no place in a walk: a place is valid in one open store only, and this record
// is copied and restored with the others. A walk that begins again reads an account that is in
// its roster, and writes nothing.
type rostersRecord struct {
	// Complete: every account is in the roster of its organization.
	Complete bool
	// Swept: organizations that had lost their last member before that are removed.
	Swept bool
	newer []byte
}

// Fields implements [record.Fields].
func (r *rostersRecord) Fields(c *record.Codec) {
	c.Bool(&r.Complete)
	c.Bool(&r.Swept)
	c.Rest(&r.newer)
}

func rostersRow() record.Row[rostersRecord] { return record.New[rostersRecord](rostersKey) }

// rostersComplete reports whether every account of the store is in its roster. It never is on
// a store that cannot be walked.
func (m *Manager) rostersComplete(ctx context.Context) (bool, error) {
	if m.complete.Load() {
		return true, nil
	}
	row := rostersRow()
	if err := m.records.Read(ctx, &row); err != nil {
		return false, err
	}
	m.complete.Store(row.Rec.Complete)
	return row.Rec.Complete, nil
}

// completeRosters adds every account of the store to its roster, and then removes
// organizations without a member. A store for which that was done costs one read. It walks
// the store until a walk finds nothing to add, since a process of an older version may be
// adding accounts. Any number of processes may do it at the same time.
func (m *Manager) completeRosters(ctx context.Context, s store.Walker) error {
	for {
		row := rostersRow()
		if err := m.records.Read(ctx, &row); err != nil {
			return err
		}
		m.complete.Store(row.Rec.Complete)
		switch {
		case !row.Rec.Complete:
			empty, err := m.addAccounts(ctx, s)
			if err != nil {
				return err
			}
			row.Rec = rostersRecord{Complete: true, Swept: empty, newer: row.Rec.newer}
		case !row.Rec.Swept:
			if err := m.sweepOrganizations(ctx, s); err != nil {
				return err
			}
			row.Rec.Swept = true
		default:
			return nil
		}
		if err := m.records.Commit(ctx, row.Put()); err != nil && !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
}

// addAccounts walks the store until every account is in its roster. Empty reports that the
// last walk found no organization.
func (m *Manager) addAccounts(ctx context.Context, s store.Walker) (empty bool, err error) {
	for {
		added, damaged := 0, 0
		empty = true
		err := m.records.WalkEach(ctx, s, func(page store.Page) (calls []func() error) {
			empty = empty && len(organizationsOf(page)) == 0
			for _, uid := range accountsOf(page) {
				calls = append(calls, func() error { return m.addAccount(ctx, uid) })
			}
			return calls
		}, func(err error) error {
			switch {
			case errors.Is(err, errAdded):
				added++
			case errors.Is(err, record.ErrDamaged):
				damaged++
			default:
				return err
			}
			return nil
		})
		switch {
		case err != nil:
			return false, err
		case damaged > 0: // it may be in any organization
			return false, fmt.Errorf("%d accounts or members: %w", damaged, record.ErrDamaged)
		case added == 0:
			return empty, nil
		}
	}
}

// errAdded reports an account that was not in its roster and is now.
var errAdded = errors.New("auth: added to its roster")

// addAccount adds an account to its roster. It returns errAdded if it was not in it, and nil
// if it was or there is no such account.
func (m *Manager) addAccount(ctx context.Context, uid string) error {
	acct := accountRow(uid)
	if err := m.records.Read(ctx, &acct); err != nil {
		return err
	}
	oid, ok := parseOrganization(acct.Rec.Org)
	if !ok || acct.Rec.Deleted {
		return nil
	}
	rows, err := m.readMember(ctx, oid, uid)
	if err != nil {
		return err
	}
	if !rows.org.Exists() || rows.settled(&acct.Rec) || m.isHeld(rows.member.Rec.Pending) {
		return nil
	}
	if _, err := m.settleMember(ctx, oid, uid, "", false); err != nil {
		return err
	}
	return errAdded
}

// sweepMargin is how old an organization without a roster must be to be removed: it is one
// whose users were all deleted by an older version, and none that one is making.
const sweepMargin = time.Hour

// sweepOrganizations removes every organization without a member.
func (m *Manager) sweepOrganizations(ctx context.Context, s store.Walker) error {
	return m.records.WalkEach(ctx, s, func(page store.Page) (calls []func() error) {
		for _, oid := range organizationsOf(page) {
			calls = append(calls, func() error {
				rows := newMemberRows(oid, "")
				if err := m.records.Read(ctx, &rows.org, &rows.roster); err != nil {
					return err
				}
				if !rows.roster.Exists() && m.now().Sub(rows.org.Rec.Created) < sweepMargin {
					return nil
				}
				return m.removeIfEmpty(ctx, oid, false)
			})
		}
		return calls
	}, func(err error) error {
		if errors.Is(err, record.ErrDamaged) {
			return nil // it stays
		}
		return err
	})
}

// organizationsOf returns the organizations whose records are on the page.
func organizationsOf(page store.Page) (oids []string) {
	for _, rec := range page.Records {
		if oid := oidOfRecord(rec.Key); oid != "" {
			oids = append(oids, oid)
		}
	}
	return oids
}

// oidOfRecord returns the organization whose own record has the key, or "" for any other key.
func oidOfRecord(key string) string {
	oid, isOrganization := strings.CutPrefix(key, "o.")
	oid, isRecord := strings.CutSuffix(oid, "/org")
	if !isOrganization || !isRecord {
		return ""
	}
	return oid
}
