package redistest

import (
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/datixlab/auth/internal/servertest"
)

// A Cluster is a Redis Cluster of three masters with one replica each. A node that has
// not answered for two seconds is considered dead.
type Cluster struct {
	tb      testing.TB
	Servers []*Server
}

// StartCluster starts a cluster and returns when it is complete. The args apply to
// every node.
func StartCluster(tb testing.TB, args ...string) *Cluster {
	tb.Helper()
	servertest.SkipIfShort(tb)
	const masters, nodes = 3, 6
	c := &Cluster{tb: tb}
	bus := make([]int, nodes)
	for i := range bus {
		bus[i] = servertest.FreePort(tb)
		c.Servers = append(c.Servers, Start(tb, append([]string{
			"--cluster-enabled", "yes", "--cluster-node-timeout", "2000", "--cluster-port", strconv.Itoa(bus[i]),
		}, args...)...))
	}
	ids := make([]any, nodes)
	for i, s := range c.Servers {
		ids[i] = s.Do("cluster", "myid")
		s.Do("cluster", "set-config-epoch", i+1)
		if i < masters {
			s.Do("cluster", "addslotsrange", i*slots/masters, (i+1)*slots/masters-1)
		}
		if i > 0 {
			s.Do("cluster", "meet", "127.0.0.1", c.Servers[0].Port(), bus[0])
		}
	}
	servertest.Within(tb, servertest.StartTime, func() error {
		for i, s := range c.Servers {
			if n := s.Field("cluster info", "cluster_known_nodes"); n != strconv.Itoa(nodes) {
				return fmt.Errorf("a node knows %s nodes", n)
			}
			if i < masters {
				continue
			}
			if _, err := s.Try("cluster", "replicate", ids[i-masters]); err != nil {
				return err
			}
		}
		return nil
	})
	c.WaitHealthy()
	return c
}

// Addrs returns the addresses of the nodes.
func (c *Cluster) Addrs() []string {
	var addrs []string
	for _, s := range c.Servers {
		addrs = append(addrs, s.Addr())
	}
	return addrs
}

// WaitHealthy returns when the cluster is healthy, and how long that took. Every live
// node then agrees that live masters serve every slot, and live replicas are in step.
func (c *Cluster) WaitHealthy() time.Duration {
	c.tb.Helper()
	return servertest.Within(c.tb, 30*time.Second, func() error {
		for _, s := range c.live() {
			if state := s.Field("cluster info", "cluster_state"); state != "ok" {
				return fmt.Errorf("%s holds the cluster's state for %q", s.Addr(), state)
			}
			owners, err := c.owners(s)
			if err != nil {
				return err
			}
			for _, o := range owners {
				if o.master == nil || !o.master.Alive() || o.master.Field("replication", "role") != "master" {
					return fmt.Errorf("slots from %d on have no master", o.first)
				}
			}
			if link := s.Field("replication", "master_link_status"); link != "" && link != "up" {
				return fmt.Errorf("the link of replica %s is %s", s.Addr(), link)
			}
			if err := s.inStep(); err != nil {
				return err
			}
		}
		return nil
	})
}

// MasterOf returns the live master of the key's slot, and fails the test if there is
// none.
func (c *Cluster) MasterOf(key string) *Server {
	c.tb.Helper()
	owners, err := c.owners(c.live()[0])
	if err != nil {
		c.tb.Fatalf("redistest: %v", err)
	}
	slot := Slot(key)
	for _, o := range owners {
		if o.first <= slot && slot <= o.last && o.master != nil && o.master.Alive() {
			return o.master
		}
	}
	c.tb.Fatalf("redistest: slot %d has no master", slot)
	return nil
}

// ReplicaOf returns the live replica of the key's master, and fails the test if
// there is none.
func (c *Cluster) ReplicaOf(key string) *Server {
	c.tb.Helper()
	port := strconv.Itoa(c.MasterOf(key).Port())
	for _, s := range c.live() {
		if s.Field("replication", "master_port") == port {
			return s
		}
	}
	c.tb.Fatal("redistest: no replica")
	return nil
}

// KillMaster kills the master of the key's slot and returns it.
func (c *Cluster) KillMaster(key string) *Server {
	c.tb.Helper()
	s := c.MasterOf(key)
	s.Kill()
	return s
}

// WaitForFailover returns when every node but old agrees on the live masters, and old
// is not one of them. The node old may hang. It also returns how long that took.
func (c *Cluster) WaitForFailover(old *Server) time.Duration {
	c.tb.Helper()
	return servertest.Within(c.tb, 30*time.Second, func() error {
		for _, s := range c.live() {
			if s == old {
				continue
			}
			owners, err := c.owners(s)
			if err != nil {
				return err
			}
			for _, o := range owners {
				if o.master == nil || o.master == old || o.master.Field("replication", "role") != "master" {
					return fmt.Errorf("%s knows no new master for the slots from %d on", s.Addr(), o.first)
				}
			}
			if state := s.Field("cluster info", "cluster_state"); state != "ok" {
				return fmt.Errorf("%s holds the cluster's state for %q", s.Addr(), state)
			}
		}
		return nil
	})
}

// OtherMaster returns a live master that does not have the key's slot.
func (c *Cluster) OtherMaster(key string) *Server {
	c.tb.Helper()
	owners, err := c.owners(c.live()[0])
	if err != nil {
		c.tb.Fatalf("redistest: %v", err)
	}
	of := c.MasterOf(key)
	for _, o := range owners {
		if o.master != nil && o.master.Alive() && o.master != of {
			return o.master
		}
	}
	c.tb.Fatal("redistest: no other master")
	return nil
}

func (c *Cluster) live() []*Server {
	var live []*Server
	for _, s := range c.Servers {
		if s.Alive() {
			live = append(live, s)
		}
	}
	return live
}

// An owner is the master of a range of slots; nil if it is not one of the cluster.
type owner struct {
	first, last int
	master      *Server
}

// owners returns the masters of all slots, as one node sees them. Every slot has one.
func (c *Cluster) owners(by *Server) ([]owner, error) {
	reply, err := by.Try("cluster", "slots")
	if err != nil {
		return nil, err
	}
	ranges, _ := reply.([]any)
	var owners []owner
	covered := 0
	for _, r := range ranges {
		r, ok := r.([]any)
		if !ok || len(r) < 3 {
			return nil, errors.New("strange reply to CLUSTER SLOTS")
		}
		first, _ := r[0].(int64)
		last, _ := r[1].(int64)
		node, _ := r[2].([]any)
		o := owner{first: int(first), last: int(last)}
		for _, s := range c.Servers {
			if len(node) > 1 && node[1] == int64(s.Port()) {
				o.master = s
			}
		}
		owners = append(owners, o)
		covered += o.last - o.first + 1
	}
	if covered != slots {
		return nil, fmt.Errorf("%d of %d slots have an owner", covered, slots)
	}
	return owners, nil
}

// A Migration moves a slot from one master to another, key by key.
type Migration struct {
	c        *Cluster
	slot     int
	from, to *Server
}

// Migrate begins to move the slot of key to another master. Nothing is moved yet.
func (c *Cluster) Migrate(key string) *Migration {
	c.tb.Helper()
	m := &Migration{c: c, slot: Slot(key), from: c.MasterOf(key), to: c.OtherMaster(key)}
	m.to.Do("cluster", "setslot", m.slot, "importing", m.from.Do("cluster", "myid"))
	m.from.Do("cluster", "setslot", m.slot, "migrating", m.to.Do("cluster", "myid"))
	return m
}

// Keys returns the keys that have not been moved yet.
func (m *Migration) Keys() []string {
	m.c.tb.Helper()
	list, _ := m.from.Do("cluster", "getkeysinslot", m.slot, 1000).([]any)
	var keys []string
	for _, k := range list {
		keys = append(keys, fmt.Sprint(k))
	}
	return keys
}

// Move moves keys, each by itself.
func (m *Migration) Move(keys ...string) {
	m.c.tb.Helper()
	for _, k := range keys {
		m.from.Do("migrate", "127.0.0.1", m.to.Port(), k, 0, 1000)
	}
}

// Finish moves the remaining keys and gives the slot to its new master. It returns when
// every node knows that and the new master's replica has the keys, so that a failover
// keeps them.
func (m *Migration) Finish() {
	m.c.tb.Helper()
	for keys := m.Keys(); len(keys) > 0; keys = m.Keys() {
		m.Move(keys...)
	}
	id := m.to.Do("cluster", "myid")
	m.to.Do("cluster", "setslot", m.slot, "node", id)
	m.from.Do("cluster", "setslot", m.slot, "node", id)
	for _, s := range m.c.live() {
		if s.Field("replication", "role") == "master" {
			s.Do("cluster", "setslot", m.slot, "node", id)
		}
	}
	servertest.Within(m.c.tb, servertest.StartTime, func() error { // the replicas learn it from their masters
		for _, s := range m.c.live() {
			owners, err := m.c.owners(s)
			if err != nil {
				return err
			}
			for _, o := range owners {
				if o.first <= m.slot && m.slot <= o.last && o.master != m.to {
					return fmt.Errorf("%s does not know yet that slot %d was moved", s.Addr(), m.slot)
				}
			}
		}
		return nil
	})
	m.to.WaitReplicas(1)
}
