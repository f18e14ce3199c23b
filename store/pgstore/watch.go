package pgstore

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/datixlab/auth/internal/stamps"
)

// pollTimeout is how long a watch waits for an answer before it starts again. It is shorter than
// any failover, so a server that hung and was replaced is not believed when it wakes.
const pollTimeout = 450 * time.Millisecond

// follow asks for changes until it fails or no stamp has been asked for lately. Each answer
// is of one instant on the server: it has every transaction that this instant sees and the
// one of the answer before did not. A transaction is seen before its Commit is acknowledged.
// So an answer proves that every change from before its question has arrived.
//
// A crash of the server, and a failover, empty the table of changes. The epoch is another then,
// so everything counts as changed.
func (s *Store) follow(ctx context.Context, w *stamps.Watch, lag time.Duration) {
	var before changes
	for w.Asked() && ctx.Err() == nil {
		at := time.Now()
		now, err := s.changesSince(ctx, before.snapshot)
		if err != nil || longAgo(at, pollTimeout) {
			return
		}
		switch {
		case now.epoch == "":
			if err := s.beginEpoch(ctx); err != nil {
				return
			}
			before = changes{}
			continue
		case now.epoch != before.epoch || now.drops > before.drops+1:
			w.ChangedAll()
		}
		for _, partition := range now.partitions {
			w.Changed(partition)
		}
		w.Proven(at)
		before = now
		select {
		case <-ctx.Done():
		case <-time.After(lag / 4):
		}
	}
}

// changes is an answer to a watch.
type changes struct {
	snapshot   string
	epoch      string // "" if there is none
	drops      int64
	partitions []string
}

func (s *Store) changesSince(ctx context.Context, snapshot string) (c changes, err error) {
	ctx, cancel := context.WithTimeout(ctx, pollTimeout)
	defer cancel()
	err = s.call(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		return conn.QueryRow(ctx, s.sql.changes, snapshot).Scan(&c.snapshot, &c.epoch, &c.drops, &c.partitions)
	})
	return c, err
}

func (s *Store) beginEpoch(ctx context.Context) error {
	return s.call(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, s.sql.epoch)
		return err
	})
}
