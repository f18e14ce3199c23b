// Package sampler limits how often each of many sources may cause a call, and counts the rest.
package sampler

import (
	"maps"
	"sync"
	"time"

	"github.com/datixlab/auth/store"
)

const (
	maxSources = 4096 // with a budget of their own
	maxKinds   = 256  // with a count of their own
)

// A Kind is a type of calls, with a reason if it has one.
type Kind struct{ Type, Reason string }

// String returns "type" or "type:reason".
func (k Kind) String() string {
	if k.Reason == "" {
		return k.Type
	}
	return k.Type + ":" + k.Reason
}

// A Source is where calls of one kind come from: an account, a network, both or neither.
type Source struct {
	Kind          Kind
	User, Network string
}

// A Sampler limits how many calls each source may cause, and counts the ones that it omits.
// So a flood fills no queue and hides no call that others cause.
//
// Its memory is bounded: 4,096 sources have budgets of their own. The others share one for
// each type. If there are more than 256 of these, all other sources share one budget. Any
// number of goroutines may use a Sampler.
type Sampler struct {
	Counts

	limit   store.Limit
	mu      sync.Mutex
	sources map[Source]int64 // states of limit
	pruned  time.Time
}

// New returns a Sampler that gives each source the budget limit.
func New(limit store.Limit) *Sampler {
	return &Sampler{limit: limit, sources: map[Source]int64{}}
}

// Allow reports whether a call of s may be made now. If not, it is counted as omitted.
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
		p.CountOmitted(kind)
	}
	return d.OK
}

// hasSpace reports whether one more source can have a budget. If there are maxSources, it
// removes those whose budget is full again, at most once a second.
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
