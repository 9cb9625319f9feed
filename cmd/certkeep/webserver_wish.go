package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/deploy"
	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/engine"
	"github.com/certkeep/certkeep/internal/webserver"
)

// wishFor is what the snippets of a site are to do.
func (p *proposal) wishFor(s wishedSite, cert *config.Certificate) (webserver.Wish, error) {
	http, tls := p.cfg.Listen.Outside.Here()
	w := webserver.Wish{
		Mode: s.wish.mode(), Fallback: s.wish.fallback, HSTS: s.wish.strict, Command: s.command(),
		HTTP: http, TLS: tls, Others: p.bare, Now: p.now,
	}
	files, err := engine.InstalledFiles(p.cfg, cert)
	if err != nil {
		return w, fmt.Errorf("list the files of %s: %w", cert.Name, err)
	}
	for _, kind := range cert.KeyTypes {
		pair := webserver.KeyFiles{Certificate: fileWith(files, string(kind), deploy.PartFullchain), Key: fileWith(files, string(kind), deploy.PartKey)}
		if pair.Certificate == "" || pair.Key == "" {
			return w, usage(fmt.Sprintf("certificate %s has no files with a chain and a key in PEM", cert.Name), "give it a layout such as standard")
		}
		w.Pairs = append(w.Pairs, pair)
	}
	if slices.ContainsFunc(cert.Targets(), func(t config.Target) bool {
		return t.Layout == config.LayoutStandard || t.Layout == config.LayoutCertbot || t.Layout == config.LayoutNixOS
	}) {
		w.Mark = filepath.Join(filepath.Dir(w.Pairs[0].Certificate), deploy.PlaceholderMark)
	}
	if len(cert.KeyTypes) == 1 && cert.OCSP != nil && cert.OCSP.On { // nginx knows one for each server block
		w.Staple = p.cfg.OCSPFile(cert, cert.KeyTypes[0])
	}
	if s.wish.status {
		if w.Status = p.cfg.Listen.Status.Address; w.Status == "" || strings.HasPrefix(w.Status, "unix:") {
			return w, usage("--certificate-status needs a listener at an address and port", `set listen: {status: "127.0.0.1:9780"}`)
		}
		if host, port, err := net.SplitHostPort(w.Status); err == nil && slices.Contains([]string{"", "0.0.0.0", "::"}, host) {
			w.Status = net.JoinHostPort("127.0.0.1", port) // it listens at all of them
		}
	}
	w.Answers = p.answers(s.Site, cert.Name)
	if _, ours := p.given[p.entry(s.Name)]; !ours && s.wish.root != "" {
		w.Answers = answersBelow(s.wish.root)
	}
	return w, nil
}

// answers is the folder with what a site's server shows to CAs; "" where that
// is none, or one for each name, which it shows already.
func (p *proposal) answers(s webserver.Site, cert string) string {
	for _, name := range s.Names {
		if strings.HasPrefix(name, "*.") {
			continue
		}
		for _, m := range p.cfg.MethodsFor(cert, name, false) {
			switch {
			case strings.Contains(m.Webroot+m.Folder, "{"):
			case m.Folder != "":
				return m.Folder
			case m.Webroot != "":
				return answersBelow(m.Webroot)
			}
		}
	}
	return ""
}

// answersBelow is the folder with answers to http-01 of a webroot, RFC 8555
// section 8.3.
func answersBelow(webroot string) string {
	return filepath.Join(webroot, ".well-known", "acme-challenge")
}

// fileWith is the first file of a type of key that holds a part in PEM.
func fileWith(files []deploy.HookFile, keyType string, part deploy.Part) string {
	for _, exact := range []bool{true, false} {
		for _, f := range files {
			if f.KeyType == keyType && slices.Contains(f.Content, part) && (len(f.Content) == 1 || !exact) {
				return f.Path
			}
		}
	}
	return ""
}

// madeOnce is a file that is made unless there is one.
func madeOnce(path string, how func(disk durable.Disk, path string) error) (webFile, error) {
	_, err := os.Lstat(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return webFile{}, fmt.Errorf("look for what was made before: %w", err)
	}
	return webFile{Path: path, Changed: err != nil, make: how}, nil
}
