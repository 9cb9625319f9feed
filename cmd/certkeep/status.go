package main

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/daemon"
	"github.com/certkeep/certkeep/internal/status"
)

// daemonMayTake bounds how long a daemon is waited for by commands that do
// not need one.
const daemonMayTake = 500 * time.Millisecond

func (a *app) statusCommand() *cobra.Command {
	check := false
	cmd := &cobra.Command{
		Use:   "status [NAME…]",
		Short: "Tell how each certificate is",
		Long: "Tells of each certificate its names, issuer, validity, next renewal and why then, where it\n" +
			"is installed and whether it was seen there, and what is wrong with it and what to do.\n\n" +
			"With --check it prints one line and exits as a monitoring plug-in: 0 OK, 1 WARNING,\n" +
			"2 CRITICAL (missing, ended, revoked, another one is served, or less than a third of the\n" +
			"warning window is left), 3 UNKNOWN.",
		ValidArgsFunction: a.completeNames,
		RunE: func(cmd *cobra.Command, names []string) error {
			if check {
				return a.check(cmd.Context(), names)
			}
			o, err := a.overview(cmd.Context(), names)
			if err != nil {
				return err
			}
			if a.json {
				err = a.ui.printJSON(o)
			} else {
				a.ui.print(a.describe(o))
			}
			if err != nil {
				return err
			}
			return exitWith(o.ExitCode(false))
		},
	}
	cmd.Flags().BoolVar(&check, "check", false, "print one line and exit as a monitoring plug-in")
	return cmd
}

// check is `status --check`. Whatever goes wrong, there is a line that says
// so, and a code that monitoring understands.
func (a *app) check(ctx context.Context, names []string) error {
	a.ui.quiet = true
	o, err := a.overview(ctx, names)
	if err != nil {
		t := tell(err)
		a.ui.print("UNKNOWN " + strings.Join(t.lines, " "))
		return exitWith(status.Unknown.CheckCode())
	}
	if a.json {
		if err := a.ui.printJSON(o); err != nil {
			return err
		}
	} else {
		a.ui.print(o.CheckLine())
	}
	return exitWith(o.State.CheckCode())
}

// overview reads how the named certificates are, or all.
func (a *app) overview(ctx context.Context, names []string) (status.Overview, error) {
	cfg, w, err := a.read(ctx)
	if err != nil {
		return status.Overview{}, err
	}
	if err := known(cfg, names); err != nil {
		return status.Overview{}, err
	}
	o := status.Of(time.Now(), w)
	a.addDaemonProblems(ctx, cfg, &o)
	if len(names) > 0 {
		o = o.Only(names)
	}
	return o, nil
}

// addDaemonProblems adds what only a running daemon knows, such as a config
// that it refused. Nobody has to run, and one that hangs is not waited for.
func (a *app) addDaemonProblems(ctx context.Context, cfg *config.Config, o *status.Overview) {
	ctx, cancel := context.WithTimeout(ctx, daemonMayTake)
	defer cancel()
	client, err := daemon.Dial(ctx, cfg.State)
	if err != nil {
		return // none runs
	}
	defer client.Close()
	problems, err := client.Problems(ctx)
	if err != nil {
		a.ui.say("the daemon did not say how it is: %v", err)
		return
	}
	o.AddProblems(problems)
}
