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

// A budget is one counter that a guess is charged to.
type budget struct {
	name  string // what events say
	key   string
	limit store.Limit
	// clears: a success empties the counter instead of giving one attempt back.
	// Only counters of one account's own authenticator do: those shared with
	// other accounts must not be washed clean by a login to another.
	resetOnSuccess bool
	// keeps: a success stays counted. It has cost a hash, and whoever has many
	// accounts of their own could keep every slot busy with right passwords.
	keepOnSuccess bool
}

// codeTotal bounds the wrong codes in a row that are ever looked at (NIST SP
// 800-63B-4, 3.2.2): with three codes valid at a time, 100 guesses find one with a
// chance of 0.03 %. After that the second factor is refused until the host calls
// UnlockUser or ResetTwoFactor.
var codeTotal = store.Limit{Burst: 100, Every: 365 * 24 * time.Hour}

// throttled is the only way to check a password or a code. It charges every budget first and
// then calls verify, so parallel attempts cannot exceed a budget. The attempt is refunded if
// verify returns done, if it ended before anything was compared, or if it was right but no
// token could be signed. Otherwise it stays charged.
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

// charge counts one attempt on each budget in turn, up to the first that refuses.
// What was counted by then stays counted. Every list begins with the budget of the
// address: who hammers on a locked door pays for it, and who cannot pay any more
// uses up nobody else's.
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

// refund gives an attempt back. The decision has been made; a store that fails here
// only leaves the budget smaller.
func (m *Manager) refund(ctx context.Context, budgets []budget, success bool) {
	ctx = context.WithoutCancel(ctx)                            // also where the client has gone
	ctx, cancel := context.WithTimeout(ctx, m.cfg.StoreTimeout) // for all of them: somebody waits
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

// addressBudget is what one address prefix may try, whatever the account.
func (m *Manager) addressBudget(prefix string) budget {
	return budget{name: "address", key: "a." + prefix + "/login", limit: m.cfg.Limits.LoginByAddress, keepOnSuccess: true}
}

// passwordBudgets are those of one account: a tight one for this address prefix, a loose one
// for all. A prefix that has logged in before is not charged to the loose one. So strangers
// who use it up cannot lock the owner out. They are keyed by the email address that was
// typed. So they do not show whether it has an account.
func (m *Manager) passwordBudgets(digest, prefix string, known []string) []budget {
	budgets := []budget{m.addressBudget(prefix), m.accountAddressBudget(digest, prefix)}
	if !slices.Contains(known, prefix) {
		budgets = append(budgets, m.accountBudget(digest))
	}
	return budgets
}

func (m *Manager) accountAddressBudget(digest, prefix string) budget {
	return budget{name: "account_address", key: "e." + digest + "/password." + prefix, limit: m.cfg.Limits.LoginByAccountAddress, resetOnSuccess: true}
}

func (m *Manager) accountBudget(digest string) budget {
	return budget{name: "account", key: "e." + digest + "/password", limit: m.cfg.Limits.LoginByAccount}
}

// codeBudgets are those of one account's second factor, TOTP and backup codes alike.
func (m *Manager) codeBudgets(uid string) []budget {
	return []budget{
		{name: "code", key: userKey(uid, "code"), limit: m.cfg.Limits.CodeByAccount, resetOnSuccess: true},
		{name: "code_total", key: userKey(uid, "code.total"), limit: codeTotal, resetOnSuccess: true},
	}
}

// registerBudget is what one address prefix may find out about which email addresses
// have an account.
func (m *Manager) registerBudget(prefix string) budget {
	return budget{name: "register", key: "a." + prefix + "/register", limit: m.cfg.Limits.RegisterByAddress}
}

// clientPrefix names the network that the request comes from: an IPv4 address, in
// whichever of its spellings, or the /64 of an IPv6 address, of which one customer
// has 2^64.
func clientPrefix(ctx context.Context) string { return netprefix.Text(ClientFrom(ctx).Addr) }
