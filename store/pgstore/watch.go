package pgstore

import (
	"context"
	"errors"
	"slices"
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
// This holds within an epoch. Commits note their changes while there is one. A crash of the
// server and a failover end it, and so does a time in which nobody asks. The next one has
// another name, and then everything counts as changed.
func (s *Store) follow(ctx context.Context, w *stamps.Watch, lag time.Duration) {
	var epoch string
	var before changes
	for w.Asked() && ctx.Err() == nil {
		at := time.Now()
		now, err := s.changesSince(ctx, before.snapshot)
		if err != nil || stamps.LongAgo(at, pollTimeout) {
			return
		}
		if now.epoch == "" || now.epoch != epoch {
			if epoch, err = s.beginEpoch(ctx, w); err != nil {
				return
			}
			before = changes{}
			continue
		}
		if before.snapshot == "" || now.drops > before.drops+1 {
			w.ChangedAll()
		}
		for _, partition := range now.partitions {
			w.Changed(partition)
		}
		w.Proven(at)
		before = now
		if now.idle > 1 { // or the epoch would end
			if _, err := s.askForChanges(ctx); err != nil {
				return
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(lag / 4):
		}
	}
}

// changes is an answer to a watch.
type changes struct {
	snapshot   string
	epoch      string // its name, or "" if there is none
	idle       int
	drops      int64
	partitions []string
}

func (s *Store) changesSince(ctx context.Context, snapshot string) (c changes, err error) {
	ctx, cancel := context.WithTimeout(ctx, pollTimeout)
	defer cancel()
	err = s.call(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		return conn.QueryRow(ctx, s.sql.changes, snapshot).Scan(&c.snapshot, &c.epoch, &c.idle, &c.drops, &c.partitions)
	})
	return c, err
}

// beginEpoch returns the name of the epoch, once every Commit notes its changes in it. A Commit
// looks for an epoch while it holds its lock. So those that held one when the epoch had begun may
// not have seen it, and are waited for while somebody asks.
func (s *Store) beginEpoch(ctx context.Context, w *stamps.Watch) (epoch string, err error) {
	if epoch, err = s.askForChanges(ctx); err != nil {
		return "", err
	}
	unaware, err := s.commitsUnderWay(ctx)
	for err == nil && len(unaware) > 0 {
		if !w.Asked() {
			return "", errNotAsked
		}
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case <-time.After(beginPause):
		}
		var now []string
		now, err = s.commitsUnderWay(ctx)
		unaware = slices.DeleteFunc(unaware, func(t string) bool { return !slices.Contains(now, t) })
	}
	return epoch, err
}

// commitsUnderWay returns the transactions of Commits that hold their lock.
func (s *Store) commitsUnderWay(ctx context.Context) (transactions []string, err error) {
	err = s.call(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		return conn.QueryRow(ctx, s.sql.commits).Scan(&transactions)
	})
	return transactions, err
}

var errNotAsked = errors.New("pgstore: nobody asks for changes")

// beginPause is how long a watch waits before it asks again which Commits are under way.
const beginPause = 5 * time.Millisecond

// askForChanges keeps the epoch going, or begins one, and returns its name.
func (s *Store) askForChanges(ctx context.Context) (epoch string, err error) {
	err = s.call(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		return conn.QueryRow(ctx, s.sql.epoch).Scan(&epoch)
	})
	return epoch, err
}
