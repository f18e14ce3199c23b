package slots

import (
	"container/list"
	"slices"
)

// A lane is a queue in which sources take turns. The lock of its Slots protects it.
type lane struct {
	places  int // how many may wait
	waiting int
	sources map[string]*source // that have waiters
	turns   *list.List         // of *source, by their last slot: the next one first
	served  history
}

// A source has the waiters of one source, the first one first. It is never empty.
type source struct {
	name    string
	waiters []*waiter
	last    uint64 // number of its last slot, 0 for none
	turn    *list.Element
}

// A waiter is one caller that waits.
type waiter struct {
	source string
	done   chan struct{} // closed when it has left the queue
	busy   bool          // it left for another caller, and has no slot; set before done is closed
}

// result returns nil if the waiter left the queue with a slot, else ErrBusy.
func (w *waiter) result() error {
	if w.busy {
		return ErrBusy
	}
	return nil
}

func newLane(places int) lane {
	return lane{places: places, sources: map[string]*source{}, turns: list.New(), served: newHistory()}
}

// join returns a new waiter, or nil if there is no place for it.
func (l *lane) join(name string) *waiter {
	src, last := l.sources[name], l.served.last(name)
	if l.waiting == l.places && !l.makeRoom(src, last) {
		return nil
	}
	if src == nil {
		src = &source{name: name, last: last}
		src.turn = l.insert(src)
		l.sources[name] = src
	}
	w := &waiter{source: name, done: make(chan struct{})}
	src.waiters = append(src.waiters, w)
	l.waiting++
	return w
}

// insert gives a source its turn: after all whose last slot was not later.
func (l *lane) insert(src *source) *list.Element {
	for e := l.turns.Back(); e != nil; e = e.Prev() {
		if e.Value.(*source).last <= src.last {
			return l.turns.InsertAfter(src, e)
		}
	}
	return l.turns.PushFront(src)
}

// makeRoom turns away the newest waiter of the source that has most of them, or of several
// the one whose turn comes last. It reports false, and does nothing, unless the newcomer's
// source is better off then: with fewer waiters, or as many and an earlier turn.
func (l *lane) makeRoom(newcomer *source, last uint64) bool {
	var most *source
	if l.waiting == len(l.sources) && l.waiting > 0 {
		most = l.turns.Back().Value.(*source) // each has one: no need to look at all
	} else {
		for e := l.turns.Back(); e != nil; e = e.Prev() {
			if src := e.Value.(*source); most == nil || len(src.waiters) > len(most.waiters) {
				most = src
			}
		}
	}
	has := 1 // with the newcomer
	if newcomer != nil {
		has += len(newcomer.waiters)
	}
	if most == nil || most == newcomer || len(most.waiters) < has || len(most.waiters) == has && most.last <= last {
		return false
	}
	w := most.waiters[len(most.waiters)-1]
	l.remove(most, len(most.waiters)-1)
	w.busy = true
	close(w.done)
	return true
}

// next removes the waiter whose turn it is, and notes that its source was served. It returns
// nil if nobody waits.
func (l *lane) next() *waiter {
	front := l.turns.Front()
	if front == nil {
		return nil
	}
	src := front.Value.(*source)
	w := src.waiters[0]
	src.last = l.served.note(src.name)
	l.turns.MoveToBack(front)
	l.remove(src, 0)
	return w
}

// leave removes a waiter that gives up. It reports false if the waiter has left already.
func (l *lane) leave(w *waiter) bool {
	src := l.sources[w.source]
	if src == nil {
		return false
	}
	i := slices.Index(src.waiters, w)
	if i < 0 {
		return false
	}
	l.remove(src, i)
	return true
}

func (l *lane) remove(src *source, i int) {
	src.waiters = slices.Delete(src.waiters, i, i+1)
	l.waiting--
	if len(src.waiters) == 0 {
		l.turns.Remove(src.turn)
		delete(l.sources, src.name)
	}
}

// remembered is how many sources a history has.
const remembered = 4096

// A history has the sources that were served last. One that it has forgotten was served
// before all that it has, so it counts as never served.
type history struct {
	count   uint64
	entries map[string]*list.Element
	order   *list.List // of entry, the oldest first
}

type entry struct {
	name string
	slot uint64
}

func newHistory() history { return history{entries: map[string]*list.Element{}, order: list.New()} }

// last returns the number of the last slot of a source, or 0.
func (h *history) last(name string) uint64 {
	if e := h.entries[name]; e != nil {
		return e.Value.(entry).slot
	}
	return 0
}

// note gives the next slot to a source, and returns its number.
func (h *history) note(name string) uint64 {
	h.count++
	if e := h.entries[name]; e != nil {
		e.Value = entry{name, h.count}
		h.order.MoveToBack(e)
		return h.count
	}
	if len(h.entries) == remembered {
		oldest := h.order.Front()
		delete(h.entries, oldest.Value.(entry).name)
		h.order.Remove(oldest)
	}
	h.entries[name] = h.order.PushBack(entry{name, h.count})
	return h.count
}
