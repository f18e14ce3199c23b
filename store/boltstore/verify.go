package boltstore

import (
	"context"
	"errors"
	"fmt"
	"io"

	"go.etcd.io/bbolt"

	"github.com/datixlab/auth/store/boltstore/internal/pages"
)

// Verify checks the database page by page, as it is at one instant, while it is in
// use. An error that wraps [ErrDamaged] means that its structure is broken, and the
// Store accepts no more writes; any other, that it could not be checked. It reads
// the whole file, and a file that has to be mapped anew as it grows (at 64 MiB, at
// each doubling up to 1 GiB, then at each GiB) waits for it: run it when little is
// written.
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
				return nil //nolint:nilerr // found goes on below: it is no failure of the transaction
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

// Backup writes a copy of the database, as it is at one instant, to w, while it is
// in use; the counters in it are at most a second old. What was revoked after the
// backup is valid again once it is restored, until auth's Manager.RevokeAll is run on
// it. As with [Store.Verify], a growing file
// may have to wait for it, and so may Close: w must not be slow without end.
func (s *Store) Backup(ctx context.Context, w io.Writer) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.calls.RUnlock()
	err := s.view(func(tx *bbolt.Tx) error {
		_, err := tx.WriteTo(writerUntil{ctx, w})
		return err
	})
	if err != nil && ctx.Err() != nil { // bbolt has formatted it away
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
