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

// sampleTime is how long one sample takes, unless the subject has its own length.
const sampleTime = 40 * time.Millisecond

// A row is a group of subjects that are compared with each other.
type row struct {
	name     string
	subjects func(f *fixture) []*subject
	slow     bool // its samples take seconds, so there are only 7 rounds
	fine     bool // its subjects wait for a server: four times as many samples, which are shorter
}

// A subject is one thing that is measured. Exactly one of run, sample and read is set.
type subject struct {
	name string
	of   string // the subject that its ratio is to; "" is none
	mark mark

	run    func(n int)    // does the work n times; the result is the time of one, in nanoseconds
	least  int            // the least n: with less, goroutines that share batches would have no work
	waits  bool           // for a disk, a network or other goroutines: run is timed by the clock
	sample func() float64 // takes one sample by itself, in unit
	read   func() float64 // returns another result, in unit, of the last sample

	allocs func() float64 // allocations of one; nil if they cannot be counted
	less   string         // the subject whose result is subtracted from this one's
	unit   string         // "" is nanoseconds
	rate   bool           // shown per second, and its ratio as how many times as fast

	last float64 // the last sample
}

// A mark is what a subject must reach. The zero mark is none.
type mark struct {
	atMost    float64 // the highest ratio
	fasterBy  float64 // the lowest ratio, for a rate
	limit     float64 // in the subject's unit, at most
	allocs    float64 // at most
	hasAllocs bool
}

func atMost(ratio float64) mark   { return mark{atMost: ratio} }
func fasterBy(ratio float64) mark { return mark{fasterBy: ratio} }
func limit(value float64) mark    { return mark{limit: value} }

func (m mark) withAllocs(n float64) mark { m.allocs, m.hasAllocs = n, true; return m }

// A result is the result of a subject.
type result struct {
	*subject
	base             *result   // the result of the subject that of names
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

// together is a subject whose op is called by so many goroutines at once; i counts all
// calls. Its time is that from the end of one call to the end of the next, in any
// goroutine.
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

// waiting makes the clock time the subject.
func (s *subject) waiting() *subject { s.waits = true; return s }

// over subtracts the result of another subject.
func (s *subject) over(less string) *subject { s.less = less; return s }

// measure takes the samples of a row: every subject once in each round.
func (r row) measure(rounds int) []*result {
	length := sampleTime
	switch {
	case r.slow:
		rounds = min(rounds, 7)
	case r.fine:
		rounds, length = 4*rounds, length/4
	}
	f := &fixture{}
	defer f.end()
	subjects := r.subjects(f)
	counts := make([]int, len(subjects))
	for i, s := range subjects {
		if s.run != nil {
			counts[i] = s.calibrate(length)
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

// again returns the subject once more, to compare it with another.
func (s *subject) again() *subject {
	return &subject{name: s.name, read: func() float64 { return s.last }, unit: s.unit, rate: s.rate}
}

// take takes one sample. It first collects the garbage of the subject before it.
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

// calibrate returns how often something is done in the time of a sample, and warms it
// up.
func (s *subject) calibrate(length time.Duration) int {
	s.run(max(1, s.least)) // the first may have to connect
	for n := max(1, s.least); ; {
		took := max(elapsed(s.waits, func() { s.run(n) }), time.Microsecond)
		fits := int(float64(n) * float64(length) / float64(took))
		if took >= length/2 {
			return max(1, s.least, fits)
		}
		n = max(n+1, min(100*n, fits))
	}
}

// elapsed returns how long work took. If it waits, that is time by the clock, otherwise
// processor time of the one goroutine that does it. On an idle machine the two are the
// same; on a busy one processor time excludes the work of others.
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

// threadTime returns the processor time that this thread has used.
func threadTime() time.Duration {
	var t unix.Timespec
	must(unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t))
	return time.Duration(t.Nano())
}

// ratio returns the number that the mark is compared with: how many times the result of
// base this one is, or how many times as fast. It is the median over the rounds, since
// fast and slow minutes of the machine affect both alike.
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

// met reports whether the mark is reached; known is false if there is none.
func (r *result) met() (met, known bool) {
	m := r.mark
	if m == (mark{}) {
		return false, false
	}
	return (m.atMost == 0 || r.ratio() <= m.atMost) && (m.fasterBy == 0 || r.ratio() >= m.fasterBy) &&
		(m.limit == 0 || r.median <= m.limit) && (!m.hasAllocs || r.allocated <= m.allocs), true
}
