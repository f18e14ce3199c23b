package pgtest

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/datixlab/auth/internal/servertest"
)

// StartStandby starts a standby of the primary, which may be read, and returns when it has
// everything. With synchronous, the primary acknowledges no commit from then on that this
// standby does not have on its disk. A primary has one synchronous standby.
func StartStandby(tb testing.TB, primary *Server, synchronous bool) *Server {
	tb.Helper()
	servertest.SkipIfShort(tb)
	name := fmt.Sprintf("standby%d", standbys.Add(1))
	url := primary.URL() + "&application_name=" + name
	n := *primary.node
	n.primary, n.settings = primary, append(slices.Clone(n.settings), "primary_conninfo="+url)
	s := start(tb, &n, func() error {
		copied := run(command("pg_basebackup", "--dbname="+url, "--pgdata="+n.data(), "--checkpoint=fast", "--no-sync"))
		// What ALTER SYSTEM has set on the primary is for the primary alone.
		return errors.Join(copied, n.write("postgresql.auto.conf", ""), n.write("standby.signal", ""))
	})
	if synchronous {
		primary.Exec("ALTER SYSTEM SET synchronous_standby_names = " + name)
		primary.Exec("SELECT pg_reload_conf()")
		servertest.Within(tb, servertest.StartTime, func() error {
			if state := primary.Query("SELECT sync_state FROM pg_stat_replication WHERE application_name = $1", name); state != "sync" {
				return fmt.Errorf("the standby's state is %q", state)
			}
			return nil
		})
	}
	s.WaitStandby()
	return s
}

// WaitStandby returns when this standby follows its primary and has everything that was
// committed there until now.
func (s *Server) WaitStandby() {
	s.tb.Helper()
	until := s.primary.Query("SELECT pg_current_wal_flush_lsn()")
	servertest.Within(s.tb, servertest.StartTime, func() error {
		reached, err := Query(s.URL(), "SELECT status = 'streaming' AND pg_last_wal_replay_lsn() >= $1::pg_lsn FROM pg_stat_wal_receiver", until)
		if err == nil && reached != "t" {
			err = errors.New("the standby lags")
		}
		return err
	})
}

// Promote makes this standby a primary, and returns when it takes writes. The old primary
// is not told.
func (s *Server) Promote() {
	s.tb.Helper()
	if promoted := s.Query("SELECT pg_promote()"); promoted != "t" {
		s.tb.Fatal("pgtest: the standby was not promoted")
	}
}
