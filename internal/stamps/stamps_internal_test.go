package stamps

import "testing"

// A number that passes the largest uint64 loses no change that is under way.
func TestAStampGoesOnBehindTheLargestNumber(t *testing.T) {
	table := New()
	table.slot("p").Store(^uint64(changing))
	before, known := table.Stamp("p")
	if !known || before != table.first-version {
		t.Fatalf("at the largest number: %d, known: %v", before, known)
	}
	table.Begin("p")
	table.Begin("p")
	table.End("p")
	if now, known := table.Stamp("p"); known || now == before {
		t.Errorf("with one change of two under way: %d, known: %v", now, known)
	}
	table.End("p")
	if after, known := table.Stamp("p"); !known || after != table.first+version {
		t.Errorf("after the changes: %d, known: %v", after, known)
	}
}
