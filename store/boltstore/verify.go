package boltstore

import (
	"context"
	"errors"
	"fmt"
	"io"

	"go.etcd.io/bbolt"

	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/boltstore/internal/pages"
)

var (
	_ store.Backuper = (*Store)(nil)
	_ store.Examiner = (*Store)(nil)
)

// Examine implements store.Examiner. It warns of a Store that accepts no more writes. It does not
// read the file: see [Store.Verify].
func (s *Store) Examine(ctx context.Context) (store.Examination, error) {
	if err := s.enter(ctx); err != nil {
		return store.Examination{}, err
	}
	defer s.calls.RUnlock()
	found := store.Examination{Kind: "bbolt"}
	if refused := s.writeErr.Load(); refused != nil {
		found.Warnings = []string{"It accepts no more writes: " + (*refused).Error() + "."}
	}
	return found, nil
}

// Verify checks the database page by page, as it is at one instant, while it is in use.
// An error that wraps [ErrDamaged] means that the structure is broken, and one that wraps
// [ErrReplaced] that the file is no longer at its path. After either the Store accepts no
// more writes. Any other error means that it could not be checked.
//
// Verify reads the whole file. A file that must be mapped again because it grows waits
// for that, at 64 MiB, at each doubling up to 1 GiB, then at each GiB. So run it when
// little is written.
func (s *Store) Verify(ctx context.Context) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.calls.RUnlock()
	return s.verify(ctx, func(*bbolt.Tx) error { return nil })
}

// Backup writes a copy of the database to w, as it is at one instant, while it is in
// use. It then checks what it has copied, as [Store.Verify] does. The copy is good only if
// the error is nil, so keep the last good one until then.
//
// If the database is damaged, the copy is written all the same, as far as the file can be
// read, and the error wraps [ErrDamaged]. If the Store accepts no more writes for another
// reason, the copy is whole and the error is that reason.
//
// The counters in a copy are at most a second old. A restored backup makes valid again
// what was revoked after it was made, until auth's Manager.RevokeAll is run on it. As
// with Verify, a growing file may have to wait for it, and so may Close: w must not be
// slow without end.
func (s *Store) Backup(ctx context.Context, w io.Writer) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.calls.RUnlock()
	err := s.verify(ctx, func(tx *bbolt.Tx) error {
		_, err := tx.WriteTo(writerUntil{ctx, w})
		return err
	})
	if err != nil && !errors.Is(err, ErrDamaged) && ctx.Err() != nil { // bbolt has not wrapped it
		return ctx.Err()
	}
	if refused := s.writeErr.Load(); err == nil && refused != nil {
		return *refused
	}
	return err
}

// verify calls first with a read transaction, and then checks the pages of that
// transaction and that the file is in its place.
func (s *Store) verify(ctx context.Context, first func(*bbolt.Tx) error) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		var found error
		current := false
		written := s.written.Load()
		err := s.view(func(tx *bbolt.Tx) error {
			var h pages.Header
			id := uint64(tx.ID())
			if h, found = pages.ReadHeader(s.file); found == nil && id < written {
				found = fmt.Errorf("%w: it has gone back to transaction %d of %d", ErrDamaged, id, written)
			}
			if found == nil && h.Tx != id {
				return nil // a Commit came between the transaction and its header
			}
			current = true
			if err := first(tx); err != nil {
				return err
			}
			if found == nil {
				found = pages.Check(ctx, s.file, h, true)
			}
			return nil
		})
		switch {
		case errors.Is(found, ErrDamaged):
			return s.fail(found)
		case err != nil:
			return err
		case found != nil:
			return fmt.Errorf("boltstore: verify %s: %w", s.path, found)
		case current:
			return s.inPlace()
		}
	}
}

// writerUntil fails once its context is done.
type writerUntil struct {
	ctx context.Context
	io.Writer
}

// Write implements io.Writer.
func (w writerUntil) Write(b []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	return w.Writer.Write(b)
}
