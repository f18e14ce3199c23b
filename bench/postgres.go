package main

import (
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/datixlab/auth/store"
)

// Tables like those of the store, and the statements that a program without one would send.
const (
	bareTables = `CREATE TABLE bare (partition text COLLATE "C" NOT NULL, name text COLLATE "C" NOT NULL,
			value bytea NOT NULL, expires bigint, PRIMARY KEY (partition, name)) WITH (fillfactor = 85);
		CREATE TABLE bare_counters (key text COLLATE "C" PRIMARY KEY, until bigint NOT NULL) WITH (fillfactor = 70)`
	bareInsert = `INSERT INTO bare VALUES ($1, $2, $3)`
	bareSelect = `SELECT name, value FROM bare WHERE partition = $1 AND name = ANY($2)`
	bareUpdate = `UPDATE bare SET value = $3, expires = NULL WHERE partition = $1 AND name = $2`
	// sameCommit is what a Commit sends, of the schema %s.
	sameCommit = `SELECT %s.commit_1($1, ARRAY['acct'], NULL, NULL, '{1}', ARRAY[$2::bytea], NULL)`
	bareHit    = `INSERT INTO bare_counters AS c VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET until = greatest(c.until, $2) + 1 RETURNING until`
)

// postgres makes each call of a store on PostgreSQL, and the same with pgx alone: with one
// goroutine and with 64, which have a connection and a partition each.
func postgres(f *fixture) []*subject {
	const writers, partitions = 64, 512
	config := f.postgresConfig(writers)
	same := fmt.Sprintf(sameCommit, f.nextSchema())
	s := f.onPostgresWith(0, config)
	pool := f.postgresPool(f.postgresConfig(writers))
	config = f.postgresConfig(writers)
	config.ConnConfig.RuntimeParams["synchronous_commit"] = "off"
	hurried := f.postgresPool(config)
	_, err := pool.Exec(ever, bareTables, pgx.QueryExecModeSimpleProtocol)
	must(err)

	value := make([]byte, 300)
	read := func(i int64) string { return fmt.Sprintf("r.%03d", i%partitions) } // these stay as they are
	partition := func(i int64) string { return fmt.Sprintf("u.%03d", i%partitions) }
	for i := range int64(2 * partitions) {
		in := read
		if i >= partitions {
			in = partition
		}
		must(s.Commit(ever, store.Put(in(i)+"/acct", value), store.Put(in(i)+"/s.1", value)))
		for _, name := range []string{"acct", "s.1"} {
			_, err := pool.Exec(ever, bareInsert, in(i), name, value)
			must(err)
		}
	}
	_, err = pool.Exec(ever, "ANALYZE") // so that both have the plans of a server that runs for longer
	must(err)
	changed := func(i int64) []byte { return binary.BigEndian.AppendUint64(slices.Clone(value), uint64(i)) }
	idle := make(chan int64, writers) // partitions that no goroutine writes to
	for i := range int64(writers) {
		idle <- i
	}
	apart := func(do func(p, i int64) error) func(int64) error {
		return func(i int64) error {
			p := <-idle
			defer func() { idle <- p }()
			return do(p, i)
		}
	}
	wide := store.Limit{Burst: 1_000_000, Every: time.Microsecond}

	all := []*subject{each("one round trip, SELECT 1", func() error { _, err := pool.Exec(ever, "SELECT 1"); return err }).waiting()}
	for _, call := range []struct {
		floor, name string
		bare, ours  func(p, i int64) error
		atMost      float64
		fasterBy    float64
	}{
		{
			"two rows by primary key, pgx", "Get of two records",
			func(p, _ int64) error { return selectTwo(pool, read(p)) },
			func(p, _ int64) error { _, err := s.Get(ever, read(p)+"/acct", read(p)+"/s.1"); return err },
			1.25, 0.8,
		},
		{
			"UPDATE of a row, pgx", "Commit of one record",
			func(p, i int64) error {
				_, err := pool.Exec(ever, bareUpdate, partition(p), "acct", changed(i))
				return err
			},
			func(p, i int64) error { return s.Commit(ever, store.Put(partition(p)+"/acct", changed(i))) },
			1.3, 0,
		},
		{
			"BEGIN, UPDATE of a row and COMMIT, pgx", "Commit of one record, in one round trip",
			func(p, i int64) error {
				return pgx.BeginFunc(ever, pool, func(tx pgx.Tx) error {
					_, err := tx.Exec(ever, bareUpdate, partition(p), "acct", changed(i))
					return err
				})
			},
			func(p, i int64) error { return s.Commit(ever, store.Put(partition(p)+"/acct", changed(i))) },
			0, 0,
		},
		{
			"the transaction of a Commit, pgx", "Commit of one record, beside it",
			func(p, i int64) error {
				_, err := pool.Exec(ever, same, partition(p), changed(i))
				return err
			},
			func(p, i int64) error { return s.Commit(ever, store.Put(partition(p)+"/acct", changed(i))) },
			0, 0.7,
		},
		{
			"INSERT or UPDATE of a counter, pgx, synchronous_commit off", "Hit",
			func(p, i int64) error {
				var until int64
				return hurried.QueryRow(ever, bareHit, partition(p)+"/hits", i).Scan(&until)
			},
			func(p, _ int64) error { _, err := s.Hit(ever, partition(p)+"/hits", wide, 1, time.Now()); return err },
			0, 0,
		},
	} {
		one := func(name string, do func(p, i int64) error) *subject {
			i := int64(0)
			return each(name, func() error { i++; return do(i%partitions, i) }).waiting()
		}
		many := func(name string, do func(p, i int64) error) *subject {
			return together(name+", 64 goroutines", writers, apart(do))
		}
		all = append(all,
			one(call.floor, call.bare), one(call.name, call.ours).reaches(call.floor, atMost(call.atMost)),
			many(call.floor, call.bare), many(call.name, call.ours).reaches(call.floor+", 64 goroutines", fasterBy(call.fasterBy)))
	}
	return all
}

// selectTwo reads two rows of a partition, and copies them.
func selectTwo(pool *pgxpool.Pool, partition string) error {
	rows, err := pool.Query(ever, bareSelect, partition, []string{"acct", "s.1"})
	if err != nil {
		return err
	}
	var name string
	var value []byte
	_, err = pgx.ForEachRow(rows, []any{&name, &value}, func() error { return nil })
	return err
}
