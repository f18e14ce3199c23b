// Package fuzztest makes fuzz targets prove that they look at something.
package fuzztest

import (
	"flag"
	"strings"
	"sync/atomic"
	"testing"
)

// BothWays returns what a target of a parser tells each verdict to. Run on its seeds,
// as go test does, the target fails unless some input was accepted and some refused:
// so it fails without seeds, and where the parser takes everything or nothing. While
// it fuzzes, or is run on one input, nothing is asked of it.
func BothWays(f *testing.F) (saw func(accepted bool)) {
	f.Helper()
	var accepted, refused atomic.Bool
	f.Cleanup(func() {
		if set("test.fuzz") != "" || strings.Contains(set("test.run"), "/") || f.Failed() {
			return
		}
		if !accepted.Load() || !refused.Load() {
			f.Errorf("of the seeds, one was accepted: %v, one was refused: %v", accepted.Load(), refused.Load())
		}
	})
	return func(ok bool) {
		if ok {
			accepted.Store(true)
		} else {
			refused.Store(true)
		}
	}
}

func set(name string) string {
	if f := flag.Lookup(name); f != nil {
		return f.Value.String()
	}
	return ""
}
