package record

import (
	"fmt"

	"github.com/datixlab/auth/store"
)

// A Row is a record as it was read: its fields, and the bytes that a conditional write
// compares with. A record that does not exist has nil bytes and zero fields.
//
// *T must be a [Fields]: reading and writing the Row panic if it is not.
type Row[T any] struct {
	Key string
	Raw []byte
	Rec T
}

// New returns the Row of key, which is not read yet. A conditional write of it requires that
// the store has no record of key.
func New[T any](key string) Row[T] { return Row[T]{Key: key} }

// Exists reports whether the store had a record when the Row was read.
func (r *Row[T]) Exists() bool { return r.Raw != nil }

// Unchanged returns the condition that the record is still as it was read.
func (r *Row[T]) Unchanged() store.Op { return store.Check(r.Key).Was(r.Raw) }

// Put returns the operation that writes Rec, on the condition of [Row.Unchanged].
func (r *Row[T]) Put() store.Op { return r.Overwrite().Was(r.Raw) }

// Remove returns the operation that deletes the record, on the condition of [Row.Unchanged].
func (r *Row[T]) Remove() store.Op { return store.Delete(r.Key).Was(r.Raw) }

// Overwrite returns the operation that writes Rec, on no condition.
func (r *Row[T]) Overwrite() store.Op {
	return store.Put(r.Key, encode(r.Key, any(&r.Rec).(Fields)))
}

// A Reader is a [Row] of any type.
type Reader interface {
	name() string
	scan(raw []byte, in *Arena) error
	wrote(raw []byte)
}

func (r *Row[T]) name() string { return r.Key }

// Decode fills the Row from the bytes that a walk of the store returned for its key. The error is
// [ErrDamaged].
func (r *Row[T]) Decode(raw []byte) error { return r.scan(raw, new(Arena)) }

// scan decodes what the store returned for r.Key.
func (r *Row[T]) scan(raw []byte, in *Arena) error {
	var zero T
	r.Raw, r.Rec = raw, zero
	if raw == nil {
		return nil
	}
	if err := decode(r.Key, raw, any(&r.Rec).(Fields), in); err != nil {
		return fmt.Errorf("%w at %s", err, r.Key)
	}
	return nil
}

func (r *Row[T]) wrote(raw []byte) { r.Raw = raw }
