package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/plan"
)

// named are the certificates that a command line names: by their names, or by
// those of the keys that they are on.
func named(cfg *config.Config, names []string) ([]string, error) {
	all := make([]string, 0, len(names))
	for _, name := range names {
		on := meant(cfg, name)
		if len(on) == 0 {
			return nil, unknownCertificate(cfg, name)
		}
		for _, cert := range on {
			if !slices.Contains(all, cert) {
				all = append(all, cert)
			}
		}
	}
	return all, nil
}

// plainName is how the config has a name: "*.example.com" is what acmebot calls
// "_.example.com".
func plainName(name string) string {
	if below, wild := strings.CutPrefix(name, "*."); wild {
		return "_." + below
	}
	return name
}

// meant are the certificates that a name stands for, if any. A certificate comes
// before a key of the same name.
func meant(cfg *config.Config, name string) []string {
	plain := plainName(name)
	if cfg.Certificate(plain) != nil {
		return []string{plain}
	}
	return onKey(cfg, plain)
}

// known are those of named, and what is kept proven without a certificate.
func known(cfg *config.Config, names []string) ([]string, error) {
	proven := func(name string) bool { return name == config.AuthorizationsName && cfg.Known(name) }
	all, err := named(cfg, slices.DeleteFunc(slices.Clone(names), proven))
	if err == nil && slices.ContainsFunc(names, proven) {
		all = append(all, config.AuthorizationsName)
	}
	return all, err
}

// onKey are the certificates on a key of `keys`.
func onKey(cfg *config.Config, key string) []string {
	var on []string
	for i := range cfg.Certificates {
		if c := &cfg.Certificates[i]; c.Key == key && key != "" {
			on = append(on, c.Name)
		}
	}
	return on
}

// keyNames are the keys that stand for certificates on a command line.
func keyNames(cfg *config.Config) []string {
	var all []string
	for key := range cfg.Keys {
		if cfg.Certificate(key) == nil && len(onKey(cfg, key)) > 0 {
			all = append(all, key)
		}
	}
	return all
}

// unknownCertificate says that neither a certificate nor a key with any is
// called so.
func unknownCertificate(cfg *config.Config, name string) error {
	if _, declared := cfg.Keys[name]; declared {
		return usage(fmt.Sprintf("no certificate is on the key %q", name), "give it to one by `key`")
	}
	return unknownName("certificate", name, append(allNames(cfg), keyNames(cfg)...))
}

// certificateNamed refuses what is no certificate's name.
func certificateNamed(cfg *config.Config, name string) error {
	if cfg.Certificate(name) != nil {
		return nil
	}
	return unknownName("certificate", name, allNames(cfg))
}

// single is the certificate of a name, for what is a matter of one alone.
func single(cfg *config.Config, name, matter string) (string, error) {
	plain := plainName(name)
	on := onKey(cfg, plain)
	_, declared := cfg.Keys[plain]
	switch {
	case cfg.Certificate(plain) != nil:
		return plain, nil
	case len(on) > 0:
		return "", usage(fmt.Sprintf("%q is the name of keys, and %s; on these keys are %s", name, matter, plan.Several(on)), "name one of them, such as "+on[0])
	case declared:
		return "", unknownCertificate(cfg, plain)
	}
	return "", certificateNamed(cfg, name)
}

// completeNames completes the names of certificates, and of keys with any.
func (a *app) completeNames(_ *cobra.Command, _ []string, begin string) ([]string, cobra.ShellCompDirective) {
	cfg, _, err := a.loadQuietly()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var names []string
	for _, c := range cfg.Certificates {
		if strings.HasPrefix(c.Name, begin) {
			names = append(names, c.Name)
		}
	}
	for _, key := range keyNames(cfg) {
		if strings.HasPrefix(key, begin) {
			names = append(names, key)
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
