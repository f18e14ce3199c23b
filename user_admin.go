package auth

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/datixlab/auth/internal/emailaddr"
	"github.com/datixlab/auth/internal/record"
	"github.com/datixlab/auth/store"
)

// This file has the calls by which your program manages accounts. No route of httpauth makes
// them. The Actor of their events is that of [WithActor]. They wait for the turn of their
// account, and go on without it if none comes: no flood of changes holds them up for long.

// editAccount edits an account that exists, again after each conflict, and returns its
// organization.
func (m *Manager) editAccount(ctx context.Context, userID string, edit func(*account) error) (org string, err error) {
	err = m.records.RetryAnyway(ctx, partitionOf(userID), func() error {
		_, acct, err := m.findUser(ctx, userID)
		if err != nil {
			return err
		}
		if err := edit(&acct.Rec); err != nil {
			return err
		}
		org = acct.Rec.Org
		return m.records.Commit(ctx, acct.Put())
	})
	return org, err
}

// changeAccount is editAccount, and emits e for the account.
func (m *Manager) changeAccount(ctx context.Context, userID string, e Event, edit func(*account) error) error {
	defer m.calls.Begin()()
	org, err := m.editAccount(ctx, userID, edit)
	e.UserID, e.OrganizationID = userID, org
	m.reportByProgram(ctx, err, e)
	return err
}

// changeMember makes a change by your program. An urgent one does not need the roster: it is made
// also if that cannot be read or written, if it ends no admin or is forced.
func (m *Manager) changeMember(ctx context.Context, userID string, ch memberChange, urgent bool) error {
	defer m.calls.Begin()()
	ch.Actor = actorOf(ctx)
	for range maxFinished {
		uid, acct, err := m.findUser(ctx, userID)
		if err != nil {
			return err
		}
		oid, ok := parseOrganization(acct.Rec.Org)
		undecided := true
		if err = errNoRoster; ok {
			m.awaitRostersFor(ctx, &acct.Rec, ch)
			undecided, err = m.change(ctx, oid, uid, ch, isForced(ctx), nil)
		}
		switch {
		case errors.Is(err, ErrNotFound): // deleted, or in another organization by now
			continue
		case errors.Is(err, errNoRoster), urgent && undecided && errors.Is(err, ErrUnavailable):
			return m.changeAlone(ctx, uid, ch, err)
		}
		return err
	}
	return unavailable(store.ErrConflict)
}

// changeAlone makes a change without the roster, or returns why, which is the reason that there is
// none.
func (m *Manager) changeAlone(ctx context.Context, uid string, ch memberChange, why error) error {
	var changed account
	org, err := m.editAccount(ctx, userIDOf(uid), func(a *account) error {
		if !m.needsNoRoster(ctx, a, ch, why) {
			return why
		}
		ch.edit(a) // LastChange stays: an announced change may be made and not settled yet
		changed = *a
		return nil
	})
	m.reportChange(ctx, err, ch, uid, org, &changed)
	return err
}

// needsNoRoster reports whether a change needs no roster, where why is the reason that there is none.
func (m *Manager) needsNoRoster(ctx context.Context, a *account, ch memberChange, why error) bool {
	ends := a.usable() && m.cfg.isAdmin(a.Role) && !ch.keepsAdmin(&m.cfg)
	return !ends || errors.Is(why, errNoRoster) || isForced(ctx)
}

// endSessions is an edit of an account that ends its sessions, pending logins and trusted devices.
func endSessions(a *account) error {
	a.Epoch++
	return nil
}

// SetRole gives the user a role: 1 to 64 letters, digits, '_', '-', '.' or ':'. The next
// request with any session or API key of the user has it. The error is an [*InputError],
// ErrNotFound, or ErrLastAdmin for the last enabled admin of other members: see [WithForce].
func (m *Manager) SetRole(ctx context.Context, userID, role string) error {
	if e := checkRole(role); e != nil {
		return inputError(ErrInvalidInput, *e)
	}
	return m.changeMember(ctx, userID, memberChange{Kind: newRole, Role: role}, false)
}

// SetAssignedAgents replaces User.AssignedAgents, which GET /me returns as assigned_agents. The
// list has up to 1,000 texts of 1 to 100 characters, 100,000 bytes together. The error is an
// [*InputError] or ErrNotFound.
func (m *Manager) SetAssignedAgents(ctx context.Context, userID string, agents []string) error {
	if len(agents) > 1000 || len(strings.Join(agents, "")) > 100_000 {
		return invalidField("assigned_agents", "too_long", "At most 1,000 can be assigned, of 100,000 bytes together.")
	}
	for _, agent := range agents {
		if e := checkText("assigned_agents", agent, maxName, true); e != nil {
			return inputError(ErrInvalidInput, *e)
		}
	}
	return m.changeAccount(ctx, userID, Event{Type: EventAssignedAgentsChanged}, func(a *account) error {
		a.Agents = slices.Clone(agents)
		return nil
	})
}

// DisableUser disables the account. From its return on every password, token, temp token and API
// key of the account is rejected everywhere. A login fails as with a wrong password. The error is
// ErrNotFound, or ErrLastAdmin for the last enabled admin of other members: see [WithForce]. Where
// the records of the organization cannot be read, an admin is disabled only with WithForce.
func (m *Manager) DisableUser(ctx context.Context, userID string) error {
	return m.changeMember(ctx, userID, memberChange{Kind: disabling}, true)
}

// EnableUser enables a disabled account again, or returns ErrNotFound. API keys work as before.
// Sessions stay ended.
func (m *Manager) EnableUser(ctx context.Context, userID string) error {
	return m.changeMember(ctx, userID, memberChange{Kind: enabling}, false)
}

// UnlockUser refills the user's budgets of codes and passwords, or returns ErrNotFound. It
// refills those of all networks together, and those of the networks that are known. The
// budgets of other networks and of sessions refill with time. [Manager.UserLocks] says which of them
// are used up.
func (m *Manager) UnlockUser(ctx context.Context, userID string) error {
	defer m.calls.Begin()()
	uid, acct, err := m.findUser(ctx, userID)
	if err != nil {
		return err
	}
	of, err := m.budgetsOfUser(ctx, uid, &acct.Rec)
	if err != nil {
		return err
	}
	budgets := make([]budget, len(of))
	for i, b := range of {
		budgets[i] = b.budget
	}
	if err = m.refill(ctx, budgets); err != nil {
		err = fmt.Errorf("%w: %w", record.ErrOutcomeUnknown, err)
	}
	m.reportByProgram(ctx, err, Event{Type: EventUserUnlocked, UserID: userID, OrganizationID: acct.Rec.Org})
	return err
}

// ResetTwoFactor turns the user's second factor off, ends every session and calls
// [Manager.UnlockUser]. It is for a user who has lost both the authenticator and the backup
// codes. Your program makes sure that it is the user who asks. The error is ErrNotFound.
func (m *Manager) ResetTwoFactor(ctx context.Context, userID string) error {
	defer m.calls.Begin()()
	var uid string
	var acct *record.Row[account]
	err := m.records.RetryAnyway(ctx, partitionOf(userID), func() (err error) {
		if uid, acct, err = m.findUser(ctx, userID); err != nil {
			return err
		}
		acct.Rec.Enrolment = ""
		acct.Rec.Epoch++
		return m.records.Commit(ctx, acct.Put(), store.Delete(totpKey(uid)), store.Delete(tempKey(uid)))
	})
	if acct != nil {
		m.reportByProgram(ctx, err, Event{Type: EventTwoFactorReset, UserID: userID, OrganizationID: acct.Rec.Org},
			accountNotice(EventTwoFactorReset, uid, &acct.Rec, acct.Rec.Email))
	}
	if err != nil {
		return err
	}
	return m.UnlockUser(ctx, userID)
}

// SetPassword gives the user a new password, or the first, and ends every session. It is for a forgotten
// password: your program makes sure that the user asks, for instance by a link sent to their
// address. The networks that the account was known to log in from become unknown. The second
// factor is still asked for. If strangers have used up its codes from unknown networks, also
// call UnlockUser. API keys stay valid. If the account was broken into, or a stranger registered
// the address, also call ResetTwoFactor and RevokeUserAPIKey. The error is an [*InputError] with
// ErrWeakPassword, or ErrNotFound.
func (m *Manager) SetPassword(ctx context.Context, userID string, replacement Secret) error {
	defer m.calls.Begin()()
	uid, acct, err := m.findUser(ctx, userID)
	if err != nil {
		return err
	}
	if weak := m.checkPassword("password", replacement, acct.Rec.Email); weak != nil {
		return inputError(ErrWeakPassword, *weak)
	}
	if err := m.checkBreached(ctx, "password", replacement); err != nil {
		return err
	}
	hash, err := m.hashPassword(withPreferredLane(ctx), replacement)
	if err != nil {
		return err
	}
	canonical, _ := emailaddr.Canonical(acct.Rec.Email)
	if err := m.forgetNetworks(ctx, emailDigest(canonical), uid); err != nil {
		return beforeChange(err)
	}
	err = m.records.RetryAnyway(ctx, partitionOf(userID), func() error {
		_, a, err := m.findUser(ctx, userID)
		if err != nil {
			return err
		}
		acct = a
		acct.Rec.Epoch++
		pass := passwordRow(uid)
		pass.Rec = passwordRecord{Hash: hash, Changed: m.now()}
		return m.records.Commit(ctx, acct.Put(), pass.Overwrite(), store.Delete(tempKey(uid)))
	})
	m.reportByProgram(ctx, err, Event{Type: EventPasswordChanged, UserID: userID, OrganizationID: acct.Rec.Org, Reason: "host"},
		accountNotice(EventPasswordChanged, uid, &acct.Rec, acct.Rec.Email))
	return err
}

// UserAPIKeys returns the user's API keys, as [Manager.APIKeys] does, or ErrNotFound.
func (m *Manager) UserAPIKeys(ctx context.Context, userID string) ([]APIKey, error) {
	uid, acct, err := m.findUser(ctx, userID)
	if err != nil {
		return nil, err
	}
	rows, err := m.keyRows(ctx, uid)
	if err != nil {
		return nil, err
	}
	return m.addUsage(ctx, uid, acct.Rec.keysOf(rows))
}

// RevokeUserAPIKey removes an API key of the user, as [Manager.RevokeAPIKey] does. It is for a
// key that was leaked. The error is ErrNotFound.
func (m *Manager) RevokeUserAPIKey(ctx context.Context, userID, keyID string) error {
	defer m.calls.Begin()()
	uid, acct, err := m.findUser(ctx, userID)
	if err != nil {
		return err
	}
	kid, ok := parseKeyID(keyID)
	if !ok {
		return ErrNotFound
	}
	k := keyRow(uid, kid)
	if err := m.readAnyKey(ctx, &k); err != nil {
		return err
	}
	err = m.removeKey(ctx, uid, k)
	m.reportByProgram(ctx, err, Event{Type: EventAPIKeyRevoked, UserID: userID, OrganizationID: acct.Rec.Org, APIKeyID: keyID, Reason: "host"})
	return err
}
