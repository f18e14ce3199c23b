// Package stampcache caches values that are made from the records of a partition. A [Table]
// holds the values. The [Stamp] of a partition shows whether its records have changed.
package stampcache

import (
	"sync/atomic"

	"github.com/datixlab/auth/store"
)

// A Stamp is the number that a store returns for the present state of a partition. Two known
// Stamps of one partition are equal only if it did not change in between. The zero Stamp is
// unknown.
type Stamp struct {
	number uint64
	known  bool
}

// Known reports whether the store returned a number.
func (s Stamp) Known() bool { return s.known }

// A Reader reads the Stamps of a store. Those of the zero value are all unknown.
type Reader struct {
	stamper store.Stamper
	off     *atomic.Bool
}

// NewReader returns the Stamps of s. They are all unknown if s is no store.Stamper.
func NewReader(s store.Store) Reader {
	stamper, _ := s.(store.Stamper)
	return Reader{stamper, new(atomic.Bool)}
}

// Of returns the Stamp of a partition as it is now.
func (s Reader) Of(partition string) (stamp Stamp) {
	if s.stamper != nil && !s.off.Load() {
		stamp.number, stamp.known = s.stamper.Stamp(partition)
	}
	return stamp
}

// Stuck reports whether the Stamp is still that from before a write of the partition, which the
// store has acknowledged since. Such a store breaks the contract of [store.Stamper]: a wrapper
// that embeds one and changes keys does. From then on all Stamps are unknown. Of any number of
// calls, one returns true.
func (s Reader) Stuck(partition string, before Stamp) bool {
	return before.known && s.Of(partition) == before && s.off.CompareAndSwap(false, true)
}

// Changed reports whether the partition may have changed since its stamp was read. It is
// true if that stamp or the present one is unknown.
func (s Reader) Changed(partition string, since Stamp) bool {
	return !since.known || s.Of(partition) != since
}

// Outdated reports whether the partition certainly has another stamp now. It is false if the
// present stamp is unknown, so values outlast a time in which the store has no stamps.
func (s Reader) Outdated(partition string, since Stamp) bool {
	now := s.Of(partition)
	return now.known && now != since
}
