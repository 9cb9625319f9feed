package main

import (
	"fmt"
	"slices"

	"github.com/certkeep/certkeep/internal/config"
)

// ordered are the certificates that are ordered here: those that were named,
// which all have to be, or all that are where none were. Of the others nothing
// can be asked of a CA.
func ordered(cfg *config.Config, names []string) ([]string, error) {
	static := func(name string) bool {
		cert := cfg.Certificate(name)
		return cert != nil && len(cert.Static) > 0
	}
	if len(names) == 0 {
		return slices.DeleteFunc(allNames(cfg), static), nil
	}
	if i := slices.IndexFunc(names, static); i >= 0 {
		return nil, usage(fmt.Sprintf("somebody else makes the certificate %s (mode: static)", names[i]), "put another one, with its key, where its `static` says; `certkeep apply "+names[i]+"` looks at once")
	}
	return names, nil
}
