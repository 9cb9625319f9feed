// Package socket makes unix sockets that only those can use who may: the
// control socket, that of the status page, that of the root helper.
//
// Listen is the function to call first. What is made here has its mode before it
// has a name, and Guard asks the kernel who connected.
package socket

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/certkeep/certkeep/internal/command"
	"github.com/certkeep/certkeep/internal/durable"
)

// Error says why there can be no socket.
type Error struct {
	Path  string
	Words string
}

// Error says what is wrong.
func (e *Error) Error() string { return e.Path + ": " + e.Words }

// Access says who may connect to a socket.
type Access struct {
	UID, GID int // -1 leaves them
	Mode     fs.FileMode
}

// Listen makes a socket. A socket that nobody answers at is what a killed
// process left; anything else at its name is left alone.
func Listen(ctx context.Context, path string, access Access, disk durable.Disk) (*net.UnixListener, error) {
	// The mode is set by name, so nobody else may exchange what has the name.
	where, words, _, err := command.ExposedWay(filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("look at the socket's folder: %w", err)
	}
	if words != "" {
		return nil, &Error{Path: where, Words: words}
	}
	if err := free(ctx, path, disk); err != nil {
		return nil, err
	}
	l, err := Private(ctx, path)
	if err != nil {
		return nil, err
	}
	err = os.Lchown(path, access.UID, access.GID)
	if err == nil {
		err = os.Chmod(path, access.Mode)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("give the socket its owner and mode: %w", err), l.Close())
	}
	return l, nil
}

// Private makes a socket for our own user. It has its mode before it gets a
// name: Linux makes the file with the mode of the socket, so there is no moment
// at which others could connect. Elsewhere the folder has to keep them out.
func Private(ctx context.Context, path string) (*net.UnixListener, error) {
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var failed error
		err := c.Control(func(fd uintptr) { failed = unix.Fchmod(int(fd), 0o600) })
		return errors.Join(err, failed)
	}}
	l, err := config.Listen(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	return l.(*net.UnixListener), nil
}

// free removes a socket at which nobody answers.
func free(ctx context.Context, path string, disk durable.Disk) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("look at the socket: %w", err)
	case info.Mode().Type() != fs.ModeSocket:
		return &Error{Path: path, Words: "not a socket; move it away"}
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", path)
	if err == nil {
		_ = conn.Close() // nothing was said
		return &Error{Path: path, Words: "another process answers there"}
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("see whether somebody answers at the socket: %w", err)
	}
	return disk.Remove(path)
}

// Guard accepts connections of users who may connect, and closes all others
// before a byte is read.
type Guard struct {
	*net.UnixListener
	May    func(uid uint32) bool
	Refuse func(uid uint32) // is told of the others
}

// Accept returns the next connection of somebody who may connect.
func (g *Guard) Accept() (net.Conn, error) {
	for {
		conn, err := g.AcceptUnix()
		if err != nil {
			return nil, err
		}
		uid, err := peer(conn)
		if err == nil && g.May(uid) {
			return conn, nil
		}
		if err == nil {
			g.Refuse(uid)
		}
		_ = conn.Close() // nothing was said
	}
}
