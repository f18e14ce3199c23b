// Package store defines the contract between package auth and the engine that
// keeps its records.
//
// # Nouns
//
// A record has a key, a value and, optionally, an expiry. The value is opaque bytes:
// every rule about accounts, sessions and secrets is written once, in package auth. An
// adapter moves bytes and checks conditions. Records are not made for reporting. A
// program that wants to query its users keeps a table of its own.
//
// A key is 3 to [MaxKey] printable ASCII characters (0x21 to 0x7E, without '{' and '}')
// with a '/' in it. The part before the first '/' is the key's partition, the part
// after it is the record's name. Neither is empty.
//
// A partition is the unit of atomicity, and every call stays inside one. So the same
// program runs on a map, on a file, on a Redis Cluster (partition = hash tag) and on
// any engine that promises atomicity per partition. Every adapter refuses a call on two
// partitions with [ErrInvalid], even if its engine could carry it out.
//
// # What an adapter guarantees
//
//   - Atomicity. A Commit is carried out as a whole or not at all. No reader ever sees
//     a part of it.
//   - Conditions. Every condition of a Commit holds at the instant at which the Commit
//     takes effect. If the conditions of concurrent Commits exclude each other, one
//     Commit succeeds and the others return [ErrConflict].
//   - Order. Reads and Commits of one partition are linearizable: every later call,
//     from every process, sees what was acknowledged.
//   - Durability. An acknowledged Commit survives whatever the adapter's own
//     documentation says that it survives.
//   - Expiry. A record is never dropped before its expiry, and may be returned for any
//     time after it. Expiry is for cleaning up: package auth compares times itself and
//     relies on no store's clock.
//   - Copies. A caller may change what it passed in once the call has returned, even if
//     the call returned early with its context. What it gets back is its own.
//   - Errors. [ErrConflict] means that nothing was written. [ErrInvalid], [ErrClosed]
//     and the error of a context that was done before the call mean that nothing was
//     done. Any other error means "could not decide": the call may or may not have
//     taken effect.
//
// Package storetest tests an adapter against these guarantees.
package store

import (
	"context"
	"errors"
	"time"
)

// Errors of the contract. Adapters return them as they are or wrapped.
var (
	// ErrConflict reports that a condition of a Commit did not hold. Nothing
	// was written.
	ErrConflict = errors.New("store: condition not met")

	// ErrInvalid reports an argument outside the contract: a bad key, two
	// partitions in one call, a value over MaxValue. Nothing was done.
	ErrInvalid = errors.New("store: invalid argument")

	// ErrClosed reports a call on a store after its Close.
	ErrClosed = errors.New("store: closed")
)

// Bounds of the contract, the same for every adapter.
const (
	MaxKey   = 256       // bytes in a key
	MaxValue = 128 << 10 // bytes in a value
	MaxOps   = 100       // operations in one Commit
	MaxGet   = 100       // keys in one Get
	MaxList  = 1000      // items in one List
)

// A Store keeps records. All methods may be called by any number of goroutines.
type Store interface {
	// Get returns the values of keys as they were at one instant. There are 1 to MaxGet
	// keys, of one partition. The result has the length and the order of keys. A record
	// that does not exist is nil; an empty value is empty and not nil.
	Get(ctx context.Context, keys ...string) ([][]byte, error)

	// List returns up to limit records whose keys begin with prefix and are greater
	// than after, in ascending order of the keys' bytes. The limit is 1 to MaxList. The
	// prefix contains a whole partition and its '/'.
	//
	// With an empty after the list begins at the first record. For the next page, pass
	// the last key of this one. A page shorter than limit is the last. Each page is
	// read at one instant; two pages may be of two instants.
	List(ctx context.Context, prefix, after string, limit int) ([]Item, error)

	// Commit carries out ops, all or nothing: if every condition holds, every write is
	// made. Otherwise the error is ErrConflict and none is. There are 1 to MaxOps ops;
	// they share one partition and name no key twice.
	Commit(ctx context.Context, ops ...Op) error

	// Hit counts n attempts under key against limit at the instant now, in one atomic
	// step. If all n are within the limit they are counted and the Decision is OK.
	// Otherwise none is counted. A negative n gives -n attempts back; giving back more
	// than was counted leaves the counter as if never used. n is from -limit.Burst to
	// limit.Burst, and not 0.
	//
	// Counters are separate from records: Get, List and Commit neither see nor change
	// them. A counter in use is never dropped to make room for another. Every process
	// on the store shares the counters, and the clocks of these processes agree to
	// within seconds. An adapter may write counters some time after it counts. It then
	// documents what a crash can lose.
	Hit(ctx context.Context, key string, limit Limit, n int, now time.Time) (Decision, error)

	// Close writes what is not yet durable and releases everything. It waits for calls
	// under way; later ones return ErrClosed. Closing again does nothing.
	Close() error
}

// An Item is a record as List returns it.
type Item struct {
	Key   string
	Value []byte
}
