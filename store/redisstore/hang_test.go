package redisstore_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/datixlab/auth/internal/adaptertest"
	"github.com/datixlab/auth/internal/redistest"
	"github.com/datixlab/auth/internal/servertest"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/redisstore"
)

// longest is what a call may take where a server hangs: two steps of 450 ms, and what
// a busy machine adds.
const longest = 1500 * time.Millisecond

// A frozen master hangs until another has taken its place, and is woken then. Nobody
// has told it, and the clients' connections to it still stand.
type frozen struct {
	t      *testing.T
	busy   *redisstore.Store // is called all the while
	idle   *redisstore.Store // is not called while the master hangs
	master *redistest.Server
}

// freeze has the master of partition p hang.
func freeze(t *testing.T, u redis.UniversalOptions, o redisstore.Options, master func() *redistest.Server, replicas int) *frozen {
	t.Helper()
	f := &frozen{t, mustOpen(t, u, o), mustOpen(t, u, o), master()}
	must(t, f.busy.Commit(ever, store.Put("p/revoked", []byte("v"))))
	f.atOnce(func() {
		_, err := f.idle.Get(ever, "p/revoked")
		if err != nil {
			t.Error(err)
		}
	})
	f.master.WaitReplicas(replicas)
	f.master.Stop()
	return f
}

// atOnce makes a call 100 times, on several connections.
func (f *frozen) atOnce(call func()) {
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			for range 10 {
				call()
			}
		})
	}
	all.Wait()
}

// served returns when the partition is served again. Until then every call fails in
// time, and is no refusal.
func (f *frozen) served() {
	f.t.Helper()
	begin := time.Now()
	failed := 0
	var slowest time.Duration
	for {
		ctx, cancel := context.WithTimeout(ever, 2*time.Second) // as package auth does
		at := time.Now()
		err := f.busy.Commit(ctx, store.Put("p/served", nil))
		cancel()
		slowest = max(slowest, time.Since(at))
		if err == nil && time.Since(begin) > time.Second { // as long as any failover takes
			break
		}
		if err == nil {
			continue
		}
		failed++
		wantUndecided(f.t, "Commit where the master hangs", err)
		if time.Since(begin) > 2*whole {
			f.t.Fatalf("not served again: %v", err)
		}
	}
	f.t.Logf("served again after %v and %d failures, the slowest of %v", time.Since(begin).Round(time.Millisecond), failed, slowest.Round(time.Millisecond))
	if failed == 0 || slowest > longest {
		f.t.Errorf("%d failures, the slowest of %v, want some of at most %v", failed, slowest, longest)
	}
}

// wake revokes something, wakes the old master and demands that nobody sees what was
// revoked or writes where it is lost.
func (f *frozen) wake() {
	f.t.Helper()
	must(f.t, f.busy.Commit(ever, store.Delete("p/revoked"), store.Put("p/spent", nil)))
	f.master.Continue()
	var mu sync.Mutex
	errs, stale, twice := 0, 0, 0
	f.atOnce(func() {
		err := f.idle.Commit(ever, store.Put("p/spent", []byte("again")).Absent())
		got, gerr := f.idle.Get(ever, "p/revoked")
		mu.Lock()
		defer mu.Unlock()
		if gerr != nil {
			errs++
		} else if got[0] != nil {
			stale++
		}
		if err == nil {
			twice++
		}
	})
	if stale > 0 || twice > 0 {
		f.t.Errorf("the old master, woken, showed %d times what was revoked, and let %d spend what was spent", stale, twice)
	}
	took := servertest.Within(f.t, whole, func() error { _, err := f.idle.Get(ever, "p/served"); return err })
	f.t.Logf("of 100 calls after the old master was woken, %d failed; served again %v later", errs, took.Round(time.Millisecond))
	wantValue(f.t, f.idle, "p/revoked", "")
}

// The Sentinel that the clients listen to hangs together with the master, as where
// both are on one machine: it tells nobody of the next master.
func TestAMasterThatHungUnderSentinelIsNotAskedAgain(t *testing.T) {
	if !redistest.Available(t) {
		return
	}
	t.Parallel()
	sentinel := redistest.StartSentinel(t)
	u := atSentinel(sentinel)
	u.Addrs = u.Addrs[:1] // it names the others
	f := freeze(t, u, fresh(), sentinel.Master, 2)
	sentinel.Sentinels[0].Stop()
	sentinel.ForceFailover(sentinel.Sentinels[1])
	f.served()
	f.wake()
}

func TestAMasterOfAClusterThatHungIsNotAskedAgain(t *testing.T) {
	if !redistest.Available(t) {
		return
	}
	t.Parallel()
	c := redistest.StartCluster(t, "--cluster-require-full-coverage", "no")
	o := fresh()
	u := at(c.Addrs()...)
	master := func() *redistest.Server { return c.MasterOf(o.Prefix + "{p}") }
	var elsewhere []string
	for _, p := range somewhere() {
		if c.MasterOf(o.Prefix+"{"+p+"}") != master() {
			elsewhere = append(elsewhere, p)
		}
	}
	patient := u
	patient.ReadTimeout = time.Second // what fails is not to do so because the machine is busy
	s := mustOpen(t, patient, o)

	f := freeze(t, u, o, master, 1)
	l := adaptertest.StartLoad(t, s, elsewhere...)
	f.served()
	if o := l.End(); o.Failed > 0 {
		t.Errorf("on masters that did not hang %v", o)
	}
	c.WaitForFailover(f.master)
	f.wake()
}
