package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/webserver"
)

// webEnabled is what `webserver enable` prints; see docs/json.md.
type webEnabled struct {
	Written bool      `json:"written"`
	Sites   []webSite `json:"sites"`

	patched bool // the lines are printed as a patch
}

// webSite is what one site needs.
type webSite struct {
	Certificate string    `json:"certificate"`
	Names       []string  `json:"names"`
	Files       []webFile `json:"files"`
	Lines       []webLine `json:"lines"`
}

// webFile is a file that Certkeep writes as a whole.
type webFile struct {
	Path    string `json:"path"`
	Content string `json:"content"`
	Changed bool   `json:"changed"`

	server string // that includes it; "" for a file of the config
	used   bool   // a server has it included

	make    func(disk durable.Disk, path string) error // makes it, where its content is not to be shown; one that is there stays
	standIn bool                                       // it is made with a placeholder, where it is missing
}

// webLine is a line that the administrator adds.
type webLine struct {
	Server  string `json:"server"`
	Text    string `json:"text"`
	File    string `json:"file,omitempty"` // of the virtual host that it belongs into, as its first line
	Line    int    `json:"line,omitempty"` // where that begins
	There   bool   `json:"there"`          // it is there already
	Besides string `json:"besides,omitempty"`

	takeOut bool // others of the host have to go with it
}

// webWish are the options of `webserver enable`.
type webWish struct {
	server, useHost, root, fallback, hsts, email string
	all, add, force, only, status, terms, write  bool
	patch                                        bool

	strict time.Duration // hsts
}

func (a *app) webserverEnableCommand() *cobra.Command {
	w := webWish{}
	cmd := &cobra.Command{
		Use:   "enable NAME…",
		Short: "Propose certificates for virtual hosts, and the snippets that they include",
		Long: "For each virtual host that has one of the names (--all: for all with a name): a certificate\n" +
			"in the config, and snippets for the server that name its files, answer CAs ahead of redirects\n" +
			"and passwords, and send visitors to HTTPS where asked. Without --write all of it is printed,\n" +
			"and nothing is done.\n\n" +
			"With --write it is written into files of Certkeep's own: conf.d/webserver-NAME.yaml, nginx/ and\n" +
			"apache/ beside the config. What an administrator wrote is never changed: the line that includes\n" +
			"a snippet is told, and is to be added by hand, or by `patch -p1 -d /` from what --patch prints.\n" +
			"Where one is included already and changes, the server's own test decides whether it stays, and\n" +
			"the server is reloaded. --email and --accept-terms are kept in conf.d/webserver.yaml. The other options\n" +
			"stand in the first line of each file, where `webserver update` reads them when names have changed.",
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, names []string) error {
			return a.enable(cmd.Context(), w, names)
		},
	}
	f := cmd.Flags()
	w.options(cmd)
	f.BoolVar(&w.all, "all", false, "all virtual hosts that have a name")
	f.StringVar(&w.email, "email", "", "contact `ADDRESS` for the account, where the config has none")
	f.BoolVar(&w.terms, "accept-terms", false, "agree to the terms of service of the CAs, where the config does not")
	f.BoolVar(&w.patch, "patch", false, "print the lines to add as a patch, for `patch -p1 -d /`; goes with --write")
	f.BoolVar(&w.write, "write", false, "write the files, instead of printing them")
	return cmd
}

// enable proposes, writes where asked, and tells.
func (a *app) enable(ctx context.Context, w webWish, names []string) error {
	if err := w.check(names); err != nil {
		return err
	}
	if w.patch && (a.json || !w.write) {
		return usage("--patch goes with --write and without --json", "the lines of the patch include files that --write writes; --json has them as `lines`")
	}
	p, err := a.newProposal(w)
	if err != nil {
		return err
	}
	if err := p.propose(ctx, names); err != nil {
		return err
	}
	diff := ""
	if w.patch {
		if diff, err = p.patch(); err != nil {
			return err
		}
	}
	for _, note := range p.notes {
		a.ui.say("%s %s", a.ui.painter(a.ui.stderr)(yellow, "warning:"), note)
	}
	if w.write {
		if err := p.write(ctx); err != nil {
			return err
		}
	}
	found := webEnabled{Written: w.write, Sites: p.sites, patched: diff != ""}
	if w.patch {
		return errors.Join(a.showPatch(found, diff), exitWith(p.exitCode()))
	}
	return a.show(found, func() string { return a.describeEnabled(found) }, p.exitCode())
}

// check refuses options that do not go together, or cannot stand in a
// configuration.
func (w *webWish) check(names []string) error {
	modes := 0
	for _, on := range []bool{w.add, w.force, w.only} {
		if on {
			modes++
		}
	}
	switch {
	case modes > 1:
		return usage("--add-ssl, --force-ssl and --only-ssl exclude each other", "give one of them")
	case w.all == (len(names) > 0):
		return usage("name the virtual hosts, or give --all", "`certkeep webserver list` shows them")
	case w.root != "" && (!filepath.IsAbs(w.root) || strings.ContainsAny(w.root, "{}\"\\$\n`'")):
		return usage(fmt.Sprintf("--acme-root %q is no absolute path without braces, quotes and the like", w.root), "name the folder that the web server shows")
	case strings.ContainsAny(w.fallback, " \t\r\n;{}\"'$\\/`"):
		return usage(fmt.Sprintf("--fallback-host %q is no host", w.fallback), "give a name or an address, maybe with a port")
	}
	if w.hsts != "" {
		d, err := config.ParseDuration(w.hsts)
		if err != nil || d < time.Second {
			return usage(fmt.Sprintf("--hsts %q is no time", w.hsts), "such as 180d")
		}
		w.strict = d
	}
	return nil
}

// mode is what becomes of visitors over HTTP.
func (w *webWish) mode() webserver.Mode {
	switch {
	case w.force:
		return webserver.ForceTLS
	case w.only:
		return webserver.OnlyTLS
	}
	return webserver.AddTLS
}

// choose finds the sites that are meant.
func choose(sites []webserver.Site, names []string) ([]webserver.Site, error) {
	if len(names) == 0 {
		return sites, nil
	}
	var all []string
	for _, s := range sites {
		all = append(all, s.Names...)
		if !slices.Contains(s.Names, s.Name) {
			all = append(all, s.Name)
		}
	}
	for _, name := range names {
		if !slices.Contains(all, name) {
			return nil, unknownName("virtual host", name, all)
		}
	}
	return slices.DeleteFunc(sites, func(s webserver.Site) bool { return !slices.ContainsFunc(names, s.Has) }), nil
}
