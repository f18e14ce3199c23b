package auth

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"github.com/datixlab/auth/internal/emailaddr"
	"github.com/datixlab/auth/internal/netprefix"
	"github.com/datixlab/auth/store"
)

// clientPrefix returns the network that the request comes from. That is an IPv4 address, in
// any of its spellings and behind NAT64, or the /64 of an IPv6 address, since one customer has
// all of a /64.
func clientPrefix(ctx context.Context) string { return netprefix.Text(ClientFrom(ctx).Addr) }

// byProgram reports whether a call is your program's own: its context has no Client. So what
// strangers use up does not concern it. A client whose address is unknown is a stranger.
func byProgram(ctx context.Context) bool {
	_, remote := fromContext[Client](ctx, clientKey)
	return !remote
}

// widestOf returns the widest network around a clientPrefix. One subscriber or site may have
// it whole.
func widestOf(prefix string) string {
	a, _ := netip.ParseAddr(prefix) // netprefix.Unknown has none
	return netprefix.Networks(a)[0]
}

// regionOf returns the region around a clientPrefix.
func regionOf(prefix string) string {
	a, _ := netip.ParseAddr(prefix) // netprefix.Unknown has none
	return netprefix.Region(a)
}

// wideFactor is how many times the budget of a network each wider one has. A subscriber often
// has a /56 or a /48 of IPv6, and every address of an IPv4 /24 may be one machine of a botnet.
// Many other subscribers may also share a /24.
const wideFactor = 4

// networkBudgets returns narrow and the budgets of the wider networks around the client, each
// with wideFactor times the burst and rate of the one before. The narrow one is charged first:
// an address that has used it up uses up nothing of its neighbours.
func networkBudgets(ctx context.Context, narrow budget, purpose, name string) []budget {
	budgets, l := []budget{narrow}, narrow.limit
	networks := netprefix.Networks(ClientFrom(ctx).Addr) // the widest first
	for _, network := range slices.Backward(networks[:len(networks)-1]) {
		l = store.Limit{Burst: min(l.Burst*wideFactor, 1_000_000), Every: max(l.Every/wideFactor, time.Microsecond)}
		b := narrow
		b.name, b.key, b.limit = name, "a."+network+"/"+purpose, l
		budgets = append(budgets, b)
	}
	return budgets
}

// successes is how many right passwords count as much as a wrong one on the budgets of
// networks. Each has cost a hash, so an address with accounts of its own must not have them
// without end. But an office, or a machine that runs tests, is no attacker: by default it has
// 4,000 at once and ten more a second. What keeps others from waiting is the hashing queue, in
// which networks take turns.
const successes = 20

// addressBudgets are the budgets of the client's networks for logins and proofs, for any
// account. An attempt in the preferred lane is not charged to the wider networks, which
// strangers share: the limit of the lane bounds it. A call by your program is charged to none.
func (m *Manager) addressBudgets(ctx context.Context) []budget {
	if byProgram(ctx) {
		return nil
	}
	l := m.cfg.Limits.LoginByAddress
	unit := max(1, min(successes, 1_000_000/(l.Burst*wideFactor*wideFactor)))
	l = store.Limit{Burst: l.Burst * unit, Every: max(l.Every/time.Duration(unit), time.Microsecond)}
	narrow := budget{name: "address", key: "a." + clientPrefix(ctx) + "/login", limit: l, unit: unit, keepOnSuccess: true, waits: waitsHere}
	if inPreferredLane(ctx) {
		return []budget{narrow}
	}
	return networkBudgets(ctx, narrow, "login", "network")
}

// setupFactor is how many hashes of backup codes a network may cause, as a multiple of
// LoginByAddress. By default that is sixty sets of ten at once. People of one office may all
// turn their second factor on in the same hour, and must be able to log in meanwhile.
const setupFactor = 3

// setupBudgets are the budgets of a call of a proven session that hashes a set of backup codes.
// That of the client's network counts each hash. It is not that of logins, of which twenty
// such calls would use up all. The wider networks, which strangers share, are not charged: the
// budget of the account bounds the sets.
func (m *Manager) setupBudgets(ctx context.Context, account budget) []budget {
	if byProgram(ctx) {
		return []budget{account}
	}
	l := m.cfg.Limits.LoginByAddress
	l = store.Limit{Burst: min(l.Burst*setupFactor, 1_000_000), Every: max(l.Every/setupFactor, time.Microsecond)}
	narrow := budget{name: "setup", key: "a." + clientPrefix(ctx) + "/setup", limit: l, keepOnSuccess: true}
	return append(hashing(backupCodes, []budget{narrow}), account)
}

// registerBudgets are the budgets of the client's networks for calls that show whether an
// email address has an account.
func (m *Manager) registerBudgets(ctx context.Context) []budget {
	if byProgram(ctx) {
		return nil
	}
	narrow := budget{name: "register", key: "a." + clientPrefix(ctx) + "/register", limit: m.cfg.Limits.RegisterByAddress, keepOnSuccess: true}
	return networkBudgets(ctx, narrow, "register", "register_network")
}

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

// provenBudget is the budget of an account for first steps of LoginAs from one network that wait for
// their second factor. They are proven, so they are not charged to the budgets of passwords, which
// strangers can use up. But whoever can prove the first factor alone must not push out the logins
// of the owner without end.
func (m *Manager) provenBudget(uid, prefix string) budget {
	return budget{name: "account_address", key: userKey(uid, "proven."+prefix), limit: m.cfg.Limits.LoginByAccountAddress, waits: waitsEverywhere}
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
