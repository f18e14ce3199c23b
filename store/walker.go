package store

import (
	"context"
	"time"
)

// A Walker is a Store that can be read from one end to the other. It is for copying
// a store and for backups, not for reports: records are opaque, a walk reads
// everything there is, and it is no picture of one instant. An adapter whose engine
// cannot do this is a Store all the same.
type Walker interface {
	Store

	// Walk returns a page of everything that the store keeps. An empty after starts
	// at the beginning; for the next page, pass Next of this one.
	//
	// A record or a counter that is there from before the first page until after
	// the last is on one of the pages, as it was at some instant between. One that is
	// written or removed meanwhile is on a page or is not; any may be on more than
	// one. In which order they come, and how many are on a page, is the store's own
	// business: a page may be empty and not be the last.
	//
	// A place in a walk is good for as long as the store is open and keeps its shape
	// (a cluster that moves partitions meanwhile can leave some out): a walk that was
	// cut off begins anew. ErrInvalid reports an after that cannot be a Next.
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
	// Expires is what the record was put with, rounded up by less than a second;
	// zero is never.
	Expires time.Time
}

// Op returns the operation that makes the record what it is here, whatever is there.
func (r Record) Op() Op { return Put(r.Key, r.Value).Until(r.Expires) }

// A Counter is the state of a counter that [Store.Hit] keeps, as Walk returns it.
type Counter struct {
	Key   string
	Until time.Time // from then on it is as good as unused
}

// Restore makes the counter of s under the same key as this one, to the microsecond,
// so that attempts that were counted stay counted. It takes two calls of Hit and is
// not atomic: s must not be in use yet. A counter that is past its time is cleared.
func (c Counter) Restore(ctx context.Context, s Store, now time.Time) error {
	// One attempt under a limit of one for as long as is left is the state itself.
	const century = 100 * 365 * 24 * time.Hour
	left := min(c.Until.Sub(now), century)
	l := Limit{Burst: 1, Every: max(left, time.Microsecond)}
	if _, err := s.Hit(ctx, c.Key, l, -1, now); err != nil || left <= 0 {
		return err
	}
	_, err := s.Hit(ctx, c.Key, l, 1, now)
	return err
}
