//go:build !race

package redistest_test

import (
	"strings"
	"testing"
	"time"

	"github.com/datixlab/auth/internal/redistest"
)

func TestAServerKeepsItsFilesAndItsPortOverARestart(t *testing.T) {
	if !redistest.Available(t) {
		return
	}
	t.Parallel()
	s := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
	s.Do("set", "k", "v")
	s.Kill()
	if _, err := s.Try("get", "k"); err == nil {
		t.Fatal("a killed server answers")
	}
	addr := s.Addr()
	s.Restart()
	if v := s.Do("get", "k"); v != "v" || s.Addr() != addr {
		t.Errorf("after a restart: %v at %s, was at %s", v, s.Addr(), addr)
	}
	s.Stop()
	if _, err := s.Try("get", "k"); err == nil {
		t.Error("a stopped server answers")
	}
	s.Continue()
	if v := s.Do("get", "k"); v != "v" {
		t.Errorf("after a stop: %v", v)
	}
}

func TestSentinelFailsOver(t *testing.T) {
	if !redistest.Available(t) {
		return
	}
	t.Parallel()
	begin := time.Now()
	s := redistest.StartSentinel(t)
	t.Logf("whole after %v", time.Since(begin))
	s.Master().Do("set", "k", "v")
	s.Master().WaitReplicas(2)
	old := s.KillMaster()
	t.Logf("failed over in %v", s.WaitForFailover(old))
	if v := s.Master().Do("get", "k"); v != "v" {
		t.Errorf("the new master has %v", v)
	}
}

func TestClusterFailsOverAndMovesSlots(t *testing.T) {
	if !redistest.Available(t) {
		return
	}
	t.Parallel()
	begin := time.Now()
	c := redistest.StartCluster(t)
	t.Logf("whole after %v", time.Since(begin))
	for _, key := range []string{"", "k", "{k}a", "a{k", "{}k", "a{b}{c}"} {
		if there := c.Servers[0].Do("cluster", "keyslot", key); there != int64(redistest.Slot(key)) {
			t.Errorf("%q is in slot %v, not %d", key, there, redistest.Slot(key))
		}
	}
	c.MasterOf("{k}").Do("mset", "{k}a", "1", "{k}b", "2")
	from := c.MasterOf("{k}")
	m := c.Migrate("{k}")
	m.Move("{k}a")
	if keys := m.Keys(); len(keys) != 1 || keys[0] != "{k}b" {
		t.Errorf("left to move: %v", keys)
	}
	if _, err := from.Try("mget", "{k}a", "{k}b"); err == nil || !strings.HasPrefix(err.Error(), "ASK") && !strings.HasPrefix(err.Error(), "TRYAGAIN") {
		t.Errorf("in the middle of a migration: %v", err)
	}
	m.Finish()
	if to := c.MasterOf("{k}"); to == from || to.Do("get", "{k}b") != "2" {
		t.Error("the slot was not moved")
	}
	old := c.KillMaster("{k}")
	t.Logf("failed over in %v", c.WaitHealthy())
	if s := c.MasterOf("{k}"); s == old || s.Do("get", "{k}a") != "1" {
		t.Error("the slot was not failed over")
	}
}
