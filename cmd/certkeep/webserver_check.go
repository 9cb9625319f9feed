package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/deploy"
	"github.com/certkeep/certkeep/internal/engine"
	"github.com/certkeep/certkeep/internal/network"
	"github.com/certkeep/certkeep/internal/webserver"
)

// webChecks are what `webserver check` prints; see docs/json.md.
type webChecks struct {
	Time     time.Time `json:"time"`
	ExitCode int       `json:"exit_code"`
	Checks   []checked `json:"checks"`
}

func (a *app) webserverCheckCommand() *cobra.Command {
	server := ""
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Find what would break renewal, or what visitors are shown",
		Long: "Looks at the virtual hosts that speak TLS: whether their certificates name them, go on, fit\n" +
			"their keys, are those that Certkeep renews, and are shown: by a handshake for each name at\n" +
			"each address. For each name that is proven by files of a\n" +
			"webroot it puts a file with a random name there, asks the web server on this machine for\n" +
			"it as a CA would, following redirects, and takes it away again. No CA is asked.",
		Args: atMost(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.load()
			if err != nil {
				return err
			}
			hosts, err := virtualHosts(cmd.Context(), server)
			if err != nil {
				return err
			}
			d := webExaminer{examiner: examiner{cfg: cfg}, hosts: hosts, now: time.Now()}
			if err := d.examine(cmd.Context()); err != nil {
				return err
			}
			found := webChecks{Time: time.Now().UTC(), Checks: d.checks}
			found.ExitCode = exitOf(d.checks, cfg.WarningExitCode)
			return a.show(found, func() string { return a.describeChecks(found.Checks) }, found.ExitCode)
		},
	}
	serverFlag(cmd, &server)
	return cmd
}

// webExaminer looks at virtual hosts beside the config.
type webExaminer struct {
	examiner
	visitor *webserver.Visitor // asks as CAs do
	hosts   []webserver.Host
	now     time.Time
	ours    map[string]string // file of a certificate → the certificate's name
	chain   map[string]string // certificate's name → its first file with the chain
	port    int               // at which CAs arrive that ask for http-01
	whose   map[string]string // name → a certificate of the config that has it
	shows   map[string]string // certificate in DER → the first host that declares it
	silent  map[string]bool   // where nobody answered
	plain   bool              // Apache lacks something, which is told
}

func (d *webExaminer) examine(ctx context.Context) error {
	d.checks, d.ours, d.chain, d.whose = []checked{}, map[string]string{}, map[string]string{}, map[string]string{}
	for i := range d.cfg.Certificates {
		cert := &d.cfg.Certificates[i]
		files, err := engine.InstalledFiles(d.cfg, cert)
		if err != nil {
			return fmt.Errorf("list the files of %s: %w", cert.Name, err)
		}
		for _, f := range files {
			if slices.Contains(f.Content, deploy.PartFullchain) || slices.Contains(f.Content, deploy.PartCertificate) {
				d.ours[f.Path] = cert.Name
			}
			if d.chain[cert.Name] == "" && slices.Contains(f.Content, deploy.PartFullchain) {
				d.chain[cert.Name] = f.Path
			}
		}
		for _, name := range cert.Names {
			d.whose[name] = cmp.Or(d.whose[name], cert.Name)
		}
	}
	http, tls := d.cfg.Listen.Outside.Here()
	d.port = http
	d.visitor = webserver.NewVisitor(d.hosts, http, tls, network.OS{})
	if err := d.servers(ctx); err != nil {
		return err
	}
	ours := proposal{path: d.cfg.Path}
	for _, h := range d.hosts {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if where := h.Managed(); where != "" {
			d.add(verdictWarning, "host "+hostTitle(h), "mod_md answers CAs for it ("+where+"), and has no answers of Certkeep's", "take the directives of mod_md out")
		}
		if h.TLS() && h.File != ours.catchFile(h.Server) { // which has no certificate that anybody trusts
			d.host(ctx, h)
		}
	}
	for i := range d.cfg.Certificates {
		d.challenges(ctx, &d.cfg.Certificates[i])
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	return nil
}

// host looks at what a virtual host shows. The worst of it is told.
func (d *webExaminer) host(ctx context.Context, h webserver.Host) {
	name := "host " + hostTitle(h)
	where := " (" + place(h) + ")"
	shown := h.Look(d.now)
	for _, s := range shown {
		if s.Wrong != "" {
			d.add(verdictProblem, name, s.Wrong+where, d.remedy(h))
			return
		}
	}
	if len(shown) > 0 && len(shown) == len(h.Pairs) && !(d.plain && h.Server == webserver.Apache) {
		if c, differs := d.presented(ctx, h, shown); differs {
			c.Name = name
			d.checks = append(d.checks, c)
			return
		}
	}
	for _, s := range shown {
		switch cert := d.ours[s.Files.Certificate]; {
		case cert == "":
			d.add(verdictWarning, name, fmt.Sprintf("it shows %s, which Certkeep does not write; it ends on %s%s", s.Files.Certificate, s.NotAfter.UTC().Format(time.DateOnly), where), d.remedy(h))
			return
		case d.lacks(cert, h) != "":
			d.add(verdictWarning, name, fmt.Sprintf("certificate %s of the config does not have %s, so the next one will not%s", cert, d.lacks(cert, h), where), "add the names to certificates."+cert+".names")
			return
		case s.Placeholder:
			d.add(verdictWarning, name, "it shows a placeholder until a CA has answered"+where, "`certkeep apply "+cert+"` tries at once, and tells why if it fails")
			return
		}
	}
	if len(shown) > 0 {
		d.add(verdictOK, name, "its certificate is kept by Certkeep"+where, "")
	}
}

// remedy is what to do about a host whose certificate is wrong or not ours.
func (d *webExaminer) remedy(h webserver.Host) string {
	if len(h.Names) > 0 {
		_, below, _ := strings.Cut(h.Names[0], ".")
		cert := cmp.Or(d.whose[h.Names[0]], d.whose["*."+below])
		if cert != "" && d.chain[cert] != "" && d.lacks(cert, h) == "" {
			return "let it show " + d.chain[cert] + " and the key beside it: certificate " + cert + " of the config has its names"
		}
	}
	return "the config has no certificate with all of its names: add one"
}

// lacks lists the names of a host that a certificate of the config does not
// have.
func (d *webExaminer) lacks(cert string, h webserver.Host) string {
	var missing []string
	for _, name := range h.Fit() {
		if !covered(d.cfg.Certificate(cert).Names, name) {
			missing = append(missing, name)
		}
	}
	return strings.Join(missing, ", ")
}

// covered reports whether names of a certificate hold for a name: an asterisk
// stands for one label (RFC 6125 section 6.4.3).
func covered(names []string, name string) bool {
	_, below, _ := strings.Cut(name, ".")
	return slices.Contains(names, name) || slices.Contains(names, "*."+below)
}

// challenges looks at each name of a certificate that files prove.
func (d *webExaminer) challenges(ctx context.Context, cert *config.Certificate) {
	if cert.Mode == config.ModeStatic || !d.cfg.Issue && !d.cfg.Solve {
		return
	}
	for _, name := range cert.Names {
		if strings.HasPrefix(name, "*.") || ctx.Err() != nil {
			continue
		}
		d.challenge(ctx, cert.Name, name)
	}
}

// challenge looks at one name. Where several ways are to be tried, one that
// works is enough; those that no web server takes part in are not looked at.
func (d *webExaminer) challenge(ctx context.Context, cert, name string) {
	subject := "challenge " + name
	var found []checked
	for _, m := range d.cfg.MethodsFor(cert, name, false) {
		c := checked{Name: subject, Verdict: verdictOK}
		switch {
		case m.Type == config.MethodHTTP01 && (m.Webroot != "" || m.Folder != ""):
			c = d.webroot(ctx, name, m)
		case m.Type == config.MethodHTTP01 && m.Manual == nil:
			c = d.listener(subject, "http", d.cfg.Listen.HTTP.Address)
		case m.Type == config.MethodTLSALPN01:
			c = d.listener(subject, "tls", d.cfg.Listen.TLS)
		}
		c.Name = subject
		if c.Verdict == verdictOK {
			found = []checked{c}
			break
		}
		found = append(found, c)
	}
	for _, c := range found {
		if c.Words != "" {
			d.checks = append(d.checks, c)
		}
	}
}
