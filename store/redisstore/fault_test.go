package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/datixlab/auth/internal/adaptertest"
	"github.com/datixlab/auth/internal/redistest"
	"github.com/datixlab/auth/internal/servertest"
	"github.com/datixlab/auth/store"
)

// wantUndecided demands an error of this package that is none of those that promise something.
func wantUndecided(t *testing.T, what string, err error) {
	t.Helper()
	adaptertest.WantUndecided(t, "redisstore", what, err)
}

func TestADeadlineIsHonouredWhileTheServerHangs(t *testing.T) { // F-R4
	if !redistest.Available(t) {
		return
	}
	server := redistest.Start(t)
	s := mustOpen(t, at(server.Addr()), fresh())
	must(t, s.Commit(ever, store.Put("p/k", nil)))
	server.Stop()
	defer server.Continue()

	calls := map[string]func(context.Context) error{
		"Get":    func(ctx context.Context) error { _, err := s.Get(ctx, "p/k"); return err },
		"List":   func(ctx context.Context) error { _, err := s.List(ctx, "p/", "", 1); return err },
		"Commit": func(ctx context.Context) error { return s.Commit(ctx, store.Put("p/k", nil)) },
		"Hit":    func(ctx context.Context) error { _, err := s.Hit(ctx, "p/k", hourly, 1, time.Now()); return err },
	}
	for name, call := range calls {
		ctx, cancel := context.WithTimeout(ever, 50*time.Millisecond)
		begin := time.Now()
		err := call(ctx)
		cancel()
		wantUndecided(t, name, err)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: error %v, want it to be the deadline's", name, err)
		}
		if d := time.Since(begin); d > 400*time.Millisecond {
			t.Errorf("%s with 50ms to go took %v", name, d)
		}
	}
	begin := time.Now()
	_, err := s.Get(ever, "p/k")
	wantUndecided(t, "Get without a deadline", err)
	if d := time.Since(begin); d > 1500*time.Millisecond {
		t.Errorf("Get without a deadline took %v", d)
	}
}

func TestAServerThatIsDownFailsCallsAtOnceAndIsUsedAgainWhenItIsBack(t *testing.T) { // F-R5
	if !redistest.Available(t) {
		return
	}
	server := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
	s := mustOpen(t, at(server.Addr()), fresh())
	now := time.Now()
	must(t, s.Commit(ever, store.Put("p/k", []byte("v")).Until(now.Add(time.Hour)), store.Put("p/l", []byte("w"))))
	_, err := s.Hit(ever, "p/h", hourly, 3, now)
	must(t, err)

	server.Kill()
	begin := time.Now()
	for range 20 {
		_, err := s.Get(ever, "p/k")
		wantUndecided(t, "Get", err)
		wantUndecided(t, "Commit", s.Commit(ever, store.Put("p/k", nil)))
		_, err = s.Hit(ever, "p/h", hourly, 1, now)
		wantUndecided(t, "Hit", err)
	}
	if d := time.Since(begin); d > time.Second {
		t.Errorf("60 calls of a server that is down took %v", d)
	}

	server.Restart()
	// After many failures the client tries a server once a second only.
	servertest.Within(t, 2*time.Second, func() error { _, err := s.Get(ever, "p/k"); return err })
	wantValue(t, s, "p/k", "v")
	if items, err := s.List(ever, "p/", "", 10); err != nil || len(items) != 2 {
		t.Errorf("List after a restart: %v, %v", items, err)
	}
	if d, err := s.Hit(ever, "p/h", hourly, 1, now); err != nil || d.Left != 1 {
		t.Errorf("fourth hit, after a restart: %+v, %v", d, err)
	}
}

func TestScriptsAreSentAgainWhenTheServerForgetsThem(t *testing.T) {
	if !redistest.Available(t) {
		return
	}
	server := redistest.Start(t)
	s := mustOpen(t, at(server.Addr()), fresh())
	for i := range 3 {
		server.Do("script", "flush")
		must(t, s.Commit(ever, store.Put(fmt.Sprintf("p/%d", i), []byte("v")).Absent()))
		server.Do("script", "flush")
		if items, err := s.List(ever, "p/", "", 10); err != nil || len(items) != i+1 {
			t.Fatalf("List: %v, %v", items, err)
		}
		server.Do("script", "flush")
		if d, err := s.Hit(ever, "p/h", hourly, 1, time.Now()); err != nil || d.Left != 4-i {
			t.Fatalf("Hit: %+v, %v", d, err)
		}
	}
}

func TestOutOfMemoryNothingIsHalfWrittenAndRemovalsWork(t *testing.T) {
	if !redistest.Available(t) {
		return
	}
	server := redistest.Start(t)
	s := mustOpen(t, at(server.Addr()), fresh())
	until := time.Now().Add(time.Hour)
	must(t, s.Commit(ever, store.Put("p/a", []byte("a")), store.Put("p/b", []byte("b")).Until(until), store.Put("p/c", []byte("c"))))
	_, err := s.Hit(ever, "p/h", hourly, 1, time.Now())
	must(t, err)
	server.Do("config", "set", "maxmemory", "1")

	err = s.Commit(ever, store.Delete("p/a"), store.Put("p/b", []byte("B")), store.Put("p/d", []byte("d")))
	wantUndecided(t, "Commit", err)
	if !redis.IsOOMError(err) {
		t.Errorf("Commit: %v, want it to say that there is no memory", err)
	}
	_, err = s.Hit(ever, "p/h", hourly, 1, time.Now())
	wantUndecided(t, "Hit", err)
	_, err = s.Hit(ever, "p/new", hourly, 1, time.Now())
	wantUndecided(t, "Hit", err)
	for key, value := range map[string]string{"p/a": "a", "p/b": "b", "p/c": "c", "p/d": ""} {
		wantValue(t, s, key, value)
	}
	if err := s.Commit(ever, store.Put("p/a", nil).Absent()); !errors.Is(err, store.ErrConflict) {
		t.Errorf("a Commit whose condition does not hold: %v, want ErrConflict", err)
	}

	must(t, s.Commit(ever, store.Delete("p/a"), store.Delete("p/b"), store.Check("p/c").Equal([]byte("c"))))
	wantValue(t, s, "p/a", "")
	if items, err := s.List(ever, "p/", "", 10); err != nil || len(items) != 1 {
		t.Errorf("List: %v, %v, want the one record that is left", items, err)
	}
	server.Do("config", "set", "maxmemory", "0")
	must(t, s.Commit(ever, store.Put("p/a", []byte("a"))))
}

func TestKeysThatSomebodyElseWroteFailTheCommitBeforeItWrites(t *testing.T) {
	if !redistest.Available(t) {
		return
	}
	server := redistest.Start(t)
	o := fresh()
	s := mustOpen(t, at(server.Addr()), o)
	server.Do("set", o.Prefix+"{string}", "secret")
	server.Do("hset", o.Prefix+"{hash}", "k", "secret")
	server.Do("zadd", o.Prefix+"{short}", 0, "k\x00secret")
	for _, p := range []string{"string", "hash", "short"} {
		before := server.Do("dump", o.Prefix+"{"+p+"}")
		err := s.Commit(ever, store.Put(p+"/new", []byte("v")).Until(time.Now().Add(time.Hour)), store.Put(p+"/k", []byte("v")))
		wantUndecided(t, p, err)
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the error repeats what is stored: %v", p, err)
		}
		if after := server.Do("dump", o.Prefix+"{"+p+"}"); after != before {
			t.Errorf("%s: a Commit that failed has written", p)
		}
		_, err = s.Get(ever, p+"/k")
		wantUndecided(t, p, err)
		_, err = s.List(ever, p+"/", "", 10)
		wantUndecided(t, p, err)
	}
	server.Do("set", o.Prefix+"{p}/h", "secret")
	_, err := s.Hit(ever, "p/h", hourly, 1, time.Now())
	wantUndecided(t, "Hit", err)
	if strings.Contains(err.Error(), "secret") {
		t.Errorf("the error repeats what is stored: %v", err)
	}
}

func TestNoCounterIsWithoutATimeToLive(t *testing.T) { // RC-24, ST-6
	if !redistest.Available(t) {
		return
	}
	server := redistest.Start(t)
	s := mustOpen(t, at(server.Addr()), fresh())
	for _, now := range []time.Time{time.Now(), time.Unix(0, 0).Add(time.Hour), time.Date(2059, 1, 1, 0, 0, 0, 0, time.UTC)} {
		for _, l := range []store.Limit{hourly, {Burst: 1, Every: time.Microsecond}, {Burst: 100, Every: 365 * 24 * time.Hour}, {Burst: 1_000_000, Every: 1500}} {
			key := fmt.Sprintf("p/%d.%d.%d", now.Year(), l.Burst, l.Every)
			for _, n := range []int{l.Burst, 1, -1, 1, 1} {
				_, err := s.Hit(ever, key, l, n, now)
				must(t, err)
				_, err = s.Hit(ever, key, l, n, now.Add(-time.Minute)) // another process, a little behind
				must(t, err)
			}
		}
	}
	found := 0
	for _, key := range server.Do("keys", "*/*").([]any) {
		found++
		if ttl := server.Do("pttl", key).(int64); ttl <= 0 {
			t.Errorf("the counter %v has the time to live %d", key, ttl)
		}
	}
	if found != 12 {
		t.Errorf("%d counters, want 12", found)
	}
}

func TestAPartitionOfExpiredRecordsGoesByItself(t *testing.T) { // ST-6
	if !redistest.Available(t) {
		return
	}
	server := redistest.Start(t)
	o := fresh()
	s := mustOpen(t, at(server.Addr()), o)
	soon := time.Now().Add(time.Hour)
	must(t, s.Commit(ever, store.Put("p/a", nil).Until(soon), store.Put("p/b", nil).Until(soon.Add(time.Hour))))
	goes := func() int64 { return server.Do("pexpiretime", o.Prefix+"{p}").(int64) }
	if at := time.UnixMilli(goes()); at.Before(soon.Add(time.Hour)) || at.After(soon.Add(2*time.Hour)) {
		t.Errorf("the partition goes at %v, want it within the hour after %v", at, soon.Add(time.Hour))
	}
	must(t, s.Commit(ever, store.Put("p/a", []byte("v")).Until(soon)))
	if at := goes(); at == -1 {
		t.Error("the partition does not go by itself after a record was replaced by one with the same expiry")
	}
	must(t, s.Commit(ever, store.Put("p/c", nil)))
	if at := goes(); at != -1 {
		t.Errorf("the partition, with a record that never expires, goes at %v", time.UnixMilli(at))
	}
	past := time.Now().Add(-time.Hour)
	for i := range 100 {
		must(t, s.Commit(ever, store.Put(fmt.Sprintf("p/x%d", i), nil).Until(past)))
	}
	if n := server.Do("zcard", o.Prefix+"{p}").(int64); n > 20 {
		t.Errorf("%d members are left after 100 records that had expired", n)
	}
}

func TestCloseEndsConnections(t *testing.T) {
	if !redistest.Available(t) {
		return
	}
	server := redistest.Start(t)
	before := server.Field("clients", "connected_clients")
	s := mustOpen(t, at(server.Addr()), fresh())
	must(t, s.Commit(ever, store.Put("p/k", nil)))
	must(t, s.Close())
	servertest.Within(t, time.Second, func() error {
		if after := server.Field("clients", "connected_clients"); after != before {
			return fmt.Errorf("%s connections before Open, %s after Close", before, after)
		}
		return nil
	})
	if _, err := s.Get(ever, "p/k"); err != store.ErrClosed {
		t.Errorf("Get after Close: %v", err)
	}
}
