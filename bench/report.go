package main

import (
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"time"
)

// The table is between these lines of the file.
const (
	tableBegin = "<!-- make bench writes from here -->\n"
	tableEnd   = "<!-- to here -->\n"
)

// A report is the table.
type report struct {
	lines      []string
	marks, met int
}

func (t *report) add(row string, results []*result) {
	for _, r := range results {
		verdict := ""
		if met, known := r.met(); known {
			t.marks++
			verdict = "**missed**"
			if met {
				t.met++
				verdict = "met"
			}
		}
		t.lines = append(t.lines, fmt.Sprintf("| %s | %s | %s | %s | %s | %s | %s | %s |",
			row, r.title(), r.show(r.median), r.spread(), r.showAllocs(), r.showRatio(), r.showMark(), verdict))
		row = ""
	}
}

func (t *report) markdown() string {
	return "| path | what | median | least – most | allocs | ratio | mark | |\n|---|---|---:|---:|---:|---|---|---|\n" +
		strings.Join(t.lines, "\n") + fmt.Sprintf("\n\n%d of %d marks are met.\n", t.met, t.marks)
}

func (r *result) title() string {
	if r.less != "" {
		return r.name + ", over " + r.less
	}
	return r.name
}

func (r *result) show(v float64) string {
	switch {
	case r.rate:
		return digits(1e9/v) + " /s"
	case r.unit != "":
		return digits(v) + " " + r.unit
	}
	for _, u := range []struct {
		name string
		of   time.Duration
	}{{"s", time.Second}, {"ms", time.Millisecond}, {"µs", time.Microsecond}} {
		if math.Abs(v) >= float64(u.of) {
			return digits(v/float64(u.of)) + " " + u.name
		}
	}
	return digits(v) + " ns"
}

func (r *result) spread() string {
	least, most := r.min, r.max
	if r.rate {
		least, most = most, least
	}
	return r.show(least) + " – " + r.show(most)
}

func (r *result) showAllocs() string {
	if math.IsNaN(r.allocated) {
		return ""
	}
	return fmt.Sprintf("%.0f", r.allocated)
}

func (r *result) showRatio() string {
	switch {
	case r.base == nil:
		return ""
	case r.rate:
		return fmt.Sprintf("%s × as fast as %s", digits(r.ratio()), r.of)
	}
	return fmt.Sprintf("%s × %s", digits(r.ratio()), r.of)
}

func (r *result) showMark() string {
	m, parts := r.mark, []string(nil)
	if m.atMost > 0 {
		parts = append(parts, fmt.Sprintf("≤ %v ×", m.atMost))
	}
	if m.fasterBy > 0 {
		parts = append(parts, fmt.Sprintf("≥ %v ×", m.fasterBy))
	}
	if m.limit > 0 {
		parts = append(parts, fmt.Sprintf("≤ %v %s", m.limit, r.unit))
	}
	if m.hasAllocs {
		parts = append(parts, fmt.Sprintf("≤ %v allocs", m.allocs))
	}
	return strings.Join(parts, ", ")
}

// digits writes a number with three significant digits, one below 1 with two.
func digits(v float64) string {
	switch abs := math.Abs(v); {
	case abs >= 100:
		return fmt.Sprintf("%.0f", v)
	case abs >= 10:
		return fmt.Sprintf("%.1f", v)
	case abs >= 1 || abs == 0:
		return fmt.Sprintf("%.2f", v)
	}
	return strconv.FormatFloat(v, 'f', 1-int(math.Floor(math.Log10(math.Abs(v)))), 64)
}

// replaceTable puts text between the markers of the file.
func replaceTable(path, text string) error {
	old, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	head, rest, begins := strings.Cut(string(old), tableBegin)
	_, tail, ends := strings.Cut(rest, tableEnd)
	if !begins || !ends {
		return fmt.Errorf("%s does not have the lines %q and %q", path, strings.TrimSpace(tableBegin), strings.TrimSpace(tableEnd))
	}
	return os.WriteFile(path, []byte(head+tableBegin+"\n"+text+"\n"+tableEnd+tail), 0o644) //nolint:gosec // a document for everybody
}
