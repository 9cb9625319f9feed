package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/certkeep/certkeep/internal/config"
)

func (a *app) manCommand(root *cobra.Command) *cobra.Command {
	list := false
	cmd := &cobra.Command{
		Use:   "man [PAGE]",
		Short: "Print the manual page certkeep(1), or another",
		Long: "Prints a manual page as roff: `certkeep man > /usr/local/share/man/man1/certkeep.1`, or\n" +
			"`certkeep man certkeep.yaml | man -l -`. certkeep(1) has all commands; there is a page for each of them,\n" +
			"certkeep-apply(1), and one for the config, certkeep.yaml(5). --list names them all.",
		Args: atMost(1),
		RunE: func(_ *cobra.Command, args []string) error {
			pages := manualPages(root)
			names := make([]string, 0, len(pages))
			for _, p := range pages {
				names = append(names, p.name())
			}
			if list {
				a.ui.print(strings.Join(names, "\n"))
				return nil
			}
			wanted := append(args, "certkeep.1")[0]
			for _, p := range pages {
				if wanted == p.title || wanted == p.name() {
					a.ui.print(p.render())
					return nil
				}
			}
			return unknownName("manual page", wanted, names)
		},
	}
	cmd.Flags().BoolVar(&list, "list", false, "list the pages by their file names")
	return cmd
}

// manualPage is a page of the manual, not rendered yet.
type manualPage struct {
	title   string
	section int
	render  func() string
}

// name is the page's file name.
func (p manualPage) name() string { return fmt.Sprintf("%s.%d", p.title, p.section) }

// manualPages are the pages for the whole, for each command, and for the config.
func manualPages(root *cobra.Command) []manualPage {
	pages := []manualPage{{"certkeep", 1, func() string { return manual(root) }}}
	var below func(parent *cobra.Command)
	below = func(parent *cobra.Command) {
		for _, c := range parent.Commands() {
			switch {
			case c.Hidden || c.Name() == "help":
			case c.HasSubCommands():
				below(c)
			default:
				pages = append(pages, manualPage{strings.ReplaceAll(c.CommandPath(), " ", "-"), 1, func() string { return manualOf(c) }})
			}
		}
	}
	below(root)
	return append(pages, manualPage{"certkeep.yaml", 5, manualConfig})
}

// manualHead begins a page.
func manualHead(title string, section int, about string) string {
	return fmt.Sprintf(".TH %s %d \"\" \"certkeep %s\" \"\"\n.SH NAME\n%s \\- %s\n",
		roff(strings.ToUpper(title)), section, roff(thisBuild().Version), roff(title), roff(about))
}

// manualOf renders the page of one command.
func manualOf(c *cobra.Command) string {
	var b strings.Builder
	b.WriteString(manualHead(strings.ReplaceAll(c.CommandPath(), " ", "-"), 1, c.Short))
	fmt.Fprintf(&b, ".SH SYNOPSIS\n.B %s\n[\\fIoption\\fR ...]%s\n.SH DESCRIPTION\n", roff(c.CommandPath()), roff(strings.TrimPrefix(c.Use, c.Name())))
	manualText(&b, c)
	b.WriteString(".SH SEE ALSO\n.BR certkeep (1),\n.BR certkeep.yaml (5)\n")
	return b.String()
}

// manualConfig renders certkeep.yaml(5).
func manualConfig() string {
	var b strings.Builder
	b.WriteString(manualHead("certkeep.yaml", 5, "what certkeep keeps, and how"))
	b.WriteString(".SH DESCRIPTION\nYAML, or JSON with the same keys. Files \\fIconf.d/*.yaml\\fR beside it are merged into it in name order.\n" +
		"An unknown key is an error; \\fBcertkeep config check\\fR shows all errors, \\fBcertkeep config example\\fR a file with every key.\n" +
		"A file that others than its owner may write is refused. Paths are absolute; durations carry a unit, as in 90s, 1h30m, 30d.\n")
	for _, s := range config.Reference() {
		heading := "KEYS OF THE FILE"
		if s.Path != "" {
			heading = s.Path
		}
		fmt.Fprintf(&b, ".SH \"%s\"\n", roff(heading))
		if s.Path != "" && s.Doc != "" {
			b.WriteString(typed(s.Doc) + "\n")
		}
		for _, k := range s.Keys {
			fmt.Fprintf(&b, ".TP\n.B %s\n%s\n.br\nValue: %s. Default: %s.\n", roff(k.Name), typed(k.Meaning), typed(k.Value), typed(k.Default))
		}
		if len(s.Shared) > 0 {
			fmt.Fprintf(&b, ".PP\nAs under \\fBdefaults\\fR, for this one alone: %s.\n", roff(strings.Join(s.Shared, ", ")))
		}
	}
	b.WriteString(".SH FILES\n.I /etc/certkeep/certkeep.yaml\n.SH SEE ALSO\n.BR certkeep (1)\n")
	return b.String()
}

// typed renders text in which backquotes enclose what is typed.
func typed(s string) string {
	var b strings.Builder
	for i, part := range strings.Split(s, "`") {
		if i%2 == 1 {
			part = "\\fB" + roff(part) + "\\fR"
		} else {
			part = roff(part)
		}
		b.WriteString(part)
	}
	return b.String()
}

// manual renders the command tree as certkeep(1), in the macros of man(7).
func manual(root *cobra.Command) string {
	var b strings.Builder
	b.WriteString(manualHead("certkeep", 1, "keep TLS certificates alive"))
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
		manualText(b, c)
	}
}

// manualText renders what a command does, its options and an example.
func manualText(b *strings.Builder, c *cobra.Command) {
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
