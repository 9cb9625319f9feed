package main

import (
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/certkeep/certkeep/internal/config"
)

// sound adds the certificates of sites to the config, but for those that it
// refuses: a name that no CA certifies is the matter of its own site. They are
// told, and nothing is done for them. Where none is left, the config's error is.
func (p *proposal) sound(sites []wishedSite) ([]wishedSite, error) {
	alone := func(s wishedSite) error {
		try := *p
		try.given = maps.Clone(p.given)
		return try.certificates([]wishedSite{s})
	}
	together := *p
	together.given = maps.Clone(p.given)
	err := together.certificates(sites)
	if err == nil || len(sites) < 2 {
		*p = together
		return sites, err
	}
	var left []wishedSite
	for _, s := range sites {
		wrong := alone(s)
		if wrong == nil {
			left = append(left, s)
			continue
		}
		p.notes = append(p.notes, fmt.Sprintf("%s is left out: %s", s.Name, withoutPlace(wrong)))
	}
	if len(left) == 0 || len(left) == len(sites) {
		return nil, err
	}
	p.leftOut = true
	return left, p.certificates(left)
}

// withoutPlace is what a config's error says of a file that is not written yet.
func withoutPlace(err error) string {
	found, ok := errors.AsType[config.Errors](err)
	if !ok {
		return err.Error()
	}
	var words []string
	for _, f := range found {
		words = append(words, f.Words)
	}
	return strings.Join(words, "; ")
}

// exitCode is that of a proposal: 4 where some sites were left out.
func (p *proposal) exitCode() int {
	if p.leftOut {
		return exitFailed
	}
	return exitOK
}
