package auth

import (
	"context"
	"errors"

	"github.com/datixlab/auth/internal/ident"
	"github.com/datixlab/auth/internal/printable"
)

// SetMemberRole gives another member of the caller's organization a role, or the caller, and returns
// the member. The caller is an admin: their role is "admin" or above it in Config.Roles. Neither the
// old role nor the new one is above the caller's, and both are in Config.Roles. Otherwise the error is
// ErrForbidden. The next request of the member has the role. The member gets a notice.
//
// It needs a fresh login, or the password and, where a second factor is on, a code of it. An
// organization with other members keeps an enabled admin: the error is ErrLastAdmin for the last
// one, and no code is spent.
//
// The error is ErrNotFound for a user who is not a member, unknown or not. It may also be an
// [*InputError], ErrReauthenticationRequired, ErrInvalidCredentials or ErrRateLimited: an admin makes
// 100 changes of members at once, and one more every 10 seconds. It is ErrUnavailable while the
// rosters of an older store are not complete.
func (m *Manager) SetMemberRole(ctx context.Context, id Identity, userID, role string, password, code Secret) (Member, error) {
	defer m.calls.Begin()()
	a, err := m.actOnMember(ctx, id, memberChange{Kind: newRole, Role: role}, userID, password, code)
	if err != nil {
		return Member{}, err
	}
	if e := checkRole(role); e != nil {
		return Member{}, inputError(ErrInvalidInput, *e)
	}
	if err := a.make(ctx, "member_role"); err != nil {
		return Member{}, err
	}
	changed, err := m.settledMember(ctx, a.oid, a.uid)
	if err == nil && changed == nil {
		err = ErrNotFound // removed since
	}
	if err != nil {
		return Member{}, err
	}
	return *changed, nil
}

// RemoveMember takes a user out of the caller's organization. One Commit ends every session and API
// key of theirs, and what your program assigned with SetAssignedAgents. The account goes on in a new
// organization of its own, named after the user, with the role Config.FirstRole. With
// Config.NoRegistration it is disabled instead, and has the lowest role. The user gets a notice.
//
// Who may call it, and the errors, are as for [Manager.SetMemberRole].
func (m *Manager) RemoveMember(ctx context.Context, id Identity, userID string, password, code Secret) error {
	defer m.calls.Begin()()
	a, err := m.actOnMember(ctx, id, memberChange{Kind: removal}, userID, password, code)
	if err != nil {
		return err
	}
	return a.make(ctx, "remove_member")
}

// LeaveOrganization takes the caller out of their organization, as RemoveMember does. Any member may
// call it. The caller's present session goes on, with the new organization and role: a refresh puts
// them into its token. With Config.NoRegistration the account is disabled, and so the session ends.
// An organization ends with its last member, unless [Manager.CreateOrganization] made it.
//
// The proof and the errors are as for [Manager.SetMemberRole].
func (m *Manager) LeaveOrganization(ctx context.Context, id Identity, password, code Secret) error {
	defer m.calls.Begin()()
	a, err := m.actOnMember(ctx, id, memberChange{Kind: departure}, id.User.ID, password, code)
	if err != nil {
		return err
	}
	a.change.Session = a.caller.sid
	return a.make(ctx, "leave_organization")
}

// A memberAct is a call of a user that changes a member.
type memberAct struct {
	m        *Manager
	id       Identity
	caller   *principal
	proof    *factors
	oid, uid string // of the member; uid is "" for an id that is none
	change   memberChange
}

// actOnMember begins a call that changes a member. It returns ErrForbidden if the caller may change
// none.
func (m *Manager) actOnMember(ctx context.Context, id Identity, ch memberChange, userID string, password, code Secret) (*memberAct, error) {
	f := newFactors(id, password, code)
	c, err := m.loadPrincipal(ctx, id, &f.pass, &f.totp)
	if err != nil {
		return nil, err
	}
	oid, ok := parseOrganization(c.acct.Rec.Org)
	if !ok {
		return nil, ErrNotFound
	}
	if ch.Kind != departure && !m.cfg.isAdmin(c.acct.Rec.Role) {
		return nil, m.refuseMember(ctx, id)
	}
	ch.Actor, ch.Notify = id.SessionID, true
	uid, _ := parseUser(userID)
	return &memberAct{m: m, id: id, caller: c, proof: f, oid: oid, uid: uid, change: ch}, nil
}

// loadAdmin is loadPrincipal for a call of an admin. It returns the digits of their organization, or
// ErrForbidden.
func (m *Manager) loadAdmin(ctx context.Context, id Identity) (c *principal, oid string, err error) {
	if c, err = m.loadPrincipal(ctx, id); err != nil {
		return nil, "", err
	}
	oid, ok := parseOrganization(c.acct.Rec.Org)
	if !ok || !m.cfg.isAdmin(c.acct.Rec.Role) {
		return nil, "", m.refuseMember(ctx, id)
	}
	return c, oid, nil
}

// refuseMember returns ErrForbidden for a change that is not the caller's to make.
func (m *Manager) refuseMember(ctx context.Context, id Identity) error {
	m.ReportDenied(ctx, id, "role")
	return ErrForbidden
}

// make proves the caller, looks whether the change is allowed, and makes it. Action names the call in
// events.
func (a *memberAct) make(ctx context.Context, action string) error {
	m := a.m
	charge := m.chargingOnce(a.caller.uid, []budget{memberBudget(a.caller.uid)})
	err := m.requireRosters(ctx)
	if err == nil {
		err = m.proveFresh(ctx, a.id, a.caller, a.proof, action, func(ctx context.Context) error {
			if err := charge(ctx); err != nil {
				return err
			}
			_, err := m.consider(ctx, a.oid, a.uid, a.change, false, a.decide)
			if errors.Is(err, errNoChange) {
				return nil
			}
			return a.refuse(ctx, err)
		})
	}
	if err != nil {
		return err
	}
	if a.change.moves() {
		m.moveTo(&a.change, ident.Timed(m.now()))
	}
	_, err = m.change(context.WithoutCancel(ctx), a.oid, a.uid, a.change, false, a.decide)
	if errors.Is(err, errNoChange) {
		return nil
	}
	return a.refuse(ctx, err)
}

// errNoChange reports that the member is what the call asks for.
var errNoChange = errors.New("auth: there is nothing to change")

// refuse returns the error of a change, and reports a refusal. All who are no members are one.
func (a *memberAct) refuse(ctx context.Context, err error) error {
	switch {
	case errors.Is(err, ErrNotFound) && a.change.Kind == departure:
		return a.left(ctx)
	case errors.Is(err, ErrNotFound), errors.Is(err, errNoRoster):
		a.m.ReportDenied(ctx, a.id, "not_found")
		return ErrNotFound
	case errors.Is(err, ErrForbidden):
		return a.m.refuseMember(ctx, a.id)
	case errors.Is(err, ErrLastAdmin):
		a.m.ReportDenied(ctx, a.id, "last_admin")
	}
	return err
}

// left returns the error of a departure whose member is gone: nil, unless the account is. It has left
// by an earlier call that was cut off and is finished now, or at the same time.
func (a *memberAct) left(ctx context.Context) error {
	acct := accountRow(a.uid)
	if err := a.m.records.Read(ctx, &acct); err != nil || acct.Exists() && !acct.Rec.Deleted && !isIn(a.oid, &acct) {
		return err
	}
	return ErrNotFound
}

// decide is the decider of the call: the caller is what the change needs at the moment that announces
// it. Whatever ends the caller as an admin is announced before, and so writes the roster.
func (a *memberAct) decide(ctx context.Context, p *prospect) error {
	if a.uid == "" || p.rows.org.Rec.Ended {
		return ErrNotFound
	}
	m, own := a.m, memberRow(a.oid, a.caller.uid)
	if err := m.records.Read(ctx, &own); err != nil {
		return err
	}
	c, err := m.loadPrincipal(ctx, a.id)
	if err != nil {
		return err
	}
	if !isIn(a.oid, &c.acct) {
		return ErrForbidden
	}
	if a.change.Kind == departure {
		return nil
	}
	going := own.Rec.announced()
	rank := m.cfg.rank(c.acct.Rec.Role)
	switch is := m.cfg.rank(p.acct.Rec.Role); {
	case !m.cfg.isAdmin(c.acct.Rec.Role), !going.keepsAdmin(&m.cfg), is < 0, is > rank:
		return ErrForbidden
	case a.change.Kind != newRole:
		return nil
	}
	switch wanted := m.cfg.rank(a.change.Role); {
	case wanted < 0, wanted > rank:
		return ErrForbidden
	case a.change.Role == p.acct.Rec.Role:
		return errNoChange
	}
	return nil
}

// RenameOrganization gives the caller's organization another name, as [Manager.CreateOrganization]
// takes it, and returns the organization. The caller is an admin: otherwise the error is ErrForbidden.
// It may also be an [*InputError], or ErrRateLimited after 60 changes of the profile and the
// name at once; one more is allowed every second.
func (m *Manager) RenameOrganization(ctx context.Context, id Identity, name string) (Organization, error) {
	defer m.calls.Begin()()
	c, oid, err := m.loadAdmin(ctx, id)
	if err != nil {
		return Organization{}, err
	}
	name = printable.Tidy(name)
	if e := checkText("name", name, maxName, true); e != nil {
		return Organization{}, inputError(ErrInvalidInput, *e)
	}
	if err := m.chargeChange(ctx, c.uid); err != nil {
		return Organization{}, err
	}
	var rows memberRows
	err = m.records.Retry(ctx, orgPartition(oid), func() (err error) {
		if rows, err = m.readMember(ctx, oid, c.uid); err != nil {
			return err
		}
		now, err := m.loadPrincipal(ctx, id) // after the roster, as in decide
		if err != nil {
			return err
		}
		going := rows.member.Rec.announced()
		switch {
		case !rows.org.Exists(), rows.org.Rec.Ended:
			return ErrNotFound
		case !isIn(oid, &now.acct), !m.cfg.isAdmin(now.acct.Rec.Role), !going.keepsAdmin(&m.cfg):
			return ErrForbidden
		}
		rows.org.Rec.Name = name
		return m.records.Commit(ctx, rows.org.Put(), rows.roster.Unchanged())
	})
	if errors.Is(err, ErrForbidden) {
		err = m.refuseMember(ctx, id)
	}
	m.report(ctx, err, id.event(EventOrganizationRenamed))
	if err != nil {
		return Organization{}, err
	}
	return Organization{ID: orgPrefix + oid, Name: name, CreatedAt: rows.org.Rec.Created}, nil
}
