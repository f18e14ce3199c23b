package boltstore_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/boltstore"
)

var value = make([]byte, 300)

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
