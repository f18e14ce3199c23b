package pgstore

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// beat is how often the sweeper calls. Its call also shows that the server still answers,
	// so the connections of a service at rest are not closed for its silence.
	beat = 500 * time.Millisecond
	// sweepReport is after how many failures in a row the log says so, again and again.
	sweepReport = int(time.Minute / beat)
)

// sweep drops what has ended, until ctx is done. Every process does, and the server lets one
// of them at a time.
func (s *Store) sweep(ctx context.Context) {
	defer close(s.swept)
	failures := 0
	for {
		pause := time.NewTimer(beat - rand.N(beat/10)) //nolint:gosec // processes are not to call at the same instant
		select {
		case <-ctx.Done():
			pause.Stop()
			return
		case <-pause.C:
		}
		err := s.call(ctx, func(ctx context.Context, c *pgx.Conn) error {
			_, err := c.Exec(ctx, s.sql.sweep, time.Now().UnixMilli())
			return err
		})
		switch {
		case err == nil:
			failures = 0
		case ctx.Err() == nil:
			if failures++; failures%sweepReport == 0 {
				s.log.Warn("pgstore: what has ended could not be dropped for a minute or more", "error", err)
			}
		}
	}
}
