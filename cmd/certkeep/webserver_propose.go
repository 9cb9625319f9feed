package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/webserver"
)

// proposal is what is to become of virtual hosts. Nothing is written while it
// is made.
type proposal struct {
	wish  webWish // of this command; in an update each site has its own
	path  string  // of the config
	cfg   *config.Config
	at    map[string][]webserver.Host // as the servers have them now, by server and place, and by server and file
	now   []webserver.Host            // the same, as they came
	bare  []webserver.Host            // the same without what stands in snippets of ours
	given map[string][]byte
	sites []webSite
	notes []string // what a person should know of it

	leftOut bool // sites that the config refuses

	standIn func(ctx context.Context, cfg *config.Config, names []string) error // makes placeholders
}

// wishedSite is a site, and what is to be done for it.
type wishedSite struct {
	webserver.Site
	wish webWish
}

// command is what enables the site with the same options. Names that no virtual
// host has by itself stand there, each of them.
func (s wishedSite) command() string {
	if s.Given {
		return s.wish.command(s.Names)
	}
	return s.wish.command([]string{s.Name})
}

func (a *app) newProposal(w webWish) (*proposal, error) {
	cfg, err := a.load()
	if err != nil {
		return nil, err
	}
	return &proposal{wish: w, path: cfg.Path, cfg: cfg, at: map[string][]webserver.Host{}, given: map[string][]byte{}, standIn: a.standIn}, nil
}

// propose finds what is to become of the virtual hosts with some names, or of
// all.
func (p *proposal) propose(ctx context.Context, names []string) error {
	hosts, err := virtualHosts(ctx, p.wish.server)
	if err != nil {
		return err
	}
	chosen, err := choose(p.find(hosts), names)
	if err != nil {
		given, taken := p.givenTo(names)
		if taken != nil {
			return taken
		}
		if given == nil {
			return err
		}
		chosen = []webserver.Site{*given}
		p.notes = append(p.notes, fmt.Sprintf("no virtual host has the name %s: the one that answers by default is to have it (%s)", strings.Join(names, ", "), place(given.Hosts[0])))
	}
	var sites []wishedSite
	for _, s := range chosen {
		sites = append(sites, wishedSite{s, p.wish})
	}
	if err := p.lacks(ctx, sites); err != nil {
		return err
	}
	return p.make(sites)
}

// lacks tells what Apache lacks to take the snippets of sites.
func (p *proposal) lacks(ctx context.Context, sites []wishedSite) error {
	if !slices.ContainsFunc(sites, func(s wishedSite) bool { return slices.Contains(s.Server, webserver.Apache) }) {
		return nil
	}
	_, tls := p.cfg.Listen.Outside.Here()
	found, err := webserver.ApacheLacks(ctx, p.now, tls)
	if err != nil {
		return &hintedError{code: exitFailed, words: fmt.Sprintf("%s: %v", webserver.Apache, err), hint: serverHint(err), err: err}
	}
	for _, l := range found {
		p.notes = append(p.notes, webserver.Apache+": "+l.Words+": "+l.Remedy)
	}
	return nil
}

// find gathers the sites of virtual hosts, as they would be without snippets of
// ours. One that includes a snippet goes on being called as that is, though its
// first name may be another now: its certificate and files stay the same.
func (p *proposal) find(hosts []webserver.Host) []webserver.Site {
	for _, h := range hosts {
		for _, key := range []string{hostKey(h.Server, h.File, h.Line), hostKey(h.Server, h.File, 0)} {
			p.at[key] = append(p.at[key], h)
		}
	}
	p.now, p.bare = hosts, hosts
	for _, server := range webserver.Servers() {
		p.bare = webserver.Without(p.bare, p.folder(server))
	}
	sites := webserver.Sites(p.bare)
	http, tls := p.cfg.Listen.Outside.Here()
	for i := range sites {
		sites[i] = sites[i].Facing(http, tls)
		name := p.calledBefore(sites[i])
		if name != "" && !slices.ContainsFunc(sites, func(s webserver.Site) bool { return s.Name == name }) {
			sites[i].Name = name
		}
	}
	return sites
}

// calledBefore is what a site was called by the snippet that it includes.
func (p *proposal) calledBefore(s webserver.Site) string {
	for _, h := range s.Hosts {
		for _, now := range p.at[hostKey(h.Server, h.File, h.Line)] {
			for _, file := range now.From(p.folder(h.Server)) {
				if command, err := commandIn(file); err == nil {
					if names, _, err := recall(command); err == nil {
						return calledAfter(names)
					}
				}
			}
		}
	}
	return ""
}

// make makes what is to be written for sites.
func (p *proposal) make(sites []wishedSite) error {
	if err := p.account(); err != nil {
		return err
	}
	sites, err := p.sound(sites)
	if err != nil {
		return err
	}
	for _, s := range sites {
		if len(s.Unfit) > 0 {
			p.notes = append(p.notes, fmt.Sprintf("%s: no certificate is asked for with %s, which public CAs do not certify by name", s.Name, strings.Join(s.Unfit, ", ")))
		}
		for _, h := range s.Hosts {
			if where := h.Managed(); where != "" {
				p.notes = append(p.notes, fmt.Sprintf("%s: mod_md answers CAs for it (%s), and has no answers of Certkeep's: take its directives out first", s.Name, where))
				break
			}
		}
		if err := p.site(s); err != nil {
			return err
		}
	}
	return nil
}

// folder is where the snippets of a server lie: beside the config.
func (p *proposal) folder(server string) string {
	dir, err := filepath.Abs(filepath.Dir(p.path))
	if err != nil { // there is no working folder any more
		dir = filepath.Dir(p.path)
	}
	return filepath.Join(dir, server)
}

// entry is the file of conf.d of a site.
func (p *proposal) entry(name string) string {
	return filepath.Join(filepath.Dir(p.path), "conf.d", "webserver-"+name+".yaml")
}

// certificates adds an entry for each site to the config, as it would be, but
// for those that an administrator has written. Where nothing proves the names
// beside a web server, files do.
func (p *proposal) certificates(sites []wishedSite) error {
	var others []wishedSite // whose certificates are not made for them
	for _, s := range sites {
		_, err := os.Lstat(p.entry(s.Name))
		if s.wish.useHost != "" || p.cfg.Certificate(s.Name) != nil && errors.Is(err, fs.ErrNotExist) {
			others = append(others, s)
			continue
		}
		p.given[p.entry(s.Name)] = entryOf(s, s.wish.root, "")
	}
	cfg, _, err := config.LoadWith(p.path, p.given)
	if err != nil {
		return err
	}
	for _, s := range sites {
		if _, ours := p.given[p.entry(s.Name)]; ours && s.wish.root == "" && asksListener(cfg, s.Name, s.Site) {
			p.given[p.entry(s.Name)] = entryOf(s, "", answersFolder)
		}
	}
	if p.cfg, _, err = config.LoadWith(p.path, p.given); err != nil {
		return err
	}
	for _, s := range others {
		name := cmp.Or(s.wish.useHost, s.Name)
		if err := certificateNamed(p.cfg, name); err != nil {
			return err
		}
		if err := p.shared(name, s.Site); err != nil {
			return err
		}
		if s.wish.root == "" && asksListener(p.cfg, name, s.Site) {
			p.notes = append(p.notes, fmt.Sprintf("certificate %s is proven by Certkeep's own listener, which cannot have the port of a web server: give it `challenges: [{http-01: {folder: %s}}]`, and run this again", name, answersFolder))
		}
	}
	return nil
}

// answersFolder is where answers for CAs lie, unless the config says so.
const answersFolder = "/var/lib/certkeep-challenges"

// shared checks that a certificate of the config has the names of a site.
func (p *proposal) shared(name string, s webserver.Site) error {
	for _, n := range s.Names {
		if !covered(p.cfg.Certificate(name).Names, n) {
			return usage(fmt.Sprintf("certificate %s of the config does not have %s", name, n), "add it to certificates."+name+".names")
		}
	}
	return nil
}

// asksListener reports whether a name of a site is to be proven at a port that
// its web server has.
func asksListener(cfg *config.Config, cert string, s webserver.Site) bool {
	return slices.ContainsFunc(s.Names, func(name string) bool {
		if strings.HasPrefix(name, "*.") {
			return false
		}
		return !slices.ContainsFunc(cfg.MethodsFor(cert, name, false), func(m config.Method) bool {
			return m.Type == config.MethodDNS01 || m.Manual != nil || m.Webroot != "" || m.Folder != ""
		})
	})
}

// entryOf is the certificate of a site, as a file of conf.d.
func entryOf(s wishedSite, webroot, folder string) []byte {
	var b strings.Builder
	b.WriteString(webserver.Head(s.command()) + " Other settings belong into another file.\n")
	fmt.Fprintf(&b, "certificates:\n  %s:\n    names: %s\n    services: %s\n", asJSON(s.Name), asJSON(s.Names), asJSON(s.Server))
	where := "webroot: " + asJSON(webroot)
	if webroot == "" {
		where = "folder: " + asJSON(folder)
	}
	if webroot != "" || folder != "" {
		plain := slices.DeleteFunc(slices.Clone(s.Names), func(n string) bool { return strings.HasPrefix(n, "*.") })
		only := ""
		if len(plain) < len(s.Names) { // asterisks are proven by dns-01 alone
			only = "names: " + asJSON(plain) + ", "
		}
		if len(plain) > 0 {
			fmt.Fprintf(&b, "    challenges: [{%shttp-01: {%s, shown_within: 10s}}]\n", only, where)
		}
	}
	return []byte(b.String())
}

// asJSON is a value for YAML, quoted in full. Names and paths always have JSON.
func asJSON(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return `""`
	}
	return strings.ReplaceAll(string(text), `","`, `", "`)
}

// site makes the snippets of a site, and says where they are included.
func (p *proposal) site(s wishedSite) error {
	name := cmp.Or(s.wish.useHost, s.Name)
	cert := p.cfg.Certificate(name)
	wish, err := p.wishFor(s, cert)
	if err != nil {
		return err
	}
	out := webSite{Certificate: name, Names: s.Names, Files: []webFile{}, Lines: []webLine{}}
	if content, ours := p.given[p.accountFile()]; ours && len(p.sites) == 0 { // of the first site, and of all
		out.Files = append(out.Files, webFile{Path: p.accountFile(), Content: string(content)})
	}
	if content, ours := p.given[p.entry(s.Name)]; ours {
		out.Files = append(out.Files, webFile{Path: p.entry(s.Name), Content: string(content)})
	}
	for _, server := range s.Server {
		for _, snippet := range webserver.Snippets(s.Site, server, wish) {
			path := filepath.Join(p.folder(server), snippet.Name)
			file := webFile{Path: path, Content: snippet.Text, server: server}
			for _, place := range snippet.Places {
				line := p.line(server, path, place)
				file.used = file.used || line.There
				out.Lines = append(out.Lines, line)
			}
			out.Files = append(out.Files, file)
		}
		out.Files = append(out.Files, p.emptied(s, server, wish, out.Files)...)
	}
	for i := range out.Files {
		if err := out.Files[i].compare(); err != nil {
			return err
		}
	}
	made, err := p.standsIn(s, cert, wish)
	if err != nil {
		return err
	}
	out.Files = append(out.Files, made...)
	p.sites = append(p.sites, out)
	return nil
}

// emptied is the snippet for HTTP of a site that needs none with its options now,
// and had one before: what includes it would go on redirecting.
func (p *proposal) emptied(s wishedSite, server string, wish webserver.Wish, files []webFile) []webFile {
	path := filepath.Join(p.folder(server), s.Name+"-http.conf")
	if _, err := os.Lstat(path); err != nil || slices.ContainsFunc(files, func(f webFile) bool { return f.Path == path }) {
		return nil
	}
	used := slices.ContainsFunc(p.now, func(h webserver.Host) bool { return h.Server == server && h.Includes(path) })
	return []webFile{{Path: path, Content: webserver.Head(wish.Command) + "\n# Nothing is left to say here.\n", server: server, used: used}}
}

// compare says whether a file has to be written, and refuses one that is
// somebody's own.
func (f *webFile) compare() error {
	text, err := os.ReadFile(f.Path)
	if errors.Is(err, fs.ErrNotExist) {
		f.Changed = true
		return nil
	}
	if err != nil {
		return fmt.Errorf("read what was written before: %w", err)
	}
	if !strings.HasPrefix(string(text), webserver.Mark) {
		return &hintedError{code: exitUnexpected, words: f.Path + " is not one that Certkeep wrote", hint: "move it away; what `certkeep webserver` writes has that name"}
	}
	f.Changed = string(text) != f.Content
	return nil
}

// line is what the administrator adds at a place.
func (p *proposal) line(server, path string, place webserver.Place) webLine {
	include := "include " + path + ";"
	if server == webserver.Apache {
		include = "Include " + path
	}
	line := webLine{Server: server, Text: include, Besides: place.Words, takeOut: place.TakeOut != ""}
	if line.takeOut {
		line.Besides = strings.TrimSuffix(place.TakeOut+"; "+place.Words, "; ")
	}
	key := hostKey(server, path, 0) // a host that stands in the snippet
	if place.Host != nil {
		line.File, line.Line = place.Host.File, place.Host.Line
		key = hostKey(server, line.File, line.Line)
	}
	line.There = slices.ContainsFunc(p.at[key], func(h webserver.Host) bool { return h.Includes(path) })
	return line
}

// hostKey finds hosts by where they begin; by the file alone with line 0.
func hostKey(server, file string, line int) string {
	return fmt.Sprintf("%s %s:%d", server, file, line)
}
