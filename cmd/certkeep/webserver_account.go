package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/webserver"
)

// accountFile is the file of conf.d with what --email and --accept-terms say.
func (p *proposal) accountFile() string {
	return filepath.Join(filepath.Dir(p.path), "conf.d", "webserver.yaml")
}

// account puts what --email and --accept-terms say into a file of its own,
// where the config does not say so already. What an administrator wrote about
// either is never overruled.
func (p *proposal) account() error {
	path := p.accountFile()
	if p.wish.email == "" && !p.wish.terms {
		return nil
	}
	email, terms := p.wish.email, p.wish.terms
	if _, err := os.Lstat(path); err == nil { // what it says already stays
		now, _, err := config.LoadWith(p.path, p.given)
		if err != nil {
			return err
		}
		if email == "" {
			email = now.Email
		}
		terms = terms || now.Terms.All
	} else if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read what was written before: %w", err)
	}
	p.given[path] = nil
	others, _, err := config.LoadWith(p.path, p.given)
	if err != nil {
		return err
	}
	switch {
	case others.Email != "" && p.wish.email != "" && others.Email != p.wish.email:
		return usage(fmt.Sprintf("the config says another e-mail address than --email: %s", others.Email), "leave --email out, or change `email` in the config")
	case len(others.Terms.Issuers) > 0 && p.wish.terms:
		return usage("the config lists whose terms are agreed to: "+strings.Join(others.Terms.Issuers, ", "), "leave --accept-terms out, or change `accept_terms` in the config")
	}
	var b strings.Builder
	b.WriteString(webserver.Mark + "enable NAME --email ADDRESS --accept-terms`.\n")
	before := b.Len()
	if email != "" && others.Email == "" {
		fmt.Fprintf(&b, "email: %s\n", asJSON(email))
	}
	if terms && !others.Terms.All {
		b.WriteString("accept_terms: true\n")
	}
	if b.Len() == before {
		delete(p.given, path)
		return nil
	}
	p.given[path] = []byte(b.String())
	p.cfg, _, err = config.LoadWith(p.path, p.given)
	return err
}
