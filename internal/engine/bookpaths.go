package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/certkeep/certkeep/internal/command"
	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/deploy"
	"github.com/certkeep/certkeep/internal/keys"
	"github.com/certkeep/certkeep/internal/plan"
)

// keepsOut refuses paths of files where the user could exchange a folder or a
// symlink that leads there: root would write, or take away, where he wants.
func (b Book) keepsOut(paths []string) error {
	for _, path := range paths {
		exposed := ""
		err := command.Way(filepath.Dir(path), func(at string, info fs.FileInfo) bool {
			if b.exchangeable(info) {
				exposed = at
			}
			return exposed == ""
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // what is not there yet is made by root
			return err
		}
		if exposed != "" {
			return fmt.Errorf("the user that Certkeep runs as may exchange what is in %s, and so have files made elsewhere: chown root %[1]s; chmod o-w %[1]s", exposed)
		}
	}
	return nil
}

// exchangeable reports whether a folder or symlink is the user's, or a folder
// everybody's.
func (b Book) exchangeable(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	theirs := ok && int(stat.Uid) == b.user && b.user != os.Geteuid()
	return theirs || info.IsDir() && info.Mode()&0o002 != 0 && info.Mode()&fs.ModeSticky == 0
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
