package network

import (
	"context"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
)

// Handed is the machine's network where a service manager opened sockets for
// the process before it started, as systemd does for a .socket unit
// (sd_listen_fds(3)). The zero value has none.
type Handed struct {
	OS
	sockets []handedSocket
}

type handedSocket struct {
	file *os.File
	at   *net.TCPAddr
}

// TakeOver makes listening sockets of files. It keeps the files, which must
// not be closed. Sockets that take no TCP connections are an error.
func TakeOver(files []*os.File) (Handed, error) {
	var h Handed
	for _, file := range files {
		listener, err := net.FileListener(file)
		if err != nil {
			return Handed{}, fmt.Errorf("take over the socket %s: %w", file.Name(), err)
		}
		at, ok := listener.Addr().(*net.TCPAddr)
		if err := listener.Close(); err != nil {
			return Handed{}, fmt.Errorf("take over the socket %s: %w", file.Name(), err)
		}
		if !ok {
			return Handed{}, fmt.Errorf("take over the socket %s: it takes no TCP connections", file.Name())
		}
		h.sockets = append(h.sockets, handedSocket{file, at})
	}
	return h, nil
}

// Listen implements [Network]. At the address of a socket that was handed over
// it gives a duplicate: closed, it leaves the socket as it was, and connections
// wait there until the next one takes them.
func (h Handed) Listen(ctx context.Context, network, address string) (net.Listener, error) {
	i := h.find(address)
	if i < 0 || network != "tcp" {
		return h.OS.Listen(ctx, network, address)
	}
	listener, err := net.FileListener(h.sockets[i].file)
	if err != nil {
		return nil, fmt.Errorf("listen on the socket for %s that was handed over: %w", address, err)
	}
	return listener, nil
}

// Has reports whether a socket for an address was handed over.
func (h Handed) Has(address string) bool { return h.find(address) >= 0 }

// Addresses are those of the sockets that were handed over.
func (h Handed) Addresses() []string {
	all := make([]string, 0, len(h.sockets))
	for _, s := range h.sockets {
		all = append(all, s.at.String())
	}
	return all
}

// find returns the socket for an address, or -1. Names of hosts are not looked
// up. No host, 0.0.0.0 and [::] are the same: every address of the machine.
func (h Handed) find(address string) int {
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return -1
	}
	port, err := strconv.Atoi(service)
	if err != nil {
		return -1
	}
	ip := net.ParseIP(host)
	if host != "" && ip == nil {
		return -1
	}
	return slices.IndexFunc(h.sockets, func(s handedSocket) bool {
		everywhere := len(s.at.IP) == 0 || s.at.IP.IsUnspecified()
		return s.at.Port == port && (everywhere && (ip == nil || ip.IsUnspecified()) || ip != nil && ip.Equal(s.at.IP))
	})
}
