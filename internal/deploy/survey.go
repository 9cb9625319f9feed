package deploy

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// maxFile bounds what is read as a file of a target, in bytes.
const maxFile = 1 << 20

// survey looks at what stands at the paths of an image. It changes nothing.
func survey(image Image) (State, error) {
	var have State
	for _, w := range image.Files {
		uid, gid, err := resolve(w.owner, w.group)
		if err != nil {
			return State{}, fmt.Errorf("%s: %w", w.name, err)
		}
		node, err := look(w.name)
		if err != nil {
			return State{}, err
		}
		have.UIDs, have.GIDs = append(have.UIDs, uid), append(have.GIDs, gid)
		have.Files = append(have.Files, node)
	}
	if image.Link == "" {
		return have, nil
	}
	var err error
	if have.Link, err = look(image.Link); err != nil {
		return State{}, err
	}
	if have.Taken, err = namesIn(versions(image.Link)); err != nil {
		return State{}, err
	}
	switch have.Link.Kind {
	case KindFolder:
		err = have.folder(image)
	case KindLink:
		err = have.version(image)
	}
	return have, err
}

// version looks into a version folder: it may hold a pair of another kind of
// key than the image, as where a person goes back to a version without it.
func (s *State) version(image Image) error {
	names, err := namesIn(image.Link)
	if err != nil {
		return fmt.Errorf("look into the folder that is served: %w", err)
	}
	for _, name := range names {
		if slices.ContainsFunc(image.Files, func(w Want) bool { return filepath.Base(w.name) == name }) {
			continue
		}
		if slices.ContainsFunc(image.Files, func(w Want) bool {
			plain, ending := filepath.Base(w.name), filepath.Ext(w.name)
			return strings.HasPrefix(name, strings.TrimSuffix(plain, ending)+".") && strings.HasSuffix(name, ending)
		}) {
			s.Beyond = name
		}
	}
	return nil
}

// namesIn lists a folder, which may be missing.
func namesIn(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !missing(err) {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, nil
}

// isMark reports whether a file is what another tool leaves beside certificates
// for itself: certbot's README, and what security.acme of NixOS notes there.
func isMark(name string) bool { return name == "README" || name == "acme-success" || name == "renewed" }

// folder looks into a real folder at the place of our symlink.
func (s *State) folder(image Image) error {
	names, err := namesIn(image.Link)
	if err != nil {
		return fmt.Errorf("look into the folder that is to be replaced: %w", err)
	}
	for _, name := range names {
		if !isMark(name) && !slices.ContainsFunc(image.Files, func(w Want) bool { return filepath.Base(w.name) == name }) {
			s.Foreign = name
		}
	}
	beside, err := namesIn(filepath.Dir(image.Link))
	if err != nil {
		return fmt.Errorf("look for folders replaced earlier: %w", err)
	}
	for _, name := range beside {
		if strings.HasPrefix(name, "."+filepath.Base(image.Link)+asideMark) {
			s.Asides = append(s.Asides, name)
		}
	}
	return nil
}

// look says what stands at path. Of a symlink it tells the text, and the
// content of the file that it leads to, if it does.
func look(path string) (Node, error) {
	info, err := os.Lstat(path)
	if missing(err) {
		return Node{UID: -1, GID: -1}, nil
	}
	if err != nil {
		return Node{}, err
	}
	node := Node{Kind: KindOther, UID: -1, GID: -1}
	switch mode := info.Mode(); {
	case mode.IsDir():
		node.Kind = KindFolder
		return node, nil
	case mode&fs.ModeSymlink != 0:
		if node.Link, err = os.Readlink(path); err != nil {
			return Node{}, err
		}
		node.Kind = KindLink
	case mode.IsRegular():
		node.Kind = KindFile
	default:
		return node, nil
	}
	data, info, err := read(path)
	switch _, unusable := errors.AsType[*unreadableError](err); {
	case err == nil:
	case node.Kind == KindLink && (missing(err) || unusable):
		return node, nil // it leads nowhere, or to a folder
	case unusable:
		node.Kind = KindOther
		return node, nil
	default:
		return Node{}, err
	}
	node.SHA256, node.Mode = digest(data), info.Mode().Perm()
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		node.UID, node.GID = int(stat.Uid), int(stat.Gid)
	}
	return node, nil
}

// missing reports whether an error says that nothing stands at a path, or
// that what should be a folder on the way to it is none.
func missing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

// unreadableError is something that is no file of a sensible size.
type unreadableError struct{ path, what string }

func (e *unreadableError) Error() string { return fmt.Sprintf("read %s: %s", e.path, e.what) }

// read reads a file, following symlinks. A pipe or a device is refused before
// it can make us wait.
func read(path string) ([]byte, fs.FileInfo, error) { return readUpTo(path, maxFile) }

// readUpTo is read with a bound of its own, in bytes.
func readUpTo(path string, most int64) ([]byte, fs.FileInfo, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, syscall.ENXIO) { // a socket
		return nil, nil, &unreadableError{path, "not a file"}
	}
	if err != nil {
		return nil, nil, err
	}
	defer f.Close() // opened for reading: nothing can be lost
	info, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, nil, &unreadableError{path, "not a file"}
	}
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	if err != nil {
		return nil, nil, err
	}
	if int64(len(data)) > most {
		return nil, nil, &unreadableError{path, "too large for keys and certificates"}
	}
	return data, info, nil
}

// UserID is the number of a user, who may be given by it.
func UserID(name string) (int, error) {
	uid, _, err := resolve(name, "")
	return uid, err
}

// resolve turns the names or numbers of an owner and a group into ids; -1
// where nothing is asked for.
func resolve(owner, group string) (uid, gid int, err error) {
	uid, err = id("user", owner, func(name string) (string, error) {
		u, err := user.Lookup(name)
		if err != nil {
			return "", err
		}
		return u.Uid, nil
	})
	if err != nil {
		return 0, 0, err
	}
	gid, err = id("group", group, func(name string) (string, error) {
		g, err := user.LookupGroup(name)
		if err != nil {
			return "", err
		}
		return g.Gid, nil
	})
	return uid, gid, err
}

// id finds the number of a user or group by name; a number stands for itself.
func id(kind, name string, find func(string) (string, error)) (int, error) {
	if name == "" {
		return -1, nil
	}
	number, err := find(name)
	_, noUser := errors.AsType[user.UnknownUserError](err)
	_, noGroup := errors.AsType[user.UnknownGroupError](err)
	if noUser || noGroup {
		number, err = name, nil
	}
	if err != nil {
		return 0, fmt.Errorf("find %s %q: %w", kind, name, err)
	}
	n, err := strconv.ParseUint(number, 10, 31)
	if err != nil {
		return 0, fmt.Errorf("there is no %s %q on this machine", kind, name)
	}
	return int(n), nil
}
