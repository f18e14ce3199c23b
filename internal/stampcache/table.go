package stampcache

import (
	"math/rand/v2"
	"sync/atomic"
)

// ways is how many values of one set a [Table] can hold. A Table that is not off has one set
// or more.
const ways = 4

// A Table holds values by their hash, up to a fixed number. A value stays in memory until
// another takes its place. Any number of goroutines may call its methods, and none of them
// waits. The zero Table is off.
type Table[T any] struct {
	sets []set[T] // 0 or a power of two
}

// A set has the values that share a part of their hash.
type set[T any] struct {
	once atomic.Uint64 // hash of the last value that was noted once
	ways [ways]atomic.Pointer[T]
}

// New returns a Table for at least most values: for [ways] times a power of two. It is off
// if most is 0 or less.
func New[T any](most int) Table[T] {
	if most <= 0 {
		return Table[T]{}
	}
	n := 1
	for n*ways < most {
		n *= 2
	}
	return Table[T]{make([]set[T], n)}
}

// Off reports whether the Table holds nothing. Then no other method may be called.
func (t *Table[T]) Off() bool { return len(t.sets) == 0 }

func (t *Table[T]) set(hash uint64) *set[T] { return &t.sets[hash&uint64(len(t.sets)-1)] }

// Find returns the first value of hash's set for which is returns true, or nil. After calls
// of Put at the same time there may be two such values. A Put in place of the value that was
// found replaces the first, so the second stays hidden.
func (t *Table[T]) Find(hash uint64, is func(*T) bool) *T {
	s := t.set(hash)
	for i := range s.ways {
		if v := s.ways[i].Load(); v != nil && is(v) {
			return v
		}
	}
	return nil
}

// Put stores v under hash: in a free place or in that of old, which may be nil. Otherwise it
// replaces a value for which outdated returns true, or else a random one.
func (t *Table[T]) Put(hash uint64, v, old *T, outdated func(*T) bool) {
	s := t.set(hash)
	at := int(rand.Uint32() % ways) //nolint:gosec // which entry goes is no secret
	for i := range s.ways {
		has := s.ways[i].Load()
		if has == nil || has == old {
			at = i
			break
		}
		if outdated(has) {
			at = i
		}
	}
	s.ways[at].Store(v)
}

// Again notes hash and reports whether it was also the hash that was noted last in its set.
func (t *Table[T]) Again(hash uint64) bool { return t.set(hash).once.Swap(hash) == hash }
