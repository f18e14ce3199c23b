package netprefix_test

import (
	"net/netip"
	"testing"

	"github.com/datixlab/auth/internal/netprefix"
)

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
