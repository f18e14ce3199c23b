package store

// A Stamper is a Store that reports, without asking its engine, whether a partition has
// changed. Package auth then goes on with what it has read. A Store without a Stamp is
// read each time. A wrapper with no Stamp of its own hides this one if it embeds a
// [Store], and passes it on if it embeds a Stamper.
type Stamper interface {
	Store

	// Stamp returns a number for the present state of a partition. If two calls return
	// the same number, both known, then no process changed the partition in between:
	// what a Get begun after the first returned is still current at the second. Known
	// is false if the store cannot tell, and after Close.
	//
	// Stamp does not wait and calls no engine. Dropping an expired record is a change.
	// Partitions may share numbers, and a number may change although its partition did
	// not. A store that was opened again repeats no number of the store before it, so
	// let numbers begin at random. An adapter may allow its operator a bounded delay
	// for changes by other processes; the default is none.
	Stamp(partition string) (stamp uint64, known bool)
}
