package acmetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
)

// FreePort finds a port of 127.0.0.1 that is free for TCP and UDP. It stays
// below the range from which the kernel takes ports for outgoing connections,
// and for a minute no other caller gets it, in whichever process.
func FreePort() (int, error) {
	var last error
	for range 100 {
		port := 20000 + rand.IntN(12000)
		if !reserve(port) {
			last = fmt.Errorf("port %d is taken by another test", port)
			continue
		}
		if last = probePort(port); last == nil {
			return port, nil
		}
	}
	return 0, fmt.Errorf("find a free port: %w", last)
}

// probePort takes and frees a port.
func probePort(port int) error {
	tcp, err := net.Listen("tcp", loopback(port))
	if err != nil {
		return err
	}
	udp, err := net.ListenPacket("udp", loopback(port))
	if err != nil {
		return errors.Join(err, tcp.Close())
	}
	return errors.Join(udp.Close(), tcp.Close())
}
