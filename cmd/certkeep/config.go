package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/engine"
)

func (a *app) configCommand() *cobra.Command {
	return group(
		"config", "Check, show and explain the config",
		a.configCheckCommand(), a.configShowCommand(), a.configSchemaCommand(), a.configExampleCommand(),
	)
}

// findings are what `config check` prints; see docs/json.md.
type findings struct {
	Valid    bool             `json:"valid"`
	Errors   []config.Finding `json:"errors"`
	Warnings []config.Finding `json:"warnings"`
}

func (a *app) configCheckCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check [-]",
		Short: "Say all that is wrong with the config",
		Long: "Reads the config and the files that it speaks of: secrets have to be readable, and nobody\n" +
			"else may write the programs that are run. Nothing is asked of any network.\n\n" +
			"With - it reads a config from standard input and nothing else: no file that it names, no conf.d,\n" +
			"no state. So it runs where a system is built that will use the config elsewhere.",
		Args: atMost(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			find := a.findings
			if len(args) > 0 {
				if args[0] != "-" || a.configPath != "" {
					return usage("a config comes from the file that --config names, or from standard input (-)", "use it as: "+cmd.UseLine())
				}
				find = a.findingsAlone
			}
			found, path, err := find()
			if err != nil {
				return err
			}
			switch {
			case a.json:
				err = a.ui.printJSON(found)
			default:
				a.printFindings(path, found)
			}
			if err == nil && !found.Valid {
				err = exitWith(exitConfig)
			}
			return err
		},
	}
}

// findings gathers what is wrong with the config.
func (a *app) findings() (findings, string, error) {
	cfg, warnings, err := a.loadQuietly()
	found, err := found(warnings, err)
	if err != nil || len(found.Errors) > 0 {
		return found, "", err
	}
	found.Errors = append(found.Errors, cfg.Check()...)
	found.lookAtUpdateKeys(cfg)
	found.Valid = len(found.Errors) == 0
	return found, cfg.Path, nil
}

// findingsAlone gathers what is wrong with a config on standard input, whatever
// there is on this machine.
func (a *app) findingsAlone() (findings, string, error) {
	_, warnings, err := config.LoadAlone("stdin", a.ui.stdin)
	found, err := found(warnings, err)
	found.Valid = err == nil && len(found.Errors) == 0
	return found, "stdin", err
}

// found is what loading a config found.
func found(warnings []config.Warning, err error) (findings, error) {
	found := findings{Errors: []config.Finding{}, Warnings: []config.Finding{}}
	for _, w := range warnings {
		found.Warnings = append(found.Warnings, config.Finding(w))
	}
	if wrong, ok := errors.AsType[config.Errors](err); ok {
		found.Errors, err = wrong, nil
	}
	return found, err
}

// lookAtUpdateKeys adds what is wrong with keys that sign updates of DNS, where
// nothing else was found at that entry.
func (f *findings) lookAtUpdateKeys(cfg *config.Config) {
	for _, id := range slices.Sorted(maps.Keys(cfg.DNS)) {
		what := "dns." + id
		key, err := engine.UpdateKey(cfg.DNS[id])
		switch {
		case err != nil && !slices.ContainsFunc(f.Errors, func(e config.Finding) bool { return strings.HasPrefix(e.Words, what+": ") }):
			f.Errors = append(f.Errors, cfg.FindingAt(what, err.Error(), ""))
		case err == nil && key != nil:
			if words, hint := key.Weak(); words != "" {
				f.Warnings = append(f.Warnings, cfg.FindingAt(what, words, hint))
			}
		}
	}
}

func (a *app) printFindings(path string, found findings) {
	paint := a.ui.painter(a.ui.stdout)
	var b strings.Builder
	for _, f := range found.Errors {
		fmt.Fprintf(&b, "%s %s\n", paint(red, "error:"), f)
	}
	for _, f := range found.Warnings {
		fmt.Fprintf(&b, "%s %s\n", paint(yellow, "warning:"), f)
	}
	if found.Valid && !a.quiet {
		fmt.Fprintf(&b, "%s is valid\n", path)
	}
	a.ui.print(b.String())
}

func (a *app) configShowCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "show",
		Short: "Print the config with all defaults filled in",
		Long:  "Prints the config as Certkeep understands it, with all defaults filled in, in a form that\nit reads as the same config. Secrets appear as the references that they are.",
		Args:  atMost(0),
		RunE: func(*cobra.Command, []string) error {
			cfg, err := a.load()
			if err != nil {
				return err
			}
			text := cfg.Show()
			if a.json {
				asJSON, err := yaml.YAMLToJSON([]byte(text))
				if err != nil {
					return fmt.Errorf("turn the config into JSON: %w", err)
				}
				text = string(asJSON)
			}
			a.ui.print(text)
			return nil
		},
	}
}

func (a *app) configSchemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of a config, for editors",
		Args:  atMost(0),
		RunE: func(*cobra.Command, []string) error {
			a.ui.print(string(config.Schema()))
			return nil
		},
	}
}

func (a *app) configExampleCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "example",
		Short: "Print a commented config to start from",
		Args:  atMost(0),
		RunE: func(*cobra.Command, []string) error {
			a.ui.print(config.Example())
			return nil
		},
	}
}
