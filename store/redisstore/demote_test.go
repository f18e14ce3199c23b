package redisstore_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/datixlab/auth/internal/redistest"
	"github.com/datixlab/auth/internal/servertest"
	"github.com/datixlab/auth/store"
)

// A service behind one address, such as that of a hosted Redis, keeps its connections when
// the server behind it is demoted. The new master has what was revoked since.
func TestNoReadIsAnsweredByAServerThatWasDemoted(t *testing.T) { // ST-9
	if !redistest.Available(t) {
		return
	}
	for name, read := range map[string]func(ctx context.Context, s store.Walker) error{
		"Get of one record": func(ctx context.Context, s store.Walker) error { _, err := s.Get(ctx, "p/a"); return err },
		"Get of several":    func(ctx context.Context, s store.Walker) error { _, err := s.Get(ctx, "p/a", "p/b"); return err },
		"Get of none":       func(ctx context.Context, s store.Walker) error { _, err := s.Get(ctx, "q/a"); return err },
		"List":              func(ctx context.Context, s store.Walker) error { _, err := s.List(ctx, "p/", "", 10); return err },
		"Walk":              func(ctx context.Context, s store.Walker) error { _, err := s.Walk(ctx, ""); return err },
		"Commit that only looks": func(ctx context.Context, s store.Walker) error {
			return s.Commit(ctx, store.Check("p/a").Equal([]byte("v")))
		},
		"Commit in vain": func(ctx context.Context, s store.Walker) error {
			if err := s.Commit(ctx, store.Put("p/a", nil).Absent()); err != store.ErrConflict {
				return err
			}
			return nil
		},
		"Commit that writes": func(ctx context.Context, s store.Walker) error { return s.Commit(ctx, store.Put("p/a", []byte("w"))) },
	} {
		t.Run(name, func(t *testing.T) {
			server, master := redistest.Start(t), redistest.Start(t)
			u := at(server.Addr())
			u.PoolSize = 1 // the connection from before
			s := mustOpen(t, u, fresh())
			must(t, s.Commit(ever, store.Put("p/a", []byte("v"))))
			must(t, read(ever, s))
			host, port, _ := strings.Cut(master.Addr(), ":")
			server.Do("replicaof", host, port)
			if err := read(ever, s); err == nil || !strings.Contains(err.Error(), "is a replica") && !redis.IsReadOnlyError(err) {
				t.Errorf("the first call after it: %v", err)
			}
			if err := read(ever, s); err == nil || !strings.Contains(err.Error(), "the server is a replica: its master") {
				t.Errorf("the next call is not on a new connection: %v", err)
			}
			server.Do("replicaof", "no", "one")
			if err := read(ever, s); err != nil && !errors.Is(err, store.ErrConflict) { // it may have dropped its records for those of its master
				t.Error(err)
			}
		})
	}
}

// What a server may refuse to write it can still be asked for.
func TestAMasterThatRefusesWritesAnswersReads(t *testing.T) {
	if !redistest.Available(t) {
		return
	}
	server := redistest.Start(t)
	s := mustOpen(t, at(server.Addr()), fresh())
	must(t, s.Commit(ever, store.Put("p/a", []byte("v"))))
	server.Do("config", "set", "min-replicas-to-write", "1")
	if err := s.Commit(ever, store.Put("p/a", []byte("w"))); !redis.HasErrorPrefix(err, "NOREPLICAS") {
		t.Fatalf("a Commit without replicas: %v", err)
	}
	wantValue(t, s, "p/a", "v")
	if items, err := s.List(ever, "p/", "", 10); err != nil || len(items) != 1 {
		t.Errorf("List: %v, %v", items, err)
	}
	server.Do("config", "set", "min-replicas-to-write", "0", "maxmemory", "1")
	if err := s.Commit(ever, store.Put("p/a", []byte("w"))); !redis.HasErrorPrefix(err, "OOM") {
		t.Fatalf("a Commit without memory: %v", err)
	}
	wantValue(t, s, "p/a", "v")
}

// A demoted server forwards the messages of its clients as before.
func TestNoStampIsKnownOfAServerThatWasDemoted(t *testing.T) {
	if !redistest.Available(t) {
		return
	}
	server, master := redistest.Start(t), redistest.Start(t)
	o := fresh()
	o.MaxLag = 20 * time.Millisecond
	s := mustOpen(t, at(server.Addr()), o)
	knows := func(want bool) {
		t.Helper()
		servertest.Within(t, 10*time.Second, func() error {
			if _, known := s.Stamp("p"); known != want {
				return errors.New("whether a stamp is known has not changed")
			}
			return nil
		})
	}
	knows(true)
	host, port, _ := strings.Cut(master.Addr(), ":")
	server.Do("replicaof", host, port)
	knows(false)
	for range 10 { // and it stays unknown
		servertest.Within(t, time.Second, func() error { _, err := server.Try("ping"); return err })
		knows(false)
	}
	server.Do("replicaof", "no", "one")
	knows(true)
}

// A script copies every value through Lua, which blocks the server for ten milliseconds for each of
// 128 kB.
func TestAPageOfLargeValuesIsReadByNoScript(t *testing.T) {
	if !redistest.Available(t) {
		return
	}
	server := redistest.Start(t)
	s := mustOpen(t, at(server.Addr()), fresh())
	must(t, s.Commit(ever, store.Put("p/a", make([]byte, store.MaxValue))))
	server.Do("config", "resetstat")
	for name, read := range map[string]func() error{
		"Get":  func() error { _, err := s.Get(ever, "p/a"); return err },
		"List": func() error { _, err := s.List(ever, "p/", "", 100); return err },
		"Walk": func() error { _, err := s.Walk(ever, ""); return err },
	} {
		must(t, read())
		if calls := server.Field("commandstats", "cmdstat_evalsha"); calls != "" {
			t.Errorf("%s ran a script: %s", name, calls)
		}
	}
}
