package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/engine"
	"github.com/certkeep/certkeep/internal/plan"
)

// parts of --only, and the kinds of step that each allows.
func onlyParts() map[string][]plan.Kind {
	return map[string][]plan.Kind{
		"auth": {plan.KindAuthorize, plan.KindReadmit, plan.KindCleanUp},
		"certs": {
			plan.KindAdopt, plan.KindTakeOver, plan.KindTakeIn, plan.KindIssue, plan.KindResume, plan.KindPublish, plan.KindRevoke, plan.KindWithdraw, plan.KindAside, plan.KindReadmit, plan.KindAdvice, plan.KindCRL, plan.KindCleanUp, plan.KindPrune,
			plan.KindKeys, plan.KindRoll, plan.KindSwitch,
		},
		"install": {plan.KindAdopt, plan.KindSpare, plan.KindInstall, plan.KindHook, plan.KindInspect, plan.KindParams, plan.KindOCSPFile, plan.KindSCTFile, plan.KindHPKP},
		"ocsp":    {plan.KindOCSP, plan.KindOCSPFile, plan.KindHook},
		"sct":     {plan.KindSCT, plan.KindSCTFile, plan.KindHook},
		"tlsa":    {plan.KindLookTLSA, plan.KindTLSA},
		"verify":  {plan.KindVerify},
	}
}

func (a *app) applyCommand() *cobra.Command {
	var only, span, metrics string
	var dryRun, strict bool
	cmd := &cobra.Command{
		Use:   "apply [NAME…]",
		Short: "Do everything that is due now, then exit",
		Long: "Does one pass and exits. Naming certificates, or keys that some are on, asks for them: our\n" +
			"own backoff is skipped, never what a CA asked for. With --dry-run, whole orders are made at\n" +
			"the issuers' staging, and nothing is kept or installed. Where nobody looks on, as in cron, it\n" +
			"prints nothing when nothing was done and nothing is wrong.",
		ValidArgsFunction: a.completeNames,
		RunE: func(cmd *cobra.Command, names []string) error {
			kinds, err := parseOnly(only)
			if err != nil {
				return err
			}
			if dryRun && only != "" {
				return usage("--dry-run and --only exclude each other", "a dry run makes orders and nothing else")
			}
			cfg, warnings, err := a.loadQuietly()
			sparing := err == nil && len(names) == 0 && !dryRun && !a.ui.watched()
			if !sparing {
				a.warn(warnings)
				warnings = nil
			}
			if err != nil {
				return err
			}
			if names, err = known(cfg, names); err != nil {
				return err
			}
			if err := pauseFor(cmd.Context(), span, cfg); err != nil {
				return err
			}
			if dryRun {
				return a.rehearse(cmd.Context(), cfg, names)
			}
			w := wish{names: names, only: engine.Only{Kinds: kinds}, sparing: sparing, warnings: warnings, metrics: metrics}
			if cmd.Flags().Changed("warning-exit-code") {
				w.strict = &strict
			}
			if len(names) > 0 {
				w.ask = plan.AskApply
			}
			after, here, err := a.carryOut(cmd.Context(), cfg, w)
			if _, told := errors.AsType[*exitError](err); here && (err == nil || told) {
				err = cmp.Or(err, a.searchParams(cmd.Context(), cfg, w, after))
			}
			return err
		},
	}
	cmd.Flags().StringVar(&only, "only", "", "do only these parts: auth, certs, install, tlsa, ocsp, sct, verify (several with commas)")
	cmd.Flags().StringVar(&span, "wait-random", "", "wait a random time of `MIN-MAX` first, such as 0s-1h; \"config\" takes the config's wait_random")
	cmd.Flags().BoolVar(&strict, "warning-exit-code", false, "exit with 4 also where nothing failed and a warning is shown (default: the config's warning_exit_code)")
	cmd.Flags().StringVar(&metrics, "metrics", "", "leave metrics in `FILE` for the textfile collector of Prometheus' node_exporter")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "make whole orders at the issuers' staging; keep and install nothing")
	return cmd
}

// pauseFor waits for a random time of a span.
func pauseFor(ctx context.Context, span string, cfg *config.Config) error {
	wait, err := pause(span, cfg)
	if err != nil {
		return err
	}
	return sleep(ctx, wait)
}

// parseOnly turns --only into kinds of step; none means all.
func parseOnly(text string) ([]plan.Kind, error) {
	if text == "" {
		return nil, nil
	}
	var kinds []plan.Kind
	for part := range strings.SplitSeq(text, ",") {
		allowed, ok := onlyParts()[strings.TrimSpace(part)]
		if !ok {
			return nil, usage(fmt.Sprintf("--only knows no part %q", part), "the parts are auth, certs, install, tlsa, ocsp, sct and verify")
		}
		kinds = append(kinds, allowed...)
	}
	return append(kinds, plan.KindAnswer), nil
}

// pause draws how long to wait: from MIN-MAX, or from what the config says.
func pause(text string, cfg *config.Config) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	span := cfg.WaitRandom
	if text != "config" {
		var err error
		if span, err = config.ParseWait(text); err != nil {
			return 0, usage("--wait-random "+err.Error(), "write it as MIN-MAX, such as 0s-1h, or as the word config")
		}
	}
	return span.Least + time.Duration(rand.Int64N(int64(span.Most-span.Least)+1)), nil
}

// sleep waits, unless there is nothing to wait for or ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
