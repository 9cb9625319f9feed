package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/certkeep/certkeep/internal/config"
)

func (a *app) forgetCommand() *cobra.Command {
	yes := false
	cmd := &cobra.Command{
		Use:   "forget NAME…",
		Short: "Drop all that is stored of certificates",
		Long: "Drops versions, private keys that nothing else uses, orders and facts of certificates.\n" +
			"Files that services read stay, and so does the history. A certificate that is still in\n" +
			"the config is obtained anew.",
		Args:              atLeast(1, "the name of a certificate"),
		ValidArgsFunction: a.completeNames,
		RunE: func(cmd *cobra.Command, names []string) error {
			cfg, w, err := a.read(cmd.Context())
			if err != nil {
				return err
			}
			for _, name := range names {
				if w.Known.Certs[name] == nil {
					return unknownName("stored certificate", name, slices.Collect(maps.Keys(w.Known.Certs)))
				}
			}
			question := fmt.Sprintf("Drop all that is stored of %s, private keys included?", strings.Join(names, ", "))
			if err := a.ui.confirm(cmd.Context(), yes, question); err != nil {
				return err
			}
			if err := a.forget(cmd.Context(), cfg, names); err != nil {
				return err
			}
			for _, name := range names {
				more := ""
				if cfg.Certificate(name) != nil {
					more = "; it is still in the config, so it is obtained anew"
				}
				a.ui.say("%s is forgotten; installed files stay%s", name, more)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return cmd
}

// forget drops certificates here, or has the daemon do it.
func (a *app) forget(ctx context.Context, cfg *config.Config, names []string) (err error) {
	state, err := a.hold(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, state.close()) }()
	if state.client != nil {
		return state.client.Forget(ctx, names)
	}
	for _, name := range names {
		if err := state.store.Forget(ctx, name); err != nil {
			return err
		}
	}
	return nil
}
