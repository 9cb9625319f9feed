package main

import (
	"errors"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/certkeep/certkeep/internal/daemon"
	"github.com/certkeep/certkeep/internal/durable"
)

func (a *app) helperCommand() *cobra.Command {
	fd := 0
	cmd := &cobra.Command{
		Use:   "helper",
		Short: "Install files as root, for a Certkeep that runs as another user",
		Long: "Runs in the foreground, as root, where `helper` of the config names the user that Certkeep runs as.\n" +
			"It is told names of targets and versions; paths, owners, commands and contents it reads in the config,\n" +
			"which must be root's, and in the state. It talks to no network. SIGTERM finishes what is under way and\n" +
			"ends. systemd is told by sd_notify, s6 by --ready-fd. Changes of the config count from the next request on, but for `helper` itself.",
		Args: atMost(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkReadyFD(cmd, fd); err != nil {
				return err
			}
			signal.Ignore(syscall.SIGHUP) // there is nothing to reload
			log := newServiceLog(a.ui, a.getenv, a.verbose, a.quiet)
			err := daemon.Help(cmd.Context(), daemon.Options{
				Load: a.loadQuietly, Disk: durable.OS{}, Log: log.logger(), Relog: log.configure, UserAgent: userAgent(), ReadyFD: fd,
			})
			if errors.Is(err, daemon.ErrNoHelper) {
				return &hintedError{code: exitConfig, words: err.Error(), hint: "write, for example, `helper: {user: certkeep}`, or do without it: then `certkeep run` installs", err: err}
			}
			return err
		},
	}
	readyFDFlag(cmd, &fd)
	return cmd
}

// readyFDFlag adds the flag by which s6 hears that a service runs.
func readyFDFlag(cmd *cobra.Command, fd *int) {
	cmd.Flags().IntVar(fd, "ready-fd", 0, "write a newline to this file descriptor `N` once running, and close it (s6)")
}

// checkReadyFD refuses a descriptor that cannot be meant.
func checkReadyFD(cmd *cobra.Command, fd int) error {
	if !cmd.Flags().Changed("ready-fd") {
		return nil
	}
	if err := daemon.CheckReadyFD(fd); err != nil {
		return usage("--ready-fd: "+err.Error(), "name the descriptor that the supervisor opened, usually 3")
	}
	return nil
}
