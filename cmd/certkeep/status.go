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
	check, wait := false, ""
	cmd := &cobra.Command{
		Use:   "status [NAME…]",
		Short: "Tell how each certificate is",
		Long: "Tells of each certificate its names, issuer, validity, next renewal and why then, where it\n" +
			"is installed and whether it was seen there, and what is wrong with it and what to do.\n\n" +
			"With --check it prints one line and exits as a monitoring plug-in: 0 OK, 1 WARNING,\n" +
			"2 CRITICAL (missing, ended, revoked, another one is served, or less than a third of the\n" +
			"warning window is left), 3 UNKNOWN.\n\n" +
			"With --wait it exits with 0 as soon as each certificate is valid and its files are in place,\n" +
			"whether its services know it already or not; a placeholder does not count. When the time is\n" +
			"over it tells how things are. Somebody else has to obtain the certificates, `run` for instance.",
		ValidArgsFunction: a.completeNames,
		RunE: func(cmd *cobra.Command, names []string) error {
			if check && wait != "" {
				return usage("--check does not wait", "leave out --wait or --check")
			}
			if wait != "" {
				return a.awaitInPlace(cmd.Context(), names, wait)
			}
			if check {
				return a.check(cmd.Context(), names)
			}
			o, err := a.overview(cmd.Context(), names)
			if err != nil {
				return err
			}
			return a.show(o, func() string { return a.describe(o) }, o.ExitCode(false))
		},
	}
	cmd.Flags().BoolVar(&check, "check", false, "print one line and exit as a monitoring plug-in")
	cmd.Flags().StringVar(&wait, "wait", "", "wait for this long at most until the certificates are in place, such as 5m")
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
	return a.show(o, o.CheckLine, o.State.CheckCode())
}

// overview reads how the named certificates are, or all.
func (a *app) overview(ctx context.Context, names []string) (status.Overview, error) {
	cfg, w, err := a.read(ctx)
	if err != nil {
		return status.Overview{}, err
	}
	if names, err = known(cfg, names); err != nil {
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
