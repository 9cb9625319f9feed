package deploy

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/plan"
)

// tidy removes the version folders that are neither served nor the last ones
// served before, and temporaries that earlier attempts left.
func (d *Deployer) tidy(image Image, previous string) error {
	if image.Link == "" {
		for _, w := range image.Files {
			if err := d.tidyTemps(w.name); err != nil {
				return err
			}
		}
		return nil
	}
	current, err := os.Readlink(image.Link)
	if err != nil {
		return err
	}
	folder := versions(image.Link)
	names, err := namesIn(folder)
	if err != nil {
		return err
	}
	for _, name := range names {
		if name == filepath.Base(current) || name == filepath.Base(previous) {
			continue
		}
		if err := d.removeFolder(filepath.Join(folder, name)); err != nil {
			return err
		}
	}
	return d.tidyTemps(image.Link)
}

// TidyAbandoned removes what a killed process left beside installed files that
// no installation follows: those of a certificate that was taken out of the
// config. The files stay, and of a folder that is switched as a whole the version
// that is served. It is called before anything is installed.
func (d *Deployer) TidyAbandoned(files []plan.File) error {
	done := map[string]bool{} // folders
	for _, f := range files {
		image := Image{Files: []Want{{slot: slot{name: f.Path}}}}
		if folder := filepath.Dir(f.Path); done[folder] {
			continue
		} else if isSwitched(folder) {
			done[folder], image = true, Image{Link: folder}
		}
		if err := d.tidy(image, ""); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// isSwitched reports whether a path is the symlink to one of its versions.
func isSwitched(path string) bool {
	version, err := os.Readlink(path)
	return err == nil && filepath.Dir(filepath.Join(filepath.Dir(path), version)) == versions(path)
}

// tidyTemps removes the temporaries of a path that a killed process left.
func (d *Deployer) tidyTemps(path string) error {
	left, err := d.temps.take(path)
	if err != nil {
		return err
	}
	for _, temp := range left {
		if err := d.disk.Remove(temp); err != nil {
			d.temps.lookAgain(filepath.Dir(path))
			return err
		}
	}
	return nil
}

// temps knows the temporaries in folders with installed files. Each folder is
// listed once: with the files of 10,000 certificates in it, listing it after
// every installation would take longer than all the rest. Only whoever holds
// the state makes more of them, and removes his own.
type temps struct {
	mu    sync.Mutex
	found map[string]map[string][]string // by folder, then by the beginning of their names; guarded by mu
}

// take returns the temporaries of a path. They are not returned again.
func (t *temps) take(path string) ([]string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	folder, base := filepath.Split(path)
	folder, stem := filepath.Clean(folder), tempStem(base)
	found, listed := t.found[folder]
	if !listed {
		names, err := namesIn(folder)
		if err != nil {
			return nil, err
		}
		found = map[string][]string{}
		for _, name := range names {
			if i := strings.LastIndex(name, tempMark); durable.IsTemp(name) {
				found[name[:i]] = append(found[name[:i]], filepath.Join(folder, name))
			}
		}
		if t.found == nil {
			t.found = map[string]map[string][]string{}
		}
		t.found[folder] = found
	}
	left := found[stem]
	delete(found, stem)
	return left, nil
}

// lookAgain has a folder listed again: something was left in it.
func (t *temps) lookAgain(folder string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.found, filepath.Clean(folder))
}
