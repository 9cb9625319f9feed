package store

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/certkeep/certkeep/internal/durable"
)

// backupPasses bounds how often a backup begins again because records changed
// under it.
const backupPasses = 20

// Backup writes the records as a tar archive, beside a running holder or
// alone. What points to others is copied before what it points to, and copied
// again where it changed meanwhile, until nothing did: an archive that is
// unpacked in its order (later entries replace earlier ones) holds nothing
// that points to what is not in it. The archive holds private keys.
func (s *Store) Backup(ctx context.Context, to io.Writer) error {
	before, err := s.wholeSeal(ctx)
	if err != nil {
		return fmt.Errorf("back up %s: %w", s.path, err)
	}
	b := backup{root: s.path, tar: tar.NewWriter(to), seen: map[string]seen{}}
	for range backupPasses {
		changed, err := b.pass(ctx)
		if err != nil {
			return fmt.Errorf("back up %s: %w", s.path, err)
		}
		if changed {
			continue
		}
		after, err := s.wholeSeal(ctx)
		if err == nil && after != before {
			err = errors.New("its store key changed meanwhile; try again")
		}
		if err == nil {
			err = b.tar.Close()
		}
		if err != nil {
			return fmt.Errorf("back up %s: %w", s.path, err)
		}
		return nil
	}
	return fmt.Errorf("back up %s: its records do not stop changing; try again when less is going on", s.path)
}

// wholeSeal is the key that all secrets are under; "" where nothing is sealed.
// While a change of keys is under way there is none: a backup would hold secrets
// in the clear, or under two keys.
func (s *Store) wholeSeal(ctx context.Context) (string, error) {
	known, err := s.KnownSeal(ctx)
	switch {
	case err != nil || known == nil:
		return "", err
	case len(known.Others) > 0 && len(known.Left) == 0:
		return "", errors.New("its secrets are not all under one store key yet; `certkeep store seal` sees to it")
	}
	return known.Key, nil
}

// backup is an archive being written.
type backup struct {
	root string
	tar  *tar.Writer
	seen map[string]seen // by path below root
}

// seen tells a file that was copied from one that took its place.
type seen struct {
	size    int64
	changed time.Time
	file    os.FileInfo
}

// pass copies what was not copied yet as it is now, and reports whether there
// was anything that points to others.
func (b *backup) pass(ctx context.Context) (changed bool, err error) {
	for _, first := range []string{"records/" + groupsFolder, "records/" + keySetsFolder, "records/" + nodesFolder} {
		copied, err := b.folder(ctx, first)
		if err != nil {
			return false, err
		}
		changed = changed || copied
	}
	for _, rest := range []string{"format", "node", "records"} {
		if _, err := b.folder(ctx, rest); err != nil {
			return false, err
		}
	}
	return changed, nil
}

// folder copies a file, or the files below a folder.
func (b *backup) folder(ctx context.Context, below string) (copied bool, err error) {
	err = filepath.WalkDir(filepath.Join(b.root, below), func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // removed meanwhile, or not there yet
		}
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		if !entry.Type().IsRegular() || strings.HasPrefix(entry.Name(), ".") || durable.IsTemp(entry.Name()) {
			return nil
		}
		wrote, err := b.file(path)
		copied = copied || wrote
		return err
	})
	return copied, err
}

// file copies one file, unless it was and has not changed since. A record is
// replaced by a rename, so that what is opened stays whole; history grows, and
// is copied as far as it came.
func (b *backup) file(path string) (copied bool, err error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close() // opened for reading: nothing can be lost
	info, err := f.Stat()
	if err != nil {
		return false, err
	}
	name, err := filepath.Rel(b.root, path)
	if err != nil {
		return false, err
	}
	was, ok := b.seen[name]
	if ok && was.size == info.Size() && was.changed.Equal(info.ModTime()) && os.SameFile(was.file, info) {
		return false, nil
	}
	b.seen[name] = seen{size: info.Size(), changed: info.ModTime(), file: info}
	if !ok {
		if err := b.parents(name); err != nil {
			return false, err
		}
	}
	header := &tar.Header{Name: filepath.ToSlash(name), Typeflag: tar.TypeReg, Mode: 0o600, Size: info.Size(), ModTime: info.ModTime()}
	if err := b.tar.WriteHeader(header); err != nil {
		return false, err
	}
	_, err = io.CopyN(b.tar, f, info.Size())
	return true, err
}

// parents writes the folders above a file that are not in the archive yet, so
// that unpacking makes them private whatever the umask is.
func (b *backup) parents(name string) error {
	var missing []string
	for dir := filepath.Dir(name); dir != "."; dir = filepath.Dir(dir) {
		if _, ok := b.seen[dir]; ok {
			break
		}
		b.seen[dir] = seen{}
		missing = append(missing, dir)
	}
	for _, dir := range slices.Backward(missing) {
		if err := b.tar.WriteHeader(&tar.Header{Name: filepath.ToSlash(dir) + "/", Typeflag: tar.TypeDir, Mode: 0o700}); err != nil {
			return err
		}
	}
	return nil
}
