// Package netprefix returns the network of an address. All spellings of one address have one
// network: an IPv4 address that is mapped into IPv6 is that IPv4 address, and a zone is
// ignored.
package netprefix

import "net/netip"

// Unknown is the [Text] of the zero Addr. It is the text of no network.
const Unknown = "unknown"

// Text returns the name of the network that is limited as one client: an IPv4 address, or the
// /64 of an IPv6 address, since one customer has all of its 2^64 addresses. Two networks
// never have the same name. For the zero Addr it is [Unknown].
func Text(a netip.Addr) string {
	a = Unmapped(a)
	if !a.IsValid() {
		return Unknown
	}
	if a.Is4() {
		return a.String()
	}
	p, _ := a.Prefix(64)
	return p.Addr().String()
}

// Wide returns the network of the site or operator of a: the /24 of an IPv4 address, the /48
// of an IPv6 address. Machines of one site change their addresses within it. For the zero
// Addr it is the zero Prefix.
func Wide(a netip.Addr) netip.Prefix {
	a = Unmapped(a)
	bits := 48
	if a.Is4() {
		bits = 24
	}
	p, _ := a.Prefix(bits) // the error is the zero Addr's, whose prefix is zero
	return p
}

// Unmapped returns a in one spelling: a mapped IPv4 address as IPv4, and without a zone.
func Unmapped(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }
