package pgstore_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/datixlab/auth/internal/adaptertest"
	"github.com/datixlab/auth/internal/pgtest"
	"github.com/datixlab/auth/internal/servertest"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/pgstore"
)

// One address, several hosts in the URL: both ways lead to the new primary.
func TestAFailoverToASynchronousStandbyUndoesNothing(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	t.Parallel()
	primary := pgtest.Start(t)
	standby := pgtest.StartStandby(t, primary, true)
	p := startProxy(t, primary)
	o := fresh()
	one := adaptertest.StartLoad(t, mustOpen(t, p.at(t, primary), o), adaptertest.Partitions("one", 4)...)
	hosts := strings.Replace(primary.URL(), primary.Addr(), standby.Addr()+","+primary.Addr(), 1)
	several := adaptertest.StartLoad(t, mustOpen(t, at(t, hosts), fresh()), adaptertest.Partitions("several", 4)...) // the primary migrates, though it is named last
	wantRefused(t, at(t, standby.URL()), o, "read only")
	one.Progress(20, recovery)
	several.Progress(20, recovery)

	primary.Kill()
	killed := time.Now()
	standby.Promote()
	p.lead(standby)
	one.Progress(10, recovery)
	several.Progress(10, recovery)
	t.Logf("served again after %v: %v", time.Since(killed).Round(time.Millisecond), one.End())
	t.Logf("with several hosts: %v", several.End())
}

// An operator or a timeout can end the wait. The primary then has what the standby may lack.
func TestACommitWhoseWaitForTheStandbyWasCancelledIsNotAcknowledged(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	t.Parallel()
	primary := pgtest.Start(t)
	standby := pgtest.StartStandby(t, primary, true)
	o := fresh()
	quietRole := asRole(t, primary, "quiet")
	primary.Exec("GRANT CREATE ON DATABASE postgres TO quiet")
	primary.Exec("ALTER ROLE quiet SET client_min_messages = error")
	migrated := mustOpen(t, at(t, primary.URL()), o)
	must(t, migrated.Commit(ever, store.Put("p/k", []byte("v"))))
	primary.Exec("GRANT ALL ON SCHEMA " + o.Schema + " TO quiet")
	primary.Exec("GRANT ALL ON ALL TABLES IN SCHEMA " + o.Schema + " TO quiet")
	hides := mustOpen(t, quietRole, o)
	primary.Exec("ALTER SYSTEM SET synchronous_commit = off") // each Commit sets it on for itself
	reload(t, primary, "synchronous_commit", "off")
	standby.Stop()
	defer standby.Continue()
	for name, s := range map[string]*pgstore.Store{"superuser": migrated, "a role that hides warnings": hides} {
		for _, end := range []string{"pg_cancel_backend", "pg_terminate_backend"} {
			result := make(chan error)
			go func() { result <- s.Commit(ever, store.Put("p/"+end, []byte("v"))) }()
			servertest.Within(t, recovery, func() error {
				if primary.Query("SELECT "+end+"(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND backend_type = 'client backend'") != "t" {
					return errors.New("no Commit waits for the standby")
				}
				return nil
			})
			err := <-result
			wantUndecided(t, name+": "+end, err)
			if end == "pg_cancel_backend" && !strings.Contains(err.Error(), "whether it survives a failover is not known") {
				t.Errorf("%s: %v, want it to say what is not known", name, err)
			}
			servertest.Within(t, recovery, func() error { _, err := s.Get(ever, "p/k"); return err })
			wantValue(t, s, "p/"+end, "v")
		}
	}
}

// A trigger of somebody else warns, or the server that the numbers of transactions run low.
func TestAWarningOfSomethingElseFailsNoCommit(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	t.Parallel()
	server, o := pgtest.Shared(t), fresh()
	s := mustOpen(t, at(t, server.URL()), o)
	server.Exec("CREATE FUNCTION " + o.Schema + ".warn() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE WARNING 'vacuum'; RETURN NEW; END $$")
	server.Exec(fmt.Sprintf("CREATE TRIGGER warn BEFORE INSERT ON %[1]s.records FOR EACH ROW EXECUTE FUNCTION %[1]s.warn()", o.Schema))
	must(t, s.Commit(ever, store.Put("p/k", []byte("v"))))
	wantValue(t, s, "p/k", "v")
}

// A primary that hung until a standby took its place does not know that when it wakes.
func TestAPrimaryThatHungIsNotAskedAgain(t *testing.T) { // ST-9
	if !pgtest.Available(t) {
		return
	}
	t.Parallel()
	primary := pgtest.Start(t)
	standby := pgtest.StartStandby(t, primary, true)
	p := startProxy(t, primary)
	o := fresh()
	busy, idle := mustOpen(t, p.at(t, primary), o), mustOpen(t, p.at(t, primary), o)
	must(t, busy.Commit(ever, store.Put("p/revoked", []byte("v"))))
	allWork(t, busy)
	allWork(t, idle)
	standby.WaitStandby()

	hung := time.Now()
	primary.Stop()
	wantFailInTime(t, busy, time.Second) // more calls than there are connections
	standby.Promote()
	p.lead(standby)
	var slowest time.Duration
	servertest.Within(t, recovery, func() error {
		begin := time.Now()
		err := busy.Commit(ever, store.Delete("p/revoked"), store.Put("p/spent", nil))
		slowest = max(slowest, time.Since(begin))
		return err
	})
	t.Logf("served again after %v, the slowest call took %v", time.Since(hung).Round(time.Millisecond), slowest.Round(time.Millisecond))
	if slowest > time.Second+margin {
		t.Errorf("a call took %v", slowest)
	}
	time.Sleep(time.Until(hung.Add(1600 * time.Millisecond))) // no failover is faster
	primary.Continue()
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			for range 10 {
				if got, err := idle.Get(ever, "p/revoked"); err == nil && got[0] != nil {
					t.Error("the old primary, woken, shows what was revoked")
				}
				if err := idle.Commit(ever, store.Put("p/spent", []byte("again")).Absent()); err == nil {
					t.Error("the old primary, woken, lets what was spent be spent again")
				}
			}
		})
	}
	all.Wait()
	allWork(t, idle)
	wantValue(t, idle, "p/revoked", "")
}

// Behind a pooler, a service keeps its connections when the server behind it is another, or a
// standby. What a standby answers may be older than what was revoked.
func TestNoCallIsAnsweredByAStandbyBehindAPooler(t *testing.T) { // ST-9
	if !pgtest.Available(t) {
		return
	}
	t.Parallel()
	primary := pgtest.Start(t)
	standby := pgtest.StartStandby(t, primary, false)
	p := startProxy(t, primary)
	_, port, _ := strings.Cut(p.listener.Addr().String(), ":")
	pooler := pgtest.StartPooler(t, primary, "transaction", "server_login_retry=0.1", "\n[databases]\nmoved = host=127.0.0.1 dbname=postgres port="+port)
	o := fresh()
	o.MaxLag = lag
	c := at(t, pooler.URLOf("moved")+"&default_query_exec_mode=exec")
	s := mustOpen(t, c, o)
	must(t, s.Commit(ever, store.Put("p/a", []byte("v"))))
	_, err := s.Hit(ever, "p/h", hourly, 2, time.Now())
	must(t, err)
	adaptertest.Known(t, s, "p")

	every := map[string]func(s *pgstore.Store) error{
		"Get of several": func(s *pgstore.Store) error { _, err := s.Get(ever, "p/a", "p/b"); return err },
		"Get of many":    func(s *pgstore.Store) error { _, err := s.Get(ever, "p/a", "p/b", "p/c", "p/d", "p/e"); return err },
		"Get of none":    func(s *pgstore.Store) error { _, err := s.Get(ever, "q/a"); return err },
		"List":           func(s *pgstore.Store) error { _, err := s.List(ever, "p/", "", 10); return err },
		"List of none":   func(s *pgstore.Store) error { _, err := s.List(ever, "q/", "", 10); return err },
		"Walk":           func(s *pgstore.Store) error { _, err := s.Walk(ever, ""); return err },
		"Walk, counters": func(s *pgstore.Store) error { _, err := s.Walk(ever, "counter "); return err },
		"Commit that only looks": func(s *pgstore.Store) error {
			return s.Commit(ever, store.Check("p/a").Equal([]byte("v")))
		},
		"Commit in vain":     func(s *pgstore.Store) error { return s.Commit(ever, store.Put("p/a", nil).Absent()) },
		"Commit that writes": func(s *pgstore.Store) error { return s.Commit(ever, store.Put("p/a", []byte("w"))) },
		"Hit":                func(s *pgstore.Store) error { _, err := s.Hit(ever, "p/h", hourly, 1, time.Now()); return err },
		"Hit, given back":    func(s *pgstore.Store) error { _, err := s.Hit(ever, "p/h", hourly, -1, time.Now()); return err },
	}
	// A Store closes a connection on which a standby has answered, and makes none to a standby. So each
	// call has a Store with one connection, which was made before.
	stores := map[string]*pgstore.Store{}
	o.MaxLag = 0
	c.MaxConns = 1
	for name := range every {
		stores[name] = mustOpen(t, c, o)
	}
	standby.WaitStandby()
	p.lead(standby)
	p.cut()
	servertest.Within(t, recovery, func() error { // the pooler connects to the standby
		if _, err := s.Get(ever, "p/a"); err == nil || !strings.Contains(err.Error(), "is a standby") {
			return fmt.Errorf("Get from a standby: %v", err)
		}
		return nil
	})
	for name, call := range every {
		err := call(stores[name])
		wantUndecided(t, name, err)
		if text := err.Error(); !strings.Contains(text, "is a standby") && !strings.Contains(text, "in a read-only transaction") {
			t.Errorf("%s: %v, want what the standby says", name, err)
		}
	}
	servertest.Within(t, recovery, func() error {
		if _, known := s.Stamp("p"); known {
			return errors.New("a stamp of a standby is known")
		}
		return nil
	})
	for range 20 { // and stays so
		if _, known := s.Stamp("p"); known {
			t.Error("a stamp of a standby is known")
		}
		_, _ = s.Get(ever, "p/a")
	}
	if s, err := pgstore.Open(ever, c, o); err == nil {
		s.Close()
		t.Error("a standby was opened")
	}
	p.lead(primary)
	p.cut()
	servertest.Within(t, recovery, func() error { return every["Commit that writes"](s) })
	adaptertest.Known(t, s, "p")
}
