package pgstore_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/datixlab/auth/internal/adaptertest"
	"github.com/datixlab/auth/internal/pgtest"
	"github.com/datixlab/auth/internal/servertest"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/pgstore"
)

const (
	// margin is what a busy machine may add to a time.
	margin = time.Second
	// recovery is how long it may take until every call works again.
	recovery = 10 * time.Second
)

var hourly = store.Limit{Burst: 5, Every: time.Hour}

// wantUndecided demands an error of this package that is none of those that promise something.
func wantUndecided(t *testing.T, what string, err error) {
	t.Helper()
	adaptertest.WantUndecided(t, "pgstore", what, err)
}

// calls are one of each kind that reads or writes the partition p.
func calls(s *pgstore.Store) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"Get":    func(ctx context.Context) error { _, err := s.Get(ctx, "p/k"); return err },
		"List":   func(ctx context.Context) error { _, err := s.List(ctx, "p/", "", 1); return err },
		"Commit": func(ctx context.Context) error { return s.Commit(ctx, store.Put("p/k", []byte("v"))) },
		"Hit":    func(ctx context.Context) error { _, err := s.Hit(ctx, "p/h", hourly, 1, time.Now()); return err },
		"Walk":   func(ctx context.Context) error { _, err := s.Walk(ctx, ""); return err },
	}
}

// allWork returns when every kind of call works, 20 times at once. That is more than there are connections.
func allWork(t *testing.T, s *pgstore.Store) {
	t.Helper()
	servertest.Within(t, recovery, func() error {
		var all sync.WaitGroup
		errs := make(chan error, 1000)
		for name, call := range calls(s) {
			for range 20 {
				all.Go(func() {
					if err := call(ever); err != nil {
						errs <- fmt.Errorf("%s: %w", name, err)
					}
				})
			}
		}
		all.Wait()
		close(errs)
		return <-errs
	})
}

// wantFailInTime demands that every kind of call fails within the Store's time, also if there are more than connections.
func wantFailInTime(t *testing.T, s *pgstore.Store, timeout time.Duration) {
	t.Helper()
	var all sync.WaitGroup
	for name, call := range calls(s) {
		for range 20 {
			all.Go(func() {
				begin := time.Now()
				if err := call(ever); err == nil || errors.Is(err, store.ErrConflict) {
					t.Errorf("%s: error %v", name, err)
				}
				if d := time.Since(begin); d > timeout+margin {
					t.Errorf("%s took %v to fail", name, d)
				}
			})
		}
	}
	all.Wait()
}

func TestWhatWasAcknowledgedSurvivesTheEndOfTheServer(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	t.Parallel()
	server := pgtest.Start(t)
	s := mustOpen(t, at(t, server.URL()), fresh())
	l := adaptertest.StartLoad(t, s, adaptertest.Partitions("w", 8)...)
	for range 2 {
		l.Progress(10, recovery)
		server.Kill()
		begin := time.Now()
		for name, call := range calls(s) {
			for range 10 {
				wantUndecided(t, name, call(ever))
			}
		}
		if d := time.Since(begin); d > margin {
			t.Errorf("50 calls of a server that is down took %v", d)
		}
		server.Restart()
		l.Progress(10, recovery)
	}
	t.Log(l.End())
	allWork(t, s)
}

func TestCallsEndInTimeWhileTheServerHangs(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	t.Parallel()
	server := pgtest.Start(t)
	o := fresh()
	o.Timeout = 200 * time.Millisecond
	s := mustOpen(t, at(t, server.URL()), o)
	other := mustOpen(t, at(t, server.URL()), o)
	o.Timeout = 0
	patient := mustOpen(t, at(t, server.URL()), o)
	o.Timeout = 200 * time.Millisecond
	allWork(t, s)
	allWork(t, other)
	allWork(t, patient)
	server.Stop()
	for name, call := range calls(patient) {
		ctx, cancel := context.WithTimeout(ever, 50*time.Millisecond)
		begin := time.Now()
		err := call(ctx)
		cancel()
		wantUndecided(t, name, err)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: error %v, want it to be the deadline's", name, err)
		}
		if d := time.Since(begin); d >= time.Second { // the Store's own patience
			t.Errorf("%s with 50ms to go took %v", name, d)
		}
	}
	wantFailInTime(t, s, o.Timeout)
	begin := time.Now()
	must(t, other.Close())
	if d := time.Since(begin); d > o.Timeout+margin {
		t.Errorf("Close took %v", d)
	}
	server.Continue()
	allWork(t, s)
}

// An answer after a silence may be that of a server that was replaced meanwhile.
func TestNoConnectionFromBeforeASilenceIsUsedAfterIt(t *testing.T) { // ST-9
	if !pgtest.Available(t) {
		return
	}
	t.Parallel()
	server := pgtest.Shared(t)
	p := startProxy(t, server)
	c := p.at(t, server)
	c.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeExec // a call is one message: no answer has it ask again
	s := mustOpen(t, c, fresh())

	var before []*route
	var was int
	servertest.Within(t, recovery, func() error { // on a busy machine the call may time out instead
		allWork(t, s)
		frozen := time.Now()
		p.freeze()
		time.Sleep(time.Until(frozen.Add(900 * time.Millisecond))) // the silence is what this is about
		late := make(chan error)
		go func() { late <- s.Commit(ever, store.Put("p/late", []byte("v"))) }()
		time.Sleep(time.Until(frozen.Add(1600 * time.Millisecond)))
		before = p.all()
		was = asked(before)
		p.thaw()
		err := <-late
		if err == nil {
			t.Fatal("an answer after the silence is believed")
		}
		if !strings.Contains(err.Error(), "older than a silence") {
			return fmt.Errorf("an answer after the silence: error %w", err)
		}
		return nil
	})
	allWork(t, s)
	if now := asked(before); now != was {
		t.Errorf("connections from before the silence were used %d times after it", now-was)
	}
	wantValue(t, s, "p/late", "v") // the server has carried it out
}

// The sweeper asks often enough.
func TestAServiceAtRestKeepsItsConnections(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	t.Parallel()
	server := pgtest.Shared(t)
	p := startProxy(t, server)
	s := mustOpen(t, p.at(t, server), fresh())
	servertest.Within(t, recovery, func() error { // a busy machine may be silent itself
		allWork(t, s)
		begun := time.Now()
		before := p.all()
		was := asked(before)
		time.Sleep(time.Until(begun.Add(2 * time.Second))) // the rest is what this is about
		if n := asked(before) - was; n < 2 {
			return fmt.Errorf("within 2s of rest the server was asked %d times", n)
		}
		was = asked(before)
		for range 10 {
			_, err := s.Get(ever, "p/k")
			must(t, err)
		}
		if n := asked(before) - was; n < 10 {
			return fmt.Errorf("after it, %d of 10 calls were on a connection from before", n)
		}
		return nil
	})
}

func TestConnectionsThatTheServerEndedCostNoCall(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	t.Parallel()
	server := pgtest.Shared(t)
	server = server.In(server.NewDatabase(""))
	s := mustOpen(t, at(t, server.URL()), fresh())
	for range 3 {
		allWork(t, s)
		server.Exec("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'auth' AND datname = current_database()")
		for name, call := range calls(s) {
			if err := call(ever); err != nil {
				t.Errorf("%s after every connection was ended: %v", name, err)
			}
		}
	}
	l := adaptertest.StartLoad(t, s, adaptertest.Partitions("w", 4)...)
	for range 5 {
		server.Exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'auth' AND datname = current_database()")
		l.Progress(1, recovery)
	}
	l.End()
	allWork(t, s)
}

// The tokens of hosted services are passwords that end.
func TestAPasswordThatChangesIsAskedForBeforeEachConnection(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	t.Parallel()
	server := pgtest.Shared(t)
	server = server.In(server.NewDatabase(""))
	c := asRole(t, server, "token")
	server.Exec("GRANT CREATE ON DATABASE " + server.Query("SELECT current_database()") + " TO token")
	var password atomic.Value
	password.Store("hunter2")
	c.ConnConfig.Password = ""
	c.BeforeConnect = func(_ context.Context, cc *pgx.ConnConfig) error {
		cc.Password, _ = password.Load().(string)
		return nil
	}
	s := mustOpen(t, c, fresh())
	allWork(t, s)
	server.Exec("ALTER ROLE token PASSWORD 'hunter3'")
	wantValue(t, s, "p/k", "v") // a connection that is there goes on
	password.Store("hunter3")
	server.Exec("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = 'token'")
	allWork(t, s)
}

// A role may have any setting.
func TestTimeoutsOfTheRoleUndoNothingAndHalveNothing(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	t.Parallel()
	server := pgtest.Shared(t)
	for i, setting := range []string{
		"statement_timeout = '20ms'", "lock_timeout = '1ms'", "idle_session_timeout = '20ms'", "idle_in_transaction_session_timeout = '1ms'",
	} {
		t.Run(setting, func(t *testing.T) {
			role := fmt.Sprintf("timeouts%d", i)
			u := asRole(t, server, role)
			server.Exec("GRANT CREATE ON DATABASE postgres TO " + role)
			o := fresh()
			s := mustOpen(t, u, o)
			server.Exec("ALTER ROLE " + role + " SET " + setting) // for connections from now on
			server.Exec("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = $1", role)
			l := adaptertest.StartLoad(t, s, adaptertest.Partitions("w", 4)...)
			l.Progress(10, recovery)
			locker := lock(t, server, o, "records")
			servertest.Within(t, recovery, func() error {
				if _, err := s.Get(ever, "p/k"); err == nil {
					return errors.New("a Get of a table that is locked has succeeded")
				}
				return nil
			})
			must(t, locker.Close(ever))
			l.Progress(10, recovery)
			t.Log(l.End())
		})
	}
}

// lock locks a table of the Store, until the connection that it returns is closed.
func lock(t *testing.T, server *pgtest.Server, o pgstore.Options, table string) *pgx.Conn {
	t.Helper()
	return session(t, server, fmt.Sprintf("BEGIN; SET LOCAL lock_timeout = '10s'; LOCK TABLE %s.%s IN ACCESS EXCLUSIVE MODE", o.Schema, table))
}

// A dump, a migration of another program or an administrator may lock any table.
func TestLocksOfOthersHoldUpNoCallForLong(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	t.Parallel()
	server := pgtest.Shared(t)
	o := fresh()
	o.Timeout = 200 * time.Millisecond
	s := mustOpen(t, at(t, server.URL()), o)
	locks := map[string][]string{ // and what waits for them
		"records": {"Get", "List", "Commit", "Walk"}, "counters": {"Hit"}, "changes": {"Commit"}, "sweeps": nil, "epochs": {"Commit"},
	}
	server.Exec("SELECT " + o.Schema + ".epoch_1()") // so that changes are noted
	for table, waits := range locks {
		allWork(t, s)
		locker := lock(t, server, o, table)
		for name, call := range calls(s) {
			begin := time.Now()
			err := call(ever)
			if d := time.Since(begin); d > o.Timeout+margin {
				t.Errorf("%s took %v with %s locked", name, d, table)
			}
			if slices.Contains(waits, name) {
				wantUndecided(t, name+" with "+table+" locked", err)
			} else if err != nil { // a busy machine may be late
				servertest.Within(t, recovery, func() error { return call(ever) })
			}
		}
		servertest.Within(t, recovery, func() error { // who gave up has told the server
			if n := server.Query(`SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = $1::regclass`, o.Schema+"."+table); n != "0" {
				return fmt.Errorf("%s statements still wait for %s", n, table)
			}
			return nil
		})
		must(t, locker.Close(ever))
	}
	allWork(t, s)
}

// A process can end while its Commit waits for a lock. Nobody asks the server to cancel that.
func TestACommitWhoseProcessHasEndedDoesNotWaitOn(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	t.Parallel()
	server, o := pgtest.Shared(t), fresh()
	s := mustOpen(t, at(t, server.URL()), o)
	must(t, s.Commit(ever, store.Put("p/k", []byte("before"))))
	locker := lock(t, server, o, "records")
	config := at(t, server.URL()).ConnConfig
	c, err := pgconn.ConnectConfig(ever, &config.Config)
	must(t, err)
	waiting := func(want string) {
		servertest.Within(t, recovery, func() error {
			if n := server.Query(`SELECT count(*) FROM pg_locks WHERE NOT granted AND pid = $1`, c.PID()); n != want {
				return fmt.Errorf("%s Commits wait, want %s", n, want)
			}
			return nil
		})
	}
	c.Frontend().SendQuery(&pgproto3.Query{String: "SELECT " + o.Schema + ".commit_1('p', '{k}', NULL, NULL, '{1}', '{late}', NULL)"})
	must(t, c.Frontend().Flush())
	waiting("1")
	must(t, c.Conn().Close())
	waiting("0")
	must(t, locker.Close(ever))
	wantValue(t, s, "p/k", "before")
}

// A partition can be held up, and every Commit of all partitions while no synchronous standby answers.
func TestCommitsThatWaitHoldUpNoRead(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	t.Parallel()
	server, o := pgtest.Shared(t), fresh()
	s := mustOpen(t, at(t, server.URL()), o)
	allWork(t, s)
	c := session(t, server, fmt.Sprintf(`SELECT pg_advisory_lock(hashtext('"%s"'), hashtext('p'))`, o.Schema))
	ctx, stop := context.WithCancel(ever)
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() {
			for ctx.Err() == nil {
				_ = s.Commit(ctx, store.Put("p/k", nil))
			}
		})
	}
	wait := `SELECT count(*) FROM pg_stat_activity a JOIN pg_locks l USING (pid) WHERE NOT l.granted
		AND l.locktype = 'advisory' AND l.classid::bigint = hashtext('"` + o.Schema + `"')::bigint & 4294967295`
	for range 5 {
		servertest.Within(t, recovery, func() error {
			if n := server.Query(wait); n != "14" && n != "16" {
				return fmt.Errorf("%s Commits wait", n)
			}
			return nil
		})
		begin := time.Now()
		wantValue(t, s, "q/k", "")
		if d := time.Since(begin); d > 500*time.Millisecond {
			t.Errorf("a Get took %v while Commits wait", d)
		}
	}
	stop()
	must(t, c.Close(ever))
	all.Wait()
	allWork(t, s)
}

func TestAServerWithoutAConnectionToSpareFailsCallsSoon(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	t.Parallel()
	server := pgtest.Start(t, "max_connections=8", "superuser_reserved_connections=0", "max_wal_senders=0")
	s := mustOpen(t, at(t, server.URL()), fresh())
	var others []*pgx.Conn
	t.Cleanup(func() {
		for _, c := range others {
			c.Close(ever)
		}
	})
	servertest.Within(t, recovery, func() error { // the Store has at least one, which is ended
		if len(others) > 0 {
			_, err := others[0].Exec(ever, "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'auth'")
			must(t, err)
		}
		for {
			c, err := pgx.Connect(ever, server.URL())
			if err != nil {
				break
			}
			others = append(others, c)
		}
		if len(others) < 8 {
			return fmt.Errorf("others have %d connections", len(others))
		}
		return nil
	})
	for name, call := range calls(s) {
		begin := time.Now()
		err := call(ever)
		wantUndecided(t, name, err)
		if !strings.Contains(err.Error(), "too many") {
			t.Errorf("%s: %v, want it to say that there are too many connections", name, err)
		}
		if d := time.Since(begin); d > margin {
			t.Errorf("%s took %v to fail", name, d)
		}
	}
	for _, c := range others {
		must(t, c.Close(ever))
	}
	servertest.Within(t, recovery, func() error {
		for _, call := range calls(s) {
			if err := call(ever); err != nil {
				return err
			}
		}
		return nil
	})
}

// What a full disk refuses is not half there, and what needs no room goes on.
func TestOnAFullDiskNothingIsHalfWrittenAndRemovalsWork(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	t.Parallel()
	server := pgtest.StartLimited(t, 4<<20)
	s := mustOpen(t, at(t, server.URL()), fresh())
	must(t, s.Commit(ever, store.Put("p/a", []byte("a")), store.Put("p/b", []byte("b"))))
	big := make([]byte, store.MaxValue)
	_, _ = rand.NewChaCha8([32]byte{}).Read(big) // what no engine can compress
	var err error
	n := 0
	for ; err == nil && n < 200; n++ {
		err = s.Commit(ever, store.Put(fmt.Sprintf("q/%d", n), big))
	}
	wantUndecided(t, "a Commit on a full disk", err)
	for range 3 {
		wantUndecided(t, "Commit", s.Commit(ever, store.Delete("p/a"), store.Put("p/b", big), store.Put("p/c", nil)))
		for key, value := range map[string]string{"p/a": "a", "p/b": "b", "p/c": ""} {
			wantValue(t, s, key, value)
		}
	}
	if err := s.Commit(ever, store.Put("p/a", nil).Absent()); !errors.Is(err, store.ErrConflict) {
		t.Errorf("a Commit whose condition does not hold: %v, want ErrConflict", err)
	}
	if items, err := s.List(ever, "q/", "", 1000); err != nil || len(items) != n-1 {
		t.Errorf("List: %d records, %v, want %d", len(items), err, n-1)
	}
	must(t, s.Commit(ever, store.Delete("p/a"), store.Check("p/b").Equal([]byte("b"))))
	_, err = s.Hit(ever, "p/h", hourly, 1, time.Now())
	must(t, err)
	server.Unlimit()
	allWork(t, s)
	must(t, s.Commit(ever, store.Put("p/b", big), store.Put("p/c", nil)))
}

// Connections that each take as long as a call would otherwise all be lost, and no call succeed.
func TestAConnectionThatComesTooLateIsForTheNextCall(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	t.Parallel()
	o := fresh()
	o.Timeout = 200 * time.Millisecond
	config := at(t, pgtest.Shared(t).URL())
	config.MaxConns = 1
	var made atomic.Int64
	var late atomic.Bool
	config.AfterConnect = func(context.Context, *pgx.Conn) error { made.Add(1); return nil }
	config.PrepareConn = func(context.Context, *pgx.Conn) (bool, error) {
		if late.Load() {
			<-time.After(o.Timeout + 10*time.Millisecond)
		}
		return true, nil
	}
	s := mustOpen(t, config, o)
	servertest.Within(t, recovery, func() error { // a call of the sweeper may have too little time left, too
		before := made.Load()
		late.Store(true)
		if _, err := s.Get(ever, "p/k"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Get with a late connection: %v", err)
		}
		late.Store(false)
		allWork(t, s)
		if n := made.Load() - before; n > 0 {
			return fmt.Errorf("%d connections were made anew", n)
		}
		return nil
	})
}
