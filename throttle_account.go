package auth

import (
	"context"
	"time"

	"github.com/datixlab/auth/internal/emailaddr"
	"github.com/datixlab/auth/store"
)

// loginBudgets are the budgets of a password attempt. After those of the client's networks
// come two of the account: a tight one for this prefix and a loose one for all prefixes that
// are not known. So strangers that use the loose one up do not lock the owner out of known
// networks. Both are keyed by the email address that was typed. So they do not show whether it
// has an account.
func (m *Manager) loginBudgets(ctx context.Context, digest string, known bool) []budget {
	prefix := clientPrefix(ctx)
	budgets := append(m.addressBudgets(ctx), m.accountAddressBudget(digest, prefix))
	if !known {
		budgets = append(budgets, m.accountBudget(digest, prefix))
	}
	return budgets
}

// accountAddressBudget is the budget of one account for one address prefix.
func (m *Manager) accountAddressBudget(digest, prefix string) budget {
	return budget{name: "account_address", key: "e." + digest + "/password." + prefix, limit: m.cfg.Limits.LoginByAccountAddress, resetOnSuccess: true, waits: waitsEverywhere}
}

// accountBudget is the budget of one account for the address prefixes that are not known.
// While strangers hold it used up, an attempt is charged to dailyBudgets.
func (m *Manager) accountBudget(digest, prefix string) budget {
	return budget{name: "account", key: "e." + digest + "/password", limit: m.cfg.Limits.LoginByAccount, or: m.dailyBudgets(digest, prefix), waits: waitsEverywhere}
}

// dailyBudgets admit one attempt a day on one account from each wide network, and about 50 from
// each region around it. They are for an owner who travels. Strangers need a network of their
// own for each attempt, and a registry gives whoever asks all 65,536 of an IPv6 /32.
func (m *Manager) dailyBudgets(digest, prefix string) []budget {
	return []budget{
		{name: "account_daily", key: "e." + digest + "/daily." + widestOf(prefix), limit: store.Limit{Burst: 1, Every: 24 * time.Hour}},
		{name: "account_region", key: "e." + digest + "/daily." + regionOf(prefix), limit: store.Limit{Burst: 50, Every: 30 * time.Minute}},
	}
}

// callerContext returns ctx for a call of a proven session, which may hash in the preferred
// lane.
func (m *Manager) callerContext(ctx context.Context, c *principal) context.Context {
	return m.preferLane(ctx, c.emailDigest())
}

// callerBudgets are the budgets of the password of the caller's account, for a call of a
// proven session. Like a login it is charged to the client's networks, and to the account for
// this prefix. Instead of the budget that strangers can use up, it is charged to one of the
// session. So an owner whose account is attacked can act from everywhere, and a thief of a
// session has no more guesses than that session's.
func (m *Manager) callerBudgets(ctx context.Context, c *principal) []budget {
	return append(m.addressBudgets(ctx), m.accountAddressBudget(c.emailDigest(), clientPrefix(ctx)), budget{
		name: "session", key: userKey(c.uid, "reauth."+c.sid), limit: m.cfg.Limits.LoginByAccountAddress, resetOnSuccess: true, waits: waitsEverywhere,
	})
}

// emailDigest returns the digest of the address of the caller's account.
func (c *principal) emailDigest() string {
	canonical, _ := emailaddr.Canonical(c.acct.Rec.Email)
	return emailDigest(canonical)
}
