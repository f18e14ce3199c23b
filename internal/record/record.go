// Package record keeps records in a store: as bytes with a checksum, read at one instant,
// and written on the condition that nothing changed in between.
//
// A record is one byte of format, four bytes of checksum and its fields in a fixed order.
// The checksum covers the key as well. So a value that was damaged, or that is stored
// under another key, is an error: engines such as bbolt check the shape of their pages,
// but not the bytes in them.
//
// The package knows no kind of record; a type becomes one by its [Fields] method.
package record

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/datixlab/auth/internal/parallel"
	"github.com/datixlab/auth/internal/stampcache"
	"github.com/datixlab/auth/store"
)

// Records is a store with a deadline for every call and one kind of failure. Any error of a
// method matches Unavailable, except store.ErrConflict and the errors that a step of
// [Records.Retry] returns, which stay as they are.
//
// Store, Timeout and Unavailable are required: a nil Store panics, and with a Timeout of 0
// every call fails. A copy may have other fields, such as a shorter Timeout.
type Records struct {
	Store       store.Store
	Timeout     time.Duration // of every call, more than 0
	Unavailable error         // wrapped around every failure, with the store's own error
	// Stamps are those of the Store, or the zero value. A Commit looks whether it changed the
	// stamp of its partition, see [stampcache.Reader.Stuck].
	Stamps stampcache.Reader
	// Stuck is called if the stamps are stuck. It may be nil if there are no Stamps.
	Stuck func(ctx context.Context)
	// Turns order the changes of one partition, see [Records.Retry]. Nil: they have no order.
	Turns *Turns
	// Busy is called for every change that got no turn. Nil: it is returned only.
	Busy func(ctx context.Context)
	// Fault is called for every failure, except for a call of the store whose caller's
	// own context has ended. The call is "get", "list", "commit", "hit" or "walk", or
	// "damaged" for a record that Read found damaged. Nil: failures are returned only.
	Fault func(ctx context.Context, call string)

	needsNoTurn bool // see RetryAnyway
}

// wrap returns cause as the one kind of failure.
func (r Records) wrap(cause error) error { return fmt.Errorf("%w: %w", r.Unavailable, cause) }

// failed returns the error of a call of the store that returned cause.
func (r Records) failed(ctx context.Context, call string, cause error) error {
	if ctx.Err() == nil && r.Fault != nil {
		r.Fault(ctx, call)
	}
	return r.wrap(cause)
}

// keyLists are the lists of keys that Read passes to a store, which must not keep them.
var keyLists = sync.Pool{New: func() any { return new([]string) }}

// Read fills rows, which are all of one partition, as they were at one instant. If one of
// them is damaged, the error also matches [ErrDamaged]. The Raw of that row is set then, and
// the rows after it are not filled.
func (r Records) Read(ctx context.Context, rows ...Reader) error {
	return r.ReadIn(ctx, new(Arena), rows...)
}

// ReadIn is [Records.Read] into an Arena that has served no other read. The Arena may have
// texts already, such as the keys of the rows.
func (r Records) ReadIn(ctx context.Context, in *Arena, rows ...Reader) error {
	bounded := &in.deadline
	bounded.begin(ctx, r.Timeout)
	defer bounded.release()
	list := keyLists.Get().(*[]string)
	defer keyLists.Put(list)
	keys := (*list)[:0]
	for _, row := range rows {
		keys = append(keys, row.name())
	}
	*list = keys
	values, err := r.Store.Get(bounded, keys...)
	if err != nil {
		return r.failed(ctx, "get", err)
	}
	for i, row := range rows {
		if err := row.scan(values[i], in); err != nil {
			if r.Fault != nil {
				r.Fault(ctx, "damaged")
			}
			return r.wrap(err)
		}
	}
	return nil
}

// ErrOutcomeUnknown reports a Commit that the store may have carried out or not.
var ErrOutcomeUnknown = errors.New("auth: the outcome of a change is unknown")

// Commit carries out ops, which are all of one partition, or none of them. It returns
// store.ErrConflict if a condition of one of them does not hold. An error that matches
// [ErrOutcomeUnknown] means that they may have been carried out. After any other error they
// have not been.
//
// Commit waits for the store also after ctx has ended, for up to Timeout. So a client cannot
// leave a change without the answer that its event and its notice depend on. If ctx has ended
// before, the store is not called.
func (r Records) Commit(ctx context.Context, ops ...store.Op) error {
	if err := ctx.Err(); err != nil {
		return r.wrap(err)
	}
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.Timeout)
	defer cancel()
	partition, before := "", stampcache.Stamp{}
	if len(ops) > 0 {
		partition = store.Partition(ops[0].Key)
		before = r.Stamps.Of(partition)
	}
	err := r.Store.Commit(bounded, ops...)
	switch {
	case err == nil:
		if slices.ContainsFunc(ops, sets) && r.Stamps.Stuck(partition, before) {
			r.Stuck(ctx)
		}
		return nil
	case errors.Is(err, store.ErrConflict):
		return err
	case errors.Is(err, store.ErrInvalid):
		return r.failed(bounded, "commit", err)
	}
	return fmt.Errorf("%w: %w", ErrOutcomeUnknown, r.failed(context.WithoutCancel(ctx), "commit", err))
}

// sets reports whether op writes a record. A removal may find none, and change nothing.
func sets(op store.Op) bool { return op.Write == store.Set }

// Write is [Records.Commit] of op, which writes or removes row, and of more. On success the
// Raw of the row is what the store has, so the row can be written again.
func (r Records) Write(ctx context.Context, row Reader, op store.Op, more ...store.Op) error {
	if err := r.Commit(ctx, append(more, op)...); err != nil {
		return err
	}
	row.wrote(op.Value)
	return nil
}

// List returns the records under prefix in the order of their keys, up to most of them.
func (r Records) List(ctx context.Context, prefix string, most int) ([]store.Item, error) {
	return r.ListAfter(ctx, prefix, "", most)
}

// ListAfter is [Records.List] of the records whose keys are greater than after.
func (r Records) ListAfter(ctx context.Context, prefix, after string, most int) ([]store.Item, error) {
	bounded, cancel := context.WithTimeout(ctx, r.Timeout)
	defer cancel()
	var all []store.Item
	for len(all) < most {
		n := min(most-len(all), store.MaxList)
		page, err := r.Store.List(bounded, prefix, after, n)
		if err != nil {
			return nil, r.failed(ctx, "list", err)
		}
		if all = append(all, page...); len(page) < n {
			break
		}
		after = page[len(page)-1].Key
	}
	return all, nil
}

// All returns the rows under prefix in the order of their keys, up to store.MaxList of them.
// Damaged ones are left out, and not passed to Fault.
func All[T any](ctx context.Context, r Records, prefix string) ([]Row[T], error) {
	items, err := r.List(ctx, prefix, store.MaxList)
	if err != nil {
		return nil, err
	}
	rows := make([]Row[T], 0, len(items))
	for _, it := range items {
		row := New[T](it.Key)
		if row.scan(it.Value, new(Arena)) == nil {
			rows = append(rows, row)
		}
	}
	return rows, nil
}

// Walk returns the page of all records of w that begins at after: "", or the Next of the
// page before. W is the Store, or part of it.
func (r Records) Walk(ctx context.Context, w store.Walker, after string) (store.Page, error) {
	bounded, cancel := context.WithTimeout(ctx, r.Timeout)
	defer cancel()
	page, err := w.Walk(bounded, after)
	if err != nil {
		return page, r.failed(ctx, "walk", err)
	}
	return page, nil
}

// walkedAtOnce is how many calls of WalkEach are under way at the same time. On bbolt they share
// syncs, and on Redis they do not wait for each other's round trips.
const walkedAtOnce = 16

// WalkEach walks w from its beginning and makes the calls of each page, some at the same time.
// Failed judges the error of a call: if it returns one, WalkEach ends with it.
func (r Records) WalkEach(ctx context.Context, w store.Walker, callsOf func(store.Page) []func() error, failed func(error) error) error {
	for place := ""; ; {
		page, err := r.Walk(ctx, w, place)
		if err != nil {
			return err
		}
		if err := parallel.Try(walkedAtOnce, callsOf(page), failed); err != nil {
			return err
		}
		if place = page.Next; place == "" {
			return nil
		}
	}
}

// Hit counts n attempts on key at now, or gives them back if n is negative.
func (r Records) Hit(ctx context.Context, key string, l store.Limit, n int, now time.Time) (store.Decision, error) {
	bounded, cancel := context.WithTimeout(ctx, r.Timeout)
	defer cancel()
	d, err := r.Store.Hit(bounded, key, l, n, now)
	if err != nil {
		return d, r.failed(ctx, "hit", err)
	}
	return d, nil
}

// maxAttempts bounds Retry. Each conflict means that another write succeeded. So only a user
// that attacks their own partition through many processes can cause that many.
const maxAttempts = 200

// Retry calls step, which reads, decides and commits, until it does not return
// store.ErrConflict. It returns the step's error. It returns Unavailable if ctx has ended, or
// after 200 conflicts.
//
// Calls for one partition take turns, so a conflict comes from another process, or from a
// Commit without Retry. With a partition of "" there are no turns. Step must not call Retry for
// the same partition, and should not do long work: others wait. If 256 others wait, or if no
// turn comes within Timeout, the error is Unavailable, and step is not called.
func (r Records) Retry(ctx context.Context, partition string, step func() error) error {
	return r.retry(ctx, partition, func(bool) error { return step() })
}

// RetryAnyway is [Records.Retry] for a change that nobody may keep from happening, such as a
// revocation. If it gets no turn, it goes on without one.
func (r Records) RetryAnyway(ctx context.Context, partition string, step func() error) error {
	return r.anyway().Retry(ctx, partition, step)
}

// RetryAnywayFrom is [Records.RetryFrom] in the way of [Records.RetryAnyway].
func (r Records) RetryAnywayFrom(ctx context.Context, partition string, read, step func() error) error {
	return r.anyway().RetryFrom(ctx, partition, read, step)
}

func (r Records) anyway() Records {
	r.needsNoTurn = true
	return r
}

// retry is Retry. Fresh tells step whether this is its first call and no other change of the
// partition ran while it waited for its turn.
func (r Records) retry(ctx context.Context, partition string, step func(fresh bool) error) error {
	waited := false
	if r.Turns != nil && partition != "" {
		done, others, err := r.Turns.take(ctx, partition, r.Timeout)
		switch {
		case err == nil:
			defer done()
		case errors.Is(err, errBusy) && r.needsNoTurn:
		case errors.Is(err, errBusy) && r.Busy != nil:
			r.Busy(ctx)
			return r.wrap(err)
		default:
			return r.wrap(err)
		}
		waited = others
	}
	for n := range maxAttempts {
		err := step(n == 0 && !waited)
		if !errors.Is(err, store.ErrConflict) {
			return err
		}
		if ctx.Err() != nil {
			return r.wrap(ctx.Err())
		}
	}
	return r.wrap(store.ErrConflict)
}

// RetryFrom is [Records.Retry] for a step whose records have been read. Read is called before
// every attempt except the first, and also before the first if another change ran since. The
// records of the first attempt may be old all the same, so step must commit on the condition
// that they are [Row.Unchanged].
func (r Records) RetryFrom(ctx context.Context, partition string, read, step func() error) error {
	return r.retry(ctx, partition, func(fresh bool) error {
		if !fresh {
			if err := read(); err != nil {
				return err
			}
		}
		return step()
	})
}
