package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/certkeep/certkeep/internal/command"
	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/deploy"
	"github.com/certkeep/certkeep/internal/keys"
	"github.com/certkeep/certkeep/internal/plan"
)

// keepsOutOf refuses a target where the user could lead root elsewhere: where its
// files are, or may be, and where those are made that come next.
func (b Book) keepsOutOf(t deploy.Target, paths []string) error {
	if made := t.Versions(); made != "" {
		for _, folder := range []string{filepath.Dir(made), made} {
			if info, err := os.Lstat(folder); err == nil && info.Mode()&fs.ModeSymlink != 0 {
				return fmt.Errorf("%s is a symlink, which Certkeep never makes there: files would be made elsewhere; remove it", folder)
			}
		}
		paths = append(slices.Clip(paths), filepath.Join(made, "x"))
	}
	if t.Archive != "" {
		paths = append(slices.Clip(paths), filepath.Join(t.Archive, "x"))
	}
	for _, path := range paths {
		if err := b.keepsOut(filepath.Dir(path)); err != nil {
			return err
		}
	}
	return nil
}

// keepsOut refuses a folder where the user could exchange it, or a folder or
// symlink that leads there: root would write, or take away, where he wants. What
// is not there yet is made by root; so it must not be for others to make.
func (b Book) keepsOut(folder string) error {
	exposed, last := "", folder
	err := command.Way(folder, func(at string, info fs.FileInfo) bool {
		if b.exchangeable(info, false) {
			exposed = at
		}
		return exposed == ""
	})
	if missing, ok := errors.AsType[*fs.PathError](err); ok && errors.Is(err, fs.ErrNotExist) {
		last, err = filepath.Dir(missing.Path), nil
	}
	if err != nil {
		return err
	}
	if exposed == "" {
		info, err := os.Stat(last)
		if err != nil {
			return err
		}
		if b.exchangeable(info, true) {
			exposed = last
		}
	}
	if exposed != "" {
		return fmt.Errorf("the user that Certkeep runs as may exchange what is in %s, and so have files made elsewhere: chown root %[1]s; chmod go-w %[1]s", exposed)
	}
	return nil
}

// exchangeable reports whether a folder or symlink is the user's, or a folder
// that others may write, as everybody or by its group: which groups a process of
// the user is in nobody can say, and those that a list of access names show as
// the group's. With the sticky bit what is there cannot be exchanged, and what
// is not there can be made.
func (b Book) exchangeable(info fs.FileInfo, adds bool) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	theirs := ok && int(stat.Uid) == b.user && b.user != os.Geteuid()
	return theirs || info.IsDir() && info.Mode()&0o022 != 0 && (adds || info.Mode()&fs.ModeSticky == 0)
}

// pathsOf are the paths of a target's files.
func pathsOf(t deploy.Target) ([]string, error) {
	var paths []string
	for _, f := range t.Plain {
		paths = append(paths, f.Path)
	}
	if t.Plain != nil {
		return paths, nil
	}
	files, err := t.HookFiles()
	for _, f := range files {
		paths = append(paths, f.Path)
	}
	return paths, err
}

// mayLie are all paths where a target may have files by the config.
func (w *worker) mayLie(name string) (deploy.Target, []string, error) {
	cert := w.parts.cfg.Certificate(w.want.Name)
	kinds := [][]string{w.want.KeyTypes}
	for _, v := range w.known.Versions {
		kinds = append(kinds, v.KeyTypes())
	}
	var all []string
	if _, companion := w.want.Companion(name); companion {
		for _, keyTypes := range kinds {
			all = append(all, companionPaths(w.parts.cfg, cert, name, keyTypes)...)
		}
		return deploy.Target{Cert: cert.Name, Name: name, Layout: deploy.LayoutNone}, all, nil
	}
	target, err := w.lockedTarget(name)
	if err != nil {
		return target, nil, err
	}
	for _, keyTypes := range kinds {
		of := target
		of.KeyTypes = target.Serving(keyTypes)
		paths, err := pathsOf(of)
		if err != nil {
			return target, nil, err
		}
		all = append(all, paths...)
	}
	return target, all, nil
}

// companionPaths are all files that a companion may have for some kinds of key.
func companionPaths(cfg *config.Config, cert *config.Certificate, name string, keyTypes []string) []string {
	var paths []string
	if name == plan.CompanionHPKP {
		for _, server := range cert.HPKP.Servers() {
			paths = append(paths, cfg.HPKPFile(cert, server))
		}
		return paths
	}
	for _, keyType := range keyTypes {
		if name == plan.CompanionOCSP {
			paths = append(paths, cfg.OCSPFile(cert, keys.Type(keyType)))
			continue
		}
		for _, log := range cert.SCT.Logs {
			paths = append(paths, cfg.SCTFile(cert, keys.Type(keyType), log))
		}
	}
	return paths
}
