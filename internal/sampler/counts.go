package sampler

import (
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
)

// Counts are how many calls of each kind were omitted. The zero Counts is ready for use by any
// number of goroutines. It holds 256 kinds; calls of more kinds are counted by their type.
type Counts struct {
	mu      sync.Mutex
	omitted map[Kind]int
}

// CountOmitted counts a call that was omitted.
func (c *Counts) CountOmitted(k Kind) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.omitted == nil {
		c.omitted = map[Kind]int{}
	}
	if _, known := c.omitted[k]; !known && len(c.omitted) >= maxKinds {
		k = Kind{Type: k.Type}
	}
	c.omitted[k]++
}

// Take forgets the counts and returns them in the order of their kinds' texts.
func (c *Counts) Take() iter.Seq2[Kind, int] {
	c.mu.Lock()
	omitted := c.omitted
	c.omitted = nil
	c.mu.Unlock()
	return func(yield func(Kind, int) bool) {
		byText := func(a, b Kind) int { return strings.Compare(a.String(), b.String()) }
		for _, kind := range slices.SortedFunc(maps.Keys(omitted), byText) {
			if !yield(kind, omitted[kind]) {
				return
			}
		}
	}
}
