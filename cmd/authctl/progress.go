package main

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// A progress is a line on the terminal that says how far long work is. Without a terminal it says
// nothing.
type progress struct {
	w     io.Writer // nil: no terminal
	unit  string
	whole int64 // 0 if it is not known
	n     int64
	shown time.Time
}

func (v *invocation) progress(unit string, whole int64) *progress {
	p := &progress{unit: unit, whole: whole}
	if v.terminal.err {
		p.w = v.stderr
	}
	return p
}

// Write counts bytes.
func (p *progress) Write(b []byte) (int, error) {
	p.add(int64(len(b)))
	return len(b), nil
}

// add counts, and shows it ten times a second at most.
func (p *progress) add(n int64) {
	if p.n += n; p.w == nil || time.Since(p.shown) < 100*time.Millisecond {
		return
	}
	p.shown = time.Now()
	p.show()
}

func (p *progress) show() {
	if p.whole <= 0 {
		fmt.Fprintf(p.w, "\r%d %s", p.n, p.unit)
		return
	}
	const width = 10 // so that the line is not longer than that of a narrow terminal
	done := int(min(p.n, p.whole) * width / p.whole)
	fmt.Fprintf(p.w, "\r[%s%s] %d%% of %d %s", strings.Repeat("#", done), strings.Repeat(" ", width-done), min(p.n, p.whole)*100/p.whole, p.whole, p.unit)
}

// clear makes room for a line of the output.
func (p *progress) clear() {
	if p.w != nil && p.n > 0 {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}

// end leaves the line.
func (p *progress) end() {
	if p.w != nil && p.n > 0 {
		p.show()
		fmt.Fprintln(p.w)
	}
}
