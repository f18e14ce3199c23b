package storetest

import (
	"fmt"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/datixlab/auth/store"
)

// Bench measures the stores that open returns, each benchmark with its own Place.
func Bench(b *testing.B, open func(tb testing.TB) Place) {
	for _, bench := range []struct {
		name string
		run  func(*testing.B, store.Store)
	}{
		{"Get", benchGet},
		{"GetParallel", benchGetParallel},
		{"Get10", benchGet10},
		{"Commit", benchCommit},
		{"CommitParallel", benchCommitParallel},
		{"List100of10000", benchList},
		{"Hit", benchHit},
		{"HitParallel", benchHitParallel},
	} {
		b.Run(bench.name, func(b *testing.B) {
			s := open(b).Store
			b.ReportAllocs()
			bench.run(b, s)
			b.StopTimer()
			if err := s.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// benchFill puts 10,000 records of 200 bytes in one partition.
func benchFill(b *testing.B, s store.Store) []string {
	keys := make([]string, 0, 10_000)
	for len(keys) < cap(keys) {
		ops := make([]store.Op, store.MaxOps)
		for i := range ops {
			keys = append(keys, fmt.Sprintf("bench/%05d", len(keys)))
			ops[i] = store.Put(keys[len(keys)-1], make([]byte, 200))
		}
		if err := s.Commit(b.Context(), ops...); err != nil {
			b.Fatal(err)
		}
	}
	return keys
}

func benchGet(b *testing.B, s store.Store) {
	keys := benchFill(b, s)
	ctx, i := b.Context(), 0
	for b.Loop() {
		i++
		if _, err := s.Get(ctx, keys[i*7%len(keys)]); err != nil {
			b.Fatal(err)
		}
	}
}

func benchGetParallel(b *testing.B, s store.Store) {
	keys := benchFill(b, s)
	ctx := b.Context()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			if _, err := s.Get(ctx, keys[i*7%len(keys)]); err != nil {
				b.Error(err)
			}
		}
	})
}

func benchGet10(b *testing.B, s store.Store) {
	keys := benchFill(b, s)
	ctx, i := b.Context(), 0
	for b.Loop() {
		i++
		if _, err := s.Get(ctx, keys[i%900*10:][:10]...); err != nil {
			b.Fatal(err)
		}
	}
}

// Every Commit replaces one record on a condition, as a session's refresh does.
func benchCommit(b *testing.B, s store.Store) {
	ctx := b.Context()
	old, value := []byte(nil), make([]byte, 200)
	until := time.Now().Add(time.Hour)
	n := 0
	for b.Loop() {
		n++
		strconv.AppendInt(value[:0], int64(n), 10)
		op := store.Put("bench.u/k", value).Was(old).Until(until)
		if err := s.Commit(ctx, op); err != nil {
			b.Fatal(err)
		}
		old = append(old[:0], value...)
	}
}

func benchCommitParallel(b *testing.B, s store.Store) {
	ctx := b.Context()
	value := make([]byte, 200)
	until := time.Now().Add(time.Hour)
	var n atomic.Int64
	b.SetParallelism(16)
	b.RunParallel(func(pb *testing.PB) {
		key := fmt.Sprintf("bench.%d/k", n.Add(1))
		for pb.Next() {
			if err := s.Commit(ctx, store.Put(key, value).Until(until)); err != nil {
				b.Error(err)
			}
		}
	})
}

func benchList(b *testing.B, s store.Store) {
	keys := benchFill(b, s)
	ctx, i := b.Context(), 0
	for b.Loop() {
		i++
		if items, err := s.List(ctx, "bench/", keys[i*7%9000], 100); err != nil || len(items) != 100 {
			b.Fatal(len(items), err)
		}
	}
}

func benchHit(b *testing.B, s store.Store) {
	ctx, now := b.Context(), base()
	l := store.Limit{Burst: 1_000_000, Every: time.Microsecond}
	for b.Loop() {
		if _, err := s.Hit(ctx, "bench/hit", l, 1, now); err != nil {
			b.Fatal(err)
		}
		now = now.Add(time.Microsecond)
	}
}

func benchHitParallel(b *testing.B, s store.Store) {
	ctx, now := b.Context(), base()
	l := store.Limit{Burst: 1_000_000, Every: time.Microsecond}
	var n atomic.Int64
	b.RunParallel(func(pb *testing.PB) {
		key := fmt.Sprintf("bench.%d/hit", n.Add(1))
		for pb.Next() {
			if _, err := s.Hit(ctx, key, l, 1, now); err != nil {
				b.Error(err)
			}
		}
	})
}
