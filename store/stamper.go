package store

// A Stamper is a Store that can say without asking its engine that a partition is what
// it was, so that package auth can go on with what it has read. An adapter that cannot,
// or a Store that is wrapped in another, is a Store all the same, and is read each time.
type Stamper interface {
	Store

	// Stamp returns a number that stands for the state of a partition. What a Get
	// that began after one Stamp has returned is what a Get would return at the
	// instant of another, if both Stamps returned true and the same number: no Commit
	// to the partition, of this process or another, has taken effect in between.
	// False says that this is not known, also after Close.
	//
	// An adapter may let its host choose a time by which the changes of other
	// processes may be missing from this, and no longer. None is the default.
	//
	// It waits for nothing, and makes no call. That a record is dropped because it
	// has expired changes no stamp. Partitions may share numbers, and a number may
	// change where nothing else does.
	Stamp(partition string) (stamp uint64, known bool)
}
