package auth

import (
	"context"
	"errors"
	"slices"
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
	unit  int // hits of the limit that one attempt is; 0 is 1
	// resetOnSuccess: a success empties the counter instead of giving one attempt back.
	// Only counters of one account have it: a login to one account must not reset a
	// counter that other accounts share.
	resetOnSuccess bool
	// keepOnSuccess: of a success, one hit for each attempt stays counted. It has cost a hash,
	// and a client with many accounts of its own could keep every slot busy with right passwords.
	// For the same reason, an attempt that is refunded gets back no more than it has not hashed.
	keepOnSuccess bool
	// or are all charged instead if this budget refuses. None: the attempt is refused.
	or []budget
	// waits is for which attempts one waits that this budget refuses.
	waits waitScope

	// Of a budget that was charged:
	line   string // the key of the line in which the attempt counts as under way, or ""
	marked bool   // so it is marked in the store
	waited bool   // the attempt has waited in the line
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

// attempts returns how many attempts a call counts as. They are no more than half of a small
// Burst, so that the call which comes before another, such as EnableTwoFactor, leaves enough.
func (b budget) attempts() int {
	return min(max(b.cost, 1), (b.limit.Burst/max(b.unit, 1)+1)/2)
}

// hits returns how many hits a call is.
func (b budget) hits() int { return b.attempts() * max(b.unit, 1) }

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
// returns done. It is also refunded if nothing was found wrong, such as a right password whose
// client left or whose session the store did not take. Otherwise it stays charged. What was
// hashed before such an error stays charged too, to the budgets that count work: a client can
// cause the error after the hash, by leaving or with a busy queue.
func (m *Manager) settle(ctx context.Context, charged []budget, verify func(ctx context.Context) (done bool, err error)) error {
	defer m.endAttempt(ctx, charged)
	waited := slices.ContainsFunc(charged, func(b budget) bool { return b.waited })
	ctx = &ctxValue[*work]{ctx, workKey, &work{waited: waited}}
	done, err := verify(ctx)
	switch {
	case done:
		m.refund(ctx, charged, budget.backOnSuccess)
	case isNoGuess(err), errors.Is(err, ErrUnavailable) && !foundWrong(ctx):
		hashed := workOf(ctx)
		m.refund(ctx, charged, func(b budget) int { return b.backUnhashed(hashed) })
	}
	var late overtaken
	if errors.As(err, &late) {
		return late.error
	}
	return err
}

// isNoGuess reports whether err says nothing about the password or code of an attempt. No slot
// came free, the new password was refused, a further budget was used up, no token could be
// signed, or another call was faster.
func isNoGuess(err error) bool {
	for _, target := range []error{ErrOverloaded, ErrRateLimited, errNotRun, ErrWeakPassword, jose.ErrNotSigned} {
		if errors.Is(err, target) {
			return true
		}
	}
	return errors.As(err, new(overtaken))
}

// overtaken is the error of a call whose password or code was right, or was not compared, and
// which came too late: another call at the same time has changed what it was about. settle
// returns the error in it.
type overtaken struct{ error }

// Unwrap returns the error of the call.
func (o overtaken) Unwrap() error { return o.error }

// backOnSuccess returns how many hits a success gives back.
func (b budget) backOnSuccess() int {
	switch {
	case b.resetOnSuccess:
		return b.limit.Burst
	case b.keepOnSuccess:
		return b.hits() - b.attempts()
	}
	return b.hits()
}

// backUnhashed returns how many hits an attempt gets back that has computed so many hashes and
// was not found wrong.
func (b budget) backUnhashed(hashed int) int {
	if b.keepOnSuccess {
		return max(0, b.hits()-hashed)
	}
	return b.hits()
}

// work is how much an attempt has hashed or drawn, and what that has shown.
type work struct {
	n      atomic.Int64
	wrong  atomic.Bool // a password or a code was compared and does not match
	waited bool        // before it was charged, so what was read before that is old
}

// noteWrong notes that a password or a code of the attempt that ctx belongs to was compared and
// does not match. Then the attempt stays charged if the store fails after that.
func noteWrong(ctx context.Context) {
	if w, ok := fromContext[*work](ctx, workKey); ok {
		w.wrong.Store(true)
	}
}

// foundWrong reports whether noteWrong was called.
func foundWrong(ctx context.Context) bool {
	w, ok := fromContext[*work](ctx, workKey)
	return ok && w.wrong.Load()
}

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

// hasWaited reports whether the attempt that ctx belongs to has waited for others.
func hasWaited(ctx context.Context) bool {
	w, ok := fromContext[*work](ctx, workKey)
	return ok && w.waited
}

// charge counts one attempt on each budget in turn, up to the first that refuses. It returns
// the budgets that were charged. If one of them waits, settle must be called with them. If one
// refuses, what was counted by then stays counted. For passwords and second steps, the first
// budget is that of the client's address. So attempts on a locked account use up the client's
// own budget, and after that none that others share.
func (m *Manager) charge(ctx context.Context, uid string, budgets []budget) (charged []budget, err error) {
	p := &patience{most: m.cfg.HashWait}
	defer p.stop()
	for _, b := range budgets {
		counted, wait, err := m.chargeInLine(ctx, b, p)
		if err != nil { // nothing was compared
			m.refund(ctx, charged, budget.hits)
			m.endAttempt(ctx, charged)
			return nil, err
		}
		if len(counted) == 0 {
			m.endAttempt(ctx, charged)
			m.emit(ctx, Event{Type: EventRateLimited, UserID: userIDOf(uid), Reason: b.name})
			return nil, &RetryError{Err: ErrRateLimited, After: wait}
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
		return m.underWay(ctx, b, []budget{b}, 2*d.Left < b.limit.Burst), 0, nil
	}
	for i, instead := range b.or {
		other, err := m.records.Hit(ctx, instead.key, instead.limit, instead.hits(), m.now())
		if err != nil {
			return nil, 0, err
		}
		if !other.OK {
			m.refund(ctx, b.or[:i], budget.hits) // nothing was compared
			return nil, min(d.RetryAfter, other.RetryAfter), nil
		}
	}
	return m.underWay(ctx, b, slices.Clone(b.or), true), d.RetryAfter, nil
}

// underWay notes in what was charged for b that the attempt is under way.
func (m *Manager) underWay(ctx context.Context, b budget, charged []budget, nearlyUsedUp bool) []budget {
	if b.waits != waitsNot && len(charged) > 0 {
		charged[0].line = b.key
		charged[0].marked = nearlyUsedUp && b.waits == waitsEverywhere && m.mark(ctx, charged[0], markHits)
	}
	return charged
}

// refund gives an attempt back to the budgets that it was charged to, to each as many hits as
// back says. The decision has been made: if the store fails here, the budget only stays smaller.
func (m *Manager) refund(ctx context.Context, charged []budget, back func(budget) int) {
	ctx = context.WithoutCancel(ctx)                            // even if the client has gone
	ctx, cancel := context.WithTimeout(ctx, m.cfg.StoreTimeout) // for all of them: the client waits
	defer cancel()
	var calls []func()
	for _, b := range charged {
		n := back(b)
		if n == 0 {
			continue
		}
		calls = append(calls, func() {
			if _, err := m.records.Hit(ctx, b.key, b.limit, -n, m.now()); err != nil {
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

// chargingOnce returns a function that charges the budgets at its first call, and nothing at
// further calls.
func (m *Manager) chargingOnce(uid string, budgets []budget) func(ctx context.Context) error {
	charged := false
	return func(ctx context.Context) error {
		if charged {
			return nil
		}
		_, err := m.charge(ctx, uid, budgets)
		charged = err == nil
		return err
	}
}
