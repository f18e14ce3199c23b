// Package store defines the contract between package auth and the engine that
// keeps its records.
//
// # Nouns
//
// A record is a key, a value and, at will, an expiry. Values are opaque bytes:
// every rule about accounts, sessions and secrets is written once, in package
// auth, and an adapter only has to move bytes and honour conditions. Records are
// not made for reporting: a host that wants to query its users keeps a table of
// its own.
//
// A key is 3 to [MaxKey] printable ASCII characters (0x21 to 0x7E, without '{'
// and '}') with a '/' in it. What stands before the first '/' is the key's
// partition, what stands behind it the record's name; neither is empty.
//
// A partition is the unit of atomicity. Every call stays inside one: that is
// what lets the same program run on a map, on a file, on a Redis Cluster
// (partition = hash tag) and on any engine that promises atomicity per
// partition. Every adapter refuses a call that would cross, with [ErrInvalid],
// also where its engine would not mind.
//
// # Guarantees an adapter owes
//
//   - Atomicity. A Commit is carried out as a whole or not at all, and no reader
//     ever sees a part of it.
//   - Conditions. Every condition of a Commit holds at the instant it takes
//     effect; of any number of concurrent Commits whose conditions exclude each
//     other, one succeeds and the rest return [ErrConflict].
//   - Order. Reads and Commits of one partition are linearizable: what was
//     acknowledged is seen by every later call, from every process.
//   - Durability. An acknowledged Commit survives whatever the adapter's own
//     documentation says that it survives.
//   - Expiry. A record is never dropped before its expiry and may be returned
//     for any time after it. Expiry is for cleaning up; package auth compares
//     times by itself and relies on no store's clock.
//   - Copies. What a caller passes in may be changed once the call has returned,
//     also where it returned early with its context; what it gets back is its own.
//   - Errors. [ErrConflict] means that nothing was written. [ErrInvalid] and
//     [ErrClosed] mean that nothing was done. The error of a context that was
//     done before the call began means the same. Any other error means "could
//     not decide": the call may or may not have taken effect.
//
// Package storetest holds any adapter against these.
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
	// Get returns the values of keys, which share one partition, as they were
	// at one instant. The result has the length and the order of keys; a record
	// that does not exist is nil, one with an empty value is empty and not nil.
	Get(ctx context.Context, keys ...string) ([][]byte, error)

	// List returns up to limit records whose keys begin with prefix and come
	// after the key after, in ascending order of the keys' bytes. The prefix
	// holds a whole partition and its '/'. An empty after starts at the first;
	// for the next page, pass the last key of this one. A page shorter than
	// limit is the last. Each page is what was there at one instant; two pages
	// may be of two instants.
	List(ctx context.Context, prefix, after string, limit int) ([]Item, error)

	// Commit carries out ops, which share one partition and name no key twice,
	// all or nothing: if every condition holds, every write is made, else the
	// error is ErrConflict and nothing is.
	Commit(ctx context.Context, ops ...Op) error

	// Hit counts n attempts under key against limit at the instant now, in one
	// atomic step by itself: if all n are within the limit they are counted and
	// the Decision is OK, else none is. A negative n gives -n attempts back;
	// giving back more than was counted leaves the counter as if never used.
	//
	// Counters live apart from records: Get, List and Commit neither see nor
	// touch them. A counter in use is never dropped to make room for another.
	// Counters are shared by every process on the store, whose clocks agree to
	// within seconds; an adapter may write them behind, and then says what a
	// crash can lose.
	Hit(ctx context.Context, key string, limit Limit, n int, now time.Time) (Decision, error)

	// Close makes durable what was written behind and releases everything.
	// It waits for calls under way; later ones return ErrClosed. Closing again
	// does nothing.
	Close() error
}

// An Item is a record as List returns it.
type Item struct {
	Key   string
	Value []byte
}
