package memstore

import (
	"container/heap"
	"time"
)

// expiring is a heap of the records with an expiry, the earliest on top.
type expiring []*record

// set gives r its expiry; zero is none.
func (e *expiring) set(r *record, expires time.Time) {
	r.expires = expires
	switch at := r.queued - 1; {
	case at < 0 && !expires.IsZero():
		heap.Push(e, r)
	case at >= 0 && expires.IsZero():
		heap.Remove(e, at)
	case at >= 0:
		heap.Fix(e, at)
	}
}

// Len, Less and Swap are for package heap.
func (e expiring) Len() int           { return len(e) }
func (e expiring) Less(i, j int) bool { return e[i].expires.Before(e[j].expires) }

func (e expiring) Swap(i, j int) {
	e[i], e[j] = e[j], e[i]
	e[i].queued, e[j].queued = i+1, j+1
}

// Push is for package heap.
func (e *expiring) Push(r any) {
	*e = append(*e, r.(*record))
	r.(*record).queued = len(*e)
}

// Pop is for package heap.
func (e *expiring) Pop() any {
	last := len(*e) - 1
	r := (*e)[last]
	(*e)[last] = nil
	*e = (*e)[:last]
	r.queued = 0
	return r
}
