package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/certkeep/certkeep/internal/command"
	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/engine"
	"github.com/certkeep/certkeep/internal/webserver"
)

// standsIn are the files that the snippets of a site name, and that are missing:
// a placeholder is to be there before anybody adds the line. The file for OCSP
// responses is told also where it is there.
func (p *proposal) standsIn(s wishedSite, cert *config.Certificate, wish webserver.Wish) ([]webFile, error) {
	var files []webFile
	if wish.Staple != "" && slices.Contains(s.Server, webserver.Nginx) {
		missing, err := isMissing(wish.Staple)
		if err != nil {
			return nil, err
		}
		files = append(files, webFile{Path: wish.Staple, Changed: missing, standIn: true})
	}
	for _, t := range cert.Targets() {
		if p.cfg.Shares(cert, t) {
			p.notes = append(p.notes, fmt.Sprintf("%s: its files come with those of keys that it shares: run `certkeep apply --only install` before you add the line", cert.Name))
			return files, nil
		}
	}
	for _, pair := range wish.Pairs {
		for _, path := range []string{pair.Certificate, pair.Key} {
			missing, err := isMissing(path)
			if err != nil {
				return nil, err
			}
			if missing && !slices.ContainsFunc(files, func(f webFile) bool { return f.Path == path }) {
				files = append(files, webFile{Path: path, Changed: true, standIn: true})
			}
		}
	}
	return files, nil
}

// isMissing reports whether nothing is at path, or only a symlink that leads nowhere.
func isMissing(path string) (bool, error) {
	_, err := os.Stat(path)
	if err == nil || errors.Is(err, fs.ErrPermission) { // somebody's, which others see
		return false, nil
	}
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return true, nil
	}
	return false, fmt.Errorf("look for the files of a certificate: %w", err)
}

// standInFor has placeholders made for the sites that lack some file.
func (p *proposal) standInFor(ctx context.Context) error {
	var names []string
	for _, s := range p.sites {
		lacks := slices.ContainsFunc(s.Files, func(f webFile) bool { return f.standIn && f.Changed })
		if lacks && !slices.Contains(names, s.Certificate) {
			names = append(names, s.Certificate)
		}
	}
	if len(names) == 0 {
		return nil
	}
	err := p.standIn(ctx, p.cfg, names)
	for _, s := range p.sites {
		for _, f := range s.Files {
			missing, wrong := isMissing(f.Path)
			if err = errors.Join(err, wrong); err == nil && f.standIn && missing {
				err = fmt.Errorf("%s was not made: something else lies beside it", f.Path)
			}
		}
	}
	if err != nil {
		return &hintedError{code: exitFailed, words: "no placeholder could be made, and the server would refuse snippets that name it: " + err.Error(), hint: "mend that, and run this again; nothing was written", err: err}
	}
	return nil
}

// standIn makes placeholders. Root makes them as whoever the state belongs to: that
// Certkeep has to be able to replace them, and root must not follow its symlinks.
// Where a helper installs, it makes them.
func (a *app) standIn(ctx context.Context, cfg *config.Config, names []string) error {
	uid := keeper(cfg, names)
	if os.Geteuid() != 0 || uid == 0 || cfg.Helper.On() {
		return engine.StandIn(ctx, cfg, names, a.passphrases(cfg, names).get)
	}
	path, err := filepath.Abs(cfg.Path)
	if err != nil {
		return fmt.Errorf("find the config: %w", err)
	}
	_, err = command.Run(ctx, command.Command{
		Args: append([]string{ownProgram(), "--config", path, "webserver", "placeholder"}, names...),
		User: strconv.Itoa(uid), Env: slices.DeleteFunc(os.Environ(), func(s string) bool { return strings.HasPrefix(s, "PATH=") }),
		Timeout: 10 * time.Minute,
	})
	if err != nil {
		return fmt.Errorf("as user %d, whose the state is: %w", uid, err)
	}
	return nil
}

// ownProgram is this program. By that name the other user can start it wherever it lies.
func ownProgram() string {
	const self = "/proc/self/exe"
	if _, err := os.Stat(self); err == nil {
		return self
	}
	return os.Args[0]
}

// keeper is whom the state belongs to, or, where nothing was stored yet, the folder
// of the certificates.
func keeper(cfg *config.Config, names []string) int {
	paths := []string{cfg.State}
	for _, name := range names {
		for _, t := range cfg.Certificate(name).Targets() {
			paths = append(paths, t.Path)
		}
	}
	for _, path := range paths {
		if info, err := os.Stat(path); err == nil && path != "" {
			if stat, ok := info.Sys().(*syscall.Stat_t); ok {
				return int(stat.Uid)
			}
		}
	}
	return os.Geteuid()
}

// webserverPlaceholderCommand is what root runs as another user.
func (a *app) webserverPlaceholderCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "placeholder NAME…",
		Short:  "Put placeholders where files of certificates are missing, and tell nobody",
		Hidden: true,
		Args:   atLeast(1, "names of certificates"),
		RunE: func(cmd *cobra.Command, names []string) error {
			cfg, err := a.load()
			if err != nil {
				return err
			}
			for _, name := range names {
				if err := certificateNamed(cfg, name); err != nil {
					return err
				}
			}
			return engine.StandIn(cmd.Context(), cfg, names, a.passphrases(cfg, names).get)
		},
	}
}
