package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/certkeep/certkeep/internal/command"
	"github.com/certkeep/certkeep/internal/durable"
)

// listenStatus makes the unix socket of the status page, with mode 0660 and
// the group that may connect. A socket that nobody answers at is what a killed
// process left; anything else at its name is left alone.
func listenStatus(ctx context.Context, path, group string, disk durable.Disk) (net.Listener, error) {
	gid := -1
	if group != "" {
		g, err := user.LookupGroup(group)
		if err != nil {
			return nil, fmt.Errorf("look up the group: %w", err)
		}
		if gid, err = strconv.Atoi(g.Gid); err != nil {
			return nil, fmt.Errorf("group %s has the number %q", group, g.Gid)
		}
	}
	// The mode is set by name, so nobody else may exchange what has the name.
	where, words, _, err := command.ExposedWay(filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("look at the socket's folder: %w", err)
	}
	if words != "" {
		return nil, &SocketError{Path: where, Words: words}
	}
	if err := freeSocket(ctx, path, disk); err != nil {
		return nil, err
	}
	config := net.ListenConfig{Control: private}
	l, err := config.Listen(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	err = os.Lchown(path, -1, gid)
	if err == nil {
		err = os.Chmod(path, 0o660)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("give the socket its group and mode: %w", err), l.Close())
	}
	return l, nil
}

// freeSocket removes a socket at which nobody answers.
func freeSocket(ctx context.Context, path string, disk durable.Disk) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("look at the socket: %w", err)
	case info.Mode().Type() != fs.ModeSocket:
		return &SocketError{Path: path, Words: "not a socket; move it away"}
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", path)
	if err == nil {
		_ = conn.Close() // nothing was said
		return &SocketError{Path: path, Words: "another process answers there"}
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("see whether somebody answers at the socket: %w", err)
	}
	return disk.Remove(path)
}
