package network

import (
	"fmt"
	"net"
	"net/netip"
)

// OwnAddresses are the addresses of this machine's interfaces, link-local ones
// left out, in the system's order.
func OwnAddresses() ([]netip.Addr, error) {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return nil, fmt.Errorf("list the addresses of this machine: %w", err)
	}
	var own []netip.Addr
	for _, a := range all {
		prefix, err := netip.ParsePrefix(a.String())
		if err != nil {
			continue // not an IP address
		}
		if ip := prefix.Addr().Unmap(); !ip.IsLinkLocalUnicast() {
			own = append(own, ip)
		}
	}
	return own, nil
}
