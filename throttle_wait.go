package auth

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

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
	maxInLines  = 1024                  // attempts that wait in all lines of a process
	askEvery    = 50 * time.Millisecond // how often the first of a line asks for attempts elsewhere
	askAgain    = 5 * time.Millisecond  // how long it waits if it found none and others wait behind it
	markBurst   = 1_000_000
	markHits    = markBurst / 10
	markAtLeast = markHits / 2 // less was left by those that asked, or is of a process that died
)

// lines are the attempts that are under way or wait, by the keys of their budgets.
type lines struct {
	mu      sync.Mutex
	byKey   map[string]*line
	waiting int
}

// A line is what one budget has of them. It exists while it has any.
type line struct {
	underWay int // attempts that are charged and not settled, or are being charged
	settled  int // attempts that have ended since the line began
	waiters  []*waiter
}

// A waiter is an attempt that waits.
type waiter struct {
	news    chan struct{} // has a value if the attempt has become the first, or another has ended
	refused chan struct{} // closed when it is no longer in the line
	after   time.Duration // set before refused is closed
}

// enter counts an attempt as under way, unless others wait. Settled is for end.
func (s *lines) enter(key string, pastOthers bool) (settled int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.line(key)
	if len(l.waiters) > 0 && !pastOthers {
		return 0, false
	}
	l.underWay++
	return l.settled, true
}

// end ends an attempt that was under way, and tells the first of the line. It reports whether
// others are under way or wait, or have ended since enter returned settled.
func (s *lines) end(key string, settled int) (others bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.line(key)
	others = l.underWay > 1 || len(l.waiters) > 0 || l.settled != settled
	l.underWay--
	l.settled++
	s.tell(key, l)
	return others
}

// join adds an attempt to the end of a line. If too many wait, the last of the longest line is
// turned away, which may be this one. So whoever has many attempts keeps nobody else out. The
// caller refuses it.
func (s *lines) join(key string) (w, turnedAway *waiter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.line(key)
	w = &waiter{news: make(chan struct{}, 1), refused: make(chan struct{})}
	l.waiters = append(l.waiters, w)
	s.waiting++
	if s.waiting > maxInLines {
		longest := l
		for _, other := range s.byKey {
			if len(other.waiters) > len(longest.waiters) {
				longest = other
			}
		}
		last := len(longest.waiters) - 1
		turnedAway, longest.waiters = longest.waiters[last], longest.waiters[:last]
		s.waiting--
	}
	if len(l.waiters) <= 1 {
		s.tell(key, l)
	}
	return w, turnedAway
}

// refuse tells the waiter, which is no longer in its line, when to come back.
func (w *waiter) refuse(after time.Duration) {
	w.after = after
	close(w.refused)
}

// leave removes a waiter, and counts its attempt as under way if it was charged.
func (s *lines) leave(key string, w *waiter, charged bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.line(key)
	if i := slices.Index(l.waiters, w); i >= 0 {
		l.waiters = slices.Delete(l.waiters, i, i+1)
		s.waiting--
	}
	if charged {
		l.underWay++
	}
	s.tell(key, l)
}

// refuse ends a line. Each waiter is told to come back one step later than the one before it.
func (s *lines) refuse(key string, after, step time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.line(key)
	for i, w := range l.waiters {
		w.refuse(after + time.Duration(i)*step)
	}
	s.waiting -= len(l.waiters)
	l.waiters = nil
	s.tell(key, l)
}

// look returns how many attempts are under way and how many wait.
func (s *lines) look(key string) (underWay, waiting int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.byKey[key]; l != nil {
		return l.underWay, len(l.waiters)
	}
	return 0, 0
}

func (s *lines) line(key string) *line {
	l := s.byKey[key]
	if l == nil {
		if s.byKey == nil {
			s.byKey = map[string]*line{}
		}
		l = new(line)
		s.byKey[key] = l
	}
	return l
}

// tell wakes the first of a line, and forgets a line that has nothing.
func (s *lines) tell(key string, l *line) {
	switch {
	case len(l.waiters) > 0:
		select {
		case l.waiters[0].news <- struct{}{}:
		default:
		}
	case l.underWay == 0:
		delete(s.byKey, key)
	}
}

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
	if settled, ok := m.lines.enter(b.key, b.or != nil); ok {
		if counted, wait, err = m.chargeOne(ctx, b); len(counted) > 0 {
			return counted, 0, nil
		}
		others := m.lines.end(b.key, settled)
		if err != nil || !others && b.waits == waitsHere {
			return nil, wait, err
		}
	}
	w, turnedAway := m.lines.join(b.key)
	if turnedAway != nil {
		turnedAway.refuse(m.pace.after(time.Second))
	}
	return m.chargeWaiting(ctx, b, w, p)
}

// chargeWaiting charges b as soon as it is the turn of w and b admits it.
func (m *Manager) chargeWaiting(ctx context.Context, b budget, w *waiter, p *patience) (counted []budget, wait time.Duration, err error) {
	defer func() {
		m.lines.leave(b.key, w, len(counted) > 0)
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
		case <-w.refused:
			return nil, w.after, nil
		case <-p.over():
			return nil, m.pace.after(time.Second), nil
		case <-ctx.Done():
			return nil, 0, unavailable(fmt.Errorf("%w: %w", errNotRun, ctx.Err()))
		case <-w.news:
			first = true
		case <-due:
		}
		underWay, waiting := m.lines.look(b.key) // before b is charged: what ends after it is news
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
			m.lines.refuse(b.key, wait, time.Duration(b.hits())*b.limit.Every)
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
			m.lines.end(b.line, 0)
		}
	}
}

// markOf is the counter of the attempts on b that are under way. It empties by itself in the
// time that an attempt takes at most, so a process that dies leaves nothing.
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
