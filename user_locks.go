package auth

import (
	"context"
	"time"

	"github.com/datixlab/auth/internal/emailaddr"
	"github.com/datixlab/auth/internal/netprefix"
)

// A Lock is a budget of an account that wrong attempts have used up.
type Lock struct {
	// Budget is the Reason that EventRateLimited has for it: account and account_address for
	// passwords; code, code_total, code_elsewhere, code_elsewhere_total and confirm for codes of the
	// second factor.
	Budget string
	// Network is the network whose attempts are refused: one that the account is known to log in
	// from, or "" for all others together.
	Network string
	Until   time.Time // when one more attempt is allowed, in UTC
}

// UserLocks returns what [Manager.UnlockUser] would free: the budgets of the user that are used up.
// It is for an operator whom a user asks for help. A login that is refused for another reason, such
// as the network it comes from, is not among them. The error is ErrNotFound.
//
// Each budget is charged with one attempt, which is given back at once. Meanwhile an attempt of the
// user may be refused, if it is the last that the budget allows.
func (m *Manager) UserLocks(ctx context.Context, userID string) ([]Lock, error) {
	uid, acct, err := m.findUser(ctx, userID)
	if err != nil {
		return nil, err
	}
	budgets, err := m.budgetsOfUser(ctx, uid, &acct.Rec)
	if err != nil {
		return nil, err
	}
	var locks []Lock
	for _, b := range budgets {
		now := m.now()
		d, err := m.records.Hit(ctx, b.key, b.limit, 1, now)
		if err != nil {
			return nil, err
		}
		if !d.OK {
			locks = append(locks, Lock{Budget: b.name, Network: b.network, Until: now.Add(d.RetryAfter)})
			continue
		}
		if _, err := m.records.Hit(context.WithoutCancel(ctx), b.key, b.limit, -1, now); err != nil {
			return nil, err
		}
	}
	return locks, nil
}

// A userBudget is a budget of a user, for attempts from one network or from all others.
type userBudget struct {
	budget
	network string
}

// budgetsOfUser returns the budgets of codes and passwords of a user: those of all networks
// together, and those of the networks that are known.
func (m *Manager) budgetsOfUser(ctx context.Context, uid string, a *account) (all []userBudget, err error) {
	canonical, _ := emailaddr.Canonical(a.Email)
	digest := emailDigest(canonical)
	_, known, err := m.emailOwner(ctx, digest)
	if err != nil {
		return nil, err
	}
	add := func(network string, budgets ...budget) {
		for _, b := range budgets {
			all = append(all, userBudget{b, network})
		}
	}
	add("", append(m.elsewhereCodeBudgets(uid), m.confirmBudget(uid), m.accountBudget(digest, ""))...)
	for _, prefix := range append(known.Rec.Prefixes, netprefix.Unknown) {
		network := prefix
		if prefix == netprefix.Unknown {
			network = ""
		}
		add(network, append(m.codeBudgets(uid, prefix, true), m.accountAddressBudget(digest, prefix))...)
	}
	return all, nil
}
