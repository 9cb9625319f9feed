package verify

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/keys"
	"github.com/certkeep/certkeep/internal/network"
)

// ownLabel stands for a name of its own below a wildcard.
const ownLabel = "certkeep-verify"

// lookupTime bounds one question to DNS.
const lookupTime = 5 * time.Second

// Expand turns an endpoint of the config into questions: one for each name and
// each key type. Names are the certificate's, unless the endpoint has its own;
// keyTypes are those of the installed version.
//
// Without an address they go to this machine: to loopback, and where nothing
// listens there to its other addresses. With one they go there, and by "dns"
// to every address that DNS has for the name. What cannot be found becomes an
// Endpoint with Err, so that it is reported and not forgotten.
func Expand(ctx context.Context, e config.Endpoint, names, keyTypes []string) []Endpoint {
	if len(e.Hosts) > 0 {
		names = e.Hosts
	}
	if len(e.KeyTypes) > 0 {
		if keyTypes = asked(e, keyTypes); len(keyTypes) == 0 {
			return nil
		}
	}
	port := strconv.Itoa(e.Port)
	var own []netip.Addr
	var ownErr error
	if e.Address == "" {
		own, ownErr = ownAddresses()
	}
	var endpoints []Endpoint
	for _, name := range names {
		if base, wildcard := strings.CutPrefix(name, "*."); wildcard {
			name = ownLabel + "." + base
		}
		var places [][]string
		err := ownErr
		switch e.Address {
		case "":
			places = [][]string{onThisMachine(own, name, port)}
		case config.AddressDNS:
			places, err = byDNS(ctx, name, port)
		default:
			places = [][]string{{net.JoinHostPort(e.Address, port)}}
		}
		if err != nil {
			places = [][]string{nil}
		}
		for _, addresses := range places {
			for _, keyType := range orNone(keyTypes) {
				endpoints = append(endpoints, Endpoint{Addresses: addresses, ServerName: name, StartTLS: e.StartTLS, KeyType: keyType, Err: err})
			}
		}
	}
	return endpoints
}

// asked are those of the key types that an endpoint is asked for.
func asked(e config.Endpoint, keyTypes []string) []string {
	var list []string
	for _, keyType := range keyTypes {
		if slices.Contains(e.KeyTypes, keys.Type(keyType)) {
			list = append(list, keyType)
		}
	}
	return list
}

func orNone(keyTypes []string) []string {
	if len(keyTypes) == 0 {
		return []string{""}
	}
	return keyTypes
}

// onThisMachine lists where a service of this machine may listen, the
// likeliest first. A certificate's own IP address comes before all others: its
// clients send no name.
func onThisMachine(own []netip.Addr, name, port string) []string {
	hosts := []string{"127.0.0.1", "::1"}
	for _, a := range own {
		hosts = append(hosts, a.String())
	}
	if ip, err := netip.ParseAddr(name); err == nil && slices.Contains(own, ip) {
		hosts = slices.Insert(hosts, 0, ip.String())
	}
	var addresses []string
	for _, host := range hosts {
		address := net.JoinHostPort(host, port)
		if !slices.Contains(addresses, address) {
			addresses = append(addresses, address)
		}
	}
	return addresses
}

// ownAddresses are the addresses of this machine's interfaces, loopback and
// link-local ones left out, IPv4 first.
func ownAddresses() ([]netip.Addr, error) {
	own, err := network.OwnAddresses()
	own = slices.DeleteFunc(own, netip.Addr.IsLoopback)
	slices.SortStableFunc(own, func(a, b netip.Addr) int { return a.BitLen() - b.BitLen() })
	return own, err
}

// byDNS returns each address of a name as a place of its own.
func byDNS(ctx context.Context, name, port string) ([][]string, error) {
	ctx, cancel := context.WithTimeout(ctx, lookupTime)
	defer cancel()
	found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", name)
	if err != nil {
		return nil, fmt.Errorf("find the addresses of %s: %w", name, err)
	}
	var places [][]string
	for _, ip := range found {
		places = append(places, []string{net.JoinHostPort(ip.Unmap().String(), port)})
	}
	return places, nil
}
