package redisstore_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/datixlab/auth/internal/redistest"
	"github.com/datixlab/auth/internal/servertest"
	"github.com/datixlab/auth/store"
)

func TestAFailoverOfSentinelIsFollowed(t *testing.T) {
	if !redistest.Available(t) {
		return
	}
	t.Parallel()
	sentinel := redistest.StartSentinel(t)
	o := fresh()
	o.Replicas = 2
	s := mustOpen(t, atSentinel(sentinel), o)
	servertest.Within(t, 2*time.Second, func() error { return s.Commit(ever, store.Put("p/k", []byte("v"))) })

	sentinel.WaitForFailover(sentinel.KillMaster())
	took := servertest.Within(t, 3*time.Second, func() error { _, err := s.Get(ever, "p/k"); return err })
	t.Logf("the new master is read from %v after it is one", took)
	wantValue(t, s, "p/k", "v")

	wantUndecided(t, "Commit with one replica left of two", s.Commit(ever, store.Put("p/k", []byte("w"))))
	wantValue(t, s, "p/k", "w")
}

func TestAFailoverOfAClusterIsFollowed(t *testing.T) { // F-R8
	if !redistest.Available(t) {
		return
	}
	t.Parallel()
	cluster := redistest.StartCluster(t)
	o := fresh()
	o.Replicas = 1
	replicated := mustOpen(t, at(cluster.Addrs()...), o)
	servertest.Within(t, 2*time.Second, func() error { return replicated.Commit(ever, store.Put("p/k", []byte("v"))) })

	// A master that is none any more redirects the Commit, and its refusal to wait is
	// not what counts.
	replica := cluster.ReplicaOf("{p}")
	replica.Do("cluster", "failover")
	servertest.Within(t, 5*time.Second, func() error {
		if role := replica.Field("replication", "role"); role != "master" {
			return fmt.Errorf("the replica is a %s", role)
		}
		return nil
	})
	replica.WaitReplicas(1)
	must(t, replicated.Commit(ever, store.Put("p/redirected", nil)))
	cluster.WaitHealthy()

	o.Replicas = 0
	s := mustOpen(t, at(cluster.Addrs()...), o) // now, so that it is not yet time to ask for the topology again
	cluster.KillMaster("{p}")
	begin := time.Now()
	_, err := s.Get(ever, "p/k")
	wantUndecided(t, "Get from a master that was killed", err)
	if d := time.Since(begin); d > time.Second {
		t.Errorf("Get from a master that was killed took %v", d)
	}
	cluster.WaitHealthy()
	took := servertest.Within(t, 900*time.Millisecond, func() error {
		return s.Commit(ever, store.Put("p/other", nil), store.Check("p/k").Equal([]byte("v")))
	})
	t.Logf("the new master is written to %v after it is one, %v after the old one was killed", took, time.Since(begin))
}

func TestASlotThatIsMovedIsFollowed(t *testing.T) { // ST-8
	if !redistest.Available(t) {
		return
	}
	cluster := redistest.SharedCluster(t)
	for _, replicas := range []int{0, 1} {
		o := fresh()
		o.Replicas = replicas
		s := mustOpen(t, at(cluster.Addrs()...), o)
		servertest.Within(t, 2*time.Second, func() error {
			return s.Commit(ever, store.Put("p/k", []byte("v")), store.Put("p/l", nil).Until(time.Now().Add(time.Hour)))
		})

		// All keys moved, the slot not yet: the old master sends every command to ask the new one.
		m := cluster.Migrate("{p}")
		for _, key := range m.Keys() {
			m.Move(key)
		}
		wantValue(t, s, "p/k", "v")
		must(t, s.Commit(ever, store.Put("p/k", []byte("w")).Equal([]byte("v"))))
		if err := s.Commit(ever, store.Put("p/k", nil).Absent()); !errors.Is(err, store.ErrConflict) {
			t.Errorf("Commit: %v, want ErrConflict", err)
		}
		must(t, s.Commit(ever, store.Delete("p/k"), store.Delete("p/l")))
		must(t, s.Commit(ever, store.Put("p/k", []byte("w")).Absent(), store.Put("p/l", nil)))
		if d, err := s.Hit(ever, "p/h", hourly, 1, time.Now()); err != nil || d.Left != 4 {
			t.Errorf("Hit: %+v, %v", d, err)
		}
		m.Finish()
		wantValue(t, s, "p/k", "w")
		if items, err := s.List(ever, "p/", "", 10); err != nil || len(items) != 2 {
			t.Errorf("List: %v, %v", items, err)
		}
		if d, err := s.Hit(ever, "p/h", hourly, 1, time.Now()); err != nil || d.Left != 3 {
			t.Errorf("Hit: %+v, %v", d, err)
		}
	}
}

func TestACommitIsOnAsManyReplicasAsAskedFor(t *testing.T) {
	if !redistest.Available(t) {
		return
	}
	cluster := redistest.SharedCluster(t)
	sentinel := redistest.SharedSentinel(t)
	for name, c := range map[string]struct {
		u        redis.UniversalOptions
		replicas int
		replica  func() *redistest.Server
	}{
		"cluster":  {at(cluster.Addrs()...), 1, func() *redistest.Server { return cluster.ReplicaOf("{p}") }},
		"sentinel": {atSentinel(sentinel), 2, func() *redistest.Server { return sentinel.Replicas()[0] }},
	} {
		t.Run(name, func(t *testing.T) {
			o := fresh()
			o.Replicas, o.ReplicaTimeout = c.replicas, 400*time.Millisecond
			c.u.ReadTimeout = time.Second // so that a busy machine has time to answer
			s := mustOpen(t, c.u, o)
			put := func(value string) func() error {
				return func() error { return s.Commit(ever, store.Put("p/k", []byte(value))) }
			}
			servertest.Within(t, 2*time.Second, put("v")) // a replica counts once it has reported for the first time
			replica := c.replica()
			replica.Stop()
			defer replica.Continue()
			begin := time.Now()
			err := put("w")()
			took := time.Since(begin)
			conflict := s.Commit(ever, store.Put("p/k", nil).Absent())
			begin = time.Now()
			check := s.Commit(ever, store.Check("p/k").Equal([]byte("w")))
			tookCheck := time.Since(begin)
			replica.Continue()

			wantUndecided(t, "Commit", err)
			if took < 400*time.Millisecond || took > 2*time.Second {
				t.Errorf("a Commit that a replica does not get took %v, want the ReplicaTimeout of 400ms", took)
			}
			if !errors.Is(conflict, store.ErrConflict) {
				t.Errorf("a condition that does not hold: %v, want ErrConflict", conflict)
			}
			if check != nil || tookCheck > 380*time.Millisecond {
				t.Errorf("a Commit that writes nothing: %v after %v; it has nothing to wait for", check, tookCheck)
			}
			wantValue(t, s, "p/k", "w")
			servertest.Within(t, 2*time.Second, put("x"))
		})
	}
}
