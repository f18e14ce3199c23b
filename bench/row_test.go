package main

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAMarkIsMetOnlyByWhatReachesIt(t *testing.T) {
	floor := &result{subject: &subject{name: "floor"}, samples: []float64{100}, median: 100, allocated: math.NaN()}
	of := func(m mark, median, allocated float64) *result {
		return &result{subject: &subject{of: "floor", mark: m, rate: m.fasterBy > 0}, base: floor, samples: []float64{median}, median: median, allocated: allocated}
	}
	for name, c := range map[string]struct {
		result     *result
		met, known bool
	}{
		"none":                   {of(mark{}, 1, 0), false, false},
		"at most":                {of(atMost(2), 200, 0), true, true},
		"more than that":         {of(atMost(2), 201, 0), false, true},
		"with few allocations":   {of(atMost(2).withAllocs(0), 200, 0), true, true},
		"with too many":          {of(atMost(2).withAllocs(0), 200, 1), false, true},
		"with nobody knows what": {of(atMost(2).withAllocs(0), 200, math.NaN()), false, true},
		"fast enough":            {of(fasterBy(0.8), 125, 0), true, true},
		"too slow":               {of(fasterBy(0.8), 126, 0), false, true},
		"within the limit":       {of(limit(100), 100, 0), true, true},
		"over it":                {of(limit(100), 101, 0), false, true},
	} {
		if met, known := c.result.met(); met != c.met || known != c.known {
			t.Errorf("%s: met %v, known %v", name, met, known)
		}
	}
}

func TestARowTakesTheMedianOfItsRounds(t *testing.T) {
	samples := map[string][]float64{"bare": {10, 30, 20}, "guarded": {15, 51, 24}} // 0.5, 0.7, 0.2 over bare
	taking := func(name string) *subject {
		turn := -1
		return &subject{name: name, sample: func() float64 { turn++; return samples[name][turn] }, allocs: func() float64 { return float64(len(name)) }}
	}
	got := row{subjects: func(*fixture) []*subject {
		bare, guarded := taking("bare"), taking("guarded")
		return []*subject{bare, guarded.over("bare").reaches("bare", atMost(0.5)), guarded.again()}
	}}.measure(3)
	if b := got[0]; b.median != 20 || b.min != 10 || b.max != 30 || b.allocated != 4 {
		t.Errorf("bare: %+v", b)
	}
	if g := got[1]; g.median != 5 || g.min != 4 || g.max != 21 || g.allocated != 3 || g.ratio() != 0.5 {
		t.Errorf("guarded, over bare: %+v", g)
	}
	if again := got[2]; again.median != 24 {
		t.Errorf("the same samples again: %+v", again)
	}
}

func TestTheTableReplacesTheLastOne(t *testing.T) {
	file := filepath.Join(t.TempDir(), "P.md")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("head\n" + tableBegin + "old\n" + tableEnd + "tail\n")
	for range 2 {
		if err := replaceTable(file, "new"); err != nil {
			t.Fatal(err)
		}
	}
	if got, _ := os.ReadFile(file); string(got) != "head\n"+tableBegin+"\nnew\n"+tableEnd+"tail\n" {
		t.Errorf("%s", got)
	}
	write("no markers")
	if err := replaceTable(file, "new"); err == nil || !strings.Contains(err.Error(), "lines") {
		t.Errorf("a file without markers: %v", err)
	}
}
