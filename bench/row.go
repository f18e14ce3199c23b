package main

import (
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// sampleTime is how long one sample takes, where the subject has no length of its own.
const sampleTime = 40 * time.Millisecond

// A row is a group of subjects that are compared with each other.
type row struct {
	name     string
	subjects func(f *fixture) []*subject
	slow     bool // its samples take seconds: 7 rounds have to do
}

// A subject is one thing that is measured. Exactly one of run, sample and read is set.
type subject struct {
	name string
	of   string // the subject that its ratio is to; "" is none
	mark mark

	run    func(n int)    // does the work n times; measured is the time of one, in nanoseconds
	least  int            // n is no less: with fewer, goroutines that work in batches have none to share
	waits  bool           // for a disk, a network or other goroutines: run is timed by the clock
	sample func() float64 // takes one sample by itself, in unit
	read   func() float64 // another result, in unit, of the sample that was taken last

	allocs func() float64 // allocations of one; nil where there is no telling
	less   string         // the subject whose result is taken off this one's: what it costs on top
	unit   string         // "" is nanoseconds
	rate   bool           // shown as so many in a second, and its ratio as how many times as fast

	last float64 // sample that was taken
}

// A mark is what a subject has to reach. The zero mark is none.
type mark struct {
	atMost    float64 // times what its ratio is to
	fasterBy  float64 // times as fast as that, at least, for a rate
	limit     float64 // in the subject's unit, at most
	allocs    float64 // at most
	hasAllocs bool
}

func atMost(ratio float64) mark   { return mark{atMost: ratio} }
func fasterBy(ratio float64) mark { return mark{fasterBy: ratio} }
func limit(value float64) mark    { return mark{limit: value} }

func (m mark) withAllocs(n float64) mark { m.allocs, m.hasAllocs = n, true; return m }

// A result is what came out for a subject.
type result struct {
	*subject
	base             *result   // what of names
	samples          []float64 // of the rounds, in their order
	median, min, max float64
	allocated        float64 // NaN if unknown
}

// each is a subject that does op again and again, in one goroutine.
func each(name string, op func() error) *subject {
	s := &subject{name: name, run: func(n int) {
		for range n {
			must(op())
		}
	}}
	s.allocs = func() float64 { return testing.AllocsPerRun(200, func() { must(op()) }) }
	return s
}

// together is a subject that so many goroutines do at once; i counts all calls. Its
// time is that from one call's end to the next one's, whoever's they are.
func together(name string, goroutines int, op func(i int64) error) *subject {
	var next atomic.Int64
	return &subject{name: name, rate: true, least: 8 * goroutines, waits: true, run: func(n int) {
		end := next.Load() + int64(n)
		var all sync.WaitGroup
		for range goroutines {
			all.Go(func() {
				for i := next.Add(1); i <= end; i = next.Add(1) {
					must(op(i))
				}
			})
		}
		all.Wait()
		next.Store(end)
	}}
}

// reaches names what the subject is compared with, and its mark.
func (s *subject) reaches(of string, m mark) *subject { s.of, s.mark = of, m; return s }

// waiting has the subject timed by the clock.
func (s *subject) waiting() *subject { s.waits = true; return s }

// over has the result of another subject taken off.
func (s *subject) over(less string) *subject { s.less = less; return s }

// measure takes the samples of a row: every subject once in each round.
func (r row) measure(rounds int) []*result {
	if r.slow {
		rounds = min(rounds, 7)
	}
	f := &fixture{}
	defer f.end()
	subjects := r.subjects(f)
	counts := make([]int, len(subjects))
	for i, s := range subjects {
		if s.run != nil {
			counts[i] = s.calibrate()
		}
	}
	samples := make([][]float64, len(subjects))
	for range rounds {
		for i, s := range subjects {
			samples[i] = append(samples[i], s.take(counts[i]))
		}
	}

	named := func(name string) int {
		i := slices.IndexFunc(subjects, func(s *subject) bool { return s.name == name })
		if i < 0 {
			panic(fmt.Sprintf("row %q has no subject %q", r.name, name))
		}
		return i
	}
	results := make([]*result, len(subjects))
	for i, s := range subjects {
		got := slices.Clone(samples[i])
		results[i] = &result{subject: s, allocated: math.NaN()}
		if s.allocs != nil {
			results[i].allocated = s.allocs()
		}
		if s.less != "" {
			for j, v := range samples[named(s.less)] {
				got[j] -= v
			}
			results[i].allocated -= subjects[named(s.less)].allocs()
		}
		results[i].samples = slices.Clone(got)
		results[i].median, results[i].min, results[i].max = median(got), slices.Min(got), slices.Max(got)
	}
	for _, got := range results {
		if got.of != "" {
			got.base = results[named(got.of)]
		}
	}
	return results
}

// again is the subject once more, to compare it with another.
func (s *subject) again() *subject {
	return &subject{name: s.name, read: func() float64 { return s.last }, unit: s.unit, rate: s.rate}
}

// take takes one sample. The garbage of the subject before it is none of its business.
func (s *subject) take(n int) float64 {
	switch {
	case s.read != nil:
		s.last = s.read()
	case s.sample != nil:
		runtime.GC()
		s.last = s.sample()
	default:
		runtime.GC()
		s.last = float64(elapsed(s.waits, func() { s.run(n) })) / float64(n)
	}
	return s.last
}

// calibrate returns how often something is done in a sample's time, and warms it up.
func (s *subject) calibrate() int {
	for n := max(1, s.least); ; {
		took := max(elapsed(s.waits, func() { s.run(n) }), time.Microsecond)
		fits := int(float64(n) * float64(sampleTime) / float64(took))
		if took >= sampleTime/2 {
			return max(1, s.least, fits)
		}
		n = max(n+1, min(100*n, fits))
	}
}

// elapsed returns what work took: by the clock if it waits, else of the processor, in
// the one goroutine that does it. On a machine with nothing else to do these are the
// same; on another one the second does not count what others did in between.
func elapsed(waits bool, work func()) time.Duration {
	if waits {
		began := time.Now()
		work()
		return time.Since(began)
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	began := threadTime()
	work()
	return threadTime() - began
}

// threadTime returns the processor time that this thread has had.
func threadTime() time.Duration {
	var t unix.Timespec
	must(unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t))
	return time.Duration(t.Nano())
}

// ratio returns what the mark is about: how many times base's the result is, or how
// many times as fast. It is the median of that in each round: fast and slow minutes of the
// machine fall on both alike.
func (r *result) ratio() float64 {
	if r.base == nil {
		return math.NaN()
	}
	each := make([]float64, len(r.samples))
	for i, v := range r.samples {
		each[i] = v / r.base.samples[i]
		if r.rate {
			each[i] = r.base.samples[i] / v
		}
	}
	return median(each)
}

// median sorts all and returns the one in the middle.
func median(all []float64) float64 {
	slices.Sort(all)
	return all[len(all)/2]
}

// met reports whether the mark is reached; known is false where there is none.
func (r *result) met() (met, known bool) {
	m := r.mark
	if m == (mark{}) {
		return false, false
	}
	return (m.atMost == 0 || r.ratio() <= m.atMost) && (m.fasterBy == 0 || r.ratio() >= m.fasterBy) &&
		(m.limit == 0 || r.median <= m.limit) && (!m.hasAllocs || r.allocated <= m.allocs), true
}
