package auth

import (
	"context"
	"net/netip"
	"slices"
	"time"

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
