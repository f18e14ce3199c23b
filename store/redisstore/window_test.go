//go:build scale

package redisstore_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/datixlab/auth/internal/redistest"
	"github.com/datixlab/auth/internal/servertest"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/redisstore"
)

var rounds = flag.Int("rounds", 10, "how many masters to kill for each line of TestWindow")

// A field is a master and its replicas, and who follows when it is killed.
type field struct {
	u        redis.UniversalOptions
	master   *redistest.Server
	replicas []*redistest.Server
	here     func(partition string) bool // whether the master has it
	followed func()                      // waits for the next master
}

// TestWindow prints what the package comment says of a failover without replicas to
// wait for: which acknowledged Commits the next master does not have, and how long
// before the kill the oldest of them was acknowledged.
func TestWindow(t *testing.T) {
	if !redistest.Available(t) {
		return
	}
	for _, kind := range []struct {
		name  string
		start func(testing.TB) field
	}{
		{"sentinel", func(tb testing.TB) field {
			s := redistest.StartSentinel(tb)
			m := s.Master()
			return field{atSentinel(s), m, s.Replicas(), func(string) bool { return true }, func() { s.WaitForFailover(m) }}
		}},
		{"cluster", func(tb testing.TB) field {
			c := redistest.StartCluster(tb)
			m := c.MasterOf("{p0}")
			here := func(p string) bool { return c.MasterOf("{"+p+"}") == m }
			return field{at(c.Addrs()...), m, []*redistest.Server{c.ReplicaOf("{p0}")}, here, func() { c.WaitHealthy() }}
		}},
	} {
		for _, how := range []struct {
			name  string
			rate  int  // Commits a second, of all clients; 0 is as many as they can
			stall bool // the replicas do nothing for the last second
			cut   bool // nor does the network bring them anything
		}{
			{name: "2000 a second", rate: 2000},
			{name: "flat out"},
			{name: "2000 a second, replicas stalled for the last second", rate: 2000, stall: true},
			{name: "2000 a second, replicas cut off for the last second", rate: 2000, stall: true, cut: true},
		} {
			var lost []int
			var ages []time.Duration
			var rate float64
			for range *rounds {
				t.Run(kind.name, func(t *testing.T) {
					f := kind.start(t)
					w := startWriters(t, f, how.rate)
					w.second()
					if how.stall {
						for _, r := range f.replicas {
							r.Stop()
						}
						if how.cut {
							f.master.Do("client", "kill", "type", "replica")
						}
						w.second()
					}
					killed := time.Now()
					f.master.Kill()
					if how.stall {
						for _, r := range f.replicas {
							r.Continue()
						}
					}
					w.done.Wait()
					f.followed()
					n, oldest := w.lost(killed)
					lost, ages = append(lost, n), append(ages, oldest)
					rate += float64(w.acks.Load()) / killed.Sub(w.begin).Seconds() / float64(*rounds)
				})
			}
			slices.Sort(lost)
			slices.Sort(ages)
			fmt.Fprintf(t.Output(), "%s, %s (%.0f): of %d kills lost %v, the oldest acknowledged before the kill %v\n",
				kind.name, how.name, rate, *rounds, lost, ages)
		}
	}
}

// Writers commit records without conditions, each of them once, until they fail.
type writers struct {
	tb    testing.TB
	s     *redisstore.Store // one of theirs
	begin time.Time
	rate  int
	acks  atomic.Int64
	done  sync.WaitGroup
	each  []*writer
}

type writer struct {
	partition string
	acked     []time.Time // when, of the record of each number
}

func startWriters(tb testing.TB, f field, rate int) *writers {
	tb.Helper()
	const clients, perClient = 4, 4
	w := &writers{tb: tb, rate: rate}
	o := fresh()
	var stores []*redisstore.Store
	for range clients {
		stores = append(stores, mustOpen(tb, f.u, o))
	}
	for i := 0; len(w.each) < clients*perClient; i++ {
		if p := fmt.Sprintf("p%d", i); f.here(p) {
			w.each = append(w.each, &writer{partition: p})
		}
	}
	w.s, w.begin = stores[0], time.Now()
	for i, x := range w.each {
		w.done.Go(func() { w.write(stores[i%clients], x) })
	}
	return w
}

func (w *writers) write(s *redisstore.Store, x *writer) {
	var pace <-chan time.Time
	if w.rate > 0 {
		tick := time.NewTicker(time.Second * time.Duration(len(w.each)) / time.Duration(w.rate))
		defer tick.Stop()
		pace = tick.C
	} else {
		always := make(chan time.Time)
		close(always)
		pace = always
	}
	value := bytes.Repeat([]byte("v"), 300)
	for i := 0; ; i++ {
		<-pace
		ctx, cancel := context.WithTimeout(ever, 2*time.Second)
		err := s.Commit(ctx, store.Put(fmt.Sprintf("%s/%09d", x.partition, i), value))
		cancel()
		if err != nil {
			return
		}
		x.acked = append(x.acked, time.Now())
		w.acks.Add(1)
	}
}

// second returns after a second in which every writer could write.
func (w *writers) second() {
	w.tb.Helper()
	begin, was := time.Now(), w.acks.Load()
	servertest.Within(w.tb, 30*time.Second, func() error {
		if time.Since(begin) < time.Second || w.acks.Load() < was+500 {
			return fmt.Errorf("%d written in %v", w.acks.Load()-was, time.Since(begin))
		}
		return nil
	})
}

// lost returns how many acknowledged records are not there, and the age of the oldest
// of them when the master was killed.
func (w *writers) lost(killed time.Time) (n int, oldest time.Duration) {
	w.tb.Helper()
	for _, x := range w.each {
		there := map[string]bool{}
		for after := ""; ; {
			var page []store.Item
			servertest.Within(w.tb, whole, func() (err error) {
				page, err = w.s.List(ever, x.partition+"/", after, 1000)
				return err
			})
			for _, item := range page {
				there[item.Key] = true
				after = item.Key
			}
			if len(page) < 1000 {
				break
			}
		}
		for i, at := range x.acked {
			if !there[fmt.Sprintf("%s/%09d", x.partition, i)] {
				n++
				oldest = max(oldest, killed.Sub(at))
			}
		}
	}
	return n, oldest.Round(10 * time.Microsecond)
}
