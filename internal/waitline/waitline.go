// Package waitline has lines of attempts that wait for others which are under way. Each line has
// a key. The first of a line is told whenever an attempt has ended, so that it tries again, and
// the others stay behind it.
package waitline

import (
	"slices"
	"sync"
	"time"
)

// MaxWaiting is how many attempts wait in all lines together.
const MaxWaiting = 1024

// Lines are the attempts that are under way or wait, by key. The zero value has none. Any number
// of goroutines may use them.
type Lines struct {
	mu      sync.Mutex
	byKey   map[string]*line
	waiting int
}

// A line is what one key has of them. It exists while it has any.
type line struct {
	underWay int
	ended    int // attempts that have ended since the line began
	waiters  []*Waiter
}

// A Waiter is an attempt that waits.
type Waiter struct {
	// News has a value if the attempt has become the first, or if another has ended.
	News <-chan struct{}
	// Refused is closed when the attempt is no longer in the line and is refused.
	Refused <-chan struct{}

	news    chan struct{}
	refused chan struct{}
	after   time.Duration // set before refused is closed
}

// After returns how long the attempt should wait before it comes back. It may be called once
// Refused is closed.
func (w *Waiter) After() time.Duration { return w.after }

func (w *Waiter) refuse(after time.Duration) {
	w.after = after
	close(w.refused)
}

// Enter counts an attempt as under way, unless others wait and it may not go past them. Ended is
// for [Lines.End].
func (s *Lines) Enter(key string, pastOthers bool) (ended int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.line(key)
	if len(l.waiters) > 0 && !pastOthers {
		return 0, false
	}
	l.underWay++
	return l.ended, true
}

// End ends an attempt that was under way, and tells the first of the line. It reports whether
// others are under way or wait, or have ended since Enter returned ended.
func (s *Lines) End(key string, ended int) (others bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.line(key)
	others = l.underWay > 1 || len(l.waiters) > 0 || l.ended != ended
	l.underWay--
	l.ended++
	s.tell(key, l)
	return others
}

// Join adds an attempt to the end of a line. If more than MaxWaiting wait then, the last of the
// longest line is refused, which may be this one, and told to come back after what after returns.
// So whoever has many attempts keeps nobody else out. [Lines.Leave] must be called with w.
func (s *Lines) Join(key string, after func() time.Duration) (w *Waiter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.line(key)
	w = &Waiter{news: make(chan struct{}, 1), refused: make(chan struct{})}
	w.News, w.Refused = w.news, w.refused
	l.waiters = append(l.waiters, w)
	s.waiting++
	if s.waiting > MaxWaiting {
		longest := l
		for _, other := range s.byKey {
			if len(other.waiters) > len(longest.waiters) {
				longest = other
			}
		}
		last := len(longest.waiters) - 1
		longest.waiters[last].refuse(after())
		longest.waiters = longest.waiters[:last]
		s.waiting--
	}
	if len(l.waiters) <= 1 {
		s.tell(key, l)
	}
	return w
}

// Leave removes a waiter, and counts its attempt as under way if underWay.
func (s *Lines) Leave(key string, w *Waiter, underWay bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.line(key)
	if i := slices.Index(l.waiters, w); i >= 0 {
		l.waiters = slices.Delete(l.waiters, i, i+1)
		s.waiting--
	}
	if underWay {
		l.underWay++
	}
	s.tell(key, l)
}

// Refuse refuses all that wait in a line. Each is told to come back one step later than the one
// before it.
func (s *Lines) Refuse(key string, after, step time.Duration) {
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

// Look returns how many attempts are under way and how many wait.
func (s *Lines) Look(key string) (underWay, waiting int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.byKey[key]; l != nil {
		return l.underWay, len(l.waiters)
	}
	return 0, 0
}

func (s *Lines) line(key string) *line {
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

// tell tells the first of a line, and forgets a line that has nothing.
func (s *Lines) tell(key string, l *line) {
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
