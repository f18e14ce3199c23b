package pgstore_test

import (
	"fmt"
	"testing"

	"github.com/datixlab/auth/internal/pgtest"
)

// A call that drops all changes of a busy service at once can take longer than it may. It would
// be undone, and the next one would have more to drop.
func TestChangesAreDroppedAFewThousandAtATime(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	t.Parallel()
	server, o := pgtest.Shared(t), fresh()
	must(t, mustOpen(t, at(t, server.URL()), o).Close()) // no sweeper runs
	server.Exec(fmt.Sprintf("INSERT INTO %s.changes SELECT pg_current_xact_id(), 'u.' || i FROM generate_series(1, 25000) i", o.Schema))
	server.Exec("UPDATE " + o.Schema + ".sweeps SET horizon = pg_current_snapshot()::text, page = 0 WHERE relation = 'changes'")

	for i, left := range []string{"15000 1", "5000 2", "0 3"} {
		horizon := server.Query("SELECT horizon FROM " + o.Schema + ".sweeps WHERE relation = 'changes'")
		server.Exec("UPDATE " + o.Schema + ".sweeps SET swept = now() - CASE relation WHEN 'changes' THEN interval '1 hour' ELSE '0' END")
		server.Exec("SELECT " + o.Schema + ".sweep_1(0)")
		is := server.Query(fmt.Sprintf("SELECT count(*) || ' ' || (SELECT page FROM %[1]s.sweeps WHERE relation = 'changes') FROM %[1]s.changes", o.Schema))
		if is != left {
			t.Errorf("after call %d there are %s changes and drops, want %s", i+1, is, left)
		}
		// Only once all that a snapshot sees has been dropped comes the next one.
		now := server.Query("SELECT horizon FROM " + o.Schema + ".sweeps WHERE relation = 'changes'")
		if last := i == 2; (now != horizon) != last {
			t.Errorf("after call %d the horizon is %s, and was %s", i+1, now, horizon)
		}
	}
}
