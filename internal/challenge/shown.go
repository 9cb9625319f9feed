package challenge

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/certkeep/certkeep/internal/network"
)

const (
	// lookPause lies between two looks at an answer.
	lookPause = 50 * time.Millisecond
	// looksInRow have to find it: while a web server is reloaded, workers of
	// both configurations take visitors, in turns.
	looksInRow = 5
	// lookTime bounds one look.
	lookTime = 2 * time.Second
)

// shown is a Webroot whose web server needs a moment.
type shown struct {
	*Webroot
	within    time.Duration
	network   network.Network
	port      int
	addresses func() ([]netip.Addr, error) // of this machine
}

// Shown waits until the web server of this machine shows an answer of w, at
// any of the machine's addresses and that port. After the time within the CA
// is asked all the same: what it sees counts, and it may see another machine.
func Shown(w *Webroot, within time.Duration, n network.Network, port int) Solver {
	return &shown{Webroot: w, within: within, network: n, port: port, addresses: ownAddresses}
}

// Wait implements Waiter. Its only error is that ctx has ended.
func (s *shown) Wait(ctx context.Context, c Challenge) error {
	limited, cancel := context.WithTimeout(ctx, s.within)
	defer cancel()
	addresses, err := s.addresses()
	if err != nil { // nowhere to look at
		return nil
	}
	pause := time.NewTicker(lookPause)
	defer pause.Stop()
	for row := 0; row < looksInRow; {
		found := slices.ContainsFunc(addresses, func(ip netip.Addr) bool { return s.look(limited, ip, c) })
		if row++; !found {
			row = 0
		}
		select {
		case <-pause.C:
		case <-limited.Done():
			return ctx.Err()
		}
	}
	return nil
}

// look asks at one address, as a visitor of the name. A redirect is no answer
// yet: the CA may follow it, and is not kept from that.
func (s *shown) look(ctx context.Context, ip netip.Addr, c Challenge) bool {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	address := net.JoinHostPort(ip.String(), strconv.Itoa(s.port))
	at := url.URL{Scheme: "http", Host: address, Path: acmePath + c.Token}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), http.NoBody)
	if err != nil {
		return false
	}
	request.Host = c.Identifier.Value
	if name, err := netip.ParseAddr(request.Host); err == nil && name.Is6() {
		request.Host = "[" + request.Host + "]"
	}
	transport := &http.Transport{DisableKeepAlives: true, DialContext: s.network.DialContext}
	answer, err := transport.RoundTrip(request)
	if err != nil {
		return false
	}
	defer answer.Body.Close() // it was read
	return compared(&at, answer, c) == nil
}

// ownAddresses are the addresses of this machine, loopback first.
func ownAddresses() ([]netip.Addr, error) {
	own, err := network.OwnAddresses()
	slices.SortStableFunc(own, func(a, b netip.Addr) int {
		rank := func(ip netip.Addr) int {
			if ip.IsLoopback() {
				return 0
			}
			return 1
		}
		return rank(a) - rank(b)
	})
	return own, err
}
