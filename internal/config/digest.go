package config

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strconv"

	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/service"
)

// digest names all that shapes a target's files and how they are activated.
// A new digest has the target written again, and a version that a service
// refused tried again.
func (c *Config) digest(cert *Certificate, t Target) string {
	d := make(digester, 0, 512)
	d.put("target 1", t.Layout, t.Path, t.Owner, t.Group)
	if t.Layout != "" {
		d.count(len(cert.KeyTypes))
		for _, k := range cert.KeyTypes {
			d.put(string(k))
		}
	}
	d.files(t.Files)
	d.beside(cert, t)
	if cert.Activate == ActivateOnRestart {
		d.put(cert.Activate)
	}
	d.count(len(cert.Services))
	for _, name := range cert.Services {
		d.service(c.Services[name])
	}
	return d.sum()
}

// files covers what is written, and how.
func (d *digester) files(files []File) {
	d.count(len(files))
	for _, f := range files {
		d.put(f.Path, f.Owner, f.Group, strconv.FormatUint(uint64(f.Mode), 8), string(f.KeyType))
		if !f.Password.IsZero() {
			d.put(f.Password.String())
		}
		d.count(len(f.Content))
		for _, part := range f.Content {
			d.put(string(part))
		}
	}
}

// beside covers what files hold that is no key and no certificate, and the
// protection of keys. Where they hold none of it, it changes nothing.
func (d *digester) beside(cert *Certificate, t Target) {
	if t.holds(PartRoot) {
		cert.Root.put(d)
	}
	if t.holds(PartDHParams) {
		d.put("dh", strconv.Itoa(cert.DHParams.Group), strconv.Itoa(cert.DHParams.Own))
	}
	if t.holds(PartECParams) {
		d.put("ec")
		d.count(len(cert.ECParams))
		d.put(cert.ECParams...)
	}
	d.passphrase(cert.Passphrase)
}

// passphrase covers how keys in files are protected.
func (d *digester) passphrase(p Passphrase) {
	if p.On() {
		d.put("passphrase", p.Secret.String(), p.Ask, string(p.KDF))
	}
}

// proof names all that shapes how the names of a certificate are proven. A new
// digest has an order that failed tried again at once: somebody mended it.
// Secrets are named by their files.
func (c *Config) proof(cert *Certificate, global rules) string {
	d := make(digester, 0, 256)
	d.put("proof 1")
	if !c.Solve {
		d.put("unsolved")
	}
	own := indexRules(cert.Challenges)
	for _, name := range plan.Sorted(cert.Names) {
		methods := c.Listen.methodsFor(own, global, name)
		d.count(len(methods))
		for _, m := range methods {
			d.put(m.Type)
			switch {
			case m.Manual != nil:
				d.manual(*m.Manual)
			case m.Type == MethodHTTP01:
				d.put(m.Webroot, c.Listen.HTTP.Address)
				if m.Folder != "" {
					d.put(m.Folder)
				}
			case m.Type == MethodTLSALPN01:
				d.put(c.Listen.TLS)
			case m.Type == MethodDNS01:
				d.dns(c.DNS[m.Via])
			}
		}
	}
	return d.sum()
}

// dns covers where and how records are written, and how long they are waited for.
func (d *digester) dns(w DNS) {
	d.put(w.Name, w.Provider, w.Server, w.TSIGFile, w.Directory, w.FileName, w.Command.Shell, w.TTL.String(), w.Timeout.String(), w.Resolver)
	if !w.Environment.IsZero() {
		d.put("environment", w.Environment.String())
	}
	switch w.Arguments {
	case MannerModMD:
		d.put("arguments")
	case MannerLego:
		d.put("arguments of lego")
	}
	d.put(strconv.FormatBool(w.Propagation.Off), w.Propagation.Timeout.String())
	for _, list := range [][]string{w.Command.Args, w.Zones, w.Propagation.Servers} {
		d.count(len(list))
		d.put(list...)
	}
}

// digester gathers lists of texts so that no two lists look alike.
type digester []byte

func (d *digester) put(texts ...string) {
	for _, s := range texts {
		d.count(len(s))
		*d = append(*d, s...)
	}
}

func (d *digester) count(n int) { *d = binary.AppendUvarint(*d, uint64(n)) }

// sum is short: it tells changes apart and guards nothing.
func (d *digester) sum() string {
	sum := sha256.Sum256(*d)
	return hex.EncodeToString(sum[:10])
}

// service covers what is run for a service, not how often.
func (d *digester) service(s service.Service) {
	d.put(s.Name, s.Unit)
	for _, actions := range [][]service.Action{s.Status, s.Check, s.Reload} {
		d.count(len(actions))
		for _, a := range actions {
			d.count(len(a.Args))
			d.put(a.Args...)
			d.put(a.Shell, a.Signal, a.PIDFile)
		}
	}
	d.count(len(s.PIDFiles))
	d.put(s.PIDFiles...)
}
