package engine

import (
	"github.com/certkeep/certkeep/internal/challenge"
	"github.com/certkeep/certkeep/internal/command"
	"github.com/certkeep/certkeep/internal/config"
)

// manualHooks are the programs of a `manual` rule.
func manualHooks(m config.Manual) challenge.ManualHooks {
	program := func(c config.Command) command.Command {
		return command.Command{Args: c.Args, Shell: c.Shell, User: m.User, Timeout: m.Timeout}
	}
	return challenge.ManualHooks{Auth: program(m.Auth), CleanUp: program(m.CleanUp)}
}
