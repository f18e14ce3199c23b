//go:build !race

package pgtest_test

import (
	"os"
	"testing"

	"github.com/datixlab/auth/internal/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m.Run)) }

func TestAServerKeepsItsFilesAndItsPortOverARestart(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	s := pgtest.Start(t)
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
	s.Stop()
	if s.Try("TABLE x") == nil {
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
	one.Exec("CREATE TABLE x (t text)")
	one.Exec("INSERT INTO x VALUES ($1)", `it's`)
	if text := one.Query("TABLE x"); text != `it's` {
		t.Errorf("x has %q", text)
	}
	if other.Try("TABLE x") == nil {
		t.Error("the other database has x")
	}
	if first := other.Query("SELECT min(v) FROM (VALUES ('aa'), ('z')) x (v)"); first != "z" {
		t.Errorf("in Danish, %s comes first", first)
	}
}

func TestAPoolerGivesConnectionsToItsServer(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	s := pgtest.Shared(t)
	p := pgtest.StartPooler(t, s, "transaction")
	_ = p
}

func BenchmarkStart(b *testing.B) {
	for b.Loop() {
		s := pgtest.Start(b)
		s.Kill()
	}
}
