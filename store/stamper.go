package store

// A Stamper is a Store that can say without asking its engine that a partition is what
// it was, so that package auth can go on with what it has read. An adapter that cannot
// is a Store all the same, and is read each time. What wraps a Store and has no Stamp of
// its own hides this one if it embeds a [Store], and passes it on if it embeds a Stamper.
type Stamper interface {
	Store

	// Stamp returns a number that stands for the state of a partition. What a Get
	// that began after one Stamp has returned is what a Get would return at the
	// instant of another, if both Stamps returned true and the same number: nothing
	// in the partition has changed in between, by this process or another.
	// False says that this is not known, also after Close.
	//
	// An adapter may let its host choose a time by which the changes of other
	// processes may be missing from this, and no longer. None is the default.
	//
	// It waits for nothing, and makes no call. That a record is dropped because it
	// has expired is a change as well. Partitions may share numbers, and a number may
	// change where nothing else does.
	Stamp(partition string) (stamp uint64, known bool)
}
