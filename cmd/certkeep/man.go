package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

func (a *app) manCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:   "man",
		Short: "Print the manual page certkeep(1)",
		Long:  "Prints the manual page as roff: `certkeep man > /usr/local/share/man/man1/certkeep.1`, or\n`certkeep man | man -l -`.",
		Args:  atMost(0),
		RunE: func(*cobra.Command, []string) error {
			a.ui.print(manual(root))
			return nil
		},
	}
}

// manual renders the command tree as certkeep(1), in the macros of man(7).
func manual(root *cobra.Command) string {
	var b strings.Builder
	fmt.Fprintf(&b, ".TH CERTKEEP 1 \"\" \"certkeep %s\" \"\"\n", roff(thisBuild().Version))
	b.WriteString(".SH NAME\ncertkeep \\- keep TLS certificates alive\n")
	b.WriteString(".SH SYNOPSIS\n.B certkeep\n[\\fIoption\\fR ...] \\fIcommand\\fR [\\fIargument\\fR ...]\n")
	b.WriteString(".SH DESCRIPTION\n" + roff(root.Long) + "\n.PP\nResults go to standard output, everything else to standard error.\n")
	b.WriteString(".SH OPTIONS\n" + manualFlags(root.PersistentFlags().FlagUsages()))
	b.WriteString(".SH COMMANDS\n")
	manualCommands(&b, root)
	b.WriteString(".SH EXIT STATUS\n")
	for _, c := range exitCodes() {
		fmt.Fprintf(&b, ".TP\n.B %d\n%s\n", c.code, roff(c.means))
	}
	b.WriteString(".PP\n\\fBstatus \\-\\-check\\fR exits as a monitoring plug\\-in: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.\n")
	b.WriteString(".SH FILES\n.TP\n.I /etc/certkeep/certkeep.yaml\nthe config, where neither \\fB\\-\\-config\\fR nor \\fBCERTKEEP_CONFIG\\fR names another; \\fIconf.d\\fR beside it is merged\n")
	b.WriteString(".TP\n.I /var/lib/certkeep\nthe state, where the config names no other\n")
	b.WriteString(".SH ENVIRONMENT\n.TP\n.B CERTKEEP_CONFIG\nthe config\n.TP\n.B NO_COLOR\nwhen set, nothing is coloured\n")
	return b.String()
}

// manualCommands renders the commands below parent that do something.
func manualCommands(b *strings.Builder, parent *cobra.Command) {
	for _, c := range parent.Commands() {
		if c.Hidden || c.Name() == "help" {
			continue
		}
		if c.HasSubCommands() {
			manualCommands(b, c)
			continue
		}
		path := strings.TrimPrefix(c.CommandPath(), "certkeep ")
		arguments := strings.TrimPrefix(c.Use, c.Name())
		fmt.Fprintf(b, ".SS %s%s\n", roff(path), roff(arguments))
		text := c.Long
		if text == "" {
			text = c.Short + "."
		}
		b.WriteString(roff(text) + "\n")
		b.WriteString(manualFlags(c.LocalNonPersistentFlags().FlagUsages()))
		if c.Example != "" {
			b.WriteString(".PP\n.nf\n" + roff(c.Example) + "\n.fi\n")
		}
	}
}

// manualFlags renders the usage of options, which is laid out already.
func manualFlags(usages string) string {
	if usages == "" {
		return ""
	}
	return ".PP\n.nf\n" + roff(strings.TrimRight(usages, "\n")) + "\n.fi\n"
}

// roff quotes text: a backslash begins an escape, a hyphen would be typeset
// as a dash, and a line that begins with a dot or a quote is a request.
func roff(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`, "…", "...").Replace(s)
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
			lines[i] = `\&` + line
		}
	}
	return strings.Join(lines, "\n")
}

// exitCode is an exit code and what it means.
type exitCode struct {
	code  int
	means string
}

func exitCodes() []exitCode {
	return []exitCode{
		{exitOK, "all is well"},
		{exitUnexpected, "unexpected error"},
		{exitUsage, "wrong usage"},
		{exitConfig, "the config is invalid"},
		{exitFailed, "some step failed, but all that is served is still valid"},
		{exitMissing, "a wanted certificate is missing or has ended"},
		{exitHeld, "the state is held by another process"},
		{exitWrong, "verification found a service presenting something else"},
	}
}
