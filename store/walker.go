package store

import (
	"context"
	"time"
)

// A Walker is a Store that can be read from beginning to end. It is for copying a store
// and for backups, not for reports: records are opaque, and a walk reads everything. A
// walk is not a snapshot of one instant. An adapter whose engine cannot do this does
// not implement it.
type Walker interface {
	Store

	// Walk returns a page of everything that the store keeps. An empty after starts at
	// the beginning; for the next page, pass Next of this one.
	//
	// A record or a counter that exists from before the first page until after the last
	// is on one of the pages, as it was at some instant in between. One that is written
	// or removed during the walk may or may not be on a page. Any may be on several.
	// The store chooses the order and the size of pages: a page may be empty and not be
	// the last.
	//
	// A Next is valid as long as the store is open and keeps its shape. (A walk can
	// leave records out if a cluster moves partitions meanwhile.) A walk that was cut off
	// starts again from the beginning. ErrInvalid reports an after that cannot be a
	// Next, or is none any more.
	Walk(ctx context.Context, after string) (Page, error)
}

// A Page is a part of a walk.
type Page struct {
	Records  []Record
	Counters []Counter
	Next     string // where the next page begins; "" after the last
}

// A Record is a record as Walk returns it.
type Record struct {
	Key   string
	Value []byte
	// Expires is the expiry that the record was written with, rounded up by less than a
	// second; zero is never.
	Expires time.Time
}

// Op returns the operation that writes the record as it is here, whether or not it
// exists.
func (r Record) Op() Op { return Put(r.Key, r.Value).Until(r.Expires) }

// A Counter is the state of a counter that [Store.Hit] keeps, as Walk returns it.
type Counter struct {
	Key   string
	Until time.Time // from then on it counts as unused
}

// Restore gives the counter of s under the same key the same state, to the microsecond.
// So attempts that were counted stay counted. It takes two calls of Hit and is not
// atomic: s must not be in use yet. If the counter has ended by now, that of s is
// cleared.
func (c Counter) Restore(ctx context.Context, s Store, now time.Time) error {
	// One attempt under a limit of one, for as long as is left, results in the same
	// state.
	const century = 100 * 365 * 24 * time.Hour
	left := min(c.Until.Sub(now), century)
	l := Limit{Burst: 1, Every: max(left, time.Microsecond)}
	if _, err := s.Hit(ctx, c.Key, l, -1, now); err != nil || left <= 0 {
		return err
	}
	_, err := s.Hit(ctx, c.Key, l, 1, now)
	return err
}
