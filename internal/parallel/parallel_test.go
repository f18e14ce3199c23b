package parallel_test

import (
	"sync/atomic"
	"testing"

	"github.com/datixlab/auth/internal/parallel"
)

func TestCallsMadeTogetherAreAllMadeAndTheirPanicIsTheCallers(t *testing.T) {
	for culprit := range 4 { // 3 is none of them
		var made atomic.Int64
		call := func(i int) func() {
			return func() {
				made.Add(1)
				if i == culprit {
					panic(i)
				}
			}
		}
		got := func() (p any) {
			defer func() { p = recover() }()
			parallel.Do(call(0), call(1), call(2))
			return nil
		}()
		if made.Load() != 3 {
			t.Errorf("%d calls were made", made.Load())
		}
		if culprit < 3 && got != culprit || culprit == 3 && got != nil {
			t.Errorf("call %d panics, the caller finds %v", culprit, got)
		}
	}
	parallel.Do()
}
