package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-redis/redis_rate/v10"
	"go.etcd.io/bbolt"
	"golang.org/x/time/rate"

	"github.com/datixlab/auth/store"
)

// idle is a store whose hits cost nothing.
type idle struct{ store.Store }

// Hit implements store.Store.
func (idle) Hit(context.Context, string, store.Limit, int, time.Time) (store.Decision, error) {
	return store.Decision{}, nil
}

// hits count attempts; all of them are admitted.
func hits(f *fixture) []*subject {
	const add, fsync, trip, peer = "one atomic add", "one db.Update", "one round trip, PING", "redis_rate"
	wide := store.Limit{Burst: 1_000_000, Every: time.Microsecond}
	one := func() string { return "login/7f9c24e8b1d04a6aa3c5" }
	keys, turn := make([]string, 1000), 0
	for i := range keys {
		keys[i] = fmt.Sprintf("login/7f9c24e8b1d04a6a%04d", i)
	}
	many := func() string { turn = (turn + 1) % len(keys); return keys[turn] }
	now := time.Now()
	later := func() time.Time { now = now.Add(2 * wide.Every); return now }
	hit := func(name string, s store.Store, key func() string) *subject {
		return each(name, func() error { _, err := s.Hit(ever, key(), wide, 1, later()); return err })
	}
	// The work of each of these besides hitting: the clock and the key are the
	// caller's.
	const besides = "a store that does nothing"
	nothing := hit(besides, idle{}, one)

	var counter atomic.Int64
	adding := each(add, func() error { counter.Add(1); return nil })
	adding.run = func(n int) {
		for range n {
			counter.Add(1)
		}
	}
	var limiters sync.Map
	limiter := each("x/time/rate, a Limiter for each of 1,000 keys", func() error {
		key := many()
		l, ok := limiters.Load(key)
		if !ok {
			l, _ = limiters.LoadOrStore(key, rate.NewLimiter(rate.Every(wide.Every), wide.Burst))
		}
		if !l.(*rate.Limiter).AllowN(later(), 1) {
			return errors.New("refused")
		}
		return nil
	})
	db, err := bbolt.Open(filepath.Join(f.TempDir(), "bolt.db"), 0o600, nil)
	must(err)
	f.Cleanup(func() { _ = db.Close() })
	memory, bolt, redis := f.onMemory(), f.onBolt(), f.onRedis()
	c := f.redisClient()
	peers := redis_rate.NewLimiter(c)
	return []*subject{
		adding,
		each(fsync, func() error {
			return db.Update(func(tx *bbolt.Tx) error {
				b, err := tx.CreateBucketIfNotExists([]byte("counters"))
				if err != nil {
					return err
				}
				return b.Put([]byte(one()), make([]byte, 8))
			})
		}).waiting(),
		nothing,
		hit("memory, one key", memory, one).over(besides).reaches(add, atMost(10)),
		hit("memory, 1,000 keys", memory, many).over(besides).reaches(add, mark{}),
		limiter.reaches(add, mark{}),
		hit("bbolt, one key", bolt, one).reaches(fsync, atMost(0.01)),
		hit("bbolt, 1,000 keys", bolt, many).reaches(fsync, mark{}),
		each(trip, func() error { return c.Ping(ever).Err() }).waiting(),
		each(peer, func() error {
			_, err := peers.Allow(ever, one(), redis_rate.Limit{Rate: 1_000_000, Burst: 1_000_000, Period: time.Second})
			return err
		}).waiting().reaches(trip, mark{}),
		hit("Redis, one key", redis, one).waiting().reaches(trip, mark{}),
	}
}
