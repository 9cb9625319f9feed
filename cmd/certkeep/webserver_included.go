package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/engine"
	"github.com/certkeep/certkeep/internal/webserver"
)

// inclusions are the configurations of the web servers that are here, as far as
// they tell what includes a snippet.
type inclusions struct {
	p     *proposal
	files map[string][]string // of each server, with symlinks followed
	texts map[string]string   // by path
}

// readsNow has all web servers tell of their configuration. One that refuses it
// tells nothing, and so nothing can be taken away.
func (p *proposal) readsNow(ctx context.Context) (inclusions, error) {
	all := inclusions{p: p, files: map[string][]string{}, texts: map[string]string{}}
	var hosts []webserver.Host
	for _, server := range webserver.Servers() {
		files, err := webserver.Files(ctx, server)
		if errors.Is(err, webserver.ErrNotInstalled) || errors.Is(err, webserver.ErrNotSetUp) {
			continue
		}
		var more []webserver.Host
		if err == nil {
			more, err = webserver.Read(ctx, server)
		}
		if err != nil {
			return all, &hintedError{code: exitFailed, words: fmt.Sprintf("%s: %v", server, err), hint: serverHint(err), err: err}
		}
		hosts = append(hosts, more...)
		for _, file := range files {
			all.files[server] = append(all.files[server], real(file))
		}
		slices.Sort(all.files[server])
		all.files[server] = slices.Compact(all.files[server])
	}
	p.find(hosts)
	return all, nil
}

// real is a path with symlinks followed, as far as it is there.
func real(path string) string {
	if found, err := filepath.EvalSymlinks(path); err == nil {
		return found
	}
	return path
}

// less is what is to be taken away of a site: snippets, then its entry, and the
// lines that include the snippets.
func (n inclusions) less(r remembered) (webLess, error) {
	s := webLess{Name: r.name, Files: []string{}, Lines: []webTake{}, Kept: []webKept{}}
	for _, file := range r.files {
		if file != n.p.entry(r.name) {
			s.Files = append(s.Files, file)
		}
	}
	for _, file := range slices.Clone(s.Files) {
		server := filepath.Base(filepath.Dir(file))
		if !slices.Contains(n.files[server], real(file)) {
			continue
		}
		lines, err := n.of(server, file)
		if err != nil {
			return s, err
		}
		if len(lines) == 0 {
			s.by = append(s.by, file)
		}
		s.Lines = append(s.Lines, lines...)
	}
	if slices.Contains(r.files, n.p.entry(r.name)) {
		s.Files = append(s.Files, n.p.entry(r.name))
	}
	return s, nil
}

// of are the lines of a server's files that include a snippet.
func (n inclusions) of(server, snippet string) ([]webTake, error) {
	var found []webTake
	for _, path := range n.files[server] {
		text, known := n.texts[path]
		if !known {
			data, err := os.ReadFile(path)
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return nil, fmt.Errorf("look for what includes a snippet: %w", err)
			}
			text = string(data)
			n.texts[path] = text
		}
		for _, i := range webserver.Inclusions(server, path, text, func(file string) bool { return real(file) == real(snippet) }) {
			found = append(found, webTake{Server: server, File: i.File, Line: i.Line, Text: i.Text, alone: i.Alone, leaves: n.p.leaves(server, snippet, i)})
		}
	}
	return found, nil
}

// leaves says what the server would refuse once a host includes a snippet no more:
// it speaks TLS by itself, and has its certificate from there.
func (p *proposal) leaves(server, snippet string, i webserver.Inclusion) string {
	_, tls := p.cfg.Listen.Outside.Here()
	var of webserver.Host // the last that begins before the line
	for _, h := range p.now {
		if h.Server == server && real(h.File) == i.File && h.Line <= i.Line && h.Line > of.Line && h.Includes(snippet) {
			of = h
		}
	}
	for _, h := range p.bare {
		if of.File == "" || h.Server != server || h.File != of.File || h.Line != of.Line || len(h.Pairs) > 0 {
			continue
		}
		if server == webserver.Apache && slices.ContainsFunc(h.Addresses, func(a webserver.Address) bool { return a.Port == tls }) {
			return fmt.Sprintf("the whole <VirtualHost> at %s:%d, which has no certificate then, or give it another", h.File, h.Line)
		}
		if server == webserver.Nginx && h.TLS() {
			return fmt.Sprintf("the listen … ssl of the server block at %s:%d, which has no certificate then, or give it another", h.File, h.Line)
		}
	}
	return ""
}

// usedBy says who else uses the certificate of a site; "" where nobody does.
func (p *proposal) usedBy(name string, others []remembered) (string, error) {
	for _, o := range others {
		if o.wish.useHost == name {
			return "the site " + o.name + " uses its certificate (--use-host)", nil
		}
	}
	cert := p.cfg.Certificate(name)
	if cert == nil {
		return "", nil
	}
	files, err := engine.InstalledFiles(p.cfg, cert)
	if err != nil {
		return "", fmt.Errorf("list the files of %s: %w", name, err)
	}
	for _, h := range p.bare {
		for _, pair := range h.Pairs {
			for _, f := range files {
				if f.Path == pair.Certificate || f.Path == pair.Key {
					return fmt.Sprintf("the virtual host at %s:%d names %s", h.File, h.Line, f.Path), nil
				}
			}
		}
	}
	return "", nil
}

// neededBy says why the config does not go without the entry of a certificate; ""
// where it does.
func (p *proposal) neededBy(entry, name string) string {
	given := maps.Clone(p.given)
	given[entry] = nil
	cfg, _, err := config.LoadWith(p.path, given)
	switch {
	case err != nil:
		return "the config needs it: " + withoutPlace(err)
	case cfg.Certificate(name) != nil:
		return "another file of the config says more of the certificate " + name + ": take that out first"
	}
	return ""
}

// showLess prints a diff that takes the lines out as the result, and all else
// beside it. What it cannot say is told.
func (a *app) showLess(found webDisabled) error {
	out := map[string][]int{}
	texts := map[string]string{}
	a.ui.say("%s", strings.TrimSuffix(describeLess(found), "\n"))
	for _, s := range found.Sites {
		for _, l := range s.Lines {
			if !l.alone || l.leaves != "" {
				a.ui.say("%s %s:%d: take it out by hand: %s", a.ui.painter(a.ui.stderr)(yellow, "warning:"), l.File, l.Line, l.Text)
				continue
			}
			text, err := os.ReadFile(l.File)
			if err != nil {
				return fmt.Errorf("read the file of a virtual host: %w", err)
			}
			texts[l.File] = string(text)
			if !slices.Contains(out[l.File], l.Line) {
				out[l.File] = append(out[l.File], l.Line)
			}
		}
	}
	var diff strings.Builder
	for _, file := range slices.Sorted(maps.Keys(out)) {
		part, err := webserver.PatchOut(file, texts[file], out[file])
		if errors.Is(err, webserver.ErrWhole) || errors.Is(err, webserver.ErrName) {
			a.ui.say("%s %v: take the line out by hand", a.ui.painter(a.ui.stderr)(yellow, "warning:"), err)
			continue
		}
		if err != nil {
			return err
		}
		diff.WriteString(part)
	}
	if isTerminal(a.ui.stdout) { // it holds lines of files that others may write
		a.ui.print(string(visible([]byte(diff.String()))))
		return nil
	}
	a.ui.print(diff.String())
	return nil
}
