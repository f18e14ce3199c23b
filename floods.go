package auth

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/datixlab/auth/internal/netprefix"
	"github.com/datixlab/auth/store"
)

// refusalsTold is how many of the refusals that one source causes are told.
var refusalsTold = store.Limit{Burst: 20, Every: 3 * time.Second}

const (
	maxSources = 4096 // that are told apart; the rest share one budget for each kind
	maxKinds   = 256  // that are counted apart
)

// floods picks, of the refusals that cost nothing to cause, those that are told, so
// that whoever makes millions neither fills the queue nor hides what others do. It
// counts every event that was left out, by whomever.
type floods struct {
	mu      sync.Mutex
	sources map[source]int64 // states of refusalsTold
	pruned  time.Time
	omitted map[string]int // by kind
}

// A source is whose refusals share a budget.
type source struct {
	kind, user, prefix string
}

// free reports whether causing the event costs its causer nothing: no hash, no
// attempt, no success before it.
func (e Event) free() bool {
	switch e.Type {
	case EventRateLimited, EventTokenRefused, EventAPIKeyRefused, EventTempTokenRefused, EventAccessDenied,
		EventOverloaded, EventStoreFailed:
		return true
	}
	return e.Type == EventSecondFactorFailed && e.Reason == malformed
}

// minor reports whether a stranger can cause many such events.
func (e Event) minor() bool {
	switch e.Type {
	case EventLoginFailed, EventEmailTaken, EventTokenRefreshed, EventProfileChanged, EventTwoFactorStarted:
		return true
	}
	return e.free()
}

// kind is the type of an event and, of one that is picked, its reason.
func (e Event) kind() string {
	if !e.free() || e.Reason == "" {
		return string(e.Type)
	}
	return string(e.Type) + ":" + e.Reason
}

// admit reports whether the event is told; if not it is counted.
func (f *floods) admit(e Event) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := source{e.kind(), e.UserID, netprefix.Text(e.Client.Addr)}
	if e.Type == EventStoreFailed || e.Type == EventOverloaded { // which befall everybody
		s = source{kind: s.kind}
	}
	if _, known := f.sources[s]; !known && !f.room(e.Time) {
		if s = (source{kind: string(e.Type)}); len(f.sources) >= maxSources+maxKinds {
			s = source{}
		}
	}
	next, d := refusalsTold.Apply(f.sources[s], 1, e.Time)
	f.sources[s] = next
	if !d.OK {
		f.count(e)
	}
	return d.OK
}

// room reports whether one more source can be told apart. It forgets those whose
// budget is full again, once a second at the most.
func (f *floods) room(now time.Time) bool {
	if f.sources == nil {
		f.sources = map[source]int64{}
	}
	if len(f.sources) < maxSources {
		return true
	}
	if since := now.Sub(f.pruned); since >= 0 && since < time.Second {
		return false
	}
	f.pruned = now
	maps.DeleteFunc(f.sources, func(_ source, state int64) bool { return state <= now.UnixNano() })
	return len(f.sources) < maxSources
}

// omit counts an event that was left out.
func (f *floods) omit(e Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.count(e)
}

func (f *floods) count(e Event) {
	if f.omitted == nil {
		f.omitted = map[string]int{}
	}
	kind := e.kind()
	if _, known := f.omitted[kind]; !known && len(f.omitted) >= maxKinds {
		kind = string(e.Type)
	}
	f.omitted[kind]++
}

// emitOmitted tells the host's handler what was left out since the last time.
func (m *Manager) emitOmitted(ctx context.Context) {
	m.floods.mu.Lock()
	omitted := m.floods.omitted
	m.floods.omitted = nil
	m.floods.mu.Unlock()
	for _, kind := range slices.Sorted(maps.Keys(omitted)) {
		m.events.call(hookCall{ctx, func(ctx context.Context) { // by itself: a panic costs one
			m.cfg.Events.HandleEvent(ctx, Event{
				Type: EventOmitted, Time: m.now(), Actor: actorManager, Reason: kind, Count: omitted[kind],
			})
		}})
	}
}
