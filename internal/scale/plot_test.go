//go:build scale && linux

package scale

import (
	"bytes"
	"fmt"
	"math"
	"sort"
	"strings"
	"time"
)

// plot draws the medians of columns over the number of users, both in powers of ten, as
// an SVG.
func plot(kind string, columns []column) []byte {
	const width, height, left, right, top, bottom = 760.0, 420.0, 60.0, 190.0, 40.0, 50.0
	lines := []struct {
		name, colour string
		of           func(result) time.Duration
	}{
		{"Get from the disk", "#8c564b", func(r result) time.Duration { return r.ColdGet.P50 }},
		{"token seen first", "#1f77b4", func(r result) time.Duration { return r.FirstToken.P50 }},
		{"API key seen first", "#d62728", func(r result) time.Duration { return r.FirstKey.P50 }},
		{"token again", "#7fb3e0", func(r result) time.Duration { return r.Token.P50 }},
		{"API key again", "#f4a3a3", func(r result) time.Duration { return r.Key.P50 }},
		{"Get", "#2ca02c", func(r result) time.Duration { return r.Get.P50 }},
		{"SHA-256 of the key", "#7f7f7f", func(r result) time.Duration { return r.SHA256 }},
	}
	low, high := math.Inf(1), math.Inf(-1)
	exponent := func(d time.Duration) float64 { return math.Log10(float64(d) / float64(time.Microsecond)) }
	for _, l := range lines {
		for _, c := range columns {
			if d := l.of(c.result); d > 0 {
				low, high = min(low, math.Floor(exponent(d))), max(high, math.Ceil(exponent(d)))
			}
		}
	}
	first, last := math.Log10(float64(columns[0].Users)), math.Log10(float64(columns[len(columns)-1].Users))
	x := func(users int) float64 {
		if first == last {
			return left
		}
		return left + (math.Log10(float64(users))-first)/(last-first)*(width-left-right)
	}
	y := func(e float64) float64 { return height - bottom - (e-low)/(high-low)*(height-top-bottom) }

	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %.0f" font-family="sans-serif" font-size="12">`+"\n", width, height)
	fmt.Fprintf(&b, `<rect width="100%%" height="100%%" fill="white"/>`+"\n")
	text := func(x, y float64, anchor, colour, s string) {
		fmt.Fprintf(&b, `<text x="%.1f" y="%.1f" text-anchor="%s" fill="%s">%s</text>`+"\n", x, y, anchor, colour, s)
	}
	text(left, top-18, "start", "black", "Median, µs, by the number of users ("+kind+")")
	for e := low; e <= high; e++ {
		fmt.Fprintf(&b, `<path d="M%.1f %.1fH%.1f" stroke="#ddd"/>`+"\n", left, y(e), width-right)
		text(left-8, y(e)+4, "end", "black", fmt.Sprintf("%g", math.Pow(10, e)))
	}
	for _, c := range columns {
		fmt.Fprintf(&b, `<path d="M%.1f %.1fV%.1f" stroke="#ddd"/>`+"\n", x(c.Users), top, height-bottom)
		text(x(c.Users), height-bottom+18, "middle", "black", thousands(c.Users))
	}
	end := columns[len(columns)-1].result
	sort.SliceStable(lines, func(i, j int) bool { return lines[i].of(end) > lines[j].of(end) }) // as their names stand
	taken := math.Inf(-1)                                                                       // the lowest name so far
	for _, l := range lines {
		var points []string
		at := 0.0
		for _, c := range columns {
			if d := l.of(c.result); d > 0 {
				at = y(exponent(d))
				points = append(points, fmt.Sprintf("%.1f,%.1f", x(c.Users), at))
			}
		}
		if points == nil {
			continue
		}
		fmt.Fprintf(&b, `<polyline points="%s" fill="none" stroke="%s" stroke-width="2"/>`+"\n", strings.Join(points, " "), l.colour)
		taken = max(at, taken+14)
		text(width-right+8, taken+4, "start", l.colour, l.name)
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
}
