package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/deploy"
	"github.com/certkeep/certkeep/internal/keys"
	"github.com/certkeep/certkeep/internal/plan"
)

// keepsOut refuses a target where the user could exchange a folder that leads to
// its files: root would write where he wants.
func (b Book) keepsOut(t deploy.Target) error {
	paths, err := pathsOf(t)
	if err != nil {
		return err
	}
	if t.Archive != "" {
		paths = append(paths, filepath.Join(t.Archive, "x"))
	}
	for _, path := range paths {
		dir := filepath.Dir(path)
		if err := errors.Join(b.keepsOutOf(dir), b.keepsOutOf(reallyAt(dir))); err != nil {
			return err
		}
	}
	return nil
}

// reallyAt is where a folder, or the nearest above it that is there, really is.
func reallyAt(dir string) string {
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if real, err := filepath.EvalSymlinks(dir); err == nil {
			return real
		}
	}
	return dir
}

// keepsOutOf looks at a folder and all above it. One that is not there yet is made
// by root.
func (b Book) keepsOutOf(dir string) error {
	for ; ; dir = filepath.Dir(dir) {
		info, err := os.Lstat(dir)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return err
		default:
			stat, ok := info.Sys().(*syscall.Stat_t)
			theirs := ok && int(stat.Uid) == b.user && b.user != os.Geteuid()
			if anybodys := info.IsDir() && info.Mode()&0o002 != 0 && info.Mode()&fs.ModeSticky == 0; theirs || anybodys {
				return fmt.Errorf("the user that Certkeep runs as may exchange what is in %s, and so have files made elsewhere: chown root %[1]s; chmod o-w %[1]s", dir)
			}
		}
		if dir == filepath.Dir(dir) {
			return nil
		}
	}
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
		return deploy.Target{Cert: cert.Name, Name: name}, all, nil
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
