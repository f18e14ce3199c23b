package slots_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/datixlab/auth/internal/slots"
)

// HT-11: callers that are turned away at the same time come back one after the other, as fast as
// passwords are hashed.
func TestCallersThatAreTurnedAwayComeBackOneAfterTheOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p slots.Pace
		for range 100 {
			p.Note(20*time.Millisecond, 2)
		}
		for i := range 150 {
			want := 2*time.Second + time.Duration(i)*10*time.Millisecond
			if got := p.After(2 * time.Second); got > want || got < want-want/100 {
				t.Fatalf("caller %d comes back after %v, want %v", i, got, want)
			}
		}
		time.Sleep(10 * time.Second)
		if got := p.After(2 * time.Second); got != 2*time.Second {
			t.Errorf("when they are gone, one comes back after %v", got)
		}
		for range 100_000 {
			if got := p.After(2 * time.Second); got > time.Minute {
				t.Fatalf("one comes back after %v", got)
			}
		}
	})
}
