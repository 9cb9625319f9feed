package config

import (
	"errors"
	"fmt"
	"strconv"
)

// commandForm is how a command looks in a file.
type commandForm struct{ shell string }

// command is a program with its arguments.
func command(such string) shape[Command] {
	s := either("a command", such, commandText(), commandList(), commandShell())
	s.takes = func(n *node) bool { return n.kind != table || n.has("shell") }
	return s
}

// commandText is a command as one text that is split at blanks.
func commandText() shape[Command] {
	return scalar(text, "a command", "nginx -t", func(r *reader, n *node) (Command, string, string) {
		args, err := SplitCommand(n.text)
		if shell, ok := errors.AsType[*shellError](err); ok {
			return Command{}, fmt.Sprintf("%s: %v", r.is(), shell), fmt.Sprintf("write {shell: %s}, or quote it", strconv.Quote(shorten(n.text)))
		}
		if err != nil {
			return Command{}, fmt.Sprintf("%s: %v", r.is(), err), ""
		}
		return Command{Args: args}, "", ""
	}, func(Command) *node { return nil })
}

// commandList is a command as a list of exact arguments.
func commandList() shape[Command] {
	arg := scalar(text, "text", "", func(_ *reader, n *node) (string, string, string) {
		for _, c := range []byte(n.text) {
			if c == 0 {
				return "", "an argument contains a zero byte", ""
			}
		}
		return n.text, "", ""
	}, func(s string) *node { return &node{kind: text, text: s} })
	return as(filled(listOf(arg, "a list of arguments", "[nginx, -t]")),
		func(r *reader, n *node, args []string) (Command, bool) {
			if args[0] == "" {
				r.out.add(n.at, r.is()+" has no program", "the first entry names it")
				return Command{}, false
			}
			return Command{Args: args}, true
		},
		func(c Command) ([]string, bool) { return c.Args, len(c.Args) > 0 })
}

// commandShell is a text that is given to a shell.
func commandShell() shape[Command] {
	form := object("shell", "", []key[commandForm]{
		field("shell", scalar(text, "text for "+shell, `"cd /srv && make"`,
			func(r *reader, n *node) (string, string, string) {
				if n.text == "" {
					return "", r.is() + " is empty", ""
				}
				return n.text, "", ""
			}, showText),
			func(f *commandForm) *string { return &f.shell }, about{doc: "Text for " + shell + " -c."}),
	}, func(r *reader, n *node, f *commandForm) {
		if f.shell == "" && !n.has("shell") {
			r.out.add(n.at, r.is()+" names no command", `write {shell: "…"}, or a list of arguments`)
		}
	})
	form.kinds = table
	form.json = form.table.definition
	form.table = nil // it is described with all commands, not once for every key
	return as(form,
		func(_ *reader, _ *node, f commandForm) (Command, bool) { return Command{Shell: f.shell}, true },
		func(c Command) (commandForm, bool) { return commandForm{shell: c.Shell}, c.Shell != "" })
}
