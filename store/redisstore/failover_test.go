package redisstore_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/datixlab/auth/internal/adaptertest"
	"github.com/datixlab/auth/internal/redistest"
	"github.com/datixlab/auth/internal/servertest"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/redisstore"
)

// whole is what a failover may take, from the master's death until every client is
// served again.
const whole = 10 * time.Second

// somewhere are partitions on every master of a cluster.
func somewhere() []string { return adaptertest.Partitions("p", 12) }

// checkFailover ends the load and fails the test if a step was made twice or if, with
// replicas to wait for, an acknowledged one was undone.
func checkFailover(t *testing.T, l *adaptertest.Load, killed time.Time, took time.Duration, replicas int) {
	t.Helper()
	o := l.EndWithLosses()
	t.Logf("replicas to wait for: %d; served again after %v; %v; %d acknowledged steps undone", replicas, took.Round(time.Millisecond), o, o.Lost)
	if took > whole {
		t.Errorf("it took %v until all were served again", took)
	}
	if o.Late > 0 {
		t.Errorf("%d steps took effect after they had not been found", o.Late)
	}
	if o.Lost > 0 {
		t.Logf("the oldest of them was acknowledged %v before the master died", killed.Sub(o.Oldest).Round(time.Microsecond))
	}
	if replicas > 0 && o.Lost > 0 {
		t.Errorf("%d acknowledged steps were undone, though a replica was waited for", o.Lost)
	}
}

func TestAClusterServesAgainTenSecondsAfterAMasterDied(t *testing.T) {
	eachFailover(t, func(t *testing.T, o redisstore.Options) (u redis.UniversalOptions, kill func()) {
		c := redistest.StartCluster(t)
		return at(c.Addrs()...), func() {
			old := c.KillMaster(o.Prefix + "{p0}")
			if o.Replicas > 0 { // the new master has no replica until the old one is back
				c.WaitHealthy()
				old.Restart()
			}
		}
	})
}

func TestSentinelServesAgainTenSecondsAfterTheMasterDied(t *testing.T) {
	eachFailover(t, func(t *testing.T, _ redisstore.Options) (u redis.UniversalOptions, kill func()) {
		s := redistest.StartSentinel(t)
		return atSentinel(s), func() { s.KillMaster() }
	})
}

// eachFailover kills a master under load, of servers that start gives, without and with
// replicas that are waited for.
func eachFailover(t *testing.T, start func(*testing.T, redisstore.Options) (u redis.UniversalOptions, kill func())) {
	if !redistest.Available(t) {
		return
	}
	t.Parallel()
	for _, replicas := range []int{0, 1} {
		t.Run(fmt.Sprint("replicas ", replicas), func(t *testing.T) {
			t.Parallel()
			o := fresh()
			o.Replicas = replicas
			u, kill := start(t, o)
			l := adaptertest.StartLoad(t, mustOpen(t, u, o), somewhere()...)
			l.Served(100, whole)
			killed := time.Now()
			kill()
			l.Served(20, 2*whole)
			checkFailover(t, l, killed, time.Since(killed), replicas)
		})
	}
}

// A master whose replicas do not hear it takes with it what it has acknowledged, if it
// was not configured to wait for them.
func TestWhatNoReplicaHasIsAcknowledgedOnlyWhereNoneIsWaitedFor(t *testing.T) {
	if !redistest.Available(t) {
		return
	}
	t.Parallel()
	sentinel := redistest.StartSentinel(t)
	o := fresh()
	alone := mustOpen(t, atSentinel(sentinel), o)
	o.Replicas = 1
	safe := mustOpen(t, atSentinel(sentinel), o)
	must(t, safe.Commit(ever, store.Put("p/before", []byte("v"))))
	sentinel.Master().WaitReplicas(2) // either may become the master

	replicas := sentinel.Replicas()
	for _, r := range replicas {
		r.Stop()
	}
	sentinel.Master().Do("client", "kill", "type", "replica")
	if err := safe.Commit(ever, store.Put("p/waited", []byte("v"))); err == nil {
		t.Error("a Commit that no replica has was acknowledged, though one was to be waited for")
	}
	must(t, alone.Commit(ever, store.Put("p/alone", []byte("v"))))
	old := sentinel.KillMaster()
	for _, r := range replicas {
		r.Continue()
	}
	t.Logf("a new master after %v", sentinel.WaitForFailover(old))
	servertest.Within(t, whole, func() error {
		_, err := alone.Get(ever, "p/before")
		return err
	})
	wantValue(t, alone, "p/before", "v")
	if got, err := alone.Get(ever, "p/alone"); err != nil || got[0] != nil {
		t.Errorf("what only the dead master had is %q, %v: the test does not show what it is about", got, err)
	}
}
