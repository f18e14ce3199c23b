package main

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/datixlab/auth/internal/fuzztest"
)

// FuzzParseStore: a -store is one of three kinds, whole, and an error repeats nothing
// that may be a password.
func FuzzParseStore(f *testing.F) {
	for _, spec := range []string{
		"memory", "bolt:auth.db", "bolt::", "redis://localhost", "rediss-cluster://app:hunter2@a?addr=b:2", "redis-sentinel://a?master_name=m", "unix:///run/redis.sock", "unix://app:hunter2@/run/redis.sock?db=1",
		"", "memory:", "bolt", "bolt:", "Bolt:auth.db", "redis", "redis:", "redis://", "redisx://app:hunter2@a", "postgres://app:hunter2@a", "://", "auth.db", "unix:", "unix://redis.sock", "unixs:///a",
	} {
		f.Add(spec)
	}
	saw := fuzztest.BothWays(f)
	f.Fuzz(func(t *testing.T, spec string) {
		p, err := parseStore(spec)
		if saw(err == nil); err != nil {
			if p != (place{}) {
				t.Fatalf("%q: %+v beside %v", spec, p, err)
			}
			if _, rest, _ := strings.Cut(spec, ":"); strings.Contains(rest, "hunter2") && strings.Contains(err.Error(), "hunter2") && !strings.HasPrefix(spec, "hunter2") {
				t.Fatalf("%q: %v", spec, err)
			}
			return
		}
		switch {
		case spec == "memory" && p == (place{kind: "memory"}):
		case p.kind == "bolt" && p.path != "" && p.redis == nil && spec == "bolt:"+p.path:
		case (strings.HasPrefix(p.kind, "redis") || p.kind == "unix") && p.path == "" && p.redis != nil && len(p.redis.Addrs) > 0 && strings.HasPrefix(spec, p.kind+":"):
		default:
			t.Fatalf("%q is taken as %+v", spec, p)
		}
	})
}

// FuzzParseProxies: what is taken is networks, each of which was written, in order.
func FuzzParseProxies(f *testing.F) {
	for _, list := range []string{
		"", "10.0.0.0/8", "10.0.0.0/8, fd00::/8", "::ffff:10.0.0.0/104", "10.1.2.3/8", "0.0.0.0/0",
		",", "10.0.0.0/8,", "10.0.0.1", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/08", "fd00::%eth0/8", "10.0.0.0/8;fd00::/8", "10.0.0.0/ 8",
	} {
		f.Add(list)
	}
	saw := fuzztest.BothWays(f)
	f.Fuzz(func(t *testing.T, list string) {
		networks, err := parseProxies(list)
		if saw(err == nil); err != nil {
			if networks != nil {
				t.Fatalf("%q: %v beside %v", list, networks, err)
			}
			return
		}
		if list == "" {
			if networks != nil {
				t.Fatalf("nothing is %v", networks)
			}
			return
		}
		words := strings.Split(list, ",")
		if len(words) != len(networks) {
			t.Fatalf("%q is %v", list, networks)
		}
		for i, n := range networks {
			addr, bits, _ := strings.Cut(strings.TrimSpace(words[i]), "/")
			if a, err := netip.ParseAddr(addr); err != nil || !n.IsValid() || a != n.Addr() || a.Zone() != "" || netip.PrefixFrom(a, n.Bits()) != n || n.String() != a.String()+"/"+bits {
				t.Fatalf("%q is %v", words[i], n)
			}
		}
	})
}
