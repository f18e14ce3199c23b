package redisstore_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

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

// known returns the stamp of the partition once it is known.
func known(tb testing.TB, s *redisstore.Store, partition string) (stamp uint64) {
	tb.Helper()
	servertest.Within(tb, 10*time.Second, func() error {
		var ok bool
		if stamp, ok = s.Stamp(partition); !ok {
			return fmt.Errorf("the stamp of %s is not known", partition)
		}
		return nil
	})
	return stamp
}

// A reader remembers a value for as long as its stamp is the same, as package auth does.
type reader struct {
	s     *redisstore.Store
	stamp uint64
	known bool
	value string
	reads int
}

// read returns the value of p/k, and when it began to.
func (r *reader) read(tb testing.TB) (value string, begun time.Time) {
	tb.Helper()
	begun = time.Now()
	stamp, ok := r.s.Stamp("p")
	if ok && r.known && stamp == r.stamp {
		return r.value, begun
	}
	got, err := r.s.Get(ever, "p/k")
	if err != nil {
		return "", begun // no connection is let in
	}
	r.stamp, r.known, r.value = stamp, ok, string(got[0])
	r.reads++
	return r.value, begun
}

// race has one store write p/k and another remember it, and demands that nothing is
// remembered for longer than MaxLag after it was replaced. It returns how late
// each change was seen.
func race(t *testing.T, writer, remembers *redisstore.Store, rounds int) (late []time.Duration) {
	t.Helper()
	r := &reader{s: remembers}
	unsure := map[string]bool{"": true} // what may be there as well: nothing, where it was deleted or cannot be read
	for i := range rounds {
		value := fmt.Sprint(i)
		if err := writer.Commit(ever, store.Put("p/k", []byte(value))); err != nil {
			unsure[value] = true // it may take effect later
			continue
		}
		written := time.Now()
		for {
			got, begun := r.read(t)
			if got == value {
				late = append(late, max(0, begun.Sub(written)))
				break
			}
			if begun.Sub(written) <= lag {
				continue
			}
			if unsure[got] {
				break
			}
			t.Fatalf("%v after it was replaced by %q, %q is still there", begun.Sub(written), value, got)
		}
	}
	return late
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
			known(t, remembers, "p")
			late := race(t, writer, remembers, 500)
			slices.Sort(late)
			t.Logf("seen after %v in the median, %v at 99 %%, %v at most", late[len(late)/2], late[len(late)*99/100], late[len(late)-1])
		})
	}
}

// What this process writes it never remembers otherwise.
func TestAnOwnChangeIsSeenAtOnce(t *testing.T) {
	if !redistest.Available(t) {
		return
	}
	t.Parallel()
	s := mustOpen(t, at(redistest.SharedServer(t).Addr()), watching())
	known(t, s, "p")
	r := &reader{s: s}
	for i := range 500 {
		value := fmt.Sprint(i)
		must(t, s.Commit(ever, store.Put("p/k", []byte(value))))
		for range 3 {
			if got, _ := r.read(t); got != value {
				t.Fatalf("read %q after %q was written", got, value)
			}
		}
	}
}

// In the steady state nothing is asked.
func TestWhatIsKnownTakesNoRoundTrip(t *testing.T) {
	if !redistest.Available(t) {
		return
	}
	t.Parallel()
	s := mustOpen(t, at(redistest.SharedServer(t).Addr()), watching())
	must(t, s.Commit(ever, store.Put("p/k", []byte("v"))))
	r := &reader{s: s}
	servertest.Within(t, 10*time.Second, func() error {
		known(t, s, "p")
		before := r.reads
		for range 1000 {
			if got, _ := r.read(t); got != "v" {
				t.Fatalf("read %q", got)
			}
		}
		if n := r.reads - before; n > 10 {
			return fmt.Errorf("%d of 1000 reads asked the server", n)
		}
		return nil
	})
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
			known(t, remembers, "p")
			var stop atomic.Bool
			done := make(chan struct{})
			go func() {
				defer close(done)
				for range 5 {
					cut()
					time.Sleep(lag)
				}
				stop.Store(true)
			}()
			for !stop.Load() {
				race(t, writer, remembers, 20)
			}
			<-done
			known(t, remembers, "p")
			race(t, writer, remembers, 20)
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
	known(t, remembers, "p")
	race(t, writer, remembers, 50)

	old := sentinel.Master()
	old.Stop() // and woken, it believes to be the master
	sentinel.ForceFailover(sentinel.Sentinels[0])
	sentinel.WaitForFailover(old)
	o.Replicas = 1
	writer = mustOpen(t, u, o)
	servertest.Within(t, whole, func() error { return writer.Commit(ever, store.Put("p/k", []byte("w"))) })
	old.Continue()
	race(t, writer, remembers, 50)
	known(t, remembers, "p")
	race(t, writer, remembers, 50)
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
	known(t, s, "p")
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
