package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/daemon"
	"github.com/certkeep/certkeep/internal/engine"
	"github.com/certkeep/certkeep/internal/store"
)

// accounts are what `account show` prints; see docs/json.md.
type accounts struct {
	Accounts []account `json:"accounts"`
}

type account struct {
	Issuer    string    `json:"issuer"`
	Directory string    `json:"directory"`
	URL       string    `json:"url,omitempty"`
	Status    string    `json:"status,omitempty"`
	Contact   []string  `json:"contact"`
	Terms     string    `json:"terms,omitempty"`
	EABKid    string    `json:"eab_kid,omitempty"`
	Key       string    `json:"key"`
	Created   time.Time `json:"created,omitzero"`
}

func accountOf(s store.Account) account {
	contact := s.Contact
	if contact == nil {
		contact = []string{}
	}
	return account{s.Issuer, s.Directory, s.URL, string(s.Status), contact, s.Terms, s.EABKid, s.Key, s.Created.UTC()}
}

func (a *app) accountCommand() *cobra.Command {
	return group(
		"account", "Care for accounts at CAs",
		a.accountShowCommand(),
		a.accountChange(daemon.AccountRegister, "Register an account, unless there is one", ""),
		a.accountChange(daemon.AccountUpdate, "Bring the contact at the CA up to the config", ""),
		a.accountChange(daemon.AccountRollKey, "Change the account's key", ""),
		a.accountChange(daemon.AccountReset, "Put the account aside and register a new one",
			"Put the account at %s aside and register a new one? CAA records with accounturi have to be changed then."),
		a.accountChange(daemon.AccountDeactivate, "End the account at the CA",
			"End the account at %s for ever? Nothing can be renewed or revoked with it afterwards."),
		a.accountExportCommand(), a.accountImportCommand(),
	)
}

// oneIssuer is the issuer that a command line names, or the first default.
func oneIssuer(cfg *config.Config, args []string) (string, error) {
	if len(args) == 0 {
		if len(cfg.Defaults.Issuers) == 0 {
			return "", usage("no issuer is named", "name one of those in the config")
		}
		return cfg.Defaults.Issuers[0], nil
	}
	if _, ok := cfg.Issuers[args[0]]; !ok {
		return "", unknownName("issuer", args[0], slices.Collect(maps.Keys(cfg.Issuers)))
	}
	return args[0], nil
}

func (a *app) completeIssuers(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	cfg, _, err := a.loadQuietly()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	return slices.Sorted(maps.Keys(cfg.Issuers)), cobra.ShellCompDirectiveNoFileComp
}

func (a *app) accountShowCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "show [ISSUER…]",
		Short:             "Show the accounts that are stored",
		ValidArgsFunction: a.completeIssuers,
		RunE: func(cmd *cobra.Command, args []string) error {
			_, s, err := a.reader(cmd.Context())
			if err != nil {
				return err
			}
			stored, damaged := s.Accounts(cmd.Context())
			for _, name := range args {
				if _, ok := stored[name]; !ok && damaged == nil {
					return unknownName("stored account", name, slices.Collect(maps.Keys(stored)))
				}
			}
			all := accounts{Accounts: []account{}}
			for _, name := range slices.Sorted(maps.Keys(stored)) {
				if len(args) == 0 || slices.Contains(args, name) {
					all.Accounts = append(all.Accounts, accountOf(stored[name]))
				}
			}
			return errors.Join(a.showAccounts(all), damaged)
		},
	}
}

func (a *app) showAccounts(all accounts) error {
	if a.json {
		return a.ui.printJSON(all)
	}
	var b strings.Builder
	width := a.ui.width(a.ui.stdout)
	if len(all.Accounts) == 0 {
		b.WriteString("no account is stored; one is registered when the first certificate is obtained\n")
	}
	for i, acc := range all.Accounts {
		if i > 0 {
			b.WriteString("\n")
		}
		status := acc.Status
		if status == "" {
			status = "not confirmed by the CA yet"
		}
		fmt.Fprintf(&b, "%s  %s\n", a.ui.painter(a.ui.stdout)(bold, acc.Issuer), status)
		for _, line := range [][2]string{
			{"account", acc.URL},
			{"directory", acc.Directory},
			{"contact", strings.Join(acc.Contact, ", ")},
			{"terms", acc.Terms},
			{"external", acc.EABKid},
			{"key", acc.Key},
		} {
			if line[1] != "" {
				b.WriteString("  " + labelled(line[0], labelWidth-2, line[1], width-2))
			}
		}
	}
	a.ui.print(b.String())
	return nil
}

// accountChange is a command that changes an account at its CA. One with a
// question destroys something.
func (a *app) accountChange(op daemon.AccountOp, short, question string) *cobra.Command {
	yes := false
	cmd := &cobra.Command{
		Use:               string(op) + " [ISSUER]",
		Short:             short,
		Args:              atMost(1),
		ValidArgsFunction: a.completeIssuers,
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := a.load()
			if err != nil {
				return err
			}
			issuer, err := oneIssuer(cfg, args)
			if err != nil {
				return err
			}
			if question != "" {
				if err := a.ui.confirm(cmd.Context(), yes, fmt.Sprintf(question, issuer)); err != nil {
					return err
				}
			}
			return a.changeAccount(cmd.Context(), cfg, daemon.AccountRequest{Op: op, Issuer: issuer})
		},
	}
	if question != "" {
		cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	}
	return cmd
}

// changeAccount changes an account here, or has the daemon do it.
func (a *app) changeAccount(ctx context.Context, cfg *config.Config, q daemon.AccountRequest) (err error) {
	state, err := a.hold(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, state.close()) }()
	var changed store.Account
	if state.client != nil {
		changed, err = state.client.Account(ctx, q)
	} else {
		var e *engine.Engine
		if e, err = a.engine(ctx, cfg, state.store, nil, nil); err == nil {
			changed, err = daemon.ChangeAccount(ctx, e, q)
		}
	}
	if errors.Is(err, store.ErrNotFound) {
		return usage(fmt.Sprintf("no account at %s is stored", q.Issuer), "`certkeep account register` registers one")
	}
	if err != nil {
		return err
	}
	return a.showAccounts(accounts{Accounts: []account{accountOf(changed)}})
}
