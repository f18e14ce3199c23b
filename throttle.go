package auth

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/datixlab/auth/internal/jose"
	"github.com/datixlab/auth/internal/parallel"
	"github.com/datixlab/auth/store"
)

// A budget is one counter that attempts are charged to.
type budget struct {
	name  string // Event.Reason if it refuses
	key   string
	limit store.Limit
	cost  int // attempts that one call counts as, see hashing; 0 is 1
	// resetOnSuccess: a success empties the counter instead of giving one attempt back.
	// Only counters of one account have it: a login to one account must not reset a
	// counter that other accounts share.
	resetOnSuccess bool
	// keepOnSuccess: a success stays counted. It has cost a hash, and a client with many
	// accounts of its own could keep every slot busy with right passwords.
	// For the same reason, an attempt that is refunded gets back no more than it has not hashed.
	keepOnSuccess bool
	// or are all charged instead if this budget refuses. None: the attempt is refused.
	or []budget
}

// hashing returns the budgets of a call that computes n hashes. Those that count work, right or
// wrong, count each hash. The others count the attempt.
func hashing(n int, budgets []budget) []budget {
	for i := range budgets {
		if budgets[i].keepOnSuccess {
			budgets[i].cost = n
		}
	}
	return budgets
}

// hits returns how many attempts the budget counts. They are no more than half of a small
// Burst, so that the call which comes before another, such as EnableTwoFactor, leaves enough.
func (b budget) hits() int { return min(max(b.cost, 1), (b.limit.Burst+1)/2) }

// throttled is the way to check a password or a code. It charges every budget first and
// then calls verify, so parallel attempts cannot exceed a budget. See settle for what is
// refunded.
func (m *Manager) throttled(ctx context.Context, uid string, budgets []budget, verify func(ctx context.Context) (done bool, err error)) error {
	charged, err := m.charge(ctx, uid, budgets)
	if err != nil {
		return err
	}
	return m.settle(ctx, charged, verify)
}

// settle calls verify for an attempt that was charged. The attempt is refunded if verify
// returns done. It is also refunded if nothing was found wrong: no slot came free, the new
// password was refused, a further budget was used up, or no token could be signed. Otherwise
// it stays charged. What was hashed before such an error stays charged too, to the budgets that
// count work: a client can cause the error after the hash, by leaving or with a busy queue.
func (m *Manager) settle(ctx context.Context, charged []budget, verify func(ctx context.Context) (done bool, err error)) error {
	ctx = &ctxValue[*work]{ctx, workKey, new(work)}
	done, err := verify(ctx)
	if done || errors.Is(err, ErrOverloaded) || errors.Is(err, ErrRateLimited) || errors.Is(err, errNotRun) || errors.Is(err, ErrWeakPassword) || errors.Is(err, jose.ErrNotSigned) {
		m.refund(ctx, withoutWork(workOf(ctx), charged), done)
	}
	return err
}

// work is how much an attempt has hashed or drawn.
type work struct{ n atomic.Int64 }

// noteWork counts one piece of work of the attempt that ctx belongs to.
func noteWork(ctx context.Context) {
	if w, ok := fromContext[*work](ctx, workKey); ok {
		w.n.Add(1)
	}
}

// workOf returns how much the attempt that ctx belongs to has hashed or drawn.
func workOf(ctx context.Context) int {
	w, ok := fromContext[*work](ctx, workKey)
	if !ok {
		return 0
	}
	return int(w.n.Load())
}

// withoutWork returns budgets for a refund of what is left of an attempt. Those that count work
// keep so much of it.
func withoutWork(done int, charged []budget) []budget {
	if done == 0 {
		return charged
	}
	var left []budget
	for _, b := range charged {
		if b.keepOnSuccess {
			if b.cost = b.hits() - done; b.cost <= 0 {
				continue
			}
		}
		left = append(left, b)
	}
	return left
}

// charge counts one attempt on each budget in turn, up to the first that refuses. It returns
// the budgets that were charged. If one refuses, what was counted by then stays counted. For
// passwords and second steps, the first budget is that of the client's address. So attempts
// on a locked account use up the client's own budget, and after that none that others share.
func (m *Manager) charge(ctx context.Context, uid string, budgets []budget) (charged []budget, err error) {
	for _, b := range budgets {
		counted, wait, err := m.chargeOne(ctx, b)
		if err != nil {
			return charged, err
		}
		if len(counted) == 0 {
			m.emit(ctx, Event{Type: EventRateLimited, UserID: userIDOf(uid), Reason: b.name})
			return charged, &RetryError{Err: ErrRateLimited, After: wait}
		}
		charged = append(charged, counted...)
	}
	return charged, nil
}

// chargeOne counts one attempt on b or, where that refuses, on all budgets that it names
// instead. It returns those that were charged. If they refuse it returns none, and the time
// until an attempt may be admitted.
func (m *Manager) chargeOne(ctx context.Context, b budget) (counted []budget, wait time.Duration, err error) {
	d, err := m.records.Hit(ctx, b.key, b.limit, b.hits(), m.now())
	if err != nil {
		return nil, 0, err
	}
	if d.OK {
		return []budget{b}, 0, nil
	}
	for i, instead := range b.or {
		other, err := m.records.Hit(ctx, instead.key, instead.limit, instead.hits(), m.now())
		if err != nil {
			return nil, 0, err
		}
		if !other.OK {
			m.refund(ctx, b.or[:i], false) // nothing was compared
			return nil, min(d.RetryAfter, other.RetryAfter), nil
		}
	}
	return b.or, d.RetryAfter, nil
}

// refund gives an attempt back to the budgets that it was charged to. The decision has been
// made: if the store fails here, the budget only stays smaller.
func (m *Manager) refund(ctx context.Context, charged []budget, success bool) {
	ctx = context.WithoutCancel(ctx)                            // even if the client has gone
	ctx, cancel := context.WithTimeout(ctx, m.cfg.StoreTimeout) // for all of them: the client waits
	defer cancel()
	var calls []func()
	for _, b := range charged {
		n := -b.hits()
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

// refill empties the counters of budgets, up to the first failure.
func (m *Manager) refill(ctx context.Context, budgets []budget) error {
	for _, b := range budgets {
		if _, err := m.records.Hit(ctx, b.key, b.limit, -b.limit.Burst, m.now()); err != nil {
			return err
		}
	}
	return nil
}
