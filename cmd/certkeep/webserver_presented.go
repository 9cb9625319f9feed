package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/certkeep/certkeep/internal/webserver"
)

// servers looks at what holds for a web server as a whole: what Apache lacks for TLS,
// and who is the default at addresses that hosts share.
func (d *webExaminer) servers(ctx context.Context) error {
	lacks, err := webserver.ApacheLacks(ctx, d.hosts, 0)
	if err != nil {
		return &hintedError{code: exitFailed, words: fmt.Sprintf("%s: %v", webserver.Apache, err), hint: serverHint(err), err: err}
	}
	for _, l := range lacks {
		d.plain = true
		d.add(verdictProblem, "server "+webserver.Apache, l.Words, l.Remedy)
	}
	p := proposal{path: d.cfg.Path}
	ours := func(h webserver.Host) bool {
		return len(h.From(p.folder(h.Server))) > 0 || filepath.Dir(h.File) == p.folder(h.Server)
	}
	for _, o := range webserver.Ousted(d.hosts, ours) {
		if o.Host.File == p.catchFile(o.Host.Server) {
			continue // which is there for that
		}
		remedy := "have the other one come first, or: certkeep webserver catch-all"
		if o.Host.Server == webserver.Nginx {
			remedy = "say default_server in the other's listen line, or: certkeep webserver catch-all"
		}
		at := addresses(webserver.Host{Addresses: []webserver.Address{o.Address}})[0]
		d.add(verdictWarning, "server "+o.Host.Server, fmt.Sprintf(
			"%s (%s) comes first at %s and so gets visitors of all names that no host has there; without it, %s (%s) would",
			hostTitle(o.Host), place(o.Host), at, hostTitle(o.Other), place(o.Other)), remedy)
	}
	d.shows, d.silent = map[string]string{}, map[string]bool{}
	for _, h := range d.hosts {
		for _, s := range h.Look(d.now) {
			if s.Leaf != nil && d.shows[string(s.Leaf.Raw)] == "" {
				d.shows[string(s.Leaf.Raw)] = hostTitle(h) + " (" + place(h) + ")"
			}
		}
	}
	return nil
}

// presented makes the handshakes of a host's visitors, and tells of the first one
// that shows another certificate than the host declares, or none.
func (d *webExaminer) presented(ctx context.Context, h webserver.Host, shown []webserver.Shown) (checked, bool) {
	for _, g := range h.Greetings() {
		leaf, at, err := d.visitor.Greet(ctx, g)
		declared := func(s webserver.Shown) bool { return leaf != nil && s.Leaf != nil && s.Leaf.Equal(leaf) }
		switch {
		case ctx.Err() != nil:
			return checked{}, false
		case err != nil && d.silent[at]:
			return checked{}, false // told already
		case err != nil:
			d.silent[at] = true
			return d.unanswered(h, g, at, err), true
		case !slices.ContainsFunc(shown, declared):
			return d.another(h, g, at, leaf), true
		}
	}
	return checked{}, false
}

// unanswered is a handshake that came to nothing.
func (d *webExaminer) unanswered(h webserver.Host, g webserver.Greeting, at string, err error) checked {
	c := checked{Verdict: verdictProblem, Words: fmt.Sprintf("%s does not answer visitors of %s over HTTPS: %v (%s)", at, g.Name, err, place(h))}
	c.Remedy = "start the web server, or reload it: it has to listen as its configuration says"
	if errors.Is(err, webserver.ErrPlain) {
		c.Words = fmt.Sprintf("%s answers visitors of %s without TLS (%s)", at, g.Name, place(h))
		c.Remedy = "restart the web server: it does not do what its configuration says, or another program has the port"
	}
	return c
}

// another is a handshake that showed what the host does not declare.
func (d *webExaminer) another(h webserver.Host, g webserver.Greeting, at string, leaf *x509.Certificate) checked {
	if whose := d.shows[string(leaf.Raw)]; whose != "" {
		return checked{
			Verdict: verdictProblem, Words: fmt.Sprintf("%s shows visitors of %s the certificate of %s, instead of that of %s", at, g.Name, whose, place(h)),
			Remedy: "reload the web server; if that does not help, another host has the name, or the address, ahead of this one",
		}
	}
	return checked{
		Verdict: verdictProblem, Words: fmt.Sprintf("%s shows visitors of %s a certificate that no file of its hosts holds, which ends on %s (%s)", at, g.Name, leaf.NotAfter.UTC().Format(time.DateOnly), place(h)),
		Remedy: "reload the web server, which may not have read its files since they changed; else another program has the port",
	}
}
