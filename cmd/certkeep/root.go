package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// app is one invocation: the options that every command shares.
type app struct {
	ui         *ui
	getenv     func(string) string
	configPath string
	json       bool
	quiet      bool
	verbose    bool
	colour     string // --color
	tiny       bool   // called by the name of acme-tiny
}

// root makes the command tree. Nothing is opened or read here, so that
// `certkeep version` starts at once.
func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "certkeep",
		Short:         "Keep TLS certificates alive",
		Long:          "Certkeep obtains the certificates that its config declares from any ACME certification\nauthority, installs them where services read them, proves that the services really\npresent them, and renews them for ever.",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			a.ui.print(cmd.UsageString())
			return nil
		},
		PersistentPreRunE: func(*cobra.Command, []string) error {
			if a.quiet && a.verbose {
				return usage("--quiet and --verbose exclude each other", "give one of them")
			}
			a.ui.configure(a.json, a.quiet, a.verbose)
			a.ui.hues.option = a.colour
			return checkColour(a.colour)
		},
	}
	flags := root.PersistentFlags()
	flags.StringVar(&a.configPath, "config", "", "config `FILE` (default $CERTKEEP_CONFIG, then /etc/certkeep/certkeep.yaml, .yml, .json)")
	flags.BoolVar(&a.json, "json", false, "print the result as JSON (see docs/json.md)")
	flags.BoolVarP(&a.quiet, "quiet", "q", false, "print nothing but results that need attention, and errors")
	flags.BoolVarP(&a.verbose, "verbose", "v", false, "log every detail to standard error")
	flags.StringVar(&a.colour, "color", "", "`WHEN` to use colour: auto (on a terminal, unless NO_COLOR is set), always, never")
	root.SetFlagErrorFunc(badFlag)
	root.SetHelpCommand(a.helpCommand(root))
	root.SetOut(a.ui.stdout)
	root.SetErr(a.ui.stderr)
	root.AddCommand(
		a.runCommand(), a.applyCommand(), a.planCommand(), a.statusCommand(), a.verifyCommand(), a.renewCommand(), a.rolloverCommand(), a.revokeCommand(),
		a.restoreCommand(), a.forgetCommand(), a.historyCommand(), a.issueCommand(), a.accountCommand(), a.dnsCommand(), a.notifyCommand(), a.storeCommand(), a.configCommand(), a.doctorCommand(), a.webserverCommand(), a.helperCommand(),
		a.versionCommand(), a.completionCommand(root), a.manCommand(root),
	)
	return root
}

// helpCommand is cobra's, with our words for an unknown topic.
func (a *app) helpCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Explain a command",
		RunE: func(_ *cobra.Command, args []string) error {
			cmd, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				return unknownCommand(root, strings.Join(args, " "))
			}
			cmd.InitDefaultHelpFlag()
			return cmd.Help()
		},
	}
}

func unknownCommand(cmd *cobra.Command, name string) error {
	hint := fmt.Sprintf("run `%s --help` for the list", cmd.CommandPath())
	cmd.SuggestionsMinimumDistance = 2
	if near := cmd.SuggestionsFor(name); len(near) > 0 {
		hint = "did you mean " + quoted(near) + "?"
	}
	return usage(fmt.Sprintf("unknown command %q", name), hint)
}

func badFlag(cmd *cobra.Command, err error) error {
	return usage(err.Error(), fmt.Sprintf("run `%s --help` for its options", cmd.CommandPath()))
}

// group makes a command that only holds others.
func group(use, short string, children ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Args: cobra.ArbitraryArgs, RunE: func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return unknownCommand(cmd, args[0])
		}
		return usage(fmt.Sprintf("`%s` needs one of its commands", cmd.CommandPath()), fmt.Sprintf("run `%s --help` for the list", cmd.CommandPath()))
	}}
	cmd.AddCommand(children...)
	return cmd
}

// atLeast and atMost bound the arguments of a command, with a hint that shows
// how it is called.
func atLeast(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < n {
			return usage(fmt.Sprintf("`%s` needs %s", cmd.CommandPath(), what), "use it as: "+cmd.UseLine())
		}
		return nil
	}
}

func atMost(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) > n {
			return usage(fmt.Sprintf("`%s` does not take %q", cmd.CommandPath(), args[n]), "use it as: "+cmd.UseLine())
		}
		return nil
	}
}

// allArgs checks arguments in several ways.
func allArgs(checks ...cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		for _, check := range checks {
			if err := check(cmd, args); err != nil {
				return err
			}
		}
		return nil
	}
}
