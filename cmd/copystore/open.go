package main

import (
	"context"
	"errors"
	"log/slog"

	"github.com/datixlab/auth/internal/openstore"
	"github.com/datixlab/auth/internal/secretfile"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/boltstore"
)

// place returns the store that the flags of one side name.
func place(f openstore.Flags, rules secretfile.Rules, log *slog.Logger) (openstore.Place, error) {
	p, err := f.Place("", rules, log)
	if err == nil && p.Kind == "memory" {
		err = errors.New("-" + f.Side + ": a store in memory is in its process")
	}
	return p, err
}

// openSource opens a store that must exist. It checks a file from beginning to end, since a
// walk through a damaged one can pass over records without an error.
func openSource(ctx context.Context, p openstore.Place, log *slog.Logger) (store.Walker, error) {
	s, err := p.Open(ctx, log)
	if err != nil {
		return nil, err
	}
	if file, ok := s.(*boltstore.Store); ok {
		if err := file.Verify(ctx); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	return s, nil
}
