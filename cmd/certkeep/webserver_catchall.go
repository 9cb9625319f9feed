package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/certkeep/certkeep/internal/chain"
	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/keys"
	"github.com/certkeep/certkeep/internal/webserver"
)

// webCaught is what `webserver catch-all` prints; see docs/json.md.
type webCaught struct {
	Written bool       `json:"written"`
	Files   []webFile  `json:"files"`
	Lines   []webLine  `json:"lines"`
	Taken   []webPlace `json:"taken"`
}

// webPlace is where a virtual host is written.
type webPlace struct {
	Server string `json:"server"`
	File   string `json:"file"`
	Line   int    `json:"line"`
}

func (a *app) webserverCatchAllCommand() *cobra.Command {
	w := webWish{}
	cmd := &cobra.Command{
		Use:   "catch-all",
		Short: "A snippet for visitors of names that no virtual host has",
		Long: "Writes a snippet of its own for the web server: over HTTPS, visitors who ask for a name that no\n" +
			"virtual host has get no certificate (nginx, since 1.19.4), or one that nobody trusts and 421\n" +
			"(Apache), instead of another site; over HTTP, CAs get answers for names that have no virtual\n" +
			"host yet, and everybody else nothing. Addresses that have a default host of your own are left\n" +
			"as they are. Without --write all of it is printed, and nothing is done.",
		Args: atMost(0),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.catchAll(cmd.Context(), w) },
	}
	serverFlag(cmd, &w.server)
	cmd.Flags().BoolVar(&w.write, "write", false, "write the files, instead of printing them")
	return cmd
}

func (a *app) catchAll(ctx context.Context, w webWish) error {
	p, err := a.newProposal(w)
	if err != nil {
		return err
	}
	hosts, err := virtualHosts(ctx, w.server)
	if err != nil {
		return err
	}
	p.find(hosts)
	found := webCaught{Written: w.write, Files: []webFile{}, Lines: []webLine{}, Taken: []webPlace{}}
	for _, server := range webserver.Servers() {
		taken, err := p.catch(hosts, server)
		if err != nil {
			return err
		}
		for _, h := range taken {
			found.Taken = append(found.Taken, webPlace{h.Server, h.File, h.Line})
		}
	}
	for _, s := range p.sites {
		found.Files, found.Lines = append(found.Files, s.Files...), append(found.Lines, s.Lines...)
	}
	if w.write {
		if err := p.write(ctx); err != nil {
			return err
		}
	}
	return a.show(found, func() string { return a.describeCaught(found) }, exitOK)
}

// catch proposes the snippet of a server, and lists who is the default already.
func (p *proposal) catch(hosts []webserver.Host, server string) ([]webserver.Host, error) {
	path := p.catchFile(server)
	pair := filepath.Join(p.folder(server), webserver.CatchAllName+".pem")
	http, tls := p.cfg.Listen.Outside.Here()
	wish := webserver.Wish{
		Command: webserver.CatchAllName + " --server " + server, Answers: p.anyAnswers(), Pairs: []webserver.KeyFiles{{Certificate: pair, Key: pair}},
		HTTP: http, TLS: tls,
	}
	snippet, taken, found := webserver.CatchAllSnippet(hosts, server, path, wish)
	if !found {
		return taken, nil
	}
	file := webFile{Path: path, Content: snippet.Text, server: server}
	if err := file.compare(); err != nil {
		return nil, err
	}
	line := p.line(server, path, snippet.Places[0])
	file.used = line.There
	line.There = line.There && line.Besides == "" // where it stands it does nothing
	out := webSite{Certificate: webserver.CatchAllName, Names: []string{}, Files: []webFile{file}, Lines: []webLine{line}}
	if strings.Contains(snippet.Text, pair) {
		made, err := madeOnce(pair, nobodys)
		if err != nil {
			return nil, err
		}
		out.Files = append([]webFile{made}, out.Files...)
	}
	p.sites = append(p.sites, out)
	return taken, nil
}

func (p *proposal) catchFile(server string) string {
	return filepath.Join(p.folder(server), webserver.CatchAllName+".conf")
}

// anyAnswers is the folder with answers of names that no certificate has yet, by
// the config's rules; "" where these have one for each name.
func (p *proposal) anyAnswers() string {
	for _, m := range p.cfg.MethodsFor("", "name.invalid", false) {
		if m.Webroot+m.Folder != "" {
			if strings.Contains(m.Webroot+m.Folder, "{") {
				return ""
			}
			if m.Folder != "" {
				return m.Folder
			}
			return answersBelow(m.Webroot)
		}
	}
	return answersFolder
}

// nobodys makes a key, and a certificate for a name that nobody has: Apache does not
// speak TLS without one. Visitors trust it no more when it has ended.
func nobodys(disk durable.Disk, path string) error {
	key, err := keys.Generate(keys.ECDSAP256)
	if err != nil {
		return err
	}
	text, err := keys.Marshal(key)
	if err != nil {
		return err
	}
	cert, err := chain.SelfSigned(key, []string{webserver.CatchAllName + ".invalid"}, time.Now(), 10*365*24*time.Hour)
	if err != nil {
		return err
	}
	return durable.Write(disk, path, slices.Concat(text, cert), durable.Attr{Mode: 0o600, UID: -1, GID: -1})
}

func (a *app) describeCaught(found webCaught) string {
	var b strings.Builder
	for _, t := range found.Taken {
		fmt.Fprintf(&b, "%s has a default host of your own, which stays: %s:%d\n", t.Server, t.File, t.Line)
	}
	site := webSite{Files: found.Files, Lines: found.Lines}
	switch {
	case len(found.Files) > 0:
		b.WriteString("for names that no virtual host has\n" + site.words(found.Written))
	case len(found.Taken) == 0:
		b.WriteString("no virtual host listens where visitors of HTTP or HTTPS arrive\n")
	}
	switch {
	case !found.Written && site.changed():
		b.WriteString(nothingWritten)
	case found.Written && site.missing():
		b.WriteString("\nadd the lines, and reload the server\n")
	}
	return string(visible([]byte(b.String())))
}
