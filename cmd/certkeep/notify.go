package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/engine"
	"github.com/certkeep/certkeep/internal/plan"
)

func (a *app) notifyCommand() *cobra.Command {
	return group("notify", "The channels by which people are told", a.notifyTestCommand())
}

// notifyTests are what `notify test` prints; see docs/json.md.
type notifyTests struct {
	Time     time.Time    `json:"time"`
	ExitCode int          `json:"exit_code"`
	Tests    []notifyTest `json:"tests"`
}

type notifyTest struct {
	Channel string      `json:"channel"`
	Fault   *plan.Fault `json:"fault,omitempty"`
}

func (a *app) notifyTestCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "test",
		Short: "Send a message over each channel of `notify`",
		Long: "Sends one message over each channel of `notify` and says what happened. No state is\n" +
			"touched, and it counts towards no limit.",
		Args: atMost(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.load()
			if err != nil {
				return err
			}
			if len(engine.Channels(cfg)) == 0 {
				return usage("the config declares no channel", "for example notify: {email: {to: ops@example.com, sendmail: /usr/sbin/sendmail}}")
			}
			return a.testChannels(cmd.Context(), cfg)
		},
	}
}

// testChannels tries one channel after the other.
func (a *app) testChannels(ctx context.Context, cfg *config.Config) error {
	host, err := os.Hostname()
	if err != nil {
		return err
	}
	all := notifyTests{Tests: []notifyTest{}}
	for _, channel := range engine.Channels(cfg) {
		fault := engine.TryChannel(ctx, cfg, channel, cmp.Or(cfg.Node, host), userAgent())
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		all.Tests = append(all.Tests, notifyTest{Channel: channel, Fault: fault})
		if fault != nil {
			all.ExitCode = exitFailed
		}
	}
	all.Time = time.Now().UTC()
	return a.show(all, func() string { return a.describeNotifyTests(all) }, all.ExitCode)
}

func (a *app) describeNotifyTests(all notifyTests) string {
	r := renderer{now: all.Time, width: a.ui.width(a.ui.stdout), paint: a.ui.painter(a.ui.stdout)}
	var b strings.Builder
	for _, t := range all.Tests {
		switch {
		case t.Fault != nil:
			fmt.Fprintf(&b, "%s: failed\n", t.Channel)
			b.WriteString(r.fault(*t.Fault))
		case !a.quiet:
			fmt.Fprintf(&b, "%s: sent\n", t.Channel)
		}
	}
	return b.String()
}
