package stamps_test

import (
	"fmt"
	"testing"

	"github.com/datixlab/auth/internal/stamps"
)

func TestAStampIsUnknownWhileAChangeIsUnderWayAndAnotherAfterIt(t *testing.T) {
	table := stamps.New()
	before, known := table.Stamp("p")
	if !known {
		t.Fatal("not known at first")
	}
	table.Begin("p")
	table.Begin("p")
	table.End("p")
	if _, known := table.Stamp("p"); known {
		t.Error("known while one of two changes is under way")
	}
	table.End("p")
	after, known := table.Stamp("p")
	if !known || after == before {
		t.Errorf("after the changes %d, known: %v; before %d", after, known, before)
	}
	table.Changed("p")
	again, known := table.Stamp("p")
	if !known || again == after || again == before {
		t.Errorf("after another %d, known: %v", again, known)
	}
	if same, _ := table.Stamp("p"); same != again {
		t.Errorf("%d without a change, it was %d", same, again)
	}
}

func TestAllStampsChangeAtOnceAndEndWithTheTable(t *testing.T) {
	table := stamps.New()
	had := map[string]uint64{}
	for i := range 1000 {
		p := fmt.Sprint(i)
		had[p], _ = table.Stamp(p)
	}
	table.ChangedAll()
	for p, before := range had {
		if now, known := table.Stamp(p); !known || now == before {
			t.Fatalf("%s: %d, known: %v, it was %d", p, now, known, before)
		}
	}
	table.Close()
	if _, known := table.Stamp("1"); known {
		t.Error("known after Close")
	}
}

// A wrapper that closes a store and opens it again hides the second Table from what
// remembers the numbers of the first.
func TestNoStampOfATableIsTheOneOfAnotherTable(t *testing.T) {
	one, other := stamps.New(), stamps.New()
	for i := range 1000 {
		p := fmt.Sprint(i)
		first, known := one.Stamp(p)
		second, known2 := other.Stamp(p)
		if !known || !known2 || first == second {
			t.Fatalf("%s: %d (known: %v) and %d (known: %v)", p, first, known, second, known2)
		}
	}
}
