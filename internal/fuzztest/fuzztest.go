// Package fuzztest makes go test try fuzz targets beyond their seeds, and fail if the seeds test nothing.
package fuzztest

import (
	"flag"
	"strings"
	"sync/atomic"
	"testing"
)

// BothWays returns a function that a target of a parser calls with each verdict. When
// go test runs the seeds, the target fails unless some seed was accepted and some was
// refused. So it fails without seeds, and if the parser accepts or refuses everything.
// Nothing is checked while the target fuzzes or is run on one input.
func BothWays(f *testing.F) (saw func(accepted bool)) {
	f.Helper()
	var accepted, refused atomic.Bool
	f.Cleanup(func() {
		if fuzzing() || strings.Contains(set("test.run"), "/") || f.Failed() {
			return
		}
		if !accepted.Load() || !refused.Load() {
			f.Errorf("of the seeds, one was accepted: %v, one was refused: %v", accepted.Load(), refused.Load())
		}
	})
	return func(ok bool) {
		switch {
		case beyond.Load():
		case ok:
			accepted.Store(true)
		default:
			refused.Store(true)
		}
	}
}

// fuzzing reports whether the engine of go test -fuzz runs, or one of its workers.
func fuzzing() bool { return set("test.fuzz") != "" }

func set(name string) string {
	if f := flag.Lookup(name); f != nil {
		return f.Value.String()
	}
	return ""
}
