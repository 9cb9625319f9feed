package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/certkeep/certkeep/internal/webserver"
)

// givenTo is the site of names that no virtual host has, where one answers for
// all of them by default, as Debian's first one does. It is nil where there is
// none, where a name may be a slip of the keyboard, and where others have some.
// An error says that the host has been given to another site before.
func (p *proposal) givenTo(names []string) (*webserver.Site, error) {
	port, _ := p.cfg.Listen.Outside.Here()
	host, found := webserver.CatchAll(p.bare, port)
	if !found || len(names) == 0 {
		return nil, nil
	}
	var all []string
	for _, h := range p.bare {
		all = append(all, h.Names...)
	}
	if slices.ContainsFunc(names, func(name string) bool { return len(nearest(name, all)) > 0 || slices.Contains(all, name) }) {
		return nil, nil
	}
	s := &webserver.Site{Name: strings.TrimPrefix(names[0], "*."), Names: names, Hosts: []webserver.Host{host}, Server: []string{host.Server}, Given: true}
	folder := p.folder(host.Server)
	for _, now := range p.at[hostKey(host.Server, host.File, host.Line)] {
		for _, file := range now.From(folder) {
			if before := strings.TrimSuffix(filepath.Base(file), ".conf"); before != s.Name {
				return nil, usage(fmt.Sprintf("the server block that answers by default (%s) was given to %s before", place(host), before),
					"name that first, and then the others: certkeep webserver enable "+before+" "+strings.Join(names, " "))
			}
		}
	}
	return s, nil
}
