package pgstore_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/datixlab/auth/internal/adaptertest"
	"github.com/datixlab/auth/internal/pgtest"
	"github.com/datixlab/auth/internal/servertest"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/pgstore"
)

// insert writes n records and n counters that ended some time ago, by the server's clock, in a
// partition. The records fill pages.
func insert(server *pgtest.Server, o pgstore.Options, partition string, n int, ago time.Duration) {
	ms := ago.Milliseconds()
	server.Exec(fmt.Sprintf(`INSERT INTO %s.records SELECT $1, 'k' || i, repeat('v', 500)::bytea, floor(extract(epoch FROM now()) * 1000)::bigint - $2
		FROM generate_series(1, $3::int) i`, o.Schema), partition, ms, n)
	server.Exec(fmt.Sprintf(`INSERT INTO %s.counters SELECT $1 || '/k' || i, floor(extract(epoch FROM now()) * 1000000)::bigint - $2 * 1000::bigint
		FROM generate_series(1, $3::int) i`, o.Schema), partition, ms, n)
}

// left returns how many records and counters of a partition there are.
func left(server *pgtest.Server, o pgstore.Options, partition string) string {
	return server.Query(fmt.Sprintf(`SELECT (SELECT count(*) FROM %[1]s.records WHERE partition = $1) || ' records, ' ||
		(SELECT count(*) FROM %[1]s.counters WHERE key LIKE $1 || '/%%') || ' counters'`, o.Schema), partition)
}

// sweep calls the sweeper as if a second had passed, and a process's clock was this far ahead.
func sweep(server *pgtest.Server, o pgstore.Options, ahead time.Duration) {
	server.Exec("UPDATE " + o.Schema + ".sweeps SET swept = swept - interval '2 seconds' WHERE relation <> 'changes'")
	server.Exec("SELECT "+o.Schema+".sweep_1($1)", time.Now().Add(ahead).UnixMilli())
}

const (
	longEnded = 10*time.Minute + 30*time.Second
	justEnded = 9 * time.Minute
)

func TestWhatHasEndedIsDroppedTenMinutesLater(t *testing.T) { // ST-6
	if !pgtest.Available(t) {
		return
	}
	t.Parallel()
	server := pgtest.Shared(t)
	o := fresh()
	o.MaxLag = lag
	s := mustOpen(t, at(t, server.URL()), o)
	stamp := adaptertest.Known(t, s, "old") // what is inserted here is noted nowhere
	insert(server, o, "old", 50, longEnded)
	insert(server, o, "young", 50, justEnded)
	insert(server, o, "live", 50, -time.Hour)
	must(t, s.Commit(ever, store.Put("live/never", nil)))
	servertest.Within(t, recovery, func() error { // by the Store's own sweeper
		adaptertest.Known(t, s, "old")
		if n := left(server, o, "old"); n != "0 records, 0 counters" {
			return errors.New(n + " are left")
		}
		return nil
	})
	if n := left(server, o, "young"); n != "50 records, 50 counters" {
		t.Errorf("of those that ended nine minutes ago, %s are left", n)
	}
	if n := left(server, o, "live"); n != "51 records, 50 counters" {
		t.Errorf("of those that have not ended, %s are left", n)
	}
	servertest.Within(t, recovery, func() error { // dropping a record is a change
		if adaptertest.Known(t, s, "old") == stamp {
			return errors.New("the stamp of a partition is the one from before its records were dropped")
		}
		return nil
	})
}

// Records go by the clock that is further behind. In this test the others' sweeper is closed.
func TestNoClockThatIsAheadDropsARecord(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	t.Parallel()
	server := pgtest.Shared(t)
	o := fresh()
	must(t, mustOpen(t, at(t, server.URL()), o).Close())
	insert(server, o, "young", 10, justEnded)
	for range 3 {
		sweep(server, o, time.Hour)
	}
	if n := left(server, o, "young"); n != "10 records, 10 counters" {
		t.Errorf("with a process whose clock is an hour ahead, %s are left", n)
	}
	insert(server, o, "old", 10, longEnded)
	for range 3 {
		sweep(server, o, -time.Hour) // as with a server whose clock is an hour ahead
	}
	if n := left(server, o, "old"); n != "10 records, 10 counters" {
		t.Errorf("with a process whose clock is an hour behind, %s are left", n)
	}
	for range 3 {
		sweep(server, o, 0)
	}
	if n := left(server, o, "old"); n != "0 records, 0 counters" {
		t.Errorf("with clocks that agree, %s are left: the test does not show what it is about", n)
	}
}

func TestAPassOfTheSweeperCoversEveryPage(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	t.Parallel()
	server := pgtest.Shared(t)
	o := fresh()
	must(t, mustOpen(t, at(t, server.URL()), o).Close())
	const many = 4000 // on more than 64 pages, which a call looks at
	insert(server, o, "old", many, longEnded)
	sweep(server, o, 0)
	sweep(server, o, 0)
	if n := server.Query("SELECT count(*) > 0 AND count(*) < $1 FROM "+o.Schema+".records", many); n != "t" {
		t.Fatal("one call of the sweeper dropped everything or nothing")
	}
	calls := 2
	servertest.Within(t, recovery, func() error {
		sweep(server, o, 0)
		calls++
		if n := left(server, o, "old"); n != "0 records, 0 counters" {
			return errors.New(n + " are left")
		}
		return nil
	})
	t.Logf("%d calls for %d records and counters", calls, many)
	insert(server, o, "old", 10, longEnded) // on the first pages, where there is room now or will be
	servertest.Within(t, recovery, func() error {
		sweep(server, o, 0)
		if n := left(server, o, "old"); n != "0 records, 0 counters" {
			return errors.New(n + " are left in the next pass")
		}
		return nil
	})
}

// A wait for a lock would end with an error after a second.
func TestTheSweeperWaitsForNobody(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	t.Parallel()
	server := pgtest.Shared(t)
	o := fresh()
	must(t, mustOpen(t, at(t, server.URL()), o).Close())
	insert(server, o, "old", 10, longEnded)
	hold := func(statement string) pgx.Tx {
		tx, err := session(t, server, "").Begin(ever)
		must(t, err)
		_, err = tx.Exec(ever, statement)
		must(t, err)
		return tx
	}
	rows := hold("SELECT FROM " + o.Schema + ".records WHERE name IN ('k3', 'k7') FOR UPDATE")
	counter := hold("SELECT FROM " + o.Schema + ".counters WHERE key = 'old/k5' FOR UPDATE")
	for range 3 {
		sweep(server, o, 0)
	}
	if n := left(server, o, "old"); n != "2 records, 1 counters" {
		t.Errorf("with two records and a counter that others hold, %s are left", n)
	}
	must(t, rows.Rollback(ever))
	must(t, counter.Rollback(ever))
	// Another process is sweeping all relations.
	other := hold("SELECT FROM " + o.Schema + ".sweeps FOR UPDATE")
	for range 4 {
		server.Exec("SELECT "+o.Schema+".sweep_1($1)", time.Now().UnixMilli())
	}
	if n := left(server, o, "old"); n != "2 records, 1 counters" {
		t.Errorf("while another process was sweeping, %s are left", n)
	}
	must(t, other.Rollback(ever))
	for range 3 {
		sweep(server, o, 0)
	}
	if n := left(server, o, "old"); n != "0 records, 0 counters" {
		t.Errorf("after it, %s are left", n)
	}
}

// Commits of records that have ended, and calls of the sweeper, in any order.
func TestTheSweeperAndCommitsDoNotUndoEachOther(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	t.Parallel()
	server := pgtest.Shared(t)
	server = server.In(server.NewDatabase(""))
	o := fresh()
	s := mustOpen(t, at(t, server.URL()), o)
	stop := make(chan struct{})
	var due sync.Mutex // two updates of the same rows could wait for each other
	var sweeping sync.WaitGroup
	for range 2 {
		sweeping.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					due.Lock()
					err := server.Try("UPDATE " + o.Schema + ".sweeps SET swept = swept - interval '2 seconds' WHERE relation <> 'changes'")
					due.Unlock()
					if err != nil {
						t.Error(err)
					}
					if err := server.Try("SELECT "+o.Schema+".sweep_1($1)", time.Now().UnixMilli()); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	ended, live := time.Now().Add(-longEnded), time.Now().Add(time.Hour)
	var writing sync.WaitGroup
	for i := range 4 {
		writing.Go(func() {
			p := fmt.Sprintf("p%d", i)
			for j := range 100 {
				var ops, revive []store.Op
				for k := range 10 {
					key := fmt.Sprintf("%s/%d", p, (k*7+j)%10) // in any order
					ops = append(ops, store.Put(key, []byte("ended")).Until(ended))
					revive = append(revive, store.Put(key, []byte("live")).Until(live))
				}
				if err := s.Commit(ever, ops...); err != nil {
					t.Error(err)
				}
				if err := s.Commit(ever, revive...); err != nil {
					t.Error(err)
				}
				if items, err := s.List(ever, p+"/", "", 100); err != nil || len(items) != 10 {
					t.Errorf("%d records that have not ended, of 10: %v", len(items), err)
				}
			}
		})
	}
	writing.Wait()
	close(stop)
	sweeping.Wait()
	if n := server.Query("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"); n != "0" {
		t.Errorf("%s deadlocks", n)
	}
}

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
