// Package pgstore keeps records on PostgreSQL.
package pgstore

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/datixlab/auth/store"
)

// DefaultSchema is the schema of a Store whose Options name none.
const DefaultSchema = "auth_store"

// Options are the settings of a Store.
type Options struct {
	Schema  string
	Timeout time.Duration
	MaxLag  time.Duration
	Logger  *slog.Logger
}

// A Store is a store.Store on PostgreSQL.
type Store struct {
	store.Walker
}

var errUnfinished = errors.New("pgstore: unfinished")

// Open opens the store in a schema that OpenOrCreate or Migrate has made.
func Open(ctx context.Context, config *pgxpool.Config, o Options) (*Store, error) {
	return nil, errUnfinished
}

// OpenOrCreate is Open, and makes the schema if there is none.
func OpenOrCreate(ctx context.Context, config *pgxpool.Config, o Options) (*Store, error) {
	return nil, errUnfinished
}

// Migrate brings the schema to the version of this package.
func Migrate(ctx context.Context, config *pgxpool.Config, o Options) error { return errUnfinished }

// ParseURL makes the configuration of a pool from a postgres:// URL.
func ParseURL(url string) (*pgxpool.Config, error) { return nil, errUnfinished }
