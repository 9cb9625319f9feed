package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os/exec"
	"slices"

	"github.com/certkeep/certkeep/internal/config"
)

// programs looks whether the programs of hooks are there. They are run rarely:
// one that is missing would be found when a certificate is due.
func (d *examiner) programs() {
	d.hooks("hooks.", d.cfg.Hooks)
	d.manual("challenges", d.cfg.Challenges)
	for _, cert := range d.cfg.Certificates {
		d.hooks("certificates."+cert.Name+".hooks.", cert.Hooks)
		d.manual("certificates."+cert.Name+".challenges", cert.Challenges)
	}
}

func (d *examiner) hooks(where string, hooks map[string]config.Hook) {
	for _, event := range slices.Sorted(maps.Keys(hooks)) {
		d.program(where+event, hooks[event].Command)
	}
}

func (d *examiner) manual(where string, rules []config.Rule) {
	for _, rule := range rules {
		for _, m := range rule.Methods {
			if m.Manual != nil {
				d.program(where, m.Manual.Auth)
				d.program(where, m.Manual.CleanUp)
			}
		}
	}
}

// program looks for one program. Of text for a shell nothing is known.
func (d *examiner) program(name string, c config.Command) {
	if len(c.Args) == 0 {
		return
	}
	path, err := exec.LookPath(c.Args[0])
	switch {
	case err == nil:
		d.add(verdictOK, name, path+" is there", "")
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, fs.ErrNotExist):
		d.add(verdictProblem, name, fmt.Sprintf("there is no program %s", c.Args[0]), "Name one by its whole path, or put it there.")
	default:
		d.add(verdictProblem, name, err.Error(), "Make it a program that can be run: chmod +x")
	}
}
