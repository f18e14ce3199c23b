package netprefix_test

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/datixlab/auth/internal/fuzztest"
	"github.com/datixlab/auth/internal/netprefix"
)

// eachKind are addresses of every kind, as bytes.
var eachKind = []string{
	"192.0.2.7", "::ffff:192.0.2.7", "2001:db8:1:2:3:4:5:6", "::", "::1", "fe80::1", "ff02::1", "64:ff9b::192.0.2.7", "64:ff9b:1::192.0.2.7",
	"::ffff:0:192.0.2.7", "2002:c000:207::1", "2001::3fff:fdf8", "0.0.0.0", "255.255.255.255", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
}

func TestNetworksAreNamedFromTheWidestToTheNarrowest(t *testing.T) {
	for addr, want := range map[string][]string{
		"192.0.2.7":               {"192.0.2.0/24", "192.0.2.7"},
		"::ffff:192.0.2.7":        {"192.0.2.0/24", "192.0.2.7"},
		"64:ff9b::192.0.2.7":      {"192.0.2.0/24", "192.0.2.7"},
		"2002:c000:207::1":        {"192.0.2.0/24", "192.0.2.7"},
		"2001:db8:1:2ff:3::1%lan": {"2001:db8:1::/48", "2001:db8:1:200::/56", "2001:db8:1:2ff::"},
		"2001:db8::1":             {"2001:db8::/48", "2001:db8::/56", "2001:db8::"},
	} {
		if got := netprefix.Networks(netip.MustParseAddr(addr)); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", addr, got, want)
		}
	}
	for addr, want := range map[string]string{
		"192.0.2.7": "192.0.0.0/16", "64:ff9b::192.0.2.7": "192.0.0.0/16", "2001:db8:1:2ff:3::1%lan": "2001:db8::/32",
	} {
		if got := netprefix.Region(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s is in the region %q, want %q", addr, got, want)
		}
	}
	if got := netprefix.Region(netip.Addr{}); got != "unknown/0" {
		t.Errorf("the region of no address: %q", got)
	}
	if got := netprefix.Networks(netip.Addr{}); !slices.Equal(got, []string{netprefix.Unknown}) {
		t.Errorf("of no address: %q", got)
	}
}

// LG-9: of any two addresses, each name is the same for both exactly if they are in that
// network together, and a name is of one width.
func FuzzNetworks(f *testing.F) {
	for i, a := range eachKind {
		b := eachKind[(i+1)%len(eachKind)]
		f.Add(netip.MustParseAddr(a).AsSlice(), netip.MustParseAddr(b).AsSlice())
		f.Add(netip.MustParseAddr(a).AsSlice(), netip.MustParseAddr(a).AsSlice())
	}
	f.Add([]byte{}, []byte{1, 2, 3})
	saw := fuzztest.BothWays(f)
	fuzztest.Fuzz(f, func(t *testing.T, one, other []byte) {
		a, okA := netip.AddrFromSlice(one)
		b, okB := netip.AddrFromSlice(other)
		if saw(okA && okB); !okA || !okB {
			return
		}
		as, bs := netprefix.Networks(a), netprefix.Networks(b)
		for _, addr := range []netip.Addr{a, b} {
			names := netprefix.Networks(addr)
			if len(names) != 2 && len(names) != 3 || names[len(names)-1] != netprefix.Text(addr) || names[0] != netprefix.Wide(addr).String() {
				t.Fatalf("%s: %q, Text %s, Wide %s", addr, names, netprefix.Text(addr), netprefix.Wide(addr))
			}
			for i, name := range names {
				if i == len(names)-1 {
					if _, err := netip.ParseAddr(name); err != nil {
						t.Fatalf("%s: the narrowest is %q", addr, name)
					}
				} else if p, err := netip.ParsePrefix(name); err != nil || p != p.Masked() || p.Addr().Is4In6() || !p.Contains(narrowest(names)) {
					t.Fatalf("%s: %q is no network with %q in it", addr, name, names[len(names)-1])
				}
				if slices.Contains(names[:i], name) || name == netprefix.Unknown {
					t.Fatalf("%s: %q", addr, names)
				}
			}
			if mapped := netprefix.Networks(netip.AddrFrom16(addr.As16()).WithZone("eth0")); !slices.Equal(mapped, names) {
				t.Fatalf("%s: %q, in another spelling %q", addr, names, mapped)
			}
		}
		common := true // up to here, from the widest on
		for i := range max(len(as), len(bs)) {
			same := i < len(as) && i < len(bs) && as[i] == bs[i]
			if same && !common {
				t.Fatalf("%s and %s are in %q together, and in no wider network", a, b, as[i])
			}
			common = same
			for j := range bs {
				if j != i && i < len(as) && as[i] == bs[j] {
					t.Fatalf("%s and %s: %q names two widths", a, b, as[i])
				}
			}
		}
	})
}

func narrowest(names []string) netip.Addr { return netip.MustParseAddr(names[len(names)-1]) }

// LG-9, Advisory 4 (CVE-2026-45364)
func TestTheSpellingsOfOneAddressAreOfOneNetwork(t *testing.T) {
	for addr, want := range map[string]struct{ unmapped, text, wide string }{
		"192.0.2.7":              {"192.0.2.7", "192.0.2.7", "192.0.2.0/24"},
		"::ffff:192.0.2.7":       {"192.0.2.7", "192.0.2.7", "192.0.2.0/24"},
		"::ffff:c000:207":        {"192.0.2.7", "192.0.2.7", "192.0.2.0/24"},
		"::ffff:192.0.2.7%eth0":  {"192.0.2.7", "192.0.2.7", "192.0.2.0/24"},
		"192.0.3.7":              {"192.0.3.7", "192.0.3.7", "192.0.3.0/24"},
		"2001:db8:1:2:3:4:5:6":   {"2001:db8:1:2:3:4:5:6", "2001:db8:1:2::", "2001:db8:1::/48"},
		"2001:0db8:0001:0002::1": {"2001:db8:1:2::1", "2001:db8:1:2::", "2001:db8:1::/48"},
		"2001:db8:1:3::1":        {"2001:db8:1:3::1", "2001:db8:1:3::", "2001:db8:1::/48"},
		"2001:db8:2:2::1":        {"2001:db8:2:2::1", "2001:db8:2:2::", "2001:db8:2::/48"},
		"fe80::1%eth0":           {"fe80::1", "fe80::", "fe80::/48"},
		"::1":                    {"::1", "::", "::/48"},

		// What is shown is the address; what is counted is the IPv4 address in it.
		"64:ff9b::192.0.2.7":          {"64:ff9b::c000:207", "192.0.2.7", "192.0.2.0/24"},
		"64:ff9b::c000:207%eth0":      {"64:ff9b::c000:207", "192.0.2.7", "192.0.2.0/24"},
		"64:ff9b::203.0.113.9":        {"64:ff9b::cb00:7109", "203.0.113.9", "203.0.113.0/24"},
		"64:ff9b:0:0:0:1:192.0.2.7":   {"64:ff9b::1:c000:207", "64:ff9b::", "64:ff9b::/48"},
		"64:ff9b:1::192.0.2.7":        {"64:ff9b:1::c000:207", "64:ff9b:1::", "64:ff9b:1::/48"},
		"::ffff:0:192.0.2.7":          {"::ffff:0:c000:207", "192.0.2.7", "192.0.2.0/24"},
		"2002:c000:207::1":            {"2002:c000:207::1", "192.0.2.7", "192.0.2.0/24"},
		"2002:c000:207:ffff:1::2":     {"2002:c000:207:ffff:1::2", "192.0.2.7", "192.0.2.0/24"},
		"2003:c000:207::1":            {"2003:c000:207::1", "2003:c000:207::", "2003:c000:207::/48"},
		"2001:0:cb00:7109::3fff:fdf8": {"2001:0:cb00:7109::3fff:fdf8", "192.0.2.7", "192.0.2.0/24"},
		"2001:1::3fff:fdf8":           {"2001:1::3fff:fdf8", "2001:1::", "2001:1::/48"},
	} {
		a := netip.MustParseAddr(addr)
		if got := netprefix.Unmapped(a).String(); got != want.unmapped {
			t.Errorf("Unmapped(%s) is %s, want %s", addr, got, want.unmapped)
		}
		if got := netprefix.Text(a); got != want.text {
			t.Errorf("Text(%s) is %s, want %s", addr, got, want.text)
		}
		if got := netprefix.Wide(a).String(); got != want.wide {
			t.Errorf("Wide(%s) is %s, want %s", addr, got, want.wide)
		}
	}
	if got := netprefix.Text(netip.Addr{}); got != netprefix.Unknown {
		t.Errorf("of no address: %q", got)
	}
	if got := netprefix.Wide(netip.Addr{}); got != (netip.Prefix{}) {
		t.Errorf("of no address: %v", got)
	}
}
