package boltstore_test

import (
	"bytes"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/datixlab/auth/internal/ratio"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/boltstore"
)

var value = make([]byte, 300)

// openBare opens a database of bbolt's own, with a bucket and nothing in it.
func openBare(b *testing.B) (db *bbolt.DB, bucket []byte) {
	b.Helper()
	db, err := bbolt.Open(newPath(b), 0o600, &bbolt.Options{FreelistType: bbolt.FreelistMapType, InitialMmapSize: 64 << 20})
	must(b, err)
	b.Cleanup(func() { db.Close() })
	bucket = []byte("records")
	must(b, db.Update(func(tx *bbolt.Tx) error { _, err := tx.CreateBucket(bucket); return err }))
	return db, bucket
}

// What bbolt itself offers beside Commit for the same work: one record of 300 bytes put
// under a key of its own, and synced. The marks: of one writer a Commit takes at most 1.15
// of an Update; of 64 an Update takes at least 7 Commits and a Batch 2.5.
func BenchmarkWrite(b *testing.B) {
	type write func(i int) error
	open := func(b *testing.B) (commit, update, batch write) {
		s := mustOpen(b, newPath(b), boltstore.Options{})
		commit = func(i int) error { return s.Commit(ever, store.Put(fmt.Sprintf("u%d/a", i), value).Absent()) }
		beside := func(transact func(*bbolt.DB, func(*bbolt.Tx) error) error) write {
			db, bucket := openBare(b)
			return func(i int) error {
				return transact(db, func(tx *bbolt.Tx) error { return tx.Bucket(bucket).Put(fmt.Appendf(nil, "u%d/a", i), value) })
			}
		}
		return commit, beside((*bbolt.DB).Update), beside((*bbolt.DB).Batch)
	}
	call := func(b *testing.B, name string, writers, n int, w write) ratio.Call {
		var next atomic.Int64
		return ratio.Call{Name: name, N: n, Do: func() {
			var all sync.WaitGroup
			for range writers {
				all.Go(func() {
					for range n / writers {
						if err := w(int(next.Add(1))); err != nil {
							b.Error(err)
						}
					}
				})
			}
			all.Wait()
		}}
	}
	b.Run("writers=1", func(b *testing.B) {
		commit, update, _ := open(b)
		ratio.Bench(b, call(b, "Update", 1, 8, update), call(b, "Commit", 1, 8, commit))
	})
	b.Run("writers=64", func(b *testing.B) {
		commit, update, batch := open(b)
		ratio.Bench(b, call(b, "Commit", 64, 64*16, commit), call(b, "Update", 64, 64, update), call(b, "Batch", 64, 64*8, batch))
	})
}

func BenchmarkRead(b *testing.B) {
	s := mustOpen(b, newPath(b), boltstore.Options{})
	const users = 100_000
	for i := 0; i < users; i += 100 {
		ops := make([]store.Op, 100)
		for j := range ops {
			ops[j] = store.Put(fmt.Sprintf("u/%06d", i+j), value)
		}
		must(b, s.Commit(ever, ops...))
	}
	read := func(name string, fn func(i int) error) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				i = (i + 7919) % users
				if err := fn(i); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/parallel", func(b *testing.B) {
			b.RunParallel(func(pb *testing.PB) {
				for i := 0; pb.Next(); i = (i + 7919) % users {
					if err := fn(i); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
	read("Get", func(i int) error { _, err := s.Get(ever, fmt.Sprintf("u/%06d", i)); return err })
	read("List=20", func(i int) error { _, err := s.List(ever, "u/", fmt.Sprintf("u/%06d", i), 20); return err })
	now := time.Now()
	read("Hit", func(i int) error {
		_, err := s.Hit(ever, "login/7f9c24e8b1d04a6aa3c5", store.Limit{Burst: 1_000_000, Every: time.Microsecond}, 1, now)
		return err
	})
}

// What a Get of two records takes beside a bare transaction of bbolt that reads and
// copies them.
func BenchmarkGetBesideView(b *testing.B) {
	const records, reads = 10_000, 1000
	keys := make([]string, records)
	for i := range keys {
		keys[i] = fmt.Sprintf("u/%06d", i)
	}
	s := mustOpen(b, newPath(b), boltstore.Options{})
	for chunk := range slices.Chunk(keys, store.MaxOps) {
		ops := make([]store.Op, len(chunk))
		for i, key := range chunk {
			ops[i] = store.Put(key, value)
		}
		must(b, s.Commit(ever, ops...))
	}
	db, bucket := openBare(b)
	must(b, db.Update(func(tx *bbolt.Tx) error {
		for _, key := range keys {
			if err := tx.Bucket(bucket).Put([]byte(key), value); err != nil {
				return err
			}
		}
		return nil
	}))
	pair := func(i int) []string { return keys[i*7919%(records-1):][:2] }
	ratio.Bench(b,
		ratio.Call{Name: "View", N: reads, Do: func() {
			for i := range reads {
				must(b, db.View(func(tx *bbolt.Tx) error {
					records := tx.Bucket(bucket)
					for _, key := range pair(i) {
						sink = bytes.Clone(records.Get([]byte(key)))
					}
					return nil
				}))
			}
		}},
		ratio.Call{Name: "Get", N: reads, Do: func() {
			for i := range reads {
				_, err := s.Get(ever, pair(i)...)
				must(b, err)
			}
		}})
}

var sink []byte
