package auth

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/datixlab/auth/internal/jose"
	"github.com/datixlab/auth/internal/netprefix"
	"github.com/datixlab/auth/internal/parallel"
	"github.com/datixlab/auth/store"
)

// A budget is one counter that attempts are charged to.
type budget struct {
	name  string // Event.Reason if it refuses
	key   string
	limit store.Limit
	// resetOnSuccess: a success empties the counter instead of giving one attempt back.
	// Only counters of one account have it: a login to one account must not reset a
	// counter that other accounts share.
	resetOnSuccess bool
	// keepOnSuccess: a success stays counted. It has cost a hash, and a client with many
	// accounts of its own could keep every slot busy with right passwords.
	keepOnSuccess bool
}

// codeTotal limits the wrong codes in a row that are compared (NIST SP 800-63B-4, 3.2.2).
// Three codes are valid at a time, so 100 random codes have a chance of 0.03 %. After them
// the second factor is refused until your program calls UnlockUser or ResetTwoFactor. One more
// code is allowed every 365 days.
var codeTotal = store.Limit{Burst: 100, Every: 365 * 24 * time.Hour}

// throttled is the only way to check a password or a code. It charges every budget first and
// then calls verify, so parallel attempts cannot exceed a budget. The attempt is refunded if
// verify returns done. It is also refunded if nothing was found wrong: no hashing slot came
// free, the new password was refused, or no token could be signed. Otherwise it stays charged.
func (m *Manager) throttled(ctx context.Context, uid string, budgets []budget, verify func() (done bool, err error)) error {
	if err := m.charge(ctx, uid, budgets); err != nil {
		return err
	}
	done, err := verify()
	if done || errors.Is(err, ErrOverloaded) || errors.Is(err, errNotRun) || errors.Is(err, ErrWeakPassword) || errors.Is(err, jose.ErrNotSigned) {
		m.refund(ctx, budgets, done)
	}
	return err
}

// charge counts one attempt on each budget in turn, up to the first that refuses. What was
// counted by then stays counted. For passwords and second steps, the first budget is that of
// the client's address. So attempts on a locked account use up the client's own budget, and
// after that none of the account's.
func (m *Manager) charge(ctx context.Context, uid string, budgets []budget) error {
	for _, b := range budgets {
		d, err := m.records.Hit(ctx, b.key, b.limit, 1, m.now())
		if err != nil {
			return err
		}
		if !d.OK {
			m.emit(ctx, Event{Type: EventRateLimited, UserID: userIDOf(uid), Reason: b.name})
			return &RetryError{Err: ErrRateLimited, After: d.RetryAfter}
		}
	}
	return nil
}

// refund gives an attempt back. The decision has been made: if the store fails here, the
// budget only stays smaller.
func (m *Manager) refund(ctx context.Context, budgets []budget, success bool) {
	ctx = context.WithoutCancel(ctx)                            // even if the client has gone
	ctx, cancel := context.WithTimeout(ctx, m.cfg.StoreTimeout) // for all of them: the client waits
	defer cancel()
	var calls []func()
	for _, b := range budgets {
		n := -1
		switch {
		case success && b.keepOnSuccess:
			continue
		case success && b.resetOnSuccess:
			n = -b.limit.Burst
		}
		calls = append(calls, func() {
			if _, err := m.records.Hit(ctx, b.key, b.limit, n, m.now()); err != nil {
				m.cfg.Logger.WarnContext(ctx, "auth: an attempt was not given back", "err", err)
			}
		})
	}
	parallel.Do(calls...)
}

// addressBudget is the budget of one address prefix for logins and proofs, for any account.
func (m *Manager) addressBudget(prefix string) budget {
	return budget{name: "address", key: "a." + prefix + "/login", limit: m.cfg.Limits.LoginByAddress, keepOnSuccess: true}
}

// passwordBudgets are the budgets of a password attempt. After that of the address prefix come
// two of the account: a tight one for this prefix and a loose one for all prefixes. A prefix
// that has logged in before is not charged to the loose one. So strangers that use it up
// cannot lock the owner out. Both are keyed by the email address that was typed. So they do
// not show whether it has an account.
func (m *Manager) passwordBudgets(digest, prefix string, known []string) []budget {
	budgets := []budget{m.addressBudget(prefix), m.accountAddressBudget(digest, prefix)}
	if !slices.Contains(known, prefix) {
		budgets = append(budgets, m.accountBudget(digest))
	}
	return budgets
}

// accountAddressBudget is the budget of one account for one address prefix.
func (m *Manager) accountAddressBudget(digest, prefix string) budget {
	return budget{name: "account_address", key: "e." + digest + "/password." + prefix, limit: m.cfg.Limits.LoginByAccountAddress, resetOnSuccess: true}
}

// accountBudget is the budget of one account for the address prefixes that are not known.
func (m *Manager) accountBudget(digest string) budget {
	return budget{name: "account", key: "e." + digest + "/password", limit: m.cfg.Limits.LoginByAccount}
}

// codeBudgets are the budgets of an account's second factor, for TOTP and backup codes alike.
func (m *Manager) codeBudgets(uid string) []budget {
	return []budget{
		{name: "code", key: userKey(uid, "code"), limit: m.cfg.Limits.CodeByAccount, resetOnSuccess: true},
		{name: "code_total", key: userKey(uid, "code.total"), limit: codeTotal, resetOnSuccess: true},
	}
}

// registerBudget is the budget of one address prefix for calls that show whether an email
// address has an account.
func (m *Manager) registerBudget(prefix string) budget {
	return budget{name: "register", key: "a." + prefix + "/register", limit: m.cfg.Limits.RegisterByAddress}
}

// clientPrefix returns the network that the request comes from. That is an IPv4 address, in
// any of its spellings and behind NAT64, or the /64 of an IPv6 address, since one customer has
// all of a /64.
func clientPrefix(ctx context.Context) string { return netprefix.Text(ClientFrom(ctx).Addr) }
