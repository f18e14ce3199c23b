package parallel_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/datixlab/auth/internal/parallel"
)

func TestPendingWaitsForTheLastCallAndNoLongerThanItMay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p parallel.Pending
		wait := func() time.Duration {
			began := time.Now()
			p.Wait(10 * time.Second)
			return time.Since(began)
		}
		if took := wait(); took != 0 {
			t.Errorf("with no call it waits %v", took)
		}
		first, second := p.Begin(), p.Begin()
		go func() { time.Sleep(time.Second); first() }()
		go func() { time.Sleep(3 * time.Second); second() }()
		if took := wait(); took != 3*time.Second {
			t.Errorf("for calls of 1 and 3 seconds it waits %v", took)
		}
		hung := p.Begin()
		for range 2 {
			if took := wait(); took != 10*time.Second {
				t.Errorf("for a call that hangs it waits %v", took)
			}
		}
		go func() { time.Sleep(time.Second); hung() }()
		go wait() // as many may wait as like
		if took := wait(); took != time.Second {
			t.Errorf("for one that ends at last it waits %v", took)
		}
	})
}
