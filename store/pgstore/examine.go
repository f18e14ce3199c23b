package pgstore

import (
	"context"

	"github.com/datixlab/auth/store"
)

var _ store.Examiner = (*Store)(nil)

// Examine implements store.Examiner, with one statement.
func (s *Store) Examine(ctx context.Context) (store.Examination, error) {
	c, err := s.condition(ctx)
	if err != nil {
		return store.Examination{}, err
	}
	found := store.Examination{Kind: "postgres " + c.name, Time: c.clock}
	for _, text := range c.warnings() {
		found.Warnings = append(found.Warnings, text+".")
	}
	return found, nil
}
