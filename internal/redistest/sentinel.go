package redistest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/datixlab/auth/internal/servertest"
)

// MasterName is the name under which the sentinels know the master.
const MasterName = "auth"

// A Sentinel is a master with two replicas, watched by three sentinels. They consider
// it dead when it has not answered for a second.
type Sentinel struct {
	tb        testing.TB
	Servers   []*Server // whichever of them is master
	Sentinels []*Server
}

// StartSentinel starts a Sentinel. It returns when the replicas are in step and the
// sentinels know each other. The args apply to the master and the replicas.
func StartSentinel(tb testing.TB, args ...string) *Sentinel {
	tb.Helper()
	servertest.SkipIfShort(tb)
	master := Start(tb, args...)
	s := &Sentinel{tb: tb, Servers: []*Server{master}}
	for range 2 {
		s.Servers = append(s.Servers, Start(tb, append([]string{"--replicaof", "127.0.0.1 " + strconv.Itoa(master.Port())}, args...)...))
	}
	for range 3 {
		dir := tb.TempDir()
		conf := filepath.Join(dir, "sentinel.conf")
		text := fmt.Sprintf("bind 127.0.0.1\nsentinel monitor %[1]s 127.0.0.1 %[2]d 2\n"+
			"sentinel down-after-milliseconds %[1]s 1000\nsentinel failover-timeout %[1]s 2000\n", MasterName, master.Port())
		if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
			tb.Fatal(err)
		}
		sentinel := start(tb, dir, conf, "--sentinel")
		sentinel.Do("sentinel", "debug", "publish-period", 200) // they find each other at once
		s.Sentinels = append(s.Sentinels, sentinel)
	}
	servertest.Within(tb, servertest.StartTime, s.whole)
	return s
}

// whole returns nil if every sentinel knows the same live master, the other sentinels
// and both replicas, and these are in step.
func (s *Sentinel) whole() error {
	master := s.Master()
	if master == nil {
		return errors.New("the sentinels know no live master")
	}
	for _, sentinel := range s.Sentinels {
		reply, err := sentinel.Try("sentinel", "master", MasterName)
		if err != nil {
			return err
		}
		m := pairs(reply)
		if m["num-other-sentinels"] != "2" || m["num-slaves"] != "2" || m["flags"] != "master" {
			return fmt.Errorf("a sentinel knows %s others and %s replicas of a %s", m["num-other-sentinels"], m["num-slaves"], m["flags"])
		}
	}
	for _, r := range s.Replicas() {
		if up := r.Field("replication", "master_link_status"); up != "up" {
			return fmt.Errorf("the link of replica %s is %s", r.Addr(), up)
		}
	}
	return master.inStep()
}

// SentinelAddrs returns the addresses of the sentinels.
func (s *Sentinel) SentinelAddrs() []string {
	var addrs []string
	for _, x := range s.Sentinels {
		addrs = append(addrs, x.Addr())
	}
	return addrs
}

// Master returns the live server that all sentinels name as the master and that
// considers itself the master, or nil.
func (s *Sentinel) Master() *Server {
	var addr string
	for _, sentinel := range s.Sentinels {
		reply, err := sentinel.Try("sentinel", "get-master-addr-by-name", MasterName)
		pair, ok := reply.([]any)
		if err != nil || !ok || addr != "" && addr != fmt.Sprintf("%v:%v", pair...) {
			return nil
		}
		addr = fmt.Sprintf("%v:%v", pair...)
	}
	i := slices.IndexFunc(s.Servers, func(x *Server) bool { return x.Addr() == addr })
	if i < 0 || !s.Servers[i].Alive() || s.Servers[i].Field("replication", "role") != "master" {
		return nil
	}
	return s.Servers[i]
}

// Replicas returns the live servers that are not the master.
func (s *Sentinel) Replicas() []*Server {
	master := s.Master()
	return slices.DeleteFunc(slices.Clone(s.Servers), func(x *Server) bool { return x == master || !x.Alive() })
}

// KillMaster kills the master and returns it.
func (s *Sentinel) KillMaster() *Server {
	s.tb.Helper()
	master := s.Master()
	if master == nil {
		s.tb.Fatal("redistest: no master")
	}
	master.Kill()
	return master
}

// ForceFailover makes one sentinel replace the master, which may hang, without asking
// the others. If few sentinels are left, they may ask each other at the same time and
// then do nothing for seconds.
func (s *Sentinel) ForceFailover(by *Server) {
	s.tb.Helper()
	servertest.Within(s.tb, servertest.StartTime, func() error {
		_, err := by.Try("sentinel", "failover", MasterName)
		if err != nil && strings.HasPrefix(err.Error(), "INPROG") {
			return nil
		}
		return err
	})
}

// WaitForFailover returns when a server other than old is the master, and how long that
// took.
func (s *Sentinel) WaitForFailover(old *Server) time.Duration {
	s.tb.Helper()
	return servertest.Within(s.tb, 30*time.Second, func() error {
		if m := s.Master(); m == nil || m == old {
			return errors.New("no new master")
		}
		return nil
	})
}

// pairs makes a map of a reply that lists names and values.
func pairs(reply any) map[string]string {
	list, _ := reply.([]any)
	m := map[string]string{}
	for i := 0; i+1 < len(list); i += 2 {
		m[fmt.Sprint(list[i])] = fmt.Sprint(list[i+1])
	}
	return m
}
