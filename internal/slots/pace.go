package slots

import (
	"sync"
	"time"
)

// A Pace tells callers that are turned away when to come back: one after the other, as fast as
// slots come free. If all came back at the same instant, most would be turned away again. The
// zero value knows nothing yet. Any number of goroutines may use it.
type Pace struct {
	mu   sync.Mutex
	each time.Duration // from one caller to the next
	next time.Time     // for whoever is turned away next
}

// longestPace is the latest time that a Pace names.
const longestPace = time.Minute

// Note notes how long one of so many slots was taken.
func (p *Pace) Note(took time.Duration, slots int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.each += (took/time.Duration(slots) - p.each) / 8
}

// After returns how long the next caller waits, and no less than least.
func (p *Pace) After(least time.Duration) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	at := now.Add(least)
	if p.next.After(at) {
		at = p.next
	}
	p.next = at.Add(p.each)
	if last := now.Add(max(longestPace, least)); at.After(last) {
		at, p.next = last, last
	}
	return at.Sub(now)
}
