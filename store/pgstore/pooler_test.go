package pgstore_test

import (
	"testing"
	"time"

	"github.com/datixlab/auth/internal/adaptertest"
	"github.com/datixlab/auth/internal/pgtest"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/pgstore"
	"github.com/datixlab/auth/store/storetest"
)

// In statement mode nobody can migrate, which takes several statements.
func TestStoreBehindAPooler(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	t.Parallel()
	server := pgtest.Shared(t)
	for _, c := range []struct {
		mode, options string
		rules         func(string) bool
	}{
		{"transaction", "&default_query_exec_mode=exec", statementsAtOnce},
		{"statement", "&default_query_exec_mode=exec", everyStatement},
		{"session", "", everyStatement},
	} {
		t.Run(c.mode, func(t *testing.T) {
			t.Parallel()
			url := pgtest.StartPooler(t, server, c.mode, "default_pool_size=20").URL() + c.options
			adaptertest.KeepsRules(t, c.rules, func(tb testing.TB) storetest.Place {
				o := fresh()
				must(tb, pgstore.Migrate(ever, at(tb, server.URL()), o))
				open := func() (store.Store, error) { return pgstore.Open(ever, at(tb, url), o) }
				s, err := pgstore.Open(ever, at(tb, url), o)
				must(tb, err)
				tb.Cleanup(func() { s.Close() })
				return storetest.Place{Store: s, Reopen: open, Join: open}
			})
		})
	}
}

func TestAPoolerWhoseServerRestartsLosesNothing(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	t.Parallel()
	server := pgtest.Start(t)
	pooler := pgtest.StartPooler(t, server, "transaction", "server_login_retry=0.1")
	s := mustOpen(t, at(t, pooler.URL()+"&default_query_exec_mode=exec"), fresh())
	l := adaptertest.StartLoad(t, s, adaptertest.Partitions("w", 4)...)
	l.Progress(10, recovery)
	server.Kill()
	server.Restart()
	l.Progress(10, recovery)
	pooler.Kill()
	pooler.Restart()
	l.Progress(10, recovery)
	pooler.Stop()
	begin := time.Now()
	wantFailInTime(t, s, time.Second)
	t.Logf("calls of a pooler that hangs took %v to fail", time.Since(begin))
	pooler.Continue()
	l.Progress(10, recovery)
	t.Log(l.End())
	allWork(t, s)
}
