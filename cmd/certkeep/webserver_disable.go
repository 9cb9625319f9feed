package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/webserver"
)

// webDisabled is what `webserver disable` prints; see docs/json.md.
type webDisabled struct {
	Written bool      `json:"written"`
	Sites   []webLess `json:"sites"`

	patched bool // the lines are printed as a patch
}

// webLess is what is taken away of one site.
type webLess struct {
	Name  string    `json:"name"`
	Files []string  `json:"files"` // of Certkeep's own, snippets first
	Lines []webTake `json:"lines"`
	Kept  []webKept `json:"kept"`

	by []string // files that include its snippets in ways that no single line tells
}

// webTake is a line that still includes a snippet.
type webTake struct {
	Server string `json:"server"`
	File   string `json:"file"`
	Line   int    `json:"line"`
	Text   string `json:"text"`

	alone  bool   // nothing else stands in the line
	leaves string // what the server would refuse without it
}

// webKept is a file that stays, and why.
type webKept struct {
	Path string `json:"path"`
	Why  string `json:"why"`
}

// webUnwish are the options of `webserver disable`.
type webUnwish struct{ all, write, patch bool }

func (a *app) webserverDisableCommand() *cobra.Command {
	w := webUnwish{}
	cmd := &cobra.Command{
		Use:   "disable NAME…",
		Short: "Take away what `webserver enable` wrote",
		Long: "For each site that was enabled under one of the names (--all: for all): removes its snippets and\n" +
			"its entry in the config. A snippet that the server still includes stays, for the server would\n" +
			"refuse its whole configuration without it: first take the line out, by hand or by\n" +
			"`patch -p1 -d /` from what --patch prints. The server then tests its configuration and is\n" +
			"reloaded before anything is removed. An entry whose certificate others use stays.\n\n" +
			"Without --write nothing is done. Certificates and keys that are installed stay, and so does what\n" +
			"is stored: see `certkeep forget`.",
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, names []string) error {
			return a.disable(cmd.Context(), w, names)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&w.all, "all", false, "all sites that were enabled")
	f.BoolVar(&w.patch, "patch", false, "print the lines to take out as a patch, for `patch -p1 -d /`; goes ahead of --write")
	f.BoolVar(&w.write, "write", false, "remove the files, instead of telling which")
	return cmd
}

// disable finds what is to go, removes it where asked, and tells.
func (a *app) disable(ctx context.Context, w webUnwish, names []string) error {
	switch {
	case w.all == (len(names) > 0):
		return usage("name the sites, or give --all", "`certkeep webserver update` lists those that were enabled")
	case w.patch && (a.json || w.write):
		return usage("--patch goes without --write and without --json", "first the lines go, then `certkeep webserver disable … --write` removes what they included")
	}
	p, err := a.newProposal(webWish{write: w.write})
	if err != nil {
		return err
	}
	before, err := recallAll(p)
	if err != nil {
		return err
	}
	chosen, others, err := among(before, names)
	if err != nil {
		return err
	}
	found := webDisabled{Written: w.write, Sites: []webLess{}}
	reader, err := p.readsNow(ctx)
	if err != nil {
		return err
	}
	for _, r := range chosen {
		s, err := reader.less(r)
		if err != nil {
			return err
		}
		found.Sites = append(found.Sites, s)
	}
	if err := p.keepEntries(found.Sites, others); err != nil {
		return err
	}
	if found.patched = w.patch; w.patch {
		return a.showLess(found)
	}
	code := exitOK
	if w.write {
		if err := p.remove(ctx, found.Sites); err != nil {
			return err
		}
		if slices.ContainsFunc(found.Sites, webLess.included) {
			code = exitFailed
		}
	}
	return a.show(found, func() string { return describeLess(found) }, code)
}

// among are the sites that were enabled under some names, or all, and the others.
func among(before []remembered, names []string) (chosen, others []remembered, err error) {
	var all []string
	for _, r := range before {
		all = append(all, r.name)
		all = append(all, r.names...)
	}
	for _, name := range names {
		if !slices.Contains(all, name) {
			return nil, nil, unknownName("enabled site", name, all)
		}
	}
	chosen, others = []remembered{}, nil
	for _, r := range before {
		meant := len(names) == 0 || slices.ContainsFunc(names, func(name string) bool { return r.name == name || slices.Contains(r.names, name) })
		if meant {
			chosen = append(chosen, r)
		} else {
			others = append(others, r)
		}
	}
	return chosen, others, nil
}

// keepEntries has entries of the config stay whose certificates others use: sites
// that were enabled with --use-host, virtual hosts that name its files themselves,
// and other files of the config.
func (p *proposal) keepEntries(sites []webLess, others []remembered) error {
	for i := range sites {
		s := &sites[i]
		entry := p.entry(s.Name)
		if !slices.Contains(s.Files, entry) {
			continue
		}
		why, err := p.usedBy(s.Name, others)
		if err != nil {
			return err
		}
		if why == "" {
			why = p.neededBy(entry, s.Name)
		}
		if why != "" {
			s.Files = slices.DeleteFunc(s.Files, func(file string) bool { return file == entry })
			s.Kept = append(s.Kept, webKept{entry, why})
		}
	}
	return nil
}

// remove takes away the files of sites that no server includes. Their servers test
// their configuration and are reloaded first: from then on nobody reads what goes.
// Snippets go before the entry; a crash between them leaves the rest, which the
// same command takes away.
func (p *proposal) remove(ctx context.Context, sites []webLess) error {
	disk := durable.OS{}
	for _, server := range webserver.Servers() {
		folder := p.folder(server)
		reads := func(file string) bool { return filepath.Dir(file) == folder }
		if !slices.ContainsFunc(sites, func(s webLess) bool { return !s.included() && slices.ContainsFunc(s.Files, reads) }) {
			continue
		}
		if _, err := webserver.Files(ctx, server); errors.Is(err, webserver.ErrNotInstalled) || errors.Is(err, webserver.ErrNotSetUp) {
			continue // there is none that would have to know
		}
		if err := p.reload(ctx, server); err != nil {
			return err
		}
	}
	for _, s := range sites {
		if s.included() {
			continue
		}
		for _, file := range s.Files {
			if err := errors.Join(disk.Remove(file), disk.SyncDir(filepath.Dir(file))); err != nil {
				return fmt.Errorf("remove %s: %w", file, err)
			}
		}
	}
	return nil
}

// included reports whether a server still has a snippet of the site.
func (s webLess) included() bool { return len(s.Lines)+len(s.by) > 0 }

func describeLess(found webDisabled) string {
	var b strings.Builder
	var stay, gone []string
	for _, s := range found.Sites {
		fmt.Fprintf(&b, "%s\n", s.Name)
		for _, l := range s.Lines {
			fmt.Fprintf(&b, "  to take out  %s:%d: %s\n", l.File, l.Line, l.Text)
			if l.leaves != "" {
				fmt.Fprintf(&b, "               and %s\n", l.leaves)
			}
		}
		for _, file := range s.by {
			fmt.Fprintf(&b, "  included     %s, by no line of its own\n", file)
		}
		word := "to remove    "
		switch {
		case found.Written && s.included():
			word = "stays        "
		case found.Written:
			word = "removed      "
		}
		for _, file := range s.Files {
			fmt.Fprintf(&b, "  %s%s\n", word, file)
		}
		for _, k := range s.Kept {
			fmt.Fprintf(&b, "  stays        %s: %s\n", k.Path, k.Why)
		}
		if s.included() {
			stay = append(stay, s.Name)
		} else {
			gone = append(gone, s.Name)
		}
	}
	switch {
	case len(found.Sites) == 0:
		b.WriteString("no virtual host was enabled: there is nothing to take away\n")
	case len(stay) > 0 && found.patched:
		fmt.Fprintf(&b, "\nthe patch takes out what no warning speaks of; then: certkeep webserver disable %s --write\n", strings.Join(stay, " "))
	case len(stay) > 0:
		fmt.Fprintf(&b, "\nfirst take the lines out, by hand or with: certkeep webserver disable %s --patch | patch -p1 -d /\n", strings.Join(stay, " "))
	case !found.Written:
		b.WriteString("\nnothing was removed: --write does it\n")
	}
	if found.Written && len(gone) > 0 {
		fmt.Fprintf(&b, "\nnow: certkeep apply. Installed files stay; `certkeep forget %s` drops what is stored\n", strings.Join(gone, " "))
	}
	return string(visible([]byte(b.String())))
}
