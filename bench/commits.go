package main

import (
	"fmt"
	"path/filepath"

	"go.etcd.io/bbolt"

	"github.com/datixlab/auth/store"
)

// commits put one record of 300 bytes under a new key, in a database of 20,000 records:
// as one durable Commit, and with what bbolt itself offers for that.
func commits(f *fixture) []*subject {
	value, bucket := make([]byte, 300), []byte("records")
	key := func(i int64) string { return fmt.Sprintf("u.%026d/acct", i) } // in the order of time, as ids are
	const others, batch = 20_000, 100

	ours := func() func(i int64) error {
		s := f.onBolt()
		for i := range int64(others) {
			if i%batch == 0 { // one at a time would take long
				ops := make([]store.Op, batch)
				for j := range ops {
					ops[j] = store.Put(fmt.Sprintf("u/%020d", i+int64(j)), value)
				}
				must(s.Commit(ever, ops...))
			}
		}
		return func(i int64) error { return s.Commit(ever, store.Put(key(i), value).Absent()) }
	}
	bolt := func(write func(*bbolt.DB, func(*bbolt.Tx) error) error) func(i int64) error {
		db, err := bbolt.Open(filepath.Join(f.TempDir(), "bolt.db"), 0o600, &bbolt.Options{FreelistType: bbolt.FreelistMapType, InitialMmapSize: 64 << 20})
		must(err)
		f.Cleanup(func() { _ = db.Close() })
		must(db.Update(func(tx *bbolt.Tx) error {
			b, err := tx.CreateBucket(bucket)
			for i := range int64(others) {
				must(b.Put(fmt.Appendf(nil, "u/%020d", i), value))
			}
			return err
		}))
		return func(i int64) error {
			return write(db, func(tx *bbolt.Tx) error { return tx.Bucket(bucket).Put([]byte(key(i)), value) })
		}
	}
	alone := func(name string, write func(i int64) error) *subject {
		i := int64(0)
		return each(name, func() error { i++; return write(i) }).waiting()
	}
	const update, update64, batch64 = "db.Update, one writer", "db.Update, 64 writers", "db.Batch, 64 writers"
	commit64 := together("Commit, 64 writers", 64, ours()).reaches(update64, fasterBy(7))
	return []*subject{
		alone(update, bolt((*bbolt.DB).Update)),
		alone("Commit, one writer", ours()).reaches(update, atMost(1.15)),
		together(update64, 64, bolt((*bbolt.DB).Update)),
		together(batch64, 64, bolt((*bbolt.DB).Batch)),
		commit64,
		commit64.again().reaches(batch64, fasterBy(2.5)),
	}
}
