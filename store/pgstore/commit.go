package pgstore

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/datixlab/auth/store"
)

// Commit implements store.Store, with one statement, which is one transaction.
//
// With a synchronous standby it also waits for that. If the wait is cancelled, the server has
// carried out the Commit and warns. The error then says so: whether the Commit survives a
// failover is not known.
func (s *Store) Commit(ctx context.Context, ops ...store.Op) error {
	if err := store.CheckCommit(ops); err != nil {
		return err
	}
	partition := store.Partition(ops[0].Key)
	names, writes := make([]string, len(ops)), make([]int16, len(ops))
	var conditions []int16 // this and the next are null unless an Op has one: few Commits have all
	var olds, values [][]byte
	var expiries []int64
	changes := false
	for i := range ops {
		op := &ops[i]
		names[i], writes[i] = name(op.Key), int16(op.Write)
		if op.When != store.Always {
			conditions = grown(conditions, len(ops))
			conditions[i] = int16(op.When)
		}
		if op.When == store.IfEqual {
			olds = grown(olds, len(ops))
			olds[i] = notNil(op.Old)
		}
		if op.Write == store.Set {
			values = grown(values, len(ops))
			values[i] = notNil(op.Value)
		}
		if !op.Expires.IsZero() {
			expiries = grown(expiries, len(ops))
			expiries[i] = expiry(op.Expires)
		}
		changes = changes || op.Write != store.None
	}
	if s.watch != nil && changes {
		s.watch.Begin(partition)
		defer s.watch.End(partition)
	}
	var met bool
	var warning string
	err := s.callInTurn(ctx, s.commits, func(ctx context.Context, c *pgx.Conn) error {
		l := linkOf(c.PgConn())
		rows, err := c.Query(ctx, s.sql.commit, partition, names, conditions, olds, writes, values, expiries)
		if err != nil {
			return err
		}
		// The wait for a standby follows the row. A warning before it is of something else, such as
		// that the numbers of transactions run low.
		_, err = pgx.ForEachRow(rows, []any{&met}, func() error { l.warning = ""; return nil })
		warning = l.warning
		return err
	})
	switch {
	case err != nil:
		return err
	case warning != "":
		return fmt.Errorf("pgstore: written, but whether it survives a failover is not known: %s", warning)
	case !met:
		return store.ErrConflict
	}
	return nil
}

// atOnce is how many Commits may be under way on a pool. A Commit may wait for a lock or for a
// standby, and who only reads is not to wait for Commits.
func atOnce(connections int32) int32 { return max(1, connections-max(1, connections/8)) }

// grown returns s, or n zero elements if it has none.
func grown[E any](s []E, n int) []E {
	if s == nil {
		return make([]E, n)
	}
	return s
}

// notNil returns b, or the empty value for a nil one: nil would be sent as null.
func notNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// expiry returns the Unix time of t in milliseconds, rounded up. 0 would be never, so an expiry of
// 1970 or before is the first millisecond of it.
func expiry(t time.Time) int64 {
	const latest = 253402300799999 // the year 9999; later ones may not fit
	if t.Year() > 9999 {
		return latest
	}
	return max(1, t.Add(time.Millisecond-1).UnixMilli())
}
