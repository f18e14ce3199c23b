package pgstore_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/datixlab/auth/internal/adaptertest"
	"github.com/datixlab/auth/internal/pgtest"
	"github.com/datixlab/auth/internal/servertest"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/pgstore"
)

const lag = 50 * time.Millisecond

func watching() pgstore.Options {
	o := fresh()
	o.MaxLag = lag
	return o
}

func TestAChangeByAnotherProcessIsSeenWithinMaxLag(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	t.Parallel()
	o := watching()
	c := at(t, pgtest.Shared(t).URL())
	writer, remembers := mustOpen(t, c, o), mustOpen(t, c, o)
	adaptertest.Known(t, remembers, "p")
	t.Logf("with MaxLag %v %v", lag, adaptertest.Race(t, writer, remembers, lag, 200))
}

// What this process writes it never remembers otherwise, and in the steady state it asks nothing.
func TestAnOwnChangeIsSeenAtOnceAndWhatIsKnownTakesNoRoundTrip(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	t.Parallel()
	s := mustOpen(t, at(t, pgtest.Shared(t).URL()), watching())
	adaptertest.WantOwnChangesAtOnce(t, s)
}

// A Commit notes its partition if any of its Ops changes a record, whichever it is.
func TestWhateverAnotherProcessChangesIsSeen(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	t.Parallel()
	o := watching()
	c := at(t, pgtest.Shared(t).URL())
	writer, remembers := mustOpen(t, c, o), mustOpen(t, c, o)
	seen := func(t *testing.T, ops ...store.Op) {
		t.Helper()
		was := adaptertest.Known(t, remembers, "p")
		must(t, writer.Commit(ever, ops...))
		adaptertest.WantChanged(t, remembers, "p", was)
	}
	for name, ops := range map[string][]store.Op{
		"a write":                            {store.Put("p/k", []byte("v"))},
		"a delete":                           {store.Delete("p/there")},
		"a delete before one of nothing":     {store.Delete("p/there"), store.Delete("p/none")},
		"a write before a delete of nothing": {store.Put("p/k", nil), store.Delete("p/none")},
		"a delete of nothing before a write": {store.Delete("p/none"), store.Put("p/k", nil)},
		"a write before a condition":         {store.Put("p/k", nil), store.Check("p/none").Absent()},
	} {
		t.Run(name, func(t *testing.T) {
			seen(t, store.Put("p/there", nil))
			seen(t, ops...)
		})
	}
}

// begin begins a transaction that writes p/k as the Store does, and does not end it.
func begin(t *testing.T, server *pgtest.Server, o pgstore.Options, value string) pgx.Tx {
	t.Helper()
	tx, err := session(t, server, "").Begin(ever)
	must(t, err)
	_, err = tx.Exec(ever, fmt.Sprintf("SELECT %s.commit_1('p', '{k}', '{0}', ARRAY[''::bytea], '{1}', ARRAY[$1::bytea], NULL)", o.Schema), []byte(value))
	must(t, err)
	return tx
}

// Transactions take effect in another order than the one in which they began.
func TestACommitThatTakesEffectAfterLaterOnesIsNotMissed(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	t.Parallel()
	server := pgtest.Shared(t)
	o := watching()
	writer, remembers := mustOpen(t, at(t, server.URL()), o), mustOpen(t, at(t, server.URL()), o)
	must(t, writer.Commit(ever, store.Put("p/k", []byte("before"))))
	adaptertest.Known(t, remembers, "p") // an epoch has begun
	r := adaptertest.NewReader(remembers)
	for i := range 5 {
		value := fmt.Sprint("late", i)
		late := begin(t, server, o, value)
		for range 3 { // each is seen by a poll, so the watch goes on to a later snapshot
			was := adaptertest.Known(t, remembers, "q")
			must(t, writer.Commit(ever, store.Put("q/k", nil)))
			adaptertest.WantChanged(t, remembers, "q", was)
		}
		before := adaptertest.Known(t, remembers, "p")
		if got, _ := r.Read(); got == value {
			t.Fatal("read what is not committed")
		}
		must(t, late.Commit(ever))
		if got, late := r.Await(value, time.Now(), lag); got != value {
			t.Fatalf("%v after %q was committed, %q is still there", late, value, got)
		}
		adaptertest.WantChanged(t, remembers, "p", before) // it may be read sooner than the stamp changes
	}
}

// A Commit that looked for an epoch before there was one does not note what it changes. It may
// take effect at any time from then on.
func TestACommitFromBeforeTheEpochIsWaitedFor(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	t.Parallel()
	server := pgtest.Shared(t)
	o := fresh()
	writer := mustOpen(t, at(t, server.URL()), o)
	must(t, writer.Commit(ever, store.Put("p/k", []byte("before"))))
	o.MaxLag = lag
	for _, again := range []bool{false, true} { // the first epoch, and one that somebody else has begun
		server.Exec("DELETE FROM " + o.Schema + ".epochs")
		unaware := begin(t, server, o, "after")
		if again {
			server.Exec("SELECT " + o.Schema + ".epoch_1()")
		}
		remembers := mustOpen(t, at(t, server.URL()), o)
		for begun := time.Now(); time.Since(begun) < 4*lag; <-time.After(time.Millisecond) {
			if _, known := remembers.Stamp("p"); known {
				t.Fatal("a stamp is known while a Commit may change records and not say so")
			}
		}
		must(t, unaware.Commit(ever))
		adaptertest.Known(t, remembers, "p")
		wantValue(t, remembers, "p/k", "after")
		must(t, writer.Commit(ever, store.Put("p/k", []byte("before"))))
		must(t, remembers.Close()) // or it would begin the next epoch
	}
}

// Any role that may connect can take a lock like that of a Commit, and keep it for hours.
func TestAWatchThatNobodyAsksWaitsForNoCommit(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	t.Parallel()
	server := pgtest.Shared(t)
	p := startProxy(t, server)
	o := watching()
	session(t, server, fmt.Sprintf(`SELECT pg_advisory_lock(hashtext('"%s"'), 1)`, o.Schema))
	s := mustOpen(t, p.at(t, server), o)
	if _, known := s.Stamp("p"); known {
		t.Error("a stamp is known while a Commit may change records and not say so")
	}
	servertest.Within(t, recovery, func() error { // more than the sweeper asks
		before := asked(p.all())
		if time.Sleep(beats); asked(p.all()) < before+20 {
			return errors.New("the watch does not wait for the Commit")
		}
		return nil
	})
	servertest.Within(t, recovery, func() error {
		before := asked(p.all())
		if time.Sleep(beats); asked(p.all()) > before+5 {
			return errors.New("a watch that nobody asks still waits")
		}
		return nil
	})
}

// beats is a time in which the sweeper asks three times at most.
const beats = time.Second

// Whatever happens to the watch, what is remembered ends with the proof, and is there again after it.
func TestEveryStampIsUnknownWhileTheWatchIsCutOff(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	t.Parallel()
	server := pgtest.Start(t)
	p := startProxy(t, server)
	o := watching()
	writer, remembers := mustOpen(t, at(t, server.URL()), o), mustOpen(t, p.at(t, server), o)
	must(t, writer.Commit(ever, store.Put("quiet/k", nil)))
	for name, cut := range map[string]func(){
		"its connections are ended": p.cut,
		"everybody's are": func() {
			server.Exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'auth'")
		},
		"the server ends":               server.Restart,
		"the server hangs":              func() { server.Stop(); <-time.After(2 * lag); server.Continue() },
		"the network hangs for a short": func() { p.freeze(); <-time.After(2 * lag); p.thaw() },
		"the network hangs":             func() { p.freeze(); <-time.After(500 * time.Millisecond); p.thaw() },
		"the changes are emptied": func() {
			servertest.Within(t, recovery, func() error { // it may be the one that a deadlock with a Commit ends
				return server.Try("TRUNCATE " + o.Schema + ".changes, " + o.Schema + ".epochs")
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			adaptertest.RaceWhile(t, writer, remembers, lag, func() {
				for range 2 {
					cut()
				}
			})
		})
	}
	t.Run("while the server hangs", func(t *testing.T) {
		adaptertest.Known(t, remembers, "p")
		server.Stop()
		defer server.Continue()
		hung := time.Now()
		<-time.After(lag)
		for time.Since(hung) < 4*lag {
			if _, known := remembers.Stamp("p"); known {
				t.Fatalf("%v after the server hung, a stamp is known", time.Since(hung))
			}
			<-time.After(time.Millisecond)
		}
	})
	t.Run("after a crash", func(t *testing.T) {
		before := adaptertest.Known(t, remembers, "quiet")
		server.Restart()
		servertest.Within(t, recovery, func() error { return writer.Commit(ever, store.Put("p/k", []byte("v"))) })
		if after := adaptertest.Known(t, remembers, "quiet"); after == before {
			t.Error("what is known of changes from before a crash is believed after it")
		}
	})
}

// drop has the server drop changes, as the sweeper does every ten seconds. It is one transaction, in
// which no Store's sweeper comes between.
func drop(t *testing.T, server *pgtest.Server, o pgstore.Options) {
	t.Helper()
	server.Exec(fmt.Sprintf("UPDATE %[1]s.sweeps SET swept = swept - interval '1 hour' WHERE relation = 'changes'; SELECT %[1]s.sweep_1(0)", o.Schema))
}

// A watch that was held up may find that changes are gone which it has not seen.
func TestAChangeThatIsGoneBeforeItWasSeenCountsAsSeen(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	t.Parallel()
	server := pgtest.Shared(t)
	p := startProxy(t, server)
	o := watching()
	mustOpen(t, at(t, server.URL()), o)
	remembers := mustOpen(t, p.at(t, server), o)
	const dropTwice = `
		FOR i IN 1 .. 2 LOOP
			UPDATE {schema}.sweeps SET swept = swept - interval '1 hour' WHERE relation = 'changes';
			PERFORM {schema}.sweep_1(0);
			COMMIT;
		END LOOP;`
	const emptyBoth = `DELETE FROM {schema}.changes; DELETE FROM {schema}.epochs; PERFORM {schema}.epoch_1(); COMMIT;` // as a crash does
	for _, gone := range []string{dropTwice, emptyBoth} {
		for range 3 {
			was := adaptertest.Known(t, remembers, "p")
			p.freeze() // for less time than a watch waits for an answer
			server.Exec(strings.ReplaceAll(`DO $$ BEGIN
				PERFORM {schema}.commit_1('p', '{k}', '{0}', '{""}', '{1}', '{""}', NULL);
				COMMIT;`+gone+`
				IF EXISTS (SELECT FROM {schema}.changes) THEN RAISE 'changes are left'; END IF;
			END $$`, "{schema}", o.Schema))
			p.thaw()
			adaptertest.WantChanged(t, remembers, "p", was)
		}
	}
}

// Two connections of a Store may have two settings: one is from before an ALTER ROLE.
func TestAnEpochHasOneNameWhateverTheSettings(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	t.Parallel()
	server, o := pgtest.Shared(t), fresh()
	mustOpen(t, at(t, server.URL()), o)
	server.Exec("SELECT " + o.Schema + ".epoch_1()")
	names := map[string]bool{}
	for _, setting := range []string{"TimeZone = 'UTC'", "TimeZone = 'Asia/Kathmandu'", "DateStyle = 'SQL, DMY'", "extra_float_digits = -15"} {
		names[server.Query("SET "+setting+"; SELECT epoch FROM "+o.Schema+".changes_1('')")] = true
	}
	if len(names) != 1 {
		t.Errorf("an epoch has %d names: %v", len(names), names)
	}
}

// A pooler can lead the connections of a Store to a copy of its database at any time.
func TestACopyOfADatabaseHasAnotherEpoch(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	t.Parallel()
	server, o := pgtest.Shared(t), fresh()
	name := server.NewDatabase("")
	must(t, pgstore.Migrate(ever, at(t, server.URLOf(name)), o)) // a Store's connections would prevent the copy
	server.In(name).Exec("SELECT " + o.Schema + ".epoch_1()")
	const text = "SELECT epoch FROM %s.changes_1('')"
	original := server.In(name).Query(fmt.Sprintf(text, o.Schema))
	copied := name + "_copy"
	servertest.Within(t, recovery, func() error { // a connection may take a moment to end
		return server.Try("CREATE DATABASE " + copied + " TEMPLATE " + name)
	})
	if got := server.In(copied).Query(fmt.Sprintf(text, o.Schema)); got == "" || got == original {
		t.Errorf("the epoch of the copy is %q, and that of the original %q", got, original)
	}
}

// A backup has the number of drops, a snapshot and changes of another server, whose transactions
// may have had higher numbers.
func TestARestoredSnapshotDropsNoChangeUnnoticed(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	t.Parallel()
	server, o := pgtest.Shared(t), fresh()
	s := mustOpen(t, at(t, server.URL()), o)
	server.Exec("SELECT " + o.Schema + ".epoch_1()")
	drop(t, server, o)
	server.Exec("UPDATE " + o.Schema + ".sweeps SET horizon = '9000000000:9000000000:', server = 'another' WHERE relation = 'changes'")
	server.Exec("INSERT INTO " + o.Schema + ".changes VALUES ('8999999999', 'q'), ('9000000001', 'q')")
	snapshot, epoch := server.Query("SELECT now FROM "+o.Schema+".changes_1('')"), server.Query("SELECT epoch FROM "+o.Schema+".changes_1('')")
	must(t, s.Commit(ever, store.Put("p/k", []byte("v"))))
	drop(t, server, o)
	seen := server.Query("SELECT 'p' = ANY(partitions) AND epoch = $2 FROM "+o.Schema+".changes_1($1)", snapshot, epoch)
	began := server.Query("SELECT epoch IS DISTINCT FROM $1 FROM "+o.Schema+".changes_1('')", epoch)
	if seen != "t" && began != "t" {
		t.Error("a change was dropped that a watch has not seen, and the watch goes on")
	}
	if n := server.Query("SELECT count(*) FROM " + o.Schema + ".changes WHERE partition = 'q'"); n != "0" {
		t.Errorf("%s changes of another server are left", n)
	}
}

// An answer that was long on its way proves nothing of the time since it was asked for.
func TestALateAnswerMakesNoStampKnown(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	t.Parallel()
	server := pgtest.Shared(t)
	p := startProxy(t, server)
	o := watching()
	writer, remembers := mustOpen(t, at(t, server.URL()), o), mustOpen(t, p.at(t, server), o)
	for range 3 {
		was := adaptertest.Known(t, remembers, "p")
		before := asked(p.all())
		p.freezeAnswers()
		servertest.Within(t, recovery, func() error {
			if _, _ = remembers.Stamp("p"); asked(p.all()) == before {
				return errors.New("the watch has not asked")
			}
			return nil
		})
		must(t, writer.Commit(ever, store.Put("p/k", []byte("v"))))
		committed := time.Now()
		time.Sleep(2 * lag) // so much later is the answer
		p.thaw()
		for time.Since(committed) < 6*lag {
			if stamp, known := remembers.Stamp("p"); known && stamp == was {
				t.Fatalf("%v after a change the stamp is known, and the one from before", time.Since(committed))
			}
			<-time.After(lag / 200)
		}
	}
}

func TestAChangeIsKeptForTenSeconds(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	t.Parallel()
	server := pgtest.Shared(t)
	o := fresh()
	s := mustOpen(t, at(t, server.URL()), o)
	server.Exec("SELECT " + o.Schema + ".epoch_1()")
	drop(t, server, o)
	must(t, s.Commit(ever, store.Put("p/k", []byte("v"))))
	left := func() string { return server.Query("SELECT count(*) FROM " + o.Schema + ".changes") }
	for i := range 5 { // whatever the sweepers do meanwhile
		server.Exec("SELECT " + o.Schema + ".sweep_1(0)")
		if n := left(); n != "1" {
			t.Fatalf("after %d calls of the sweeper %s changes are left", i, n)
		}
	}
	if drop(t, server, o); left() != "1" {
		t.Error("a change was dropped that a watch has had less than ten seconds for")
	}
	if drop(t, server, o); left() != "0" {
		t.Error("a change of long ago was not dropped")
	}
}

// A transaction of somebody else may stay open for hours, with a number or with a snapshot.
func TestATransactionThatStaysOpenHoldsUpNothing(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	t.Parallel()
	server := pgtest.Start(t)
	o := watching()
	writer, remembers := mustOpen(t, at(t, server.URL()), o), mustOpen(t, at(t, server.URL()), o)
	for _, statements := range []string{"BEGIN; SELECT pg_current_xact_id()", "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM pg_class"} {
		session(t, server, statements)
	}
	adaptertest.Known(t, remembers, "p")
	adaptertest.Race(t, writer, remembers, lag, 50)
	allWork(t, writer)

	poll := func() (partitions, blocks string) { // of the answer to a watch that saw all but one change
		t.Helper()
		snapshot := server.Query("SELECT pg_current_snapshot()")
		must(t, writer.Commit(ever, store.Put("p/k", []byte("v"))))
		call := o.Schema + ".changes_1('" + snapshot + "')"
		partitions = server.Query("SELECT cardinality(partitions) FROM " + call)
		return partitions, server.Query("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON, TIMING off, COSTS off) SELECT partitions FROM " + call)
	}
	_, _ = poll()
	partitions, few := poll()
	server.Exec(fmt.Sprintf("DO $$ BEGIN FOR i IN 1 .. 2000 LOOP PERFORM %s.commit_1('r' || i, '{k}', '{0}', '{\"\"}', '{1}', '{\"\"}', NULL); COMMIT; END LOOP; END $$", o.Schema))
	after, many := poll()
	if partitions != "1" || after != "1" {
		t.Errorf("an answer has %s partitions, after 2000 Commits %s, want 1", partitions, after)
	}
	if few, many := hits(t, few), hits(t, many); many > few+20 {
		t.Errorf("an answer takes %d blocks, after 2000 Commits %d", few, many)
	}
	for range 2 {
		drop(t, server, o)
	}
	if n := server.Query("SELECT count(*) FROM " + o.Schema + ".changes"); n != "0" {
		t.Errorf("%s changes are left", n)
	}
	adaptertest.Race(t, writer, remembers, lag, 50)
}

// hits returns how many blocks a plan has read.
func hits(t *testing.T, plan string) (n int) {
	t.Helper()
	var plans []struct {
		Plan struct {
			Hit  int `json:"Shared Hit Blocks"`
			Read int `json:"Shared Read Blocks"`
		}
	}
	must(t, json.Unmarshal([]byte(plan), &plans))
	return plans[0].Plan.Hit + plans[0].Plan.Read
}
