package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/certkeep/certkeep/internal/deploy"
	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/webserver"
)

// write writes what has changed: entries of the config, placeholders for what
// these install, and then the snippets, which so never name files that are not
// there. Each file is replaced whole; a crash between two of them leaves some for
// the next run, which finds them changed. A server that includes one of them tests
// its configuration before it is reloaded; what it refuses is taken back.
func (p *proposal) write(ctx context.Context) error {
	undo, err := p.replace(func(f webFile) bool { return f.server == "" })
	if err == nil {
		err = p.standInFor(ctx)
	}
	if err == nil {
		var more []func() error
		more, err = p.replace(func(f webFile) bool { return f.server != "" })
		undo = append(undo, more...)
	}
	for _, server := range webserver.Servers() {
		if err == nil && p.uses(server) {
			err = p.reload(ctx, server)
		}
	}
	if err == nil {
		return nil
	}
	slices.Reverse(undo)
	for _, back := range undo {
		err = errors.Join(err, back())
	}
	return err
}

// replace writes those files that have changed and are meant, and returns what
// takes that back, the last one last.
func (p *proposal) replace(meant func(f webFile) bool) (undo []func() error, err error) {
	for _, s := range p.sites {
		for _, f := range s.Files {
			if !f.Changed || f.standIn || !meant(f) {
				continue
			}
			back, err := replace(durable.OS{}, f)
			if err != nil {
				return undo, fmt.Errorf("write %s: %w", f.Path, err)
			}
			undo = append(undo, back)
		}
	}
	return undo, nil
}

// uses reports whether a server includes a snippet that has changed.
func (p *proposal) uses(server string) bool {
	return slices.ContainsFunc(p.sites, func(s webSite) bool {
		return slices.ContainsFunc(s.Files, func(f webFile) bool { return f.server == server && f.Changed && f.used })
	})
}

// reload tests a server's configuration, and has it read that again.
func (p *proposal) reload(ctx context.Context, server string) error {
	d := deploy.New(deploy.Options{State: p.cfg.State})
	s := p.cfg.Services[server]
	err := d.CheckService(ctx, s)
	if err == nil {
		_, err = d.ReloadService(ctx, s)
	}
	failed, ok := errors.AsType[*deploy.ServiceError](err)
	if !ok {
		return err
	}
	words := append([]string{failed.Error() + "; the files are as they were before"}, failed.Said...)
	return &hintedError{code: exitFailed, words: strings.Join(words, "\n"), hint: "`certkeep apply --only install` puts a placeholder where a certificate is missing; `certkeep webserver enable` without --write shows the snippets", err: err}
}

// replace writes a file, and returns what takes that back.
func replace(disk durable.Disk, f webFile) (back func() error, err error) {
	attr := durable.Attr{Mode: 0o644, UID: -1, GID: -1}
	if f.make != nil {
		if err := disk.Mkdir(filepath.Dir(f.Path), durable.Attr{Mode: 0o755, UID: -1, GID: -1}); err != nil {
			return nil, err
		}
		return func() error { return nil }, f.make(disk, f.Path) // nobody minds it afterwards
	}
	old, err := os.ReadFile(f.Path)
	missing := errors.Is(err, fs.ErrNotExist)
	if err != nil && !missing {
		return nil, err
	}
	if err := disk.Mkdir(filepath.Dir(f.Path), durable.Attr{Mode: 0o755, UID: -1, GID: -1}); err != nil {
		return nil, err
	}
	if err := durable.Write(disk, f.Path, []byte(f.Content), attr); err != nil {
		return nil, err
	}
	return func() error {
		if missing {
			return errors.Join(disk.Remove(f.Path), disk.SyncDir(filepath.Dir(f.Path)))
		}
		return durable.Write(disk, f.Path, old, attr)
	}, nil
}

// describeEnabled tells people what was written, or is to be, and what they
// add themselves.
func (a *app) describeEnabled(found webEnabled) string {
	var b strings.Builder
	var certs []string
	changed, missing, reload := false, false, "reload the server, " // unless `apply` does, for a new certificate
	for _, s := range found.Sites {
		fmt.Fprintf(&b, "%s: %s\n%s", s.Certificate, strings.Join(s.Names, ", "), s.words(found.Written))
		changed, missing = changed || s.changed(), missing || s.missing()
		if slices.ContainsFunc(s.Files, func(f webFile) bool { return f.standIn && f.Changed }) {
			reload = ""
		}
		if !slices.Contains(certs, s.Certificate) {
			certs = append(certs, s.Certificate)
		}
	}
	switch {
	case len(found.Sites) == 0:
		b.WriteString("no virtual host has a name that a certificate can have\n")
	case !found.Written && changed:
		b.WriteString(nothingWritten)
	case missing && found.patched:
		fmt.Fprintf(&b, "\nthe patch adds the lines; %sthen: certkeep apply %s\n", reload, strings.Join(certs, " "))
	case missing:
		fmt.Fprintf(&b, "\nadd the lines, %sthen: certkeep apply %s\n", reload, strings.Join(certs, " "))
	case changed:
		fmt.Fprintf(&b, "\nnow: certkeep apply %s\n", strings.Join(certs, " "))
	}
	return string(visible([]byte(b.String())))
}

// changed reports whether a file of the site is not as it is to be.
func (s webSite) changed() bool {
	return slices.ContainsFunc(s.Files, func(f webFile) bool { return f.Changed })
}

// missing reports whether the administrator has a line to add.
func (s webSite) missing() bool {
	return slices.ContainsFunc(s.Lines, func(l webLine) bool { return !l.There })
}

// words are the files and lines of the site.
func (s webSite) words(written bool) string {
	var b strings.Builder
	for _, f := range s.Files {
		switch {
		case !f.Changed:
			fmt.Fprintf(&b, "  is there  %s\n", f.Path)
		case written:
			fmt.Fprintf(&b, "  written   %s\n", f.Path)
		case f.make != nil, f.standIn:
			fmt.Fprintf(&b, "  to make   %s\n", f.Path)
		default:
			fmt.Fprintf(&b, "  to write  %s\n%s", f.Path, indent(strings.Split(strings.TrimSuffix(f.Content, "\n"), "\n"), 4))
		}
	}
	for _, l := range s.Lines {
		b.WriteString(l.words())
	}
	return b.String()
}

// nothingWritten says so.
const nothingWritten = "\nnothing was written: --write does it\n"

// words is where a line belongs.
func (l webLine) words() string {
	also := ""
	if l.Besides != "" {
		also = "            and " + l.Besides + "\n"
	}
	switch {
	case l.There && l.takeOut:
		return fmt.Sprintf("  included  %s\n%s", l.Text, also)
	case l.There:
		return fmt.Sprintf("  included  %s\n", l.Text)
	case l.File != "":
		return fmt.Sprintf("  to add    as the first line of the virtual host at %s:%d:\n              %s\n%s", l.File, l.Line, l.Text, also)
	case l.Server == webserver.Nginx:
		return fmt.Sprintf("  to add    into the http block of nginx:\n              %s\n%s", l.Text, also)
	}
	return fmt.Sprintf("  to add    %s:\n              %s\n", cmp.Or(l.Besides, "into Apache's configuration, outside of every block"), l.Text)
}
