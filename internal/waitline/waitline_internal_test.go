package waitline

import (
	"maps"
	"slices"
	"strconv"
	"testing"
	"time"
)

// DO-1: attempts that wait are bounded in number. Whoever has most of them is turned away, and
// nobody else.
func TestALineThatIsTooLongTurnsItsOwnAway(t *testing.T) {
	var s Lines
	turnedAway := func(key string) bool {
		w := s.Join(key, func() time.Duration { return time.Second })
		select {
		case <-w.Refused:
			return w.After() == time.Second
		default:
			return false
		}
	}
	for i := range 2 * MaxWaiting {
		if away := turnedAway("e.flood/password"); away != (i >= MaxWaiting) {
			t.Fatalf("attempt %d of the flood is turned away: %t", i, away)
		}
	}
	for i := range 100 {
		if turnedAway("e.owner" + strconv.Itoa(i) + "/password") {
			t.Errorf("owner %d is turned away", i)
		}
	}
	if s.waiting != MaxWaiting {
		t.Errorf("%d wait", s.waiting)
	}
	for key, l := range maps.Clone(s.byKey) {
		for _, w := range slices.Clone(l.waiters) {
			s.Leave(key, w, false)
		}
	}
	if s.waiting != 0 || len(s.byKey) != 0 {
		t.Errorf("%d wait, and %d lines are left", s.waiting, len(s.byKey))
	}
}
