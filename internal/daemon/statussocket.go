package daemon

import (
	"context"
	"fmt"
	"net"
	"os/user"
	"strconv"

	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/socket"
)

// listenStatus makes the unix socket of the status page, with mode 0660 and
// the group that may connect.
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
	return socket.Listen(ctx, path, socket.Access{UID: -1, GID: gid, Mode: 0o660}, disk)
}
