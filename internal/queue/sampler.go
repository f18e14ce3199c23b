package queue

import (
	"maps"
	"sync"
	"time"

	"github.com/datixlab/auth/store"
)

const (
	maxSources = 4096 // that have a budget of their own
	maxKinds   = 256  // that are counted by themselves
)

// A Kind is what was omitted: a type, and a reason where it has one.
type Kind struct{ Type, Reason string }

// String returns "type" or "type:reason".
func (k Kind) String() string {
	if k.Reason == "" {
		return k.Type
	}
	return k.Type + ":" + k.Reason
}

// A Source is where something of one kind comes from: an account, a network, both or
// neither.
type Source struct {
	Kind          Kind
	User, Network string
}

// A Sampler lets a part of what costs nothing to cause through, so that a flood fills no
// queue and hides nothing that others cause. It counts what is omitted. Its memory is
// bounded: 4,096 sources have budgets of their own. The others share one for each type.
// Any number of goroutines may use it.
type Sampler struct {
	limit   store.Limit
	mu      sync.Mutex
	sources map[Source]int64 // states of limit
	pruned  time.Time
	omitted map[Kind]int
}

// NewSampler returns a Sampler that gives each source the budget limit.
func NewSampler(limit store.Limit) *Sampler {
	return &Sampler{limit: limit, sources: map[Source]int64{}, omitted: map[Kind]int{}}
}

// Allow reports whether something of s is let through now. If not, it is counted as
// omitted.
func (p *Sampler) Allow(s Source, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	kind := s.Kind
	if _, known := p.sources[s]; !known && !p.hasSpace(now) {
		if s = (Source{Kind: Kind{Type: kind.Type}}); len(p.sources) >= maxSources+maxKinds {
			s = Source{}
		}
	}
	next, d := p.limit.Apply(p.sources[s], 1, now)
	p.sources[s] = next
	if !d.OK {
		p.count(kind)
	}
	return d.OK
}

// hasSpace reports whether one more source can have a budget. It forgets those whose
// budget is full again, once a second at most.
func (p *Sampler) hasSpace(now time.Time) bool {
	if len(p.sources) < maxSources {
		return true
	}
	if since := now.Sub(p.pruned); since >= 0 && since < time.Second {
		return false
	}
	p.pruned = now
	maps.DeleteFunc(p.sources, func(_ Source, state int64) bool { return state <= now.UnixNano() })
	return len(p.sources) < maxSources
}

// CountOmitted counts one of a kind that was omitted for another reason.
func (p *Sampler) CountOmitted(k Kind) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count(k)
}

// count counts by kind, and by type alone where the kinds are too many.
func (p *Sampler) count(k Kind) {
	if _, known := p.omitted[k]; !known && len(p.omitted) >= maxKinds {
		k = Kind{Type: k.Type}
	}
	p.omitted[k]++
}

// Take returns how many of each kind were omitted since the last Take.
func (p *Sampler) Take() map[Kind]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	omitted := p.omitted
	p.omitted = map[Kind]int{}
	return omitted
}
