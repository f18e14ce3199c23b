package main

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/datixlab/auth/internal/fuzztest"
)

// FuzzParseProxies: what is taken is networks, each of which was written, in order.
func FuzzParseProxies(f *testing.F) {
	for _, list := range []string{
		"", "10.0.0.0/8", "10.0.0.0/8, fd00::/8", "::ffff:10.0.0.0/104", "10.1.2.3/8", "0.0.0.0/0",
		",", "10.0.0.0/8,", "10.0.0.1", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/08", "fd00::%eth0/8", "10.0.0.0/8;fd00::/8", "10.0.0.0/ 8",
	} {
		f.Add(list)
	}
	saw := fuzztest.BothWays(f)
	fuzztest.Fuzz(f, func(t *testing.T, list string) {
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
