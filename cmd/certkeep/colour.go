package main

import (
	"fmt"
	"os"
	"slices"

	"github.com/certkeep/certkeep/internal/config"
)

// hues says where there is colour. The option --color comes before `log.color`
// of the config, and both, unless they say auto, before NO_COLOR
// (no-color.org), which in turn comes before what the terminal can do.
type hues struct {
	option string // --color; "" where it was not given
	config string // log.color; "" until the config was read
	none   bool   // NO_COLOR is set
}

// paints reports whether text for f is coloured.
func (u *ui) paints(f *os.File) bool {
	switch how := u.hues.how(); how {
	case config.ColorAlways:
		return true
	case config.ColorNever:
		return false
	}
	return !u.hues.none && !u.dumb && isTerminal(f)
}

func (h hues) how() string {
	if h.option != "" {
		return h.option
	}
	return h.config
}

// checkColour refuses what --color does not know.
func checkColour(how string) error {
	known := config.Colors()
	if how == "" || slices.Contains(known, how) {
		return nil
	}
	return usage(fmt.Sprintf("--color does not know %q", how), "give "+quoted(known))
}

// watched reports whether a person may be looking on.
func (u *ui) watched() bool { return isTerminal(u.stdout) || isTerminal(u.stderr) }
