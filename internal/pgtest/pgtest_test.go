//go:build !race

package pgtest_test

import (
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/datixlab/auth/internal/pgtest"
	"github.com/datixlab/auth/internal/servertest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m.Run)) }

// answers reports whether what has the port says soon whether it speaks TLS.
func answers(t *testing.T, addr string) bool {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(100 * time.Millisecond))
	if _, err := c.Write([]byte{0, 0, 0, 8, 4, 210, 22, 47}); err != nil {
		t.Fatal(err)
	}
	_, err = io.ReadFull(c, make([]byte, 1))
	return err == nil
}

func TestAServerKeepsItsFilesAndItsPortOverARestart(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	begin := time.Now()
	s := pgtest.Start(t, "application_name=it's")
	t.Logf("answers after %v", time.Since(begin))
	s.Exec("CREATE TABLE x (n int); INSERT INTO x VALUES (1)")
	s.Kill()
	if s.Try("TABLE x") == nil || s.Alive() {
		t.Fatal("a killed server answers")
	}
	addr := s.Addr()
	s.Restart()
	if n := s.Query("TABLE x"); n != "1" || s.Addr() != addr {
		t.Errorf("after a restart: %s at %s, was at %s", n, s.Addr(), addr)
	}
	if name := s.Query("SELECT setting FROM pg_file_settings WHERE name = 'application_name'"); name != "it's" {
		t.Errorf("a setting is %q", name)
	}
	s.Stop()
	if answers(t, addr) {
		t.Error("a stopped server answers")
	}
	s.Continue()
	if n := s.Query("TABLE x"); n != "1" {
		t.Errorf("after a stop: %s", n)
	}
}

func TestEachDatabaseIsItsOwn(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	s := pgtest.Shared(t)
	one, other := s.In(s.NewDatabase("")), s.In(s.NewDatabase("LOCALE_PROVIDER icu ICU_LOCALE 'da' TEMPLATE template0"))
	one.Exec("CREATE TABLE x (t text, b bytea, n int)")
	one.Exec("INSERT INTO x VALUES ($1, $2, $3)", "it's", []byte("\x00\xff"), nil)
	if text := one.Query("SELECT concat(t, b::text, n) FROM x WHERE b = $1", []byte("\x00\xff")); text != `it's\x00ff` {
		t.Errorf("x has %q", text)
	}
	if other.Try("TABLE x") == nil {
		t.Error("the other database has x")
	}
	if first := other.Query("SELECT min(v) FROM (VALUES ('aa'), ('z')) x (v)"); first != "z" {
		t.Errorf("in Danish, %s comes first", first)
	}
}

func TestOnlyTheSuperuserNeedsNoPassword(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	s := pgtest.Shared(t)
	s.Exec("DROP ROLE IF EXISTS app; CREATE ROLE app LOGIN PASSWORD 'right'")
	for _, url := range []string{s.URL(), pgtest.StartPooler(t, s, "session").URL()} {
		for password, right := range map[string]bool{":right": true, ":wrong": false, "": false} {
			_, err := pgtest.Query(strings.Replace(url, "postgres@", "app"+password+"@", 1), "SELECT 1")
			if right != (err == nil) {
				t.Errorf("app%s: %v", password, err)
			}
		}
	}
}

func TestAPoolerSharesAConnectionInTheModeTransaction(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	const self = "SELECT concat(current_database(), pg_backend_pid())"
	s := pgtest.Shared(t)
	database := s.NewDatabase("")
	for mode, shared := range map[string]bool{"session": false, "transaction": true} {
		p := pgtest.StartPooler(t, s, mode)
		idle, err := pgconn.Connect(t.Context(), p.URLOf(database))
		if err != nil {
			t.Fatal(err)
		}
		defer idle.Close(t.Context())
		first, err := idle.Exec(t.Context(), self).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		second, err := pgtest.Query(p.URLOf(database), self)
		if err != nil || !strings.HasPrefix(second, database) || shared != (second == string(first[0].Rows[0][0])) {
			t.Errorf("in the mode %s: %s after %s, %v", mode, second, first[0].Rows[0], err)
		}
		p.Stop()
		if answers(t, p.Addr()) {
			t.Error("a stopped pooler answers")
		}
		p.Restart()
		if _, err := pgtest.Query(p.URLOf(database), self); err != nil {
			t.Errorf("after a restart: %v", err)
		}
	}
}

func TestAServerWithTLSRefusesOthers(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	s, authority := pgtest.StartTLS(t)
	if version := s.Query("SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()"); version != "TLSv1.3" {
		t.Errorf("the connection's version is %q", version)
	}
	if _, err := os.Stat(authority); err != nil {
		t.Error(err)
	}
	for _, options := range []string{"sslmode=disable", "sslmode=verify-full"} { // without, or by another authority
		url, _, _ := strings.Cut(s.URL(), "?")
		if _, err := pgtest.Query(url+"?"+options, "SELECT 1"); err == nil {
			t.Errorf("%s is accepted", options)
		}
	}
}

func TestALimitedServerFailsUntilItHasRoom(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	const fill = "INSERT INTO x SELECT repeat('x', 1000) FROM generate_series(1, 2000)"
	s := pgtest.StartLimited(t, 1<<20)
	s.Exec("CREATE TABLE x (t text)")
	if err := s.Try(fill); err == nil || !strings.Contains(err.Error(), "File too large") {
		t.Errorf("2 MB in files of 1 MB: %v", err)
	}
	s.Restart()
	if s.Try(fill) == nil {
		t.Error("after a restart there is no limit")
	}
	s.Unlimit()
	if err := s.Try(fill); err != nil {
		t.Errorf("without a limit: %v", err)
	}
}

func TestAStandbyTakesOver(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	s := pgtest.Start(t)
	s.Exec("CREATE TABLE x (n int)")
	begin := time.Now()
	standby := pgtest.StartStandby(t, s, true)
	t.Logf("a standby after %v", time.Since(begin))
	standby.Stop()
	committed := make(chan error)
	go func() { committed <- s.Try("INSERT INTO x VALUES (1)") }()
	servertest.Within(t, 5*time.Second, func() error {
		return s.Try("SELECT 1 / count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
	})
	standby.Continue()
	if err := <-committed; err != nil {
		t.Error(err)
	}
	standby.WaitStandby()
	if n := standby.Query("TABLE x"); n != "1" || standby.Try("INSERT INTO x VALUES (2)") == nil {
		t.Errorf("the standby has %q, or takes writes", n)
	}
	s.Kill()
	standby.Promote()
	standby.Exec("INSERT INTO x VALUES (2)")
	standby.Restart()
	if n := standby.Query("SELECT count(*) FROM x"); n != "2" {
		t.Errorf("the new primary has %s rows", n)
	}
}
