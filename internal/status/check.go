package status

import (
	"fmt"
	"strings"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
)

// The exit codes that follow from how certificates are; those of every
// command are listed in product's contract and in certkeep(1).
const (
	ExitOK      = 0
	ExitFailed  = 4 // some step failed, and all that is served is valid
	ExitMissing = 5 // a wanted certificate is missing or has ended
	ExitWrong   = 7 // a service presents something else
)

// ExitCode is what a command exits with that leaves things so. Failed says
// whether a step of its own failed.
func (o Overview) ExitCode(failed bool) int {
	code := ExitOK
	if failed {
		code = ExitFailed
	}
	for _, c := range o.Certificates {
		switch {
		case c.missing, c.ended:
			return ExitMissing
		case c.wrong:
			code = ExitWrong
		case c.Failure != nil && code == ExitOK:
			code = ExitFailed
		}
	}
	return code
}

// CheckCode is the exit code of a monitoring plug-in.
func (s State) CheckCode() int {
	switch s {
	case OK:
		return 0
	case Warning:
		return 1
	case Critical:
		return 2
	}
	return 3
}

// shownInLine bounds the certificates that the line of a check names.
const shownInLine = 5

// CheckLine is the one line of a monitoring plug-in: its first word says the
// state, then what is wrong, then counts as performance data.
func (o Overview) CheckLine() string {
	count := map[State]int{}
	var worst []string
	for _, s := range []State{Critical, Unknown, Warning} {
		for _, c := range o.Certificates {
			if c.State == s {
				worst = append(worst, c.Name+": "+c.inShort(o.Time))
			}
		}
		for _, p := range o.Problems {
			if stateOf(p.Severity) == s {
				worst = append(worst, p.Words)
			}
		}
	}
	for _, c := range o.Certificates {
		count[c.State]++
	}
	words := fmt.Sprintf("%s are well", number(len(o.Certificates), "certificate"))
	if len(o.Certificates) == 1 {
		words = "1 certificate is well"
	}
	if len(worst) > 0 {
		left := len(worst) - shownInLine
		words = strings.Join(worst[:min(len(worst), shownInLine)], "; ")
		if left > 0 {
			words += fmt.Sprintf("; and %d more", left)
		}
	}
	return fmt.Sprintf("%s %s | ok=%d warning=%d critical=%d unknown=%d", strings.ToUpper(string(o.State)), oneLine(words),
		count[OK], count[Warning], count[Critical], count[Unknown])
}

// inShort says what is the matter with a certificate.
func (c Certificate) inShort(now time.Time) string {
	for _, p := range c.Problems {
		if p.Severity == plan.Critical || c.State != Critical {
			return p.Words
		}
	}
	if len(c.Problems) > 0 {
		return c.Problems[0].Words
	}
	return fmt.Sprintf("ends in %s", c.NotAfter.Sub(now).Round(time.Minute))
}

// oneLine keeps foreign words from ending the line, or its part for people.
func oneLine(s string) string {
	return strings.NewReplacer("\n", " ", "\r", " ", "|", "/").Replace(s)
}

func number(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
