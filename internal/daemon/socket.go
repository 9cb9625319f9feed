package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"

	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/socket"
)

// socketName is the control socket's name in the state folder.
const socketName = "control.sock"

// maxSocketPath is how long a unix socket's path may be on every system.
const maxSocketPath = 100

// address is a path that reaches dir/control.sock and fits into a socket
// address, however long dir's is. The folder must stay open while it is used.
func address(dir *os.File) string {
	path := filepath.Join(dir.Name(), socketName)
	if len(path) <= maxSocketPath {
		return path
	}
	return filepath.Join("/proc/self/fd", strconv.Itoa(int(dir.Fd())), socketName)
}

// listener accepts connections of root and of the user we run as.
type listener struct {
	*socket.Guard
	dir *os.File
}

// listen makes the control socket. The caller holds the state's lock, so a
// socket that lies there is what a killed process left, and is removed;
// anything else is somebody's file, and is not.
func listen(ctx context.Context, state string, disk durable.Disk, refuse func(uid uint32)) (*listener, error) {
	path := filepath.Join(state, socketName)
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, fmt.Errorf("look at the control socket: %w", err)
	case info.Mode().Type() != fs.ModeSocket:
		return nil, &socket.Error{Path: path, Words: "not a socket; move it away"}
	default:
		if err := disk.Remove(path); err != nil {
			return nil, fmt.Errorf("remove the control socket of a former process: %w", err)
		}
	}
	dir, err := os.Open(state)
	if err != nil {
		return nil, fmt.Errorf("open the state folder: %w", err)
	}
	l, err := socket.Private(ctx, address(dir))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("make the control socket: %w", err), dir.Close())
	}
	return &listener{Guard: &socket.Guard{UnixListener: l, May: trusted, Refuse: refuse}, dir: dir}, nil
}

// Close removes the socket.
func (l *listener) Close() error {
	return errors.Join(l.UnixListener.Close(), l.dir.Close())
}

// trusted reports whether a user may ask: root, and the user we run as.
func trusted(uid uint32) bool { return uid == 0 || int(uid) == os.Geteuid() }

// connect opens a connection to the control socket in a state folder.
func connect(ctx context.Context, state string) (net.Conn, error) {
	dir, err := os.Open(state)
	if err != nil {
		return nil, err
	}
	defer dir.Close() // opened for reading: nothing can be lost
	var d net.Dialer
	return d.DialContext(ctx, "unix", address(dir))
}
