package main

import (
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/datixlab/auth/store"
)

// roundTrips make each call of a store on Redis with one goroutine and with 64.
func roundTrips(f *fixture) []*subject {
	s, c := f.onRedis(), f.redisClient()
	key := func(i int64) string { return fmt.Sprintf("u.%03d/", i%500) }
	value := make([]byte, 300)
	for i := range int64(500) {
		must(s.Commit(ever, store.Put(key(i)+"acct", value), store.Put(key(i)+"s.1", value)))
	}
	must(c.Set(ever, "plain", value, 0).Err())
	wide := store.Limit{Burst: 1_000_000, Every: time.Microsecond}
	var all []*subject
	for _, call := range []struct {
		name string
		do   func(i int64) error
		mark mark
	}{
		{"plain GET of go-redis", func(int64) error { return c.Get(ever, "plain").Err() }, mark{}},
		{"Get of two records", func(i int64) error { _, err := s.Get(ever, key(i)+"acct", key(i)+"s.1"); return err }, fasterBy(5)},
		{"Commit of one", func(i int64) error { // another value each time: else nothing would be written
			return s.Commit(ever, store.Put(key(i)+"acct", binary.BigEndian.AppendUint64(slices.Clone(value), uint64(i))))
		}, fasterBy(5)},
		{"Hit", func(i int64) error { _, err := s.Hit(ever, key(i)+"hits", wide, 1, time.Now()); return err }, fasterBy(5)},
	} {
		one := together(call.name+", one goroutine", 1, call.do)
		if all != nil {
			one.reaches(all[0].name, mark{})
		}
		all = append(all, one, together(call.name+", 64 goroutines", 64, call.do).reaches(one.name, call.mark))
	}
	return all
}
