package config

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/certkeep/certkeep/internal/plan"
)

// readLogList notes what the list of logs is, so that another one counts. One
// that cannot be read is a warning here and a Problem later.
func readLogList(r *reader, n *node, l *CTLogs) {
	if l.List == "" || r.out.alone {
		return
	}
	content, err := readBounded(l.List, maxLogList)
	if err != nil {
		r.out.warn(n.placeOf("list"), fmt.Sprintf("no log of the list is known: %v", err), "")
		return
	}
	sum := sha256.Sum256(content)
	l.SHA256 = hex.EncodeToString(sum[:])
}

// maxLogList bounds what is read as a list of logs, in bytes.
const maxLogList = 4 << 20

// finishStatements checks the files beside a certificate's own, and notes what
// is written where.
func finishStatements(r *reader, n *node, c *Certificate) {
	if c.staples() && c.OCSP.File != "" {
		checkPlaces(r, n, c, "ocsp", c.OCSP.File)
	}
	if c.logged() {
		checkPlaces(r, n, c, "sct", c.SCT.place())
		checkLogs(r, n, c)
	}
	for _, path := range r.cfg.statementFiles(c) {
		r.certs.claims = append(r.certs.claims, claim{path: path, cert: len(r.certs.certs) - 1, at: r.certs.at})
	}
}

// checkPlaces makes sure that each key type has a place of its own.
func checkPlaces(r *reader, n *node, c *Certificate, key, place string) {
	paths := make(map[string]bool)
	for _, t := range c.KeyTypes {
		paths[r.cfg.pattern(place, c.Name, t)] = true
	}
	if len(paths) < len(c.KeyTypes) {
		r.out.add(r.certs.placeOfKey(n, key), fmt.Sprintf("certificate %q has %d key types, and %s is one place for several of them", c.Name, len(c.KeyTypes), place), "write {key_type} in it")
	}
}

// placeOfKey is where a key of the certificate being read stands; where
// `defaults` has it, the certificate's own place.
func (c *certReader) placeOfKey(n *node, key string) place {
	if p := n.get(key); p != nil {
		return p.at
	}
	return c.at
}

// checkLogs makes sure that the logs of a certificate can be known.
func checkLogs(r *reader, n *node, c *Certificate) {
	at := r.certs.placeOfKey(n, "sct")
	if len(c.SCT.Logs) > 1 && !strings.Contains(c.SCT.place(), logMark) {
		r.out.add(at, fmt.Sprintf("certificate %q is handed to %d logs, and %s is one place for all of them", c.Name, len(c.SCT.Logs), c.SCT.File), "write {log} in it")
	}
	if r.cfg.CTLogs.IsZero() {
		r.out.add(at, fmt.Sprintf("certificate %q is to be handed to logs, and none is known", c.Name), "set ct_logs: {list: /etc/certkeep/log_list.json}")
		return
	}
	if r.cfg.CTLogs.List != "" {
		return // its names are known to whoever reads it
	}
	var own []string
	for _, l := range r.cfg.CTLogs.Own {
		own = append(own, l.Name)
	}
	for _, log := range c.SCT.Logs {
		if !slices.Contains(own, log) {
			r.out.add(at, fmt.Sprintf("unknown log %q", log), hintAmong(log, own))
		}
	}
}

// statementFiles are the paths of the files beside the certificate's own.
func (c *Config) statementFiles(cert *Certificate) []string {
	var paths []string
	for _, t := range cert.KeyTypes {
		if cert.staples() && cert.OCSP.File != "" {
			paths = append(paths, c.OCSPFile(cert, t))
		}
		if cert.logged() {
			for _, log := range cert.SCT.Logs {
				paths = append(paths, c.SCTFile(cert, t, log))
			}
		}
	}
	if cert.pinned() {
		for _, server := range cert.HPKP.Servers() {
			paths = append(paths, c.HPKPFile(cert, server))
		}
	}
	slices.Sort(paths)
	return slices.Compact(paths) // what is the same has been reported
}

// wantStatements is what plan has to know of them.
func (c *Config) wantStatements(cert *Certificate, hooks []string, w *plan.WantedCert) {
	companion := func(name string, shaped func(*digester)) {
		d := make(digester, 0, 256)
		d.put("companion 1", name, c.Suffixes.RSA, c.Suffixes.ECDSA)
		shaped(&d)
		d.put(cert.Owner, cert.Group)
		d.count(len(cert.Services))
		for _, name := range cert.Services {
			d.service(c.Services[name])
		}
		w.Companions = append(w.Companions, plan.WantedTarget{Name: name, Config: d.sum(), Services: cert.Services, Hooks: hooks})
	}
	if o := cert.OCSP; cert.staples() {
		asked := make(digester, 0, 128)
		asked.put(o.Responders...)
		asked.put(strconv.FormatBool(o.Force))
		if !o.Before.IsZero() {
			asked.put(FormatSpan(o.Before)) // what is kept is asked for anew once, and then in time
		}
		w.OCSP = &plan.WantedOCSP{Config: asked.sum(), Keep: o.Keep}
		if o.File != "" {
			companion(plan.CompanionOCSP, func(d *digester) { d.put(o.File); d.attributes(o.Attributes) })
		}
	}
	if !c.CTLogs.IsZero() {
		w.SCT = &plan.WantedSCT{Config: c.CTLogs.digest()}
	}
	if s := cert.SCT; cert.logged() {
		w.SCT.Logs = s.Logs
		companion(plan.CompanionSCT, func(d *digester) {
			if d.put(s.Directory); s.File != "" {
				d.put("file", s.File)
			}
			d.put(s.Logs...)
			d.attributes(s.Attributes)
		})
	}
	if h := cert.HPKP; cert.pinned() {
		companion(plan.CompanionHPKP, func(d *digester) {
			d.put(h.File, h.MaxAge.String(), strconv.FormatBool(h.Subdomains), h.ReportURI)
			for _, server := range h.Servers() {
				d.put(server, h.Headers[server])
			}
			d.attributes(h.Attributes)
		})
	}
}

func (d *digester) attributes(a Attributes) {
	d.put(a.Owner, a.Group, strconv.FormatUint(uint64(a.Mode), 8))
}

// digest names all that says which logs there are.
func (l CTLogs) digest() string {
	d := make(digester, 0, 256)
	d.put("logs 1", l.List, l.SHA256)
	for _, own := range l.Own {
		d.put(own.Name, own.URL, base64.StdEncoding.EncodeToString(own.Key), base64.StdEncoding.EncodeToString(own.ID), own.Start.String(), own.End.String())
	}
	return d.sum()
}
