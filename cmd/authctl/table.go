package main

import (
	"io"
	"strings"
	"unicode"

	"golang.org/x/text/width"

	"github.com/datixlab/auth/internal/printable"
)

// A table prints rows of aligned cells. Every cell is escaped, since most are written by strangers.
// Put those last: text that is written from right to left then moves no other cell.
type table struct {
	w      io.Writer
	gap    string
	max    int // columns of the terminal, which longer rows are cut to; 0: rows are whole
	rows   [][]string
	widths []int
}

// row adds a row. It is printed by flush.
func (t *table) row(cells ...string) {
	for i := range cells {
		cells[i] = printable.Escape(cells[i])
		if i == len(t.widths) {
			t.widths = append(t.widths, 0)
		}
		t.widths[i] = max(t.widths[i], columns(cells[i]))
	}
	t.rows = append(t.rows, cells)
}

// flush prints the rows that were added since the last time. Columns never become narrower.
func (t *table) flush() {
	for _, cells := range t.rows {
		var line strings.Builder
		for i, cell := range cells {
			if i > 0 {
				line.WriteString(t.gap)
			}
			line.WriteString(cell)
			if i < len(cells)-1 {
				line.WriteString(strings.Repeat(" ", t.widths[i]-columns(cell)))
			}
		}
		_, _ = io.WriteString(t.w, t.cut(strings.TrimRight(line.String(), " "))+"\n")
	}
	t.rows = nil
}

// cut returns the beginning of a line that the terminal has room for.
func (t *table) cut(line string) string {
	if t.max == 0 || columns(line) <= t.max {
		return line
	}
	n := 0
	for i, r := range line {
		if n += columnsOf(r); n > t.max-1 {
			return line[:i] + "…"
		}
	}
	return line
}

// columns returns how many columns of a terminal a text takes.
func columns(s string) (n int) {
	for _, r := range s {
		n += columnsOf(r)
	}
	return n
}

func columnsOf(r rune) int {
	switch {
	case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		return 0
	case r < 0x1100:
		return 1
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	return 1
}

// table returns a table on the standard output, with a head if there is one.
func (v *invocation) table(head ...string) *table {
	t := &table{w: v.stdout, gap: "  "}
	if v.terminal.width != nil {
		t.max = v.terminal.width()
	}
	if len(head) > 0 {
		t.row(head...)
	}
	return t
}
