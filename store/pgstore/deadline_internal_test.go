package pgstore

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestCallsShareADeadlineAndHaveMostOfTheirTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const timeout = 800 * time.Millisecond
		d := deadlines{timeout: timeout}
		defer d.stop()
		contexts := map[context.Context]bool{}
		for range 50 {
			until, end := d.next()
			contexts[until] = true
			if left := time.Until(end); left > timeout || left < timeout-timeout/8 {
				t.Fatalf("a call has %v", left)
			}
			if at, ok := until.Deadline(); !ok || !at.Equal(end) || until.Err() != nil {
				t.Fatalf("the context ends at %v (%v), the call at %v", at, until.Err(), end)
			}
			time.Sleep(timeout / 32)
		}
		if len(contexts) != 10 {
			t.Errorf("50 calls had %d deadlines", len(contexts))
		}
		until, end := d.next()
		time.Sleep(time.Until(end))
		<-until.Done()
	})
}
