// Package netprefix returns the network of an address. All spellings of one address have one
// network: an IPv4 address that is mapped into IPv6 is that IPv4 address, and a zone is
// ignored. An IPv6 address that a translator or a tunnel makes of an IPv4 address belongs to
// the network of that IPv4 address.
package netprefix

import "net/netip"

// Unknown is the [Text] of the zero Addr. It is the text of no network.
const Unknown = "unknown"

// Text returns the name of the network that is limited as one client: an IPv4 address, or the
// /64 of an IPv6 address, since one customer has all of its 2^64 addresses. Two networks
// never have the same name. For the zero Addr it is [Unknown].
func Text(a netip.Addr) string {
	a = client(a)
	if !a.IsValid() {
		return Unknown
	}
	if a.Is4() {
		return a.String()
	}
	p, _ := a.Prefix(64)
	return p.Addr().String()
}

// Networks returns the names of the networks that a is in, from the widest to the narrowest.
// They are the /48, /56 and /64 of an IPv6 address, or the /24 of an IPv4 address and the
// address itself. A site has a /48 or a /56 as a rule, and an IPv4 /24 has one operator.
//
// The last name is [Text](a), and the others end in their width. So networks of two widths
// never have the same name. For the zero Addr there is only [Unknown].
func Networks(a netip.Addr) []string {
	a = client(a)
	if !a.IsValid() {
		return []string{Unknown}
	}
	wide := []int{48, 56}
	if a.Is4() {
		wide = []int{24}
	}
	names := make([]string, 0, len(wide)+1)
	for _, bits := range wide {
		p, _ := a.Prefix(bits)
		names = append(names, p.String())
	}
	return append(names, Text(a))
}

// Region returns the name of the network around those of [Networks] that one registry entry
// has as a rule: an IPv4 /16 or an IPv6 /32. For the zero Addr it is "unknown/0".
func Region(a netip.Addr) string {
	a = client(a)
	if !a.IsValid() {
		return Unknown + "/0"
	}
	bits := 32
	if a.Is4() {
		bits = 16
	}
	p, _ := a.Prefix(bits)
	return p.String()
}

// Wide returns the network of the site or operator of a: the /24 of an IPv4 address, the /48
// of an IPv6 address. Machines of one site change their addresses within it. For the zero
// Addr it is the zero Prefix.
func Wide(a netip.Addr) netip.Prefix {
	a = client(a)
	bits := 48
	if a.Is4() {
		bits = 24
	}
	p, _ := a.Prefix(bits) // the error is the zero Addr's, whose prefix is zero
	return p
}

// Unmapped returns a in one spelling: a mapped IPv4 address as IPv4, and without a zone. It is
// the address to show: an address of a translator stays what it is.
func Unmapped(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

// Networks whose addresses contain an IPv4 address. Otherwise one /64 would be every IPv4
// client of a translator, and one IPv4 client of 6to4 would have 65,536 networks.
var (
	nat64      = netip.MustParsePrefix("64:ff9b::/96")    // RFC 6052, 2.1
	translated = netip.MustParsePrefix("::ffff:0:0:0/96") // RFC 2765, 2.1
	sixToFour  = netip.MustParsePrefix("2002::/16")       // RFC 3056, 2
	teredo     = netip.MustParsePrefix("2001::/32")       // RFC 4380, 4
)

// client returns the address that stands for the client at a: the IPv4 address in an address
// of a translator or a tunnel, and Unmapped(a) otherwise. An operator's own NAT64 prefix is
// not known here, so such an address is an IPv6 address like any other.
func client(a netip.Addr) netip.Addr {
	a = Unmapped(a)
	if !a.Is6() {
		return a
	}
	b := a.As16()
	switch {
	case nat64.Contains(a), translated.Contains(a):
		return netip.AddrFrom4([4]byte(b[12:]))
	case sixToFour.Contains(a):
		return netip.AddrFrom4([4]byte(b[2:6]))
	case teredo.Contains(a): // with every bit flipped
		return netip.AddrFrom4([4]byte{^b[12], ^b[13], ^b[14], ^b[15]})
	}
	return a
}
