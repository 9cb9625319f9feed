// Package network is how Certkeep reaches others and is reached by them: the
// rooms that talk to a CA, to a CA's validation, to DNS or to a service are given a
// Network and open no socket otherwise. OS is the real one; the simulator
// brings its own.
package network

import (
	"context"
	"net"
	"time"
)

// Network opens connections.
type Network interface {
	// DialContext connects to an address ("host:port") over "tcp", or for DNS "udp".
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
	// Listen takes connections at an address; without a host (":80") at every
	// one of the machine, IPv4 and IPv6.
	Listen(ctx context.Context, network, address string) (net.Listener, error)
}

// OS is the machine's network.
type OS struct{}

// keepAlive is how often an idle connection is tried.
const keepAlive = 30 * time.Second

// DialContext implements [Network].
func (OS) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	dialer := net.Dialer{KeepAlive: keepAlive}
	return dialer.DialContext(ctx, network, address)
}

// Listen implements [Network].
func (OS) Listen(ctx context.Context, network, address string) (net.Listener, error) {
	var config net.ListenConfig
	return config.Listen(ctx, network, address)
}
