package pgstore

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/datixlab/auth/store"
)

// Hit implements store.Store, with one statement. It counts in whole microseconds. A finer
// limit is rounded so that it never admits more.
func (s *Store) Hit(ctx context.Context, key string, l store.Limit, n int, now time.Time) (store.Decision, error) {
	if err := store.CheckHit(key, l, n); err != nil {
		return store.Decision{}, err
	}
	at, every := now.UnixMicro(), (l.Every + time.Microsecond - 1).Microseconds()
	var state int64
	err := s.call(ctx, func(ctx context.Context, c *pgx.Conn) error {
		return c.QueryRow(ctx, s.sql.hit, key, at, at+every*int64(l.Burst), every*int64(n)).Scan(&state)
	})
	if err != nil {
		return store.Decision{}, err
	}
	l.Every = time.Duration(every) * time.Microsecond
	_, decision := l.Apply(state*1000, n, time.UnixMicro(at))
	return decision, nil
}
