package main

import (
	"fmt"
	"net/netip"
	"strings"
)

// parseProxies parses the -trusted-proxies flag.
func parseProxies(list string) (networks []netip.Prefix, err error) {
	if list == "" {
		return nil, nil
	}
	for text := range strings.SplitSeq(list, ",") {
		network, err := netip.ParsePrefix(strings.TrimSpace(text))
		if err != nil {
			return nil, fmt.Errorf("-trusted-proxies: %q is not a network like 10.0.0.0/8 or fd00::/8, or like 10.0.0.1/32 for one address", text)
		}
		networks = append(networks, network)
	}
	return networks, nil
}
