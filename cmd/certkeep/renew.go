package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/engine"
	"github.com/certkeep/certkeep/internal/plan"
)

func (a *app) renewCommand() *cobra.Command {
	all, issuer := false, ""
	cmd := &cobra.Command{
		Use:   "renew NAME…|--all",
		Short: "Renew certificates now",
		Long: "Issues new certificates now, installs and verifies them. It skips our own window, backoff\n" +
			"and guard, never what a CA asked for. The names are those of certificates or keys\n" +
			"of the config.",
		ValidArgsFunction: a.completeNames,
		RunE: func(cmd *cobra.Command, names []string) error {
			if err := namesOrAll("renew", names, all); err != nil {
				return err
			}
			cfg, err := a.load()
			if err != nil {
				return err
			}
			if names, err = named(cfg, names); err != nil {
				return err
			}
			if !cfg.Issue {
				return usage("this node orders nothing", "`issue: false` in the config says so")
			}
			if names, err = ordered(cfg, names); err != nil {
				return err
			}
			if len(names) == 0 {
				return usage("no certificate is configured that is ordered here", "declare one below `certificates`")
			}
			if err := listed(cfg, names, issuer); err != nil {
				return err
			}
			return a.converge(cmd.Context(), cfg, wish{ask: plan.AskRenew, names: names, issuer: issuer})
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "renew every certificate of the config")
	cmd.Flags().StringVar(&issuer, "issuer", "", "ask this `ISSUER` of those that the certificates list")
	return cmd
}

// listed refuses an issuer that a certificate does not list: its renewal would
// be undone by the next one.
func listed(cfg *config.Config, names []string, issuer string) error {
	for _, name := range names {
		if cert := cfg.Certificate(name); issuer != "" && !slices.Contains(cert.Issuers, issuer) {
			return usage(fmt.Sprintf("certificate %s is issued by %s, not by %q", name, strings.Join(cert.Issuers, " or "), issuer), "add it to its `issuer` in the config")
		}
	}
	return nil
}

// namesOrAll refuses a command that was given neither names nor --all, or both.
func namesOrAll(command string, names []string, all bool) error {
	switch {
	case all && len(names) > 0:
		return usage("--all and names exclude each other", "give one of them")
	case !all && len(names) == 0:
		return usage("`certkeep "+command+"` needs the name of a certificate", "use it as: certkeep "+command+" NAME…, or certkeep "+command+" --all")
	}
	return nil
}

func (a *app) verifyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "verify [NAME…]",
		Short: "Compare what services present with what they should",
		Long: "Connects to the live services, and compares the certificates that they present with those\n" +
			"that are published. Exits with 7 when one presents something else, with 4 when one could\n" +
			"not be asked.",
		ValidArgsFunction: a.completeNames,
		RunE: func(cmd *cobra.Command, names []string) error {
			cfg, names, err := a.ofNames(names)
			if err != nil {
				return err
			}
			if len(names) == 0 {
				return usage("no certificate is configured", "declare one below `certificates`")
			}
			return a.converge(cmd.Context(), cfg, wish{
				ask: plan.AskVerify, names: names, only: engine.Only{Kinds: []plan.Kind{plan.KindVerify, plan.KindAnswer}},
			})
		},
	}
}
