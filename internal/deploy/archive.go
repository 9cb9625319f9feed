package deploy

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/certkeep/certkeep/internal/durable"
)

// archiveTime begins the names of the archive's folders, in UTC. It holds no
// dash, so that what follows the first one is the version.
const archiveTime = "20060102T150405.000Z"

// archive copies files that version is about to replace to
// archive/CERT/TIME-VERSION/ (0700, files 0600). It answers where each copy
// is, by path. A crash leaves copies that PruneArchive removes in time.
func (d *Deployer) archive(cert, version string, files map[string]Node) (map[string]string, error) {
	kept := map[string]string{}
	if len(files) == 0 {
		return kept, nil
	}
	folder, err := d.archiveFolder(cert, version)
	if err != nil {
		return nil, err
	}
	for _, path := range slices.Sorted(maps.Keys(files)) {
		data, _, err := read(path)
		if err != nil {
			return nil, fmt.Errorf("archive what is to be replaced: %w", err)
		}
		if digest(data) != files[path].SHA256 {
			return nil, fmt.Errorf("archive what is to be replaced: %s is being changed by somebody else", path)
		}
		copied := filepath.Join(folder, archivedName(path, len(kept)))
		if err := d.disk.Create(copied, data, durable.Private()); err != nil {
			return nil, fmt.Errorf("archive %s: %w", path, err)
		}
		kept[path] = copied
	}
	if err := d.disk.SyncDir(folder); err != nil {
		return nil, fmt.Errorf("archive what is to be replaced: %w", err)
	}
	return kept, nil
}

// replaced are the files whose content operations replace.
func replaced(image Image, have State, ops []Op) map[string]Node {
	files := map[string]Node{}
	for i, w := range image.Files {
		if image.Link != "" && have.Files[i].SHA256 != "" {
			files[w.name] = have.Files[i]
		}
	}
	for _, op := range ops {
		if op.Verb == VerbSwitch && op.Old.SHA256 != "" {
			files[op.Path] = op.Old
		}
	}
	return files
}

// archiveFolder makes a new folder for what version replaces.
func (d *Deployer) archiveFolder(cert, version string) (string, error) {
	if !plainName.MatchString(version) {
		version = digest([]byte(version))[:12]
	}
	name := time.Now().UTC().Format(archiveTime) + "-" + version
	for n := 1; ; n++ {
		folder := filepath.Join(d.archiveDir(), cert, name)
		if n > 1 {
			folder += fmt.Sprintf("~%d", n)
		}
		if _, err := os.Lstat(folder); err == nil {
			continue
		}
		if err := d.disk.Mkdir(folder, durable.PrivateDir()); err != nil {
			return "", fmt.Errorf("make archive: %w", err)
		}
		return folder, nil
	}
}

// archivedName tells people where a file was: /etc/postfix/tls.pem becomes
// etc@postfix@tls.pem. The n-th file of a target is marked so where the name
// had to be cut.
func archivedName(path string, n int) string {
	name := strings.ReplaceAll(strings.Trim(path, "/"), "/", "@")
	if len(name) > 200 {
		name = fmt.Sprintf("%d~%s", n, name[len(name)-200:])
	}
	return name
}

// PruneArchive removes what was archived longer than keep ago; nothing where
// keep is not positive. What it does not know by name it leaves alone.
func (d *Deployer) PruneArchive(now time.Time, keep time.Duration) error {
	if keep <= 0 {
		return nil
	}
	folders, err := filepath.Glob(filepath.Join(d.archiveDir(), "*", "*-*"))
	if err != nil {
		return fmt.Errorf("look into the archive: %w", err)
	}
	var errs []error
	for _, folder := range folders {
		stamp, _, _ := strings.Cut(filepath.Base(folder), "-")
		at, err := time.Parse(archiveTime, stamp)
		if err != nil || now.Sub(at) <= keep {
			continue
		}
		if err := d.removeFolder(folder); err != nil {
			errs = append(errs, fmt.Errorf("prune archive: %w", err))
		}
	}
	return errors.Join(errs...)
}

// removeFolder removes a folder of files.
func (d *Deployer) removeFolder(folder string) error {
	names, err := namesIn(folder)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := d.disk.Remove(filepath.Join(folder, name)); err != nil {
			return err
		}
	}
	return d.disk.Remove(folder)
}
