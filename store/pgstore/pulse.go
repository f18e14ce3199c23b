package pgstore

import (
	"sync"
	"time"

	"github.com/datixlab/auth/internal/stamps"
)

// maxSilence is how long a server may answer nothing at all before its connections are no
// longer used. Every failover takes longer. A server that hung and was replaced does not know
// that when it wakes, and a client on an old connection would read what was revoked
// meanwhile. No call and no attempt to connect waits so long.
const maxSilence = 1500 * time.Millisecond

// A pulse knows when the server answered last, and so which connections lead to the present
// one. Connections of a generation are those that were made without such a silence in between.
type pulse struct {
	mu         sync.Mutex
	last       time.Time
	generation uint64
}

func newPulse() *pulse { return &pulse{last: time.Now()} }

// connected notes that a connection was made, and returns its generation.
func (p *pulse) connected() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.listen()
	return p.generation
}

// answered notes an answer on a connection of a generation. It reports whether the answer can
// be believed.
func (p *pulse) answered(generation uint64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if generation == p.generation {
		p.listen()
	}
	return generation == p.generation
}

// trusted reports whether a connection of a generation may be used.
func (p *pulse) trusted(generation uint64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if stamps.LongAgo(p.last, maxSilence) {
		p.listen()
	}
	return generation == p.generation
}

// listen begins a generation if there was a silence before now.
func (p *pulse) listen() {
	if stamps.LongAgo(p.last, maxSilence) {
		p.generation++
	}
	p.last = time.Now()
}
