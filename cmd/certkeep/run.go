package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/coreos/go-systemd/v22/activation"
	"github.com/spf13/cobra"

	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/daemon"
	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/network"
)

func (a *app) runCommand() *cobra.Command {
	fd := 0
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Keep everything converged, for ever",
		Long: "Runs in the foreground. SIGHUP reloads the config, SIGALRM looks at everything now, SIGTERM\n" +
			"saves the step under way and ends. systemd is told by sd_notify, s6 by --ready-fd.\n" +
			"Sockets that systemd opened are taken for the listeners with their addresses.",
		Args: atMost(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkReadyFD(cmd, fd); err != nil {
				return err
			}
			sockets, err := network.TakeOver(activation.Files(true))
			if err != nil {
				return usage(err.Error(), "certkeep.socket of contrib/systemd shows what can be handed over")
			}
			signals := make(chan os.Signal, 4)
			signal.Notify(signals, syscall.SIGHUP, syscall.SIGALRM)
			defer signal.Stop(signals)
			log := newServiceLog(a.ui, a.getenv, a.verbose, a.quiet)
			return daemon.Run(cmd.Context(), daemon.Options{
				Load: a.loadQuietly, Disk: durable.OS{}, Log: log.logger(), Relog: log.configure,
				UserAgent: userAgent(), Build: thisBuild(), Signals: signals, ReadyFD: fd, Network: sockets,
				Passphrase: func(cfg *config.Config) func(context.Context, string, string) ([]byte, error) {
					return a.passphrases(cfg, nil).get
				},
			})
		},
	}
	readyFDFlag(cmd, &fd)
	return cmd
}
