package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/certkeep/certkeep/internal/webserver"
)

// webUpdated is what `webserver update` prints; see docs/json.md.
type webUpdated struct {
	Written bool      `json:"written"`
	Sites   []webSite `json:"sites"`
	Gone    []webGone `json:"gone"`
}

// webGone is a site that was enabled, and has no virtual host any more.
type webGone struct {
	Name  string   `json:"name"`
	Files []string `json:"files"`
}

func (a *app) webserverUpdateCommand() *cobra.Command {
	write := false
	cmd := &cobra.Command{
		Use:   "update",
		Short: "Have certificates and snippets follow the virtual hosts that were enabled",
		Long: "Does again what `webserver enable` did, for each virtual host that it was run for, with the\n" +
			"options that stand in the first line of its files. Names and aliases that a virtual host has got\n" +
			"or lost come into its certificate's entry in the config, or leave it; `certkeep apply` then has\n" +
			"CAs asked. Until they have answered, the certificate that there is goes on being shown. Where\n" +
			"nothing has changed, nothing is written and no server is reloaded.\n\n" +
			"Files of a virtual host that is gone stay, and so does its certificate: they are listed, and\n" +
			"`webserver disable` removes them. Without --write nothing is done. certkeep-webserver.timer does it each day.",
		Args: atMost(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.update(cmd.Context(), write)
		},
	}
	cmd.Flags().BoolVar(&write, "write", false, "write the files, instead of telling which")
	return cmd
}

func (a *app) update(ctx context.Context, write bool) error {
	p, err := a.newProposal(webWish{write: write})
	if err != nil {
		return err
	}
	found := webUpdated{Written: write, Sites: []webSite{}, Gone: []webGone{}}
	before, err := recallAll(p)
	if err != nil {
		return err
	}
	caught := p.caughtBefore()
	if len(before)+len(caught) > 0 {
		if found.Gone, err = p.again(ctx, before, caught); err != nil {
			return err
		}
		found.Sites = append(found.Sites, p.sites...)
	}
	for _, note := range p.notes {
		a.ui.say("%s %s", a.ui.painter(a.ui.stderr)(yellow, "warning:"), note)
	}
	if write {
		if err := p.write(ctx); err != nil {
			return err
		}
	}
	return a.show(found, func() string { return a.describeUpdated(found) }, p.exitCode())
}

// again proposes for what was enabled before, and lists what is there no more.
// A server that no site names is asked only where one names none.
func (p *proposal) again(ctx context.Context, before []remembered, caught []string) ([]webGone, error) {
	servers := map[string]bool{}
	for _, server := range caught {
		servers[server] = true
	}
	for _, r := range before {
		servers[r.wish.server] = true
	}
	var hosts []webserver.Host
	if servers[""] {
		servers = map[string]bool{"": true}
	}
	for _, server := range append([]string{""}, webserver.Servers()...) {
		if !servers[server] {
			continue
		}
		more, err := virtualHosts(ctx, server)
		if err != nil {
			return nil, err
		}
		hosts = append(hosts, more...)
	}
	sites := p.find(hosts)
	gone := []webGone{}
	var all []wishedSite
	for _, r := range before {
		site, there := r.among(sites)
		if !there {
			site, there = p.givenBefore(r)
		}
		if !there {
			gone = append(gone, webGone{Name: r.name, Files: r.files})
			continue
		}
		all = append(all, wishedSite{site, r.wish})
	}
	if err := p.lacks(ctx, all); err != nil {
		return nil, err
	}
	if err := p.make(all); err != nil {
		return nil, err
	}
	for _, server := range caught {
		if _, err := p.catch(hosts, server); err != nil {
			return nil, err
		}
	}
	return gone, nil
}

// caughtBefore lists the servers that `webserver catch-all` was run for.
func (p *proposal) caughtBefore() []string {
	return slices.DeleteFunc(webserver.Servers(), func(server string) bool {
		_, err := os.Lstat(p.catchFile(server))
		return err != nil
	})
}

// givenBefore is a site whose names stand in its snippet alone, as long as a
// server block of nginx without a name of its own includes that.
func (p *proposal) givenBefore(r remembered) (webserver.Site, bool) {
	site := webserver.Site{Name: r.name, Names: r.names, Server: []string{webserver.Nginx}, Given: true}
	snippet := filepath.Join(p.folder(webserver.Nginx), r.name+".conf")
	for _, h := range p.bare {
		if h.Server == webserver.Nginx && len(h.Names) == 0 &&
			slices.ContainsFunc(p.at[hostKey(h.Server, h.File, h.Line)], func(now webserver.Host) bool { return now.Includes(snippet) }) {
			site.Hosts = append(site.Hosts, h)
		}
	}
	return site, len(site.Hosts) > 0
}

// among finds the site among those that there are now, at the server that was
// asked for. One that is called otherwise now is it as long as it has the name.
func (r remembered) among(sites []webserver.Site) (webserver.Site, bool) {
	i := slices.IndexFunc(sites, func(s webserver.Site) bool { return s.Name == r.name })
	if i < 0 {
		i = slices.IndexFunc(sites, func(s webserver.Site) bool { return s.Has(r.name) })
	}
	if i < 0 {
		return webserver.Site{}, false
	}
	site := sites[i]
	site.Name = r.name
	if r.wish.server != "" {
		site = site.At(r.wish.server)
	}
	return site, len(site.Hosts) > 0
}

func (a *app) describeUpdated(found webUpdated) string {
	changed := webEnabled{Written: found.Written}
	for _, s := range found.Sites {
		if slices.ContainsFunc(s.Files, func(f webFile) bool { return f.Changed }) || slices.ContainsFunc(s.Lines, func(l webLine) bool { return !l.There }) {
			changed.Sites = append(changed.Sites, s)
		}
	}
	var b strings.Builder
	switch {
	case len(found.Sites)+len(found.Gone) == 0:
		b.WriteString("no virtual host was enabled: `certkeep webserver enable` does that\n")
	case len(changed.Sites) == 0:
		b.WriteString("nothing has changed at the virtual hosts that there are\n")
	default:
		b.WriteString(a.describeEnabled(changed))
	}
	for _, g := range found.Gone {
		fmt.Fprintf(&b, "%s: no virtual host has this name any more. Its certificate is kept until `certkeep webserver disable %s --write` removes\n%s", g.Name, g.Name, indent(g.Files, 4))
	}
	return string(visible([]byte(b.String())))
}
