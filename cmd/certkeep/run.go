package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/daemon"
	"github.com/certkeep/certkeep/internal/durable"
)

func (a *app) runCommand() *cobra.Command {
	fd := 0
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Keep everything converged, for ever",
		Long: "Runs in the foreground. SIGHUP reloads the config, SIGALRM looks at everything now, SIGTERM\n" +
			"saves the step under way and ends. systemd is told by sd_notify, s6 by --ready-fd.",
		Args: atMost(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("ready-fd") {
				if err := daemon.CheckReadyFD(fd); err != nil {
					return usage("--ready-fd: "+err.Error(), "name the descriptor that the supervisor opened, usually 3")
				}
			}
			signals := make(chan os.Signal, 4)
			signal.Notify(signals, syscall.SIGHUP, syscall.SIGALRM)
			defer signal.Stop(signals)
			log := newServiceLog(a.ui, a.getenv, a.verbose, a.quiet)
			return daemon.Run(cmd.Context(), daemon.Options{
				Load: a.loadQuietly, Disk: durable.OS{}, Log: log.logger(), Relog: log.configure,
				UserAgent: userAgent(), Build: thisBuild(), Signals: signals, ReadyFD: fd,
				Passphrase: func(cfg *config.Config) func(context.Context, string, string) ([]byte, error) {
					return a.passphrases(cfg, nil).get
				},
			})
		},
	}
	cmd.Flags().IntVar(&fd, "ready-fd", 0, "write a newline to this file descriptor `N` once running, and close it (s6)")
	return cmd
}
