package auth

import (
	"context"
	"fmt"
	"time"

	"github.com/datixlab/auth/internal/netprefix"
	"github.com/datixlab/auth/internal/slots"
	"github.com/datixlab/auth/internal/waitline"
	"github.com/datixlab/auth/store"
)

// Whoever is right gets in. An attempt is charged before it is compared, so right attempts at
// the same time can use a budget up for as long as they are under way. An attempt that a budget
// refuses meanwhile waits in the budget's line, at most Config.HashWait. It is hashed only after
// it was charged, so waiting gives nobody a guess.
//
// The first of a line tries again whenever an attempt is settled, and the others after it. Once
// no attempt is under way, the whole line is refused at once: wrong attempts make nobody wait
// longer than they take. The line is this process's own. What is under way in others is marked
// in the store, see mark.

// waitScope says for which attempts a budget has one wait that it refuses.
type waitScope int

const (
	waitsNot        waitScope = iota
	waitsHere                 // for attempts in this process
	waitsEverywhere           // for attempts in any process on the store
)

const (
	askEvery    = 50 * time.Millisecond // how often the first of a line asks for attempts elsewhere
	askAgain    = 5 * time.Millisecond  // how long it waits if it found none and others wait behind it
	markBurst   = 1_000_000
	markHits    = markBurst / 10
	markAtLeast = markHits / 2 // less was left by those that asked, or is of a process that died
)

// A patience is how long one attempt still waits, in the lines of all its budgets.
type patience struct {
	most  time.Duration
	timer *time.Timer // nil before the first wait
}

func (p *patience) over() <-chan time.Time {
	if p.timer == nil {
		p.timer = time.NewTimer(p.most)
	}
	return p.timer.C
}

func (p *patience) stop() {
	if p.timer != nil {
		p.timer.Stop()
	}
}

// chargeInLine is chargeOne for an attempt that waits if b refuses it. What it returns as counted
// is under way until endAttempt.
func (m *Manager) chargeInLine(ctx context.Context, b budget, p *patience) (counted []budget, wait time.Duration, err error) {
	if b.waits == waitsNot {
		return m.chargeOne(ctx, b)
	}
	// An account's budgets of a day are the client's own, so nobody else is before it.
	if ended, ok := m.lines.Enter(b.key, b.or != nil); ok {
		if counted, wait, err = m.chargeOne(ctx, b); len(counted) > 0 {
			return counted, 0, nil
		}
		others := m.lines.End(b.key, ended)
		if err != nil || !others && b.waits == waitsHere {
			return nil, wait, err
		}
	}
	w := m.lines.Join(b.key, func() time.Duration { return m.pace.After(time.Second) })
	return m.chargeWaiting(ctx, b, w, p)
}

// chargeWaiting charges b as soon as it is the turn of w and b admits it.
func (m *Manager) chargeWaiting(ctx context.Context, b budget, w *waitline.Waiter, p *patience) (counted []budget, wait time.Duration, err error) {
	defer func() {
		m.lines.Leave(b.key, w, len(counted) > 0)
		if len(counted) > 0 {
			counted[0].waited = true
		}
	}()
	again := time.NewTimer(askEvery)
	defer again.Stop()
	first, asked := false, false
	for {
		var due <-chan time.Time
		if first {
			due = again.C
		}
		select {
		case <-w.Refused:
			return nil, w.After(), nil
		case <-p.over():
			return nil, m.pace.After(time.Second), nil
		case <-ctx.Done():
			return nil, 0, unavailable(fmt.Errorf("%w: %w", errNotRun, ctx.Err()))
		case <-w.News:
			first = true
		case <-due:
		}
		underWay, waiting := m.lines.Look(b.key) // before b is charged: what ends after it is news
		busy := underWay > 0
		if !busy && b.waits == waitsEverywhere {
			if busy, err = m.underWayElsewhere(ctx, b); err != nil {
				return nil, 0, err
			}
		}
		if counted, wait, err = m.chargeOne(ctx, b); err != nil || len(counted) > 0 {
			return counted, 0, err
		}
		next := askEvery
		switch {
		case busy:
			asked = false
		case asked || waiting == 1 || b.waits == waitsHere:
			m.lines.Refuse(b.key, wait, time.Duration(b.hits())*b.limit.Every)
			return nil, wait, nil
		default: // an attempt elsewhere may be charged and not marked yet
			asked, next = true, askAgain
		}
		again.Reset(next)
	}
}

// endAttempt ends an attempt that was charged to these budgets. What it gets back was given
// back before, so whoever waits finds it.
func (m *Manager) endAttempt(ctx context.Context, charged []budget) {
	for _, b := range charged {
		if b.marked {
			m.mark(ctx, b, -markHits)
		}
		if b.line != "" {
			m.lines.End(b.line, 0)
		}
	}
}

// markOf is the counter of the attempts on b that are under way. One mark fades by itself in twice
// the time that an attempt takes at most, and ten in ten times that. So long an attempt that b
// refuses waits for a process that has died, at most Config.HashWait.
func (m *Manager) markOf(b budget) (key string, l store.Limit) {
	most := m.cfg.HashWait + m.cfg.StoreTimeout
	return b.line + ".underway", store.Limit{Burst: markBurst, Every: max(2*most/markHits, time.Microsecond)}
}

// mark counts an attempt as under way for other processes, or no longer. Only those that use
// the second half of a budget do so: before a budget refuses, there are some of them.
func (m *Manager) mark(ctx context.Context, b budget, hits int) (ok bool) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), m.cfg.StoreTimeout)
	defer cancel()
	key, l := m.markOf(b)
	d, err := m.records.Hit(ctx, key, l, hits, m.now())
	return err == nil && d.OK // a mark that fails makes an attempt elsewhere wait less
}

// underWayElsewhere reports whether a process has marked an attempt on b.
func (m *Manager) underWayElsewhere(ctx context.Context, b budget) (bool, error) {
	b.line = b.key
	key, l := m.markOf(b)
	d, err := m.records.Hit(ctx, key, l, 1, m.now())
	return err == nil && markBurst-d.Left >= markAtLeast, err
}

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
