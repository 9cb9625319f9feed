package main

import (
	"io"

	"github.com/spf13/cobra"
)

func (a *app) completionCommand(root *cobra.Command) *cobra.Command {
	shell := func(name, short string, write func(io.Writer) error) *cobra.Command {
		return &cobra.Command{
			Use: name, Short: short, Args: atMost(0),
			RunE: func(*cobra.Command, []string) error { return write(a.ui.stdout) },
		}
	}
	return group(
		"completion", "Print a script that completes commands in a shell",
		shell("bash", "For bash: certkeep completion bash > /etc/bash_completion.d/certkeep", func(w io.Writer) error { return root.GenBashCompletionV2(w, true) }),
		shell("zsh", "For zsh: certkeep completion zsh > \"${fpath[1]}/_certkeep\"", root.GenZshCompletion),
		shell("fish", "For fish: certkeep completion fish > ~/.config/fish/completions/certkeep.fish", func(w io.Writer) error { return root.GenFishCompletion(w, true) }),
	)
}
