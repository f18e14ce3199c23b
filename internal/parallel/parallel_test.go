package parallel_test

import (
	"errors"
	"slices"
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

func TestCallsAreTriedSomeAtATimeUntilOneFails(t *testing.T) {
	mild, bad := errors.New("mild"), errors.New("bad")
	var made, running, most atomic.Int64
	calls := make([]func() error, 10)
	for i := range calls {
		calls[i] = func() error {
			made.Add(1)
			most.Store(max(most.Load(), running.Add(1)))
			defer running.Add(-1)
			switch i {
			case 1:
				return mild
			case 4:
				return bad
			}
			return nil
		}
	}
	var seen []error
	err := parallel.Try(3, calls, func(err error) error {
		seen = append(seen, err)
		if err == mild {
			return nil
		}
		return err
	})
	if err != bad || made.Load() != 6 || most.Load() > 3 || !slices.Equal(seen, []error{mild, bad}) {
		t.Errorf("%v after %d calls, up to %d at once: %v", err, made.Load(), most.Load(), seen)
	}
}
