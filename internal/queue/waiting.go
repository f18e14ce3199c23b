package queue

import (
	"container/list"
	"context"
	"iter"
)

// A Class says what a full queue drops first.
type Class int

// The classes. A full queue drops calls of a lower class for one of a higher class.
const (
	Low    Class = iota // takes only the first half of the queue: anybody can cause such calls by the thousand
	Normal              // the rest
	High                // what must not be displaced
	classes
)

// A Job is a call that waits, and whose it is.
type Job struct {
	Class Class
	User  string // has caused the call, or gets its notice; "" is a user like any other
	// Kind is what the call is about. Of a class above Low, the first of its kind that waits for
	// a user is not dropped for what else that user has. The empty one has no such place.
	Kind string
	// Source is where the call was caused, such as a network. The empty one has no share.
	Source string
	// Same is the text that jobs with the same content have. If Most of them wait, one
	// more takes the place of the last. If Same is "", that never happens.
	Same string
	Most int
	Run  func(ctx context.Context)
	// Dropped is called instead of Run if the job is dropped. It may be nil.
	Dropped func()
}

// An Order says which job is next.
type Order int

const (
	// InOrder: the oldest.
	InOrder Order = iota
	// ByTurns: the highest class first, and in a class each user in turn, with their oldest.
	ByTurns
)

// An entry is a job in its places.
type entry struct {
	job    Job
	ctx    context.Context // of the request: its values, not its end
	lane   *lane
	source string // whose share it is counted in
	same   string
	inAge  *list.Element // of waiting.byAge
	inLane *list.Element
}

// A lane has the jobs of one class and user, the oldest first. It exists while it has jobs.
type lane struct {
	class Class
	user  string
	jobs  list.List // of *entry
	turn  *list.Element
	newer *lane // with as many jobs, since a later time
	older *lane
}

// A level has the lanes of one class.
type level struct {
	lanes   map[string]*lane // by user
	turns   list.List        // of *lane, whose turn is next first
	bySize  []*lane          // the newest lane with so many jobs, or nil
	longest int              // how many jobs the longest lane has
}

// waiting are the jobs of a queue. Every method takes a time that does not depend on how many
// jobs, users or sources there are.
type waiting struct {
	order    Order
	capacity int
	n        int
	byAge    list.List // of *entry, the oldest first
	levels   [classes]level
	sources  map[string]int // jobs of each
	same     map[string][]*entry
}

// ownPlaces is how many jobs of a class above Low a user may have, whatever their source has.
// A thief can fill the share of a source, and then act from it. One more of each kind has a
// place, or the thief would fill these places too before the act that matters.
const ownPlaces = 4

// maxScan is how many jobs of a user are looked at for their kinds.
const maxScan = 64

func newWaiting(order Order, capacity int) *waiting {
	w := &waiting{order: order, capacity: capacity, sources: map[string]int{}, same: map[string][]*entry{}}
	for c := range w.levels {
		w.levels[c].lanes = map[string]*lane{}
		w.levels[c].bySize = make([]*lane, 1)
	}
	return w
}

// add adds e and returns the job that was dropped for it, which may be e's own, or nil.
func (w *waiting) add(e *entry) (dropped *Job) {
	j := &e.job
	if twins := w.same[j.Same]; j.Same != "" && len(twins) > 0 && len(twins) >= j.Most {
		last := twins[len(twins)-1]
		old := last.job
		last.job, last.ctx = e.job, e.ctx
		return &old
	}
	if !w.admits(j) {
		return j
	}
	if w.n == w.capacity {
		victim := w.victim(j)
		if victim == nil {
			return j
		}
		w.remove(victim)
		dropped = &victim.job
	}
	w.push(e)
	return dropped
}

// admits reports whether the shares allow one more job like j.
func (w *waiting) admits(j *Job) bool {
	all, ofSource := w.capacity, w.capacity/4
	if j.Class == Low {
		all, ofSource = all/2, ofSource/2
		if w.n >= all {
			return false
		}
	}
	if j.Source == "" || w.sources[j.Source] < ofSource {
		return true
	}
	l := &w.levels[j.Class]
	return j.Class > Low && (l.size(j.User) < ownPlaces || l.firstOfKind(j))
}

// victim returns the job to drop for j, or nil. It is of the lowest class that has jobs. In
// that class it is the newest of a user who has the most. Of the class of j, it is of a user
// who has more than that of j. Without one, it is of the user of j, who has another of its
// kind, if j is the first of its own.
func (w *waiting) victim(j *Job) *entry {
	for c := Low; c <= j.Class; c++ {
		l := &w.levels[c]
		if c == j.Class && l.longest <= l.size(j.User) {
			if c > Low && l.firstOfKind(j) {
				return l.repeated(j.User)
			}
			return nil
		}
		if l.longest > 0 {
			return l.bySize[l.longest].jobs.Back().Value.(*entry)
		}
	}
	return nil
}

// next removes the job whose turn it is and returns it, or nil if there is none.
func (w *waiting) next() *entry {
	if w.n == 0 {
		return nil
	}
	if w.order == InOrder {
		e := w.byAge.Front().Value.(*entry)
		w.remove(e)
		return e
	}
	for c := classes - 1; ; c-- {
		turns := &w.levels[c].turns
		if turns.Len() == 0 {
			continue
		}
		turn := turns.Front()
		e := turn.Value.(*lane).jobs.Front().Value.(*entry)
		turns.MoveToBack(turn)
		w.remove(e)
		return e
	}
}

// push adds e at the end.
func (w *waiting) push(e *entry) {
	e.source, e.same = e.job.Source, e.job.Same
	e.lane = w.levels[e.job.Class].lane(e.job.Class, e.job.User)
	e.inLane, e.inAge = e.lane.jobs.PushBack(e), w.byAge.PushBack(e)
	w.levels[e.lane.class].resized(e.lane, e.lane.jobs.Len()-1)
	w.n++
	if e.source != "" {
		w.sources[e.source]++
	}
	if e.same != "" {
		w.same[e.same] = append(w.same[e.same], e)
	}
}

// remove takes e out of all of its places.
func (w *waiting) remove(e *entry) {
	w.byAge.Remove(e.inAge)
	e.lane.jobs.Remove(e.inLane)
	w.levels[e.lane.class].resized(e.lane, e.lane.jobs.Len()+1)
	w.n--
	if w.sources[e.source]--; w.sources[e.source] <= 0 {
		delete(w.sources, e.source)
	}
	if e.same == "" {
		return
	}
	twins := w.same[e.same]
	for i := range twins { // Job.Most of them
		if twins[i] == e {
			twins = append(twins[:i], twins[i+1:]...)
			break
		}
	}
	if w.same[e.same] = twins; len(twins) == 0 {
		delete(w.same, e.same)
	}
}

// size returns how many jobs the user has.
func (l *level) size(user string) int {
	if lane := l.lanes[user]; lane != nil {
		return lane.jobs.Len()
	}
	return 0
}

// firstOfKind reports whether the user of j has no job of its kind.
func (l *level) firstOfKind(j *Job) bool {
	if j.Kind == "" {
		return false
	}
	for e := range l.newest(j.User) {
		if e.job.Kind == j.Kind {
			return false
		}
	}
	return true
}

// repeated returns the newest job of the user that is not the only one of its kind, or nil.
func (l *level) repeated(user string) *entry {
	kinds := map[string]int{}
	for e := range l.newest(user) {
		kinds[e.job.Kind]++
	}
	for e := range l.newest(user) {
		if kinds[e.job.Kind] > 1 {
			return e
		}
	}
	return nil
}

// newest yields up to maxScan jobs of the user, the newest first.
func (l *level) newest(user string) iter.Seq[*entry] {
	return func(yield func(*entry) bool) {
		lane := l.lanes[user]
		if lane == nil {
			return
		}
		for n, e := 0, lane.jobs.Back(); e != nil && n < maxScan; n, e = n+1, e.Prev() {
			if !yield(e.Value.(*entry)) {
				return
			}
		}
	}
}

// lane returns the lane of the user, which may be new.
func (l *level) lane(c Class, user string) *lane {
	found := l.lanes[user]
	if found == nil {
		found = &lane{class: c, user: user}
		l.lanes[user], found.turn = found, l.turns.PushBack(found)
	}
	return found
}

// resized notes that a lane had so many jobs, and now has one more or one less. A lane without
// jobs is removed.
func (l *level) resized(of *lane, had int) {
	if had > 0 {
		if of.newer != nil {
			of.newer.older = of.older
		} else {
			l.bySize[had] = of.older
		}
		if of.older != nil {
			of.older.newer = of.newer
		}
	}
	has := of.jobs.Len()
	if has > 0 {
		if has == len(l.bySize) {
			l.bySize = append(l.bySize, nil)
		}
		of.newer, of.older = nil, l.bySize[has]
		if of.older != nil {
			of.older.newer = of
		}
		l.bySize[has] = of
	} else {
		l.turns.Remove(of.turn)
		delete(l.lanes, of.user)
	}
	if has > l.longest || had == l.longest && l.bySize[had] == nil { // if it was the only one, it still is
		l.longest = has
	}
}
