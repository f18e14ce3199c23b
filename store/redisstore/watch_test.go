package redisstore_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/datixlab/auth/internal/adaptertest"
	"github.com/datixlab/auth/internal/redistest"
	"github.com/datixlab/auth/internal/servertest"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/redisstore"
	"github.com/datixlab/auth/store/storetest"
)

const lag = 20 * time.Millisecond

func watching() redisstore.Options {
	o := fresh()
	o.MaxLag = lag
	return o
}

// What is stamped is what is there, on one server and with Sentinel.
func TestStoresThatWatchKeepTheContract(t *testing.T) {
	if redistest.Available(t) {
		t.Parallel()
		keepsTheContract(t, watchingPlaces(at(redistest.SharedServer(t).Addr())))
	}
}

func watchingPlaces(u redis.UniversalOptions) func(testing.TB) storetest.Place {
	return func(tb testing.TB) storetest.Place {
		o := watching()
		open := func() (store.Store, error) { return redisstore.OpenOrCreate(ever, u, o) }
		behind := func(dial storetest.Dialer) (store.Store, error) {
			u := u
			u.Dialer = dial
			return redisstore.OpenOrCreate(ever, u, o)
		}
		return storetest.Place{Store: mustOpen(tb, u, o), Reopen: open, Join: open, Behind: behind, Lag: lag}
	}
}

func TestAChangeByAnotherProcessIsSeenWithinMaxLag(t *testing.T) {
	if !redistest.Available(t) {
		return
	}
	t.Parallel()
	for name, u := range map[string]redis.UniversalOptions{
		"one server": at(redistest.SharedServer(t).Addr()), "Sentinel": atSentinel(redistest.SharedSentinel(t)),
	} {
		t.Run(name, func(t *testing.T) {
			o := watching()
			writer, remembers := mustOpen(t, u, o), mustOpen(t, u, o)
			adaptertest.Known(t, remembers, "p")
			t.Log(adaptertest.Race(t, writer, remembers, lag, 500))
		})
	}
}

// What this process writes it never remembers otherwise, and in the steady state it asks nothing.
func TestAnOwnChangeIsSeenAtOnceAndWhatIsKnownTakesNoRoundTrip(t *testing.T) {
	if !redistest.Available(t) {
		return
	}
	t.Parallel()
	adaptertest.WantOwnChangesAtOnce(t, mustOpen(t, at(redistest.SharedServer(t).Addr()), watching()))
}

// Whatever happens to the connection that the changes come on, what is remembered ends
// with the proof, and is there again after it.
func TestEveryStampIsUnknownWhileTheWatchIsCutOff(t *testing.T) {
	if !redistest.Available(t) {
		return
	}
	t.Parallel()
	server := redistest.Start(t)
	o := watching()
	writer, remembers := mustOpen(t, at(server.Addr()), o), mustOpen(t, at(server.Addr()), o)
	cuts := map[string]func(){
		"its connection is closed": func() { server.Do("client", "kill", "type", "pubsub") },
		"everybody's is":           func() { server.Do("client", "kill", "type", "normal"); server.Do("client", "kill", "type", "pubsub") },
		"all keys are deleted":     func() { server.Do("flushall") },
		"the server hangs":         func() { server.Stop(); time.Sleep(3 * lag); server.Continue() },
	}
	for name, cut := range cuts {
		t.Run(name, func(t *testing.T) {
			adaptertest.RaceWhile(t, writer, remembers, lag, func() {
				for range 5 {
					cut()
					time.Sleep(lag)
				}
			})
		})
	}
}

// A failover ends what is known before the next master has anything to tell.
func TestAFailoverMakesEveryStampUnknown(t *testing.T) {
	if !redistest.Available(t) {
		return
	}
	t.Parallel()
	sentinel := redistest.StartSentinel(t)
	o := watching()
	o.Replicas = 2
	u := atSentinel(sentinel)
	writer, remembers := mustOpen(t, u, o), mustOpen(t, u, o)
	servertest.Within(t, 5*time.Second, func() error { return writer.Commit(ever, store.Put("p/k", []byte("v"))) })
	adaptertest.Known(t, remembers, "p")
	adaptertest.Race(t, writer, remembers, lag, 50)

	old := sentinel.Master()
	old.Stop() // and woken, it believes to be the master
	sentinel.ForceFailover(sentinel.Sentinels[0])
	sentinel.WaitForFailover(old)
	o.Replicas = 1
	writer = mustOpen(t, u, o)
	servertest.Within(t, whole, func() error { return writer.Commit(ever, store.Put("p/k", []byte("w"))) })
	old.Continue()
	adaptertest.Race(t, writer, remembers, lag, 50)
	adaptertest.Known(t, remembers, "p")
	adaptertest.Race(t, writer, remembers, lag, 50)
}

// muted is a connection on which no SUBSCRIBE arrives while on is set, and so none is
// ever answered.
type muted struct {
	net.Conn
	on    *atomic.Bool
	asked *atomic.Int64
}

func (c muted) Write(b []byte) (int, error) {
	if bytes.Contains(b, []byte("subscribe")) && c.on.Load() {
		c.asked.Add(1)
		return len(b), nil
	}
	return c.Conn.Write(b)
}

// A server that hangs between taking the connection and answering it holds up neither
// Open nor Close.
func TestAWatchDoesNotWaitForASubscriptionThatIsNeverAnswered(t *testing.T) {
	if !redistest.Available(t) {
		return
	}
	t.Parallel()
	server := redistest.Start(t)
	var on atomic.Bool
	var asked atomic.Int64
	u := at(server.Addr())
	u.Dialer = func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, addr)
		return muted{c, &on, &asked}, err
	}
	within := func(what string, do func()) {
		t.Helper()
		done := make(chan struct{})
		go func() {
			defer close(done)
			do()
		}()
		select {
		case <-done:
		case <-time.After(10 * time.Second):
			t.Fatalf("%s has not returned", what)
		}
	}
	s := mustOpen(t, u, watching())
	adaptertest.Known(t, s, "p")
	on.Store(true)
	within("Open", func() {
		if s, err := redisstore.OpenOrCreate(ever, u, watching()); err == nil {
			s.Close()
			t.Error("opened without a subscription")
		}
	})
	before := asked.Load()
	server.Do("client", "kill", "type", "pubsub")
	servertest.Within(t, 10*time.Second, func() error {
		if _, _ = s.Stamp("p"); asked.Load() == before {
			return fmt.Errorf("it has not begun anew")
		}
		return nil
	})
	within("Close", func() { must(t, s.Close()) })
}

func TestAWatchThatIsNotPermittedIsRefusedAtOpen(t *testing.T) {
	if !redistest.Available(t) {
		return
	}
	t.Parallel()
	server := redistest.Start(t)
	for name, rules := range map[string][]any{
		"no tracking": {"-client|tracking"}, "no channel": {"resetchannels"},
		"not to publish": {"-publish"}, "not to subscribe": {"-subscribe"},
	} {
		user := strings.ReplaceAll(name, " ", "-")
		server.Do(append([]any{"acl", "setuser", user, "on", ">pw", "~*", "&*", "+@all"}, rules...)...)
		u := at(server.Addr())
		u.Username, u.Password = user, "pw"
		if s, err := redisstore.OpenOrCreate(ever, u, watching()); err == nil {
			s.Close()
			t.Errorf("%s: opened", name)
		} else {
			t.Logf("%s: %v", name, err)
		}
	}
	for _, d := range []time.Duration{-1, time.Millisecond, 2 * time.Second} {
		o := fresh()
		o.MaxLag = d
		if s, err := redisstore.OpenOrCreate(ever, at(server.Addr()), o); err == nil {
			s.Close()
			t.Errorf("MaxLag %v: opened", d)
		}
	}
	u := at(redistest.SharedCluster(t).Addrs()...)
	if s, err := redisstore.OpenOrCreate(ever, u, watching()); err == nil {
		s.Close()
		t.Error("a cluster: opened")
	}
}
