//go:build scale && linux

package scale

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/datixlab/auth/store"
)

// committed is how many users are committed to PostgreSQL, one partition after the other. The
// others are copied into the table, since Commits of millions would take hours.
const committed = 100_000

// A copying store collects what is put, and copies it into the table of PostgreSQL.
type copying struct {
	store.Store
	pool *pgxpool.Pool

	mu   sync.Mutex
	rows [][]any
	err  error // of a copy: what was to be copied is lost
}

func (p *place) copying(t *testing.T, s store.Store) store.Store {
	t.Helper()
	pool, err := pgxpool.New(ever, p.at)
	must(t, err)
	return &copying{Store: s, pool: pool}
}

// Commit implements store.Store.
func (c *copying) Commit(ctx context.Context, ops ...store.Op) error {
	const many = 5000
	c.mu.Lock()
	for _, op := range ops {
		var expires *int64
		if !op.Expires.IsZero() {
			ms := op.Expires.UnixMilli() + 1
			expires = &ms
		}
		partition := store.Partition(op.Key)
		c.rows = append(c.rows, []any{partition, op.Key[len(partition)+1:], op.Value, expires})
	}
	var full [][]any
	err := c.err
	if len(c.rows) >= many {
		full, c.rows = c.rows, nil
	}
	c.mu.Unlock()
	if err != nil {
		return err
	}
	return c.copy(ctx, full)
}

func (c *copying) copy(ctx context.Context, rows [][]any) error {
	if len(rows) == 0 {
		return nil
	}
	err := pgx.BeginFunc(ctx, c.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `CREATE TEMP TABLE copied (LIKE auth_store.records) ON COMMIT DROP`); err != nil {
			return err
		}
		if _, err := tx.CopyFrom(ctx, pgx.Identifier{"copied"}, []string{"partition", "name", "value", "expires"}, pgx.CopyFromRows(rows)); err != nil {
			return err
		}
		// What a Manager keeps for itself is the same for all users. In order, so that no two wait for each other.
		_, err := tx.Exec(ctx, `INSERT INTO auth_store.records SELECT * FROM copied ORDER BY partition, name ON CONFLICT DO NOTHING`)
		return err
	})
	if err != nil {
		c.mu.Lock()
		c.err = err
		c.mu.Unlock()
	}
	return err
}

// Close copies what is left.
func (c *copying) Close() error {
	err := errors.Join(c.err, c.copy(ever, c.rows))
	c.pool.Close()
	return errors.Join(err, c.Store.Close())
}
