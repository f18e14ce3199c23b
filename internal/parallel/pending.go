package parallel

import (
	"sync"
	"time"
)

// Pending counts calls that are under way, and waits until there is none. Calls may begin while
// Wait waits. The zero Pending is ready for use by any number of goroutines, and must not be
// copied.
type Pending struct {
	mu   sync.Mutex
	n    int
	idle chan struct{} // closed when n is 0; nil until Wait is called
}

// Begin counts a call until the function that it returns is called, which must be once.
func (p *Pending) Begin() (end func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.n++
	return p.end
}

func (p *Pending) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.n--; p.n == 0 && p.idle != nil {
		close(p.idle)
		p.idle = nil
	}
}

// Wait returns when no call is under way, or after most.
func (p *Pending) Wait(most time.Duration) {
	p.mu.Lock()
	if p.n == 0 {
		p.mu.Unlock()
		return
	}
	if p.idle == nil {
		p.idle = make(chan struct{})
	}
	idle := p.idle
	p.mu.Unlock()
	timeout := time.NewTimer(most)
	defer timeout.Stop()
	select {
	case <-idle:
	case <-timeout.C:
	}
}
