package auth

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/datixlab/auth/store"
)

// A row is a record as it was read: what it says, and the bytes that a conditional
// write compares with. A record that is not there has nil bytes and zero fields.
type row[T any] struct {
	key string
	raw []byte
	rec T
}

func (r *row[T]) exists() bool { return r.raw != nil }

// unchanged is the condition that the record is still what was read.
func (r *row[T]) unchanged() store.Op { return store.Check(r.key).Was(r.raw) }

// remove deletes the record if it is still what was read.
func (r *row[T]) remove() store.Op { return store.Delete(r.key).Was(r.raw) }

// scan decodes what Get returned for r.key.
func (r *row[T]) scan(raw []byte, in *room) error {
	var zero T
	r.raw, r.rec = raw, zero
	if raw == nil {
		return nil
	}
	if err := decode(r.key, raw, any(&r.rec).(fields), in); err != nil {
		return fmt.Errorf("%w: %w at %s", ErrUnavailable, err, r.key)
	}
	return nil
}

// put writes the record as it is now, if the store has what was read.
func (r *row[T]) put() store.Op {
	return store.Put(r.key, encode(r.key, any(&r.rec).(fields))).Was(r.raw)
}

// overwrite writes the record as it is now, whatever the store has.
func (r *row[T]) overwrite() store.Op {
	return store.Put(r.key, encode(r.key, any(&r.rec).(fields)))
}

func newRow[T any](key string) row[T] { return row[T]{key: key} }

type scanner interface {
	name() string
	scan(raw []byte, in *room) error
}

func (r *row[T]) name() string { return r.key }

// records is the store with a deadline on every call and one kind of failure:
// ErrUnavailable. ErrConflict passes as it is.
type records struct {
	s       store.Store
	timeout time.Duration
	fault   func(ctx context.Context, call string) // hears of every failure that is not the caller's going away
}

// failed is what a call of the store that returned err comes to.
func (r records) failed(ctx context.Context, call string, err error) error {
	if ctx.Err() == nil {
		r.fault(ctx, call)
	}
	return unavailable(err)
}

// keyLists are what read passes to a store, which may not hold on to it.
var keyLists = sync.Pool{New: func() any { return new([]string) }}

// read fills rows, which share a partition, from one instant.
func (r records) read(ctx context.Context, rows ...scanner) error {
	return r.readIn(ctx, new(room), rows...)
}

// readIn is read into a room that is new, or has texts only.
func (r records) readIn(ctx context.Context, in *room, rows ...scanner) error {
	bounded := &in.deadline
	bounded.begin(ctx, r.timeout)
	defer bounded.release()
	list := keyLists.Get().(*[]string)
	defer keyLists.Put(list)
	keys := (*list)[:0]
	for _, row := range rows {
		keys = append(keys, row.name())
	}
	*list = keys
	values, err := r.s.Get(bounded, keys...)
	if err != nil {
		return r.failed(ctx, "get", err)
	}
	for i, row := range rows {
		if err := row.scan(values[i], in); err != nil {
			r.fault(ctx, "damaged")
			return err
		}
	}
	return nil
}

func (r records) commit(ctx context.Context, ops ...store.Op) error {
	bounded, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	err := r.s.Commit(bounded, ops...)
	if err == nil || errors.Is(err, store.ErrConflict) {
		return err
	}
	return r.failed(ctx, "commit", err)
}

// list returns all records under prefix, up to most.
func (r records) list(ctx context.Context, prefix string, most int) ([]store.Item, error) {
	bounded, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	var all []store.Item
	for after := ""; len(all) < most; {
		n := min(most-len(all), store.MaxList)
		page, err := r.s.List(bounded, prefix, after, n)
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

// walk returns the page of everything that begins at after.
func (r records) walk(ctx context.Context, s store.Walker, after string) (store.Page, error) {
	bounded, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	page, err := s.Walk(bounded, after)
	if err != nil {
		return page, r.failed(ctx, "walk", err)
	}
	return page, nil
}

func (r records) hit(ctx context.Context, key string, l store.Limit, n int, now time.Time) (store.Decision, error) {
	bounded, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	d, err := r.s.Hit(bounded, key, l, n, now)
	if err != nil {
		return d, r.failed(ctx, "hit", err)
	}
	return d, nil
}

// maxAttempts bounds retry. Every conflict means that somebody else's write went
// through, so only a partition under attack by its own owner gets there.
const maxAttempts = 200

// retry runs a read-decide-commit step until its Commit meets no conflict.
func retry(ctx context.Context, step func() error) error {
	for range maxAttempts {
		err := step()
		if !errors.Is(err, store.ErrConflict) {
			return err
		}
		if ctx.Err() != nil {
			return unavailable(ctx.Err())
		}
	}
	return unavailable(store.ErrConflict)
}

// retryFrom is retry for a step whose reading has been done: read runs before every
// attempt but the first. What was read may be old by then; a step commits on the
// condition that it is what the store has, or it is no step for retryFrom.
func retryFrom(ctx context.Context, read, step func() error) error {
	again := false
	return retry(ctx, func() error {
		if again {
			if err := read(); err != nil {
				return err
			}
		}
		again = true
		return step()
	})
}
