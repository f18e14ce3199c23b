package boltstore_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/boltstore"
)

var value = make([]byte, 300)

// BenchmarkWrite compares Commit with what bbolt itself offers for the same work:
// one record of 300 bytes put under a key of its own.
func BenchmarkWrite(b *testing.B) {
	for _, writers := range []int{1, 64} {
		b.Run(fmt.Sprintf("writers=%d/Commit", writers), func(b *testing.B) {
			s := mustOpen(b, newPath(b), boltstore.Options{})
			inParallel(b, writers, func(i int) error {
				return s.Commit(ever, store.Put(fmt.Sprintf("u%d/a", i), value).Absent())
			})
		})
		for name, write := range map[string]func(*bbolt.DB, func(*bbolt.Tx) error) error{"Update": (*bbolt.DB).Update, "Batch": (*bbolt.DB).Batch} {
			b.Run(fmt.Sprintf("writers=%d/%s", writers, name), func(b *testing.B) {
				db, err := bbolt.Open(newPath(b), 0o600, &bbolt.Options{FreelistType: bbolt.FreelistMapType, InitialMmapSize: 64 << 20})
				must(b, err)
				defer db.Close()
				bucket := []byte("records")
				must(b, db.Update(func(tx *bbolt.Tx) error { _, err := tx.CreateBucket(bucket); return err }))
				inParallel(b, writers, func(i int) error {
					return write(db, func(tx *bbolt.Tx) error { return tx.Bucket(bucket).Put(fmt.Appendf(nil, "u%d/a", i), value) })
				})
			})
		}
	}
}

func inParallel(b *testing.B, writers int, write func(i int) error) {
	var next atomic.Int64
	var all sync.WaitGroup
	b.ResetTimer()
	for range writers {
		all.Go(func() {
			for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
				if err := write(int(i)); err != nil {
					b.Error(err)
				}
			}
		})
	}
	all.Wait()
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
