package challenge

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"syscall"

	"github.com/certkeep/certkeep/internal/network"
	"github.com/certkeep/certkeep/internal/plan"
)

// Listen opens a listener. It is called each time one is needed, and what it
// returns is closed when none is needed any more: a socket that the service
// manager passed in is handed out as a duplicate.
type Listen func(ctx context.Context) (net.Listener, error)

// ListenOn listens on a TCP address. Without a host (":80") that is every
// address of the machine, IPv4 and IPv6. Its errors are *Error.
func ListenOn(n network.Network, address string) Listen {
	return func(ctx context.Context) (net.Listener, error) {
		listener, err := n.Listen(ctx, "tcp", address)
		if err == nil {
			return listener, nil
		}
		return nil, listenError(address, err)
	}
}

// listenError says why a port could not be had, and who has it.
func listenError(address string, err error) error {
	op := "listen on " + address
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return &Error{
			Op: op, Code: plan.CodePortTaken, Err: fmt.Errorf("the port is taken by %s: %w", portOwner(address), err),
			Hint: "let that program serve http-01 from a webroot, or use dns-01",
		}
	case errors.Is(err, syscall.EACCES):
		return &Error{
			Op: op, Code: plan.CodePortForbidden, Err: err,
			Hint: "ports below 1024 need root, CAP_NET_BIND_SERVICE, or a socket passed in by systemd; a webroot or dns-01 needs none",
		}
	}
	return &Error{Op: op, Code: plan.CodeChallenge, Err: err, Hint: "correct the listen address"}
}

// door is a listener that is open only while somebody needs it.
type door struct {
	listen Listen
	serve  func(net.Listener) error // until the listener is closed

	mu       sync.Mutex
	users    int
	listener net.Listener // nil while closed
	broken   error        // why serve ended by itself
}

// enter opens the door for the first user, and again where it broke.
func (d *door) enter(ctx context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.listener == nil || d.broken != nil {
		listener, err := d.listen(ctx)
		if err != nil {
			return err
		}
		d.listener, d.broken = &crowd{Listener: listener}, nil
		go d.stand(d.listener)
	}
	d.users++
	return nil
}

// stand serves until the listener is closed.
func (d *door) stand(listener net.Listener) {
	err := d.serve(listener)
	if errors.Is(err, net.ErrClosed) {
		return
	}
	listener.Close()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.listener == listener {
		d.broken = err
	}
}

// leave closes the door behind the last user. Requests that came in before go
// on to their end, within the time that they are allowed: they are not waited
// for, since by then the CA has seen what it wanted.
func (d *door) leave() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.users--
	if d.users > 0 {
		return nil
	}
	listener, broken := d.listener, d.broken
	d.listener, d.broken = nil, nil
	if broken != nil {
		return broken
	}
	return listener.Close()
}
