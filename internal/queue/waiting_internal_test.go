package queue

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A model is what waiting must do, written without a thought of its cost.
type model struct {
	order    Order
	capacity int
	jobs     []*Job            // the oldest first
	turns    [classes][]string // users in their turn
}

func (m *model) of(keep func(*Job) bool) (n int) {
	for _, j := range m.jobs {
		if keep(j) {
			n++
		}
	}
	return n
}

func (m *model) ofUser(c Class, user string) int {
	return m.of(func(j *Job) bool { return j.Class == c && j.User == user })
}

func (m *model) remove(j *Job) {
	m.jobs = slices.DeleteFunc(m.jobs, func(k *Job) bool { return k == j })
	if m.ofUser(j.Class, j.User) == 0 {
		m.turns[j.Class] = slices.DeleteFunc(m.turns[j.Class], func(u string) bool { return u == j.User })
	}
}

func (m *model) next() *Job {
	if len(m.jobs) == 0 {
		return nil
	}
	if m.order == InOrder {
		j := m.jobs[0]
		m.remove(j)
		return j
	}
	for c := High; ; c-- {
		if len(m.turns[c]) == 0 {
			continue
		}
		user := m.turns[c][0]
		m.turns[c] = append(m.turns[c][1:], user)
		i := slices.IndexFunc(m.jobs, func(j *Job) bool { return j.Class == c && j.User == user })
		j := m.jobs[i]
		m.remove(j)
		return j
	}
}

// add follows the choice of waiting where the rules leave one: the user whose job is dropped
// is any of those who have the most.
func (m *model) add(t *testing.T, j, dropped *Job) {
	t.Helper()
	if j.Same != "" && m.of(func(k *Job) bool { return k.Same == j.Same }) >= j.Most {
		for i, k := range slices.Backward(m.jobs) {
			if k.Same == j.Same {
				if dropped != k {
					t.Fatalf("%+v took the place of %+v, want that of the last of its kind", j, dropped)
				}
				m.jobs[i] = j
				return
			}
		}
	}
	ofSource := m.of(func(k *Job) bool { return k.Source == j.Source })
	first := j.Class > Low && j.Kind != "" && m.ofKind(j) == 0
	shared := j.Source == "" || ofSource < m.capacity/4 || m.ofUser(j.Class, j.User) < ownPlaces || first
	if j.Class == Low {
		shared = len(m.jobs) < m.capacity/2 && (j.Source == "" || ofSource < m.capacity/8)
	}
	if !shared {
		if dropped != j {
			t.Fatalf("%+v is over its share, but %+v was dropped", j, dropped)
		}
		return
	}
	if len(m.jobs) == m.capacity {
		lowest, most := j.Class, 0
		for _, k := range m.jobs {
			lowest = min(lowest, k.Class)
		}
		for _, k := range m.jobs {
			if k.Class == lowest {
				most = max(most, m.ofUser(lowest, k.User))
			}
		}
		if lowest == j.Class && most <= m.ofUser(j.Class, j.User) {
			want := j
			if first {
				want = m.repeated(j)
			}
			if dropped != want {
				t.Fatalf("%+v is of a user with the most, but %+v was dropped", j, dropped)
			}
			if want == j {
				return
			}
			m.remove(want)
			m.push(j)
			return
		}
		if dropped == nil || dropped == j || dropped.Class != lowest || m.ofUser(lowest, dropped.User) != most {
			t.Fatalf("%+v was dropped, want one of class %d and a user with %d", dropped, lowest, most)
		}
		for _, k := range slices.Backward(m.jobs) {
			if k.Class == lowest && k.User == dropped.User {
				if k != dropped {
					t.Fatalf("%+v was dropped, want the newest of its user", dropped)
				}
				break
			}
		}
		m.remove(dropped)
	} else if dropped != nil {
		t.Fatalf("%+v was dropped from a queue with places", dropped)
	}
	m.push(j)
}

func (m *model) push(j *Job) {
	m.jobs = append(m.jobs, j)
	if !slices.Contains(m.turns[j.Class], j.User) {
		m.turns[j.Class] = append(m.turns[j.Class], j.User)
	}
}

func (m *model) ofKind(j *Job) int {
	return m.of(func(k *Job) bool { return k.Class == j.Class && k.User == j.User && k.Kind == j.Kind })
}

// repeated returns the newest job of j's class and user that has another of its kind, or j.
func (m *model) repeated(j *Job) *Job {
	for _, k := range slices.Backward(m.jobs) {
		if k.Class == j.Class && k.User == j.User && m.ofKind(k) > 1 {
			return k
		}
	}
	return j
}

// LO-1
func TestWhatWaitsAndWhatIsDroppedFollowsTheRules(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		order, capacity := Order(seed%2), []int{8, 16, 40}[seed%3]
		users, sources, fill := 1+r.IntN(8), 1+r.IntN(4), 1+r.IntN(9)
		w, m := newWaiting(order, capacity), &model{order: order, capacity: capacity}
		known := map[int]*Job{} // by the number that Run tells
		told := 0
		find := func(j *Job) *Job {
			if j == nil {
				return nil
			}
			j.Run(t.Context())
			return known[told]
		}
		for i := range 1000 {
			if r.IntN(10) < fill {
				j := &Job{Class: Class(r.IntN(int(classes))), User: fmt.Sprint("u", r.IntN(users)), Run: func(context.Context) { told = i }}
				if n := r.IntN(sources); n > 0 {
					j.Source = fmt.Sprint("s", n)
				}
				if n := r.IntN(4); n > 0 {
					j.Kind = fmt.Sprint("k", n)
				}
				if r.IntN(3) == 0 {
					j.Same, j.Most = fmt.Sprint(j.Class, j.User, j.Source), 2
				}
				known[i] = j
				m.add(t, j, find(w.add(&entry{job: *j})))
			} else {
				got, want := w.next(), m.next()
				if got != nil && find(&got.job) != want || got == nil && want != nil {
					t.Fatalf("seed %d: the next is %+v, want %+v", seed, got, want)
				}
			}
			if w.n != len(m.jobs) || w.n > capacity || w.byAge.Len() != w.n {
				t.Fatalf("seed %d: %d wait, want %d", seed, w.n, len(m.jobs))
			}
		}
		for w.next() != nil {
		}
		if len(w.sources)+len(w.same) != 0 {
			t.Fatalf("seed %d: something is left: %v %v", seed, w.sources, w.same)
		}
		for c := range w.levels {
			if l := &w.levels[c]; len(l.lanes)+l.turns.Len()+l.longest != 0 {
				t.Fatalf("seed %d: class %d has %d lanes, the longest of %d", seed, c, len(l.lanes), l.longest)
			}
		}
	}
}

// What one user or source does is what it costs the queue: nothing is looked through.
func BenchmarkAFullQueue(b *testing.B) {
	for _, order := range []Order{InOrder, ByTurns} {
		for _, users := range []int{1, 4096} {
			b.Run(fmt.Sprint(order, "/", users), func(b *testing.B) {
				w := newWaiting(order, capacity)
				for i := 0; b.Loop(); i++ {
					w.add(&entry{job: Job{Class: Normal, User: strconv.Itoa(i % users)}})
					if i%3 == 0 {
						w.next()
					}
				}
			})
		}
	}
}

// Any number of goroutines may offer while calls are made and the queue is closed.
func TestEachCallOfManyGoroutinesIsMadeOrDroppedOnce(t *testing.T) {
	for _, order := range []Order{InOrder, ByTurns} {
		var made, dropped atomic.Int64
		q := New("calls", order, slog.New(slog.DiscardHandler), nil)
		var running sync.WaitGroup
		const goroutines, each = 16, 2000
		for g := range goroutines {
			running.Go(func() {
				for i := range each {
					q.Offer(t.Context(), Job{
						Class: Class(i % int(classes)), User: strconv.Itoa(g), Source: strconv.Itoa(g % 3),
						Same: strconv.Itoa(g), Most: 1 + i%200,
						Run: func(context.Context) { made.Add(1) }, Dropped: func() { dropped.Add(1) },
					})
				}
			})
		}
		running.Wait()
		if err := Close(time.Now().Add(20*time.Second), q); err != nil {
			t.Error(err)
		}
		if made.Load()+dropped.Load() != goroutines*each {
			t.Errorf("%d made and %d dropped of %d", made.Load(), dropped.Load(), goroutines*each)
		}
	}
}
