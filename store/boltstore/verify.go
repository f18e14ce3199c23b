package boltstore

import (
	"context"
	"errors"
	"fmt"
	"io"

	"go.etcd.io/bbolt"

	"github.com/datixlab/auth/store/boltstore/internal/pages"
)

// Verify checks the database page by page, as it is at one instant, while it is in use.
// An error that wraps [ErrDamaged] means that the structure is broken, and the Store
// accepts no more writes. Any other error means that it could not be checked.
//
// Verify reads the whole file. A file that must be mapped again because it grows waits
// for that, at 64 MiB, at each doubling up to 1 GiB, then at each GiB. So run it when
// little is written.
func (s *Store) Verify(ctx context.Context) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.calls.RUnlock()

	for {
		var found error
		current := false
		err := s.view(func(tx *bbolt.Tx) error {
			var h pages.Header
			if h, found = pages.ReadHeader(s.file); found != nil {
				return nil //nolint:nilerr // found is handled below: the transaction has not failed
			}
			if current = h.Tx == uint64(tx.ID()); current {
				found = pages.Check(ctx, s.file, h, true)
			}
			return nil
		})
		switch {
		case err != nil:
			return err
		case errors.Is(found, ErrDamaged):
			return s.fail(found)
		case found != nil:
			return fmt.Errorf("boltstore: verify %s: %w", s.path, found)
		case current:
			return nil
		} // a Commit came between the transaction and its header
	}
}

// Backup writes a copy of the database to w, as it is at one instant, while it is in
// use. The counters in it are at most a second old. A restored backup makes valid again
// what was revoked after it was made, until auth's Manager.RevokeAll is run on it. As
// with [Store.Verify], a growing file may have to wait for it, and so may Close: w must
// not be slow without end.
func (s *Store) Backup(ctx context.Context, w io.Writer) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.calls.RUnlock()
	err := s.view(func(tx *bbolt.Tx) error {
		_, err := tx.WriteTo(writerUntil{ctx, w})
		return err
	})
	if err != nil && ctx.Err() != nil { // bbolt has not wrapped it
		return ctx.Err()
	}
	return err
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
