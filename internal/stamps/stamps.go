// Package stamps keeps the numbers of a store.Stamper, for a store that carries out
// every Commit itself or is informed of it.
package stamps

import (
	"hash/maphash"
	"math/rand/v2"
	"sync/atomic"
)

const (
	slots    = 1 << 14 // partitions that share one change together, which costs a Get
	changing = 1<<20 - 1
	version  = changing + 1
)

// A Table has the number of every partition. It is bounded: partitions share slots. All
// methods may be called by any number of goroutines, and none waits.
type Table struct {
	seed  maphash.Seed
	first uint64 // a random number, without the low 20 bits
	off   atomic.Bool
	slots [slots]atomic.Uint64 // the changes so far; in the low 20 bits, changes under way
}

// New returns a Table in which every partition is known. Its numbers begin at a random
// one, so a partition has the same number in two Tables with a probability of 2^-44.
// A store that is opened again therefore never repeats a number, not even behind a
// wrapper that hides the opening from its caller. All slots are zero at first, so that
// a new Table touches none of its memory.
func New() *Table {
	return &Table{seed: maphash.MakeSeed(), first: rand.Uint64() &^ changing} //nolint:gosec // a stamp is no secret; it only must not repeat
}

// Begin notes that a change of the partition may take effect from now on. Its number is
// unknown until End.
func (t *Table) Begin(partition string) { t.slot(partition).Add(1) }

// End notes that the change has taken effect or never will. The partition has a new
// number.
func (t *Table) End(partition string) { t.slot(partition).Add(version - 1) }

// Changed notes that a change has taken effect before now. The partition has a new
// number.
func (t *Table) Changed(partition string) { t.slot(partition).Add(version) }

// ChangedAll is Changed for every partition.
func (t *Table) ChangedAll() {
	for i := range t.slots {
		t.slots[i].Add(version)
	}
}

// Close makes every number unknown for good.
func (t *Table) Close() { t.off.Store(true) }

// Stamp is that of store.Stamper.
func (t *Table) Stamp(partition string) (stamp uint64, known bool) {
	n := t.slot(partition).Load()
	return t.first + n, n&changing == 0 && !t.off.Load()
}

func (t *Table) slot(partition string) *atomic.Uint64 {
	return &t.slots[maphash.String(t.seed, partition)%slots]
}
