// Package ratio compares what calls take, in one run. It is for benchmarks: a time says
// little about code on a machine that others use too, the ratio of two that were taken in
// turns says much.
package ratio

import (
	"slices"
	"testing"
	"time"
)

// A Call is one of those that are compared.
type Call struct {
	Name string
	Do   func()
	N    int // how many times Do does what is measured; 0 stands for 1
}

// Bench calls base and the others in turns, forwards and backwards, once in each
// iteration of b. For each of the others it reports "Name/base", the median of what it
// took in an iteration divided by what base took in the same one, and for each the median
// of its times.
func Bench(b *testing.B, base Call, others ...Call) {
	b.Helper()
	calls := append([]Call{base}, others...)
	took := make([][]float64, len(calls)) // nanoseconds
	for forwards := true; b.Loop(); forwards = !forwards {
		for i := range calls {
			if !forwards {
				i = len(calls) - 1 - i
			}
			begin := time.Now()
			calls[i].Do()
			took[i] = append(took[i], float64(max(1, time.Since(begin)))/float64(max(1, calls[i].N)))
		}
	}
	b.ReportMetric(0, "ns/op") // of all together: says nothing
	for i, c := range calls {
		b.ReportMetric(median(took[i]), "ns/"+c.Name)
		if i > 0 {
			for round := range took[i] {
				took[i][round] /= took[0][round]
			}
			b.ReportMetric(median(took[i]), c.Name+"/"+base.Name)
		}
	}
}

// median returns the middle of values, of an even number the upper of the two.
func median(values []float64) float64 {
	values = slices.Sorted(slices.Values(values))
	return values[len(values)/2]
}
