package pgstore_test

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/datixlab/auth/internal/pgtest"
	"github.com/datixlab/auth/internal/servertest"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/pgstore"
)

// A plan for any argument is made of averages: of a table in which most partitions are small,
// and one is large. A server keeps to it from the sixth call of a connection on.
func TestACallReadsOnlyWhatItIsAskedFor(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	t.Parallel()
	const large, small, calls = 1000, 2000, 20
	server, o := pgtest.Shared(t), fresh()
	config := at(t, server.URL())
	config.MaxConns = 1
	s := mustOpen(t, config, o)
	table := o.Schema + ".records"
	server.Exec("DELETE FROM " + o.Schema + ".sweeps") // a call of the sweeper would read the table too
	server.Exec(fmt.Sprintf(`INSERT INTO %s SELECT 'o.large', 'm.' || to_char(i, 'FM0000'), 'x' FROM generate_series(0, %d) i`, table, large-1))
	server.Exec(fmt.Sprintf(`INSERT INTO %s SELECT 'u.' || i, 'acct', 'x' FROM generate_series(1, %d) i`, table, small))
	server.Exec("VACUUM ANALYZE " + table)

	value := []byte("x")
	for i := range calls {
		key := fmt.Sprintf("o.large/m.%04d", 37*i)
		values, err := s.Get(ever, key, "o.large/m.0999")
		must(t, err)
		items, err := s.List(ever, "o.large/m.", key, 2)
		must(t, err)
		if string(values[0]) != "x" || string(values[1]) != "x" || len(items) != 2 {
			t.Fatalf("read %q and %v", values, items)
		}
		must(t, s.Commit(ever, store.Put(key, value).Equal(value)))
	}
	rows := rowsRead(t, s, server, table, 5*calls)
	// Two by Get, two by List, one by the condition and one by the write. VACUUM and the probe
	// of a new Store read some as well.
	if rows > 10*calls {
		t.Errorf("%d calls of each kind read %d rows", calls, rows)
	}
}

// A connection keeps a plan that was made when a table was small. Until statistics are made again, a
// Commit still reads only what it is asked for.
func TestACommitReadsNoTableThatHasGrown(t *testing.T) {
	if !pgtest.Available(t) {
		return
	}
	t.Parallel()
	const few, many, calls = 30, 5000, 20
	server, o := pgtest.Shared(t), fresh()
	config := at(t, server.URL())
	config.MaxConns = 1
	s := mustOpen(t, config, o)
	table := o.Schema + ".records"
	server.Exec("DELETE FROM " + o.Schema + ".sweeps") // a call of the sweeper would read the table too
	server.Exec("ALTER TABLE " + table + " SET (autovacuum_enabled = off)")
	insert := func(partition string, n int) {
		server.Exec(fmt.Sprintf(`INSERT INTO %s SELECT '%s.' || i, 'acct', 'x' FROM generate_series(1, %d) i`, table, partition, n))
	}
	commit := func(i int) {
		user := fmt.Sprintf("u.%d/", i)
		must(t, s.Commit(ever, store.Put(user+"acct", []byte("x")).Equal([]byte("x")), store.Check(user+"a").Absent(), store.Delete(user+"b")))
		must(t, s.Commit(ever, store.Delete(user+"c")))
	}
	insert("u", few)
	server.Exec("VACUUM ANALYZE " + table)
	for i := range calls {
		commit(i + 1)
	}
	insert("v", many)
	for i := range calls {
		commit(i + 1)
	}
	rows := rowsRead(t, s, server, table, 2*calls)
	if rows > many {
		t.Errorf("%d pairs of Commits read %d rows", 2*calls, rows)
	}
}

// rowsRead closes a Store of one connection, which then tells of its work, and returns how many rows of a
// table were read: least or more.
func rowsRead(t *testing.T, s *pgstore.Store, server *pgtest.Server, table string, least int) (rows int) {
	t.Helper()
	must(t, s.Close())
	servertest.Within(t, 10*time.Second, func() (err error) {
		rows, err = strconv.Atoi(server.Query(`SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_user_tables WHERE relid = '` + table + `'::regclass`))
		if err == nil && rows < least {
			err = fmt.Errorf("only %d rows were read", rows)
		}
		return err
	})
	return rows
}
