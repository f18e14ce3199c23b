package auth

import (
	"context"
	"time"

	"github.com/datixlab/auth/internal/netprefix"
	"github.com/datixlab/auth/internal/slots"
	"github.com/datixlab/auth/store"
)

// The preferred lane of the hashing queue is for attempts that a stranger cannot make: logins
// from a network that is known to the account, calls of a session, and those of your program.
// So a flood of other attempts does not keep owners out. Each account has laneLimit attempts in
// it, right or wrong, and those beyond it wait with everybody else. So attackers with accounts
// of their own gain little.
var laneLimit = store.Limit{Burst: 10, Every: 5 * time.Minute}

// maxLanes is how many accounts are counted at once. Beyond it, accounts share counters.
const maxLanes = 1 << 16

// preferLane returns ctx for an attempt that may hash in the preferred lane, if the account of
// the email address with this digest has not used its share of it up. The count is this
// process's own, because the queue is.
func (m *Manager) preferLane(ctx context.Context, digest string) context.Context {
	if inPreferredLane(ctx) {
		return ctx
	}
	d, err := m.lanes.Hit("e."+digest+"/lane", laneLimit, 1, m.now())
	if err != nil || !d.OK {
		return ctx
	}
	return withPreferredLane(ctx)
}

func withPreferredLane(ctx context.Context) context.Context {
	return &ctxValue[bool]{ctx, laneKey, true}
}

func inPreferredLane(ctx context.Context) bool {
	preferred, _ := fromContext[bool](ctx, laneKey)
	return preferred
}

// hashCaller says where a call waits for a hashing slot. Its source is the widest network
// that one subscriber may have.
func hashCaller(ctx context.Context) slots.Caller {
	return slots.Caller{Preferred: inPreferredLane(ctx), Source: netprefix.Networks(ClientFrom(ctx).Addr)[0]}
}
