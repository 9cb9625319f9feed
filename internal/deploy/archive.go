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

// keysTime is the name of a folder in an archive by keys, in local time. It is
// acmebot's.
const keysTime = "2006_01_02_150405"

// archive copies files that version is about to replace to
// archive/CERT/TIME-VERSION/ of the state (0700, files 0600), or to the
// target's own archive, as TIME/KIND.NAME. It answers where each copy is, by
// path. A crash leaves whole copies, which PruneArchive removes in time, and a
// temporary, which goes with them or when the state is opened the next time: a
// part of what is sealed could not be told from what somebody altered.
func (d *Deployer) archive(t Target, version string, image Image, files map[string]Node) (map[string]string, error) {
	kept := map[string]string{}
	if len(files) == 0 {
		return kept, nil
	}
	folder, err := d.archiveFolder(t, version)
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
		name := archivedName(path, len(kept))
		if t.Archive != "" {
			name = image.kindOf(path) + "." + filepath.Base(path)
		}
		if slices.Contains(slices.Collect(maps.Values(kept)), filepath.Join(folder, name)) {
			name += fmt.Sprintf("~%d", len(kept)) // files of one name in several folders
		}
		copied := filepath.Join(folder, name)
		err = d.sealer.KeepFile(copied, data, func(data []byte) error { return durable.Replace(d.disk, copied, data, durable.Private()) })
		if err != nil {
			return nil, fmt.Errorf("archive %s: %w", path, err)
		}
		kept[path] = copied
	}
	if err := d.disk.SyncDir(folder); err != nil {
		return nil, fmt.Errorf("archive what is to be replaced: %w", err)
	}
	return kept, nil
}

// keptCopy reads a copy in the archive of what had a digest.
func (d *Deployer) keptCopy(op Op) ([]byte, error) {
	data, _, err := readUpTo(op.Kept, 2*maxFile) // what is sealed is longer
	if err != nil {
		return nil, fmt.Errorf("read its copy in the archive: %w", err)
	}
	if digest(data) == op.Old.SHA256 {
		return data, nil
	}
	if data, err = d.sealer.OpenFile(op.Kept, data); err != nil {
		return nil, fmt.Errorf("read its copy in the archive: %w", err)
	}
	if digest(data) != op.Old.SHA256 {
		return nil, fmt.Errorf("its copy in the archive, %s, was changed", op.Kept)
	}
	return data, nil
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
func (d *Deployer) archiveFolder(t Target, version string) (string, error) {
	if !plainName.MatchString(version) {
		version = digest([]byte(version))[:12]
	}
	now := time.Now()
	first := filepath.Join(d.archiveDir(), t.Cert, now.UTC().Format(archiveTime)+"-"+version)
	if t.Archive != "" {
		first = filepath.Join(t.Archive, now.Local().Format(keysTime))
	}
	for n := 1; ; n++ {
		folder := first
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
// keep is not positive. It looks into the state, and into byKeys, the folder of
// an archive by keys, unless that is "". What it does not know by name it
// leaves alone.
func (d *Deployer) PruneArchive(now time.Time, keep time.Duration, byKeys string) error {
	if keep <= 0 {
		return nil
	}
	old, err := foldersBefore(filepath.Join(d.archiveDir(), "*", "*-*"), func(name string) (time.Time, error) {
		stamp, _, _ := strings.Cut(name, "-")
		return time.Parse(archiveTime, stamp)
	}, now.Add(-keep))
	if byKeys != "" {
		more, failed := foldersBefore(filepath.Join(byKeys, "*", "*_*_*_*"), func(name string) (time.Time, error) {
			stamp, _, _ := strings.Cut(name, "~")
			return time.ParseInLocation(keysTime, stamp, time.Local)
		}, now.Add(-keep))
		old, err = append(old, slices.DeleteFunc(more, holdsOthers)...), errors.Join(err, failed)
	}
	errs := []error{err}
	for _, folder := range old {
		if err := d.removeFolder(folder); err != nil {
			errs = append(errs, fmt.Errorf("prune archive: %w", err))
		}
	}
	return errors.Join(errs...)
}

// foldersBefore are those of some folders whose names tell of a time before an
// instant.
func foldersBefore(pattern string, timeOf func(name string) (time.Time, error), before time.Time) ([]string, error) {
	folders, err := filepath.Glob(pattern)
	if err != nil {
		return nil, fmt.Errorf("look into the archive: %w", err)
	}
	return slices.DeleteFunc(folders, func(folder string) bool {
		at, err := timeOf(filepath.Base(folder))
		return err != nil || !at.Before(before)
	}), nil
}

// holdsOthers reports whether a folder of an archive by keys holds anything
// that is no copy of an installed file.
func holdsOthers(folder string) bool {
	names, err := namesIn(folder)
	return err != nil || slices.ContainsFunc(names, func(name string) bool {
		kind, _, _ := strings.Cut(name, ".")
		return !durable.IsTemp(name) && !slices.Contains(archiveKinds(), kind)
	})
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
