package auth

import (
	"context"
	"time"

	"github.com/datixlab/auth/store"
)

// knownCodes limits the wrong codes in a row that are compared from one known network (NIST SP
// 800-63B-4, 3.2.2). After them no code from there is compared until your program calls
// UnlockUser or ResetTwoFactor. One more code is allowed every 365 days.
var knownCodes = store.Limit{Burst: 100, Every: 365 * 24 * time.Hour}

// elsewhereCodes limits the wrong codes from networks that are not known to the account. No
// success gives back more than its own attempt. Otherwise each login of the owner would give
// an attacker who has the password 100 more guesses. In a year at most 221 are compared. Three
// codes are valid at a time, so the chance of a hit is 0.07 %.
var elsewhereCodes = store.Limit{Burst: 100, Every: 3 * 24 * time.Hour}

// codeBudgets are the budgets of an account's second factor, for TOTP and backup codes alike.
// At a login, prefix is that of the password step. Each known network has its own: a success
// elsewhere does not clear what an attacker there has used up.
//
// Those of a network that is no longer known stay until they have refilled, up to 100 years, and
// nothing is gained from that. A code from there is charged to elsewhereCodeBudgets meanwhile.
// When the network is known again its budgets are as they were, so pushing it out of the known
// ones and back gives no more codes.
func (m *Manager) codeBudgets(uid, prefix string, known bool) []budget {
	if !known {
		return m.elsewhereCodeBudgets(uid)
	}
	return []budget{
		{name: "code", key: userKey(uid, "code."+prefix), limit: m.cfg.Limits.CodeByAccount, resetOnSuccess: true, waits: waitsEverywhere},
		{name: "code_total", key: userKey(uid, "codes."+prefix), limit: knownCodes, resetOnSuccess: true, waits: waitsEverywhere},
	}
}

// elsewhereCodeBudgets are those of all networks together that are not known.
func (m *Manager) elsewhereCodeBudgets(uid string) []budget {
	return []budget{
		{name: "code_elsewhere", key: userKey(uid, "code"), limit: m.cfg.Limits.CodeByAccount, waits: waitsEverywhere},
		{name: "code_elsewhere_total", key: userKey(uid, "codes"), limit: elsewhereCodes, waits: waitsEverywhere},
	}
}

// confirmBudget is the budget of the codes that turn a second factor on. The caller was given
// the secret, so a code guesses nothing.
func (m *Manager) confirmBudget(uid string) budget {
	return budget{name: "confirm", key: userKey(uid, "confirm"), limit: m.cfg.Limits.CodeByAccount, resetOnSuccess: true, waits: waitsEverywhere}
}

// forgiveLimit is how often a change of the password refills the budgets of codes. Otherwise a
// thief who has a session and the password could refill them without end, and guess codes to
// turn the second factor off.
var forgiveLimit = store.Limit{Burst: 1, Every: 30 * 24 * time.Hour}

func forgiveBudget(uid string) budget {
	return budget{name: "forgiven", key: userKey(uid, "code.forgiven"), limit: forgiveLimit}
}

// forgiveCodes refills the budgets of codes from networks that are not known, after the owner
// has changed the password from a session. Whoever used them up knew the old password. If it
// fails, they stay used up until UnlockUser.
func (m *Manager) forgiveCodes(ctx context.Context, uid string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), m.cfg.StoreTimeout)
	defer cancel()
	b := forgiveBudget(uid)
	d, err := m.records.Hit(ctx, b.key, b.limit, 1, m.now())
	if err == nil && d.OK {
		err = m.refill(ctx, m.elsewhereCodeBudgets(uid))
	}
	if err != nil {
		m.cfg.Logger.WarnContext(ctx, "auth: the budgets of codes were not refilled", "err", err)
	}
}
