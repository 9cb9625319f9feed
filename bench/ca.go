package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/certkeep/certkeep/internal/acmetest"
)

// site is a CA with a place for a state, a config and output files.
type site struct {
	ca    *acmetest.CA
	dir   string
	roots string
}

func (b *bench) site(ctx context.Context, name string, o acmetest.Options) (*site, error) {
	ca, err := acmetest.Launch(ctx, o)
	if err != nil {
		return nil, err
	}
	s := &site{ca: ca, dir: filepath.Join(b.dir, name)}
	s.roots = filepath.Join(s.dir, "ca.pem")
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return nil, err
	}
	return s, os.WriteFile(s.roots, ca.RootPEM(), 0o600)
}

// on is the site with state and files in another folder.
func (s *site) on(dir string) *site {
	other := *s
	other.dir = dir
	return &other
}

// config is a config for the site with a certificate for each list of names.
func (s *site) config(state string, certificates map[string][]string) string {
	var b strings.Builder
	fmt.Fprintf(&b, `state: %[1]s/%[6]s/state
node: bench
accept_terms: true
listen: {http: "127.0.0.1:%[2]d"}
issuers: {pebble: {directory: %[3]q, roots_file: %[4]s}}
defaults: {issuer: [pebble], path: %[1]s/%[6]s/out, renew: {ari: false}}
certificates:%[5]s
`, s.dir, s.ca.HTTPPort(), s.ca.DirectoryURL(), s.roots, "", state)
	for name, names := range certificates {
		fmt.Fprintf(&b, "  %s: {names: [%s]}\n", name, strings.Join(names, ", "))
	}
	return b.String()
}
