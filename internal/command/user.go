package command

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// credentialOf looks up whom a command runs as. It is nil where nothing has
// to change: no user is named, or it is the one we are and we are not root
// (root still drops its supplementary groups).
func credentialOf(name string) (*syscall.Credential, error) {
	if name == "" {
		return nil, nil
	}
	u, err := lookup(name)
	if err != nil {
		return nil, err
	}
	uid, err := number(u.Uid)
	if err != nil {
		return nil, err
	}
	gid, err := number(u.Gid)
	if err != nil {
		return nil, err
	}
	if own := os.Geteuid(); own != 0 {
		if own == int(uid) {
			return nil, nil
		}
		return nil, fmt.Errorf("run as user %s: only root may become another user", name)
	}
	ids, err := u.GroupIds()
	if err != nil {
		return nil, fmt.Errorf("find the groups of user %s: %w", name, err)
	}
	credential := &syscall.Credential{Uid: uid, Gid: gid}
	for _, id := range ids {
		group, err := number(id)
		if err != nil {
			return nil, err
		}
		credential.Groups = append(credential.Groups, group)
	}
	return credential, nil
}

// lookup finds a user by name, or else by number.
func lookup(name string) (*user.User, error) {
	u, err := user.Lookup(name)
	if _, unknown := errors.AsType[user.UnknownUserError](err); unknown {
		if _, notNumber := strconv.ParseUint(name, 10, 32); notNumber == nil {
			u, err = user.LookupId(name)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("find user %s: %w", name, err)
	}
	return u, nil
}

func number(id string) (uint32, error) {
	n, err := strconv.ParseUint(id, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("read the user database: %w", err)
	}
	return uint32(n), nil
}
