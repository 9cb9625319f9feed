package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/status"
)

func (a *app) planCommand() *cobra.Command {
	until := "90d"
	cmd := &cobra.Command{
		Use:   "plan [NAME…]",
		Short: "Say what will be done, when and why",
		Long: "Says what `apply` would do now and what comes next, each with its reason, and what it\n" +
			"takes from the limits of CAs. It touches nothing, contacts no CA and needs no lock.\n" +
			"Steps marked + follow from the one above; later renewals are foreseen as if each\n" +
			"certificate lived as long as the one before. Routine looks are shown with --verbose.",
		ValidArgsFunction: a.completeNames,
		RunE: func(cmd *cobra.Command, names []string) error {
			ahead, err := config.ParseDuration(until)
			if err != nil || ahead < 0 {
				return usage(fmt.Sprintf("--until %q is no length of time", until), "write it as 90d, 2w or 36h")
			}
			cfg, w, err := a.read(cmd.Context())
			if err != nil {
				return err
			}
			if names, err = known(cfg, names); err != nil {
				return err
			}
			now := time.Now()
			f := status.Foresee(now, w, now.Add(ahead), names...)
			if a.json {
				return a.ui.printJSON(f)
			}
			r := renderer{now: now, width: a.ui.width(a.ui.stdout), paint: a.ui.painter(a.ui.stdout)}
			a.ui.print(r.forecast(f, a.verbose))
			return nil
		},
	}
	cmd.Flags().StringVar(&until, "until", until, "how far to look ahead")
	return cmd
}

// forecast renders a plan for people.
func (r renderer) forecast(f status.Forecast, routine bool) string {
	var b strings.Builder
	steps := slices.DeleteFunc(slices.Clone(f.Steps), func(s status.Step) bool { return s.Routine && !routine })
	due := slices.IndexFunc(steps, func(s status.Step) bool { return !s.Due })
	if due < 0 {
		due = len(steps)
	}
	if due == 0 {
		b.WriteString("nothing is due now\n")
	} else {
		b.WriteString(r.paint(bold, "now") + "\n" + r.steps(steps[:due]))
	}
	if due < len(steps) {
		fmt.Fprintf(&b, "\n%s\n%s", r.paint(bold, "until "+minute(f.Until)), r.steps(steps[due:]))
	} else {
		b.WriteString("nothing else comes until " + minute(f.Until) + "\n")
	}
	if slices.ContainsFunc(steps, func(s status.Step) bool { return s.Follows }) {
		b.WriteString("+ follows from the step above it\n")
	}
	for _, s := range f.Spends {
		count := "count"
		if s.Orders == 1 {
			count = "counts"
		}
		most := ""
		if s.AtMost {
			most = "at most "
		}
		fmt.Fprintf(&b, "\n%s: %s%s of %s %s against its limits", s.Issuer, most, counted(s.Orders, "order"), counted(s.Names, "name"), count)
		if s.Replaces > 0 {
			fmt.Fprintf(&b, "; as %s, which many CAs do not count", counted(s.Replaces, "replacement"))
		}
		b.WriteString("\n")
	}
	return b.String()
}

// steps renders steps as a table; each reason stands below its step where
// there is no room beside it.
func (r renderer) steps(steps []status.Step) string {
	rows := make([][]string, 0, len(steps))
	for _, s := range steps {
		mark := " "
		if s.Follows {
			mark = "+"
		}
		at := ""
		if !s.Due {
			at = s.At.UTC().Format("2006-01-02 15:04")
		}
		whose := s.Certificate
		if s.Keys != "" {
			whose = "keys " + s.Keys
		}
		rows = append(rows, []string{" " + at, whose, mark + " " + stepWords(s)})
	}
	var b strings.Builder
	for i, line := range strings.Split(strings.TrimSuffix(table(rows), "\n"), "\n") {
		b.WriteString(line + "\n")
		if steps[i].Perhaps && steps[i].Kind == plan.KindIssue {
			b.WriteString(indent(wrap(steps[i].Reason.Words, r.width-6), 6))
		}
		if !steps[i].Follows {
			b.WriteString(indent(wrap(steps[i].Reason.Words, r.width-6), 6))
			if spends := steps[i].Spends; len(spends) > 0 {
				b.WriteString(indent(wrap("of the limits of "+steps[i].Issuer+": "+strings.Join(spends, "; "), r.width-6), 6))
			}
		}
	}
	return b.String()
}

// stepWords says in a few words what a step does.
func stepWords(s status.Step) string {
	words := string(s.Kind)
	if s.KeyType != "" {
		words += " " + s.KeyType
	}
	if s.Issuer != "" && (s.Kind == plan.KindIssue || s.Kind == plan.KindResume) {
		words += " from " + s.Issuer
	}
	if len(s.Names) > 0 {
		words += " " + strings.Join(s.Names[:min(3, len(s.Names))], ", ")
		if more := len(s.Names) - 3; more > 0 {
			words += fmt.Sprintf(" and %d more", more)
		}
	}
	if s.Log != "" {
		words += " to " + s.Log
	}
	if s.Target != "" && s.Target != config.DefaultTarget && !s.Kind.WritesCompanion() {
		words += " at " + s.Target
	}
	if s.Hook != "" {
		words += " " + s.Hook
	}
	if s.Name != "" {
		words += " " + s.Name
	}
	return words
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
