package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// diagnosis is what `doctor` prints; see docs/json.md.
type diagnosis struct {
	Time     time.Time `json:"time"`
	ExitCode int       `json:"exit_code"`
	Online   bool      `json:"online"` // CAs and name servers were asked
	Checks   []checked `json:"checks"`
}

// checked is one thing that was looked at.
type checked struct {
	Name    string   `json:"name"`
	Verdict verdict  `json:"verdict"`
	Words   string   `json:"words"`
	Detail  []string `json:"detail,omitempty"` // the other side's own words
	Remedy  string   `json:"remedy,omitempty"`
}

// verdict is what a look came to.
type verdict string

const (
	verdictOK      verdict = "ok"
	verdictWarning verdict = "warning" // it works, and might not for long, or not safely
	verdictProblem verdict = "problem"
)

func (a *app) doctorCommand() *cobra.Command {
	online := false
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Look whether this machine has what the config needs",
		Long: "Looks at the files of the config, the state folder, the folders of installed files, the\n" +
			"ports of the own listeners, the checks of services, and the entries of dns. What is wrong\n" +
			"is told with what to do. It changes nothing: ports are bound for a moment, and the check\n" +
			"commands of services are run.\n\n" +
			"With --online CAs are asked for the time, and name servers for the zones.",
		Args: atMost(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.load()
			if err != nil {
				return err
			}
			d := examiner{cfg: cfg, online: online}
			d.examine(cmd.Context())
			if cmd.Context().Err() != nil {
				return context.Cause(cmd.Context())
			}
			found := diagnosis{Time: time.Now().UTC(), Online: online, Checks: d.checks}
			found.ExitCode = exitOf(d.checks, cfg.WarningExitCode)
			return a.show(found, func() string { return a.describeDiagnosis(found) }, found.ExitCode)
		},
	}
	cmd.Flags().BoolVar(&online, "online", false, "ask CAs and name servers too")
	return cmd
}

// exitOf is the exit code: where strict, warnings count too.
func exitOf(checks []checked, strict bool) int {
	for _, c := range checks {
		if c.Verdict == verdictProblem || strict && c.Verdict == verdictWarning {
			return exitFailed
		}
	}
	return exitOK
}

func (a *app) describeDiagnosis(d diagnosis) string {
	text := a.describeChecks(d.Checks)
	if !a.quiet && !d.Online {
		text += "the clock and the name servers were not looked at: `certkeep doctor --online` asks\n"
	}
	return text
}

// describeChecks tells what was looked at, and how much of it is wrong.
func (a *app) describeChecks(checks []checked) string {
	paint := a.ui.painter(a.ui.stdout)
	width := a.ui.width(a.ui.stdout)
	hue := map[verdict]colour{verdictOK: green, verdictWarning: yellow, verdictProblem: red}
	const column = len(verdictProblem) + 2
	count := map[verdict]int{}
	var b strings.Builder
	for _, c := range checks {
		count[c.Verdict]++
		if a.quiet && c.Verdict == verdictOK {
			continue
		}
		lines := wrap(c.Name+": "+c.Words, max(20, width-column))
		b.WriteString(paint(hue[c.Verdict], pad(string(c.Verdict), column)) + lines[0] + "\n" + indent(lines[1:], column))
		for _, said := range c.Detail {
			b.WriteString(indent(wrap(said, max(20, width-column-4)), column+4))
		}
		b.WriteString(indent(wrap(c.Remedy, max(20, width-column-2)), column+2))
	}
	if a.quiet {
		return b.String()
	}
	switch problems, warnings := count[verdictProblem], count[verdictWarning]; {
	case problems+warnings == 0:
		b.WriteString("\nnothing is wrong\n")
	default:
		fmt.Fprintf(&b, "\nproblems: %d, warnings: %d\n", problems, warnings)
	}
	return b.String()
}
