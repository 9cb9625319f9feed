package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
)

// readers looks whether the users of services can read what is installed for
// them. One that cannot goes on with the old certificate until it ends.
func (d *examiner) readers() {
	if d.known == nil {
		return // why, stands with the state
	}
	for _, id := range slices.Sorted(maps.Keys(d.used())) {
		name, s := "services."+id, d.cfg.Services[id]
		if s.User == "" || s.User == "root" {
			continue
		}
		who, err := findReader(s.User)
		if err != nil {
			d.add(verdictProblem, name, err.Error(), "say in services."+id+".user who reads the files")
			continue
		}
		d.reads(name, who, s.User, d.filesFor(id))
	}
}

// reads looks at files one after the other. What keeps a user from several is
// told once.
func (d *examiner) reads(name string, who reader, user string, files []string) {
	told := map[string]bool{}
	seen := 0
	for _, path := range files {
		where, how, err := who.stopped(path)
		switch {
		case errors.Is(err, fs.ErrNotExist): // it is put there again
		case err != nil:
			d.add(verdictProblem, name, fmt.Sprintf("whether user %s can read %s cannot be seen: %v", user, path, err), "run this as root")
			return
		case where == "":
			seen++
		case !told[where]:
			told[where] = true
			d.add(verdictProblem, name, fmt.Sprintf("user %s cannot read %s: %s is %s", user, path, where, how),
				"set group (or owner) for the certificate, to one that the user is in, and see to it that the folders above can be entered")
		}
	}
	if len(told) == 0 && seen > 0 {
		d.add(verdictOK, name, fmt.Sprintf("user %s can read what is installed (files: %d)", user, seen), "")
	}
}

// used are the services that are told of certificates.
func (d *examiner) used() map[string]bool {
	used := map[string]bool{}
	for _, cert := range d.cfg.Certificates {
		for _, name := range cert.Services {
			used[name] = true
		}
	}
	return used
}

// filesFor are the files that are installed for a service.
func (d *examiner) filesFor(service string) []string {
	var all []string
	for _, cert := range d.cfg.Certificates {
		if !slices.Contains(cert.Services, service) {
			continue
		}
		for _, target := range d.known.Cert(cert.Name).Targets {
			for _, f := range target.Files {
				all = append(all, f.Path)
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// reader is a user, with his groups.
type reader struct {
	uid  uint32
	gids []uint32
}

func findReader(name string) (reader, error) {
	account, err := user.Lookup(name)
	if err != nil {
		return reader{}, fmt.Errorf("there is no user %s here: %w", name, err)
	}
	groups, err := account.GroupIds()
	if err != nil {
		return reader{}, fmt.Errorf("the groups of user %s: %w", name, err)
	}
	var r reader
	for _, id := range append([]string{account.Uid}, groups...) {
		n, err := strconv.ParseUint(id, 10, 32)
		if err != nil {
			return reader{}, fmt.Errorf("the ids of user %s: %w", name, err)
		}
		r.gids = append(r.gids, uint32(n))
	}
	r.uid, r.gids = r.gids[0], r.gids[1:]
	return r, nil
}

// stopped says which file or folder on the way to a file keeps the user from
// reading it, and how that one is; "" where nothing does. What has an access
// list is taken to let him through.
func (r reader) stopped(path string) (where, how string, err error) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", "", err
	}
	const enter, read = 0o1, 0o4
	wanted := fs.FileMode(read)
	for at := real; ; at = filepath.Dir(at) {
		info, err := os.Stat(at)
		if err != nil {
			return "", "", err
		}
		if !r.may(info, wanted) && !hasAccessList(at) {
			stat := info.Sys().(*syscall.Stat_t)
			return at, fmt.Sprintf("%s, of user %d and group %d", info.Mode(), stat.Uid, stat.Gid), nil
		}
		if wanted = enter; at == filepath.Dir(at) {
			return "", "", nil
		}
	}
}

// may reports whether bits of a mode are the user's: those of the owner, of the
// group, or of all others, and no second look at the next (path_resolution(7)).
func (r reader) may(info fs.FileInfo, bits fs.FileMode) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !ok || r.uid == 0:
		return true
	case stat.Uid == r.uid:
		bits <<= 6
	case slices.Contains(r.gids, stat.Gid):
		bits <<= 3
	}
	return info.Mode().Perm()&bits == bits
}
