package config

import (
	"fmt"
	"strconv"
)

// Manner is what a program that writes records is told by its arguments.
type Manner string

// The manners.
const (
	MannerNone  Manner = ""
	MannerModMD Manner = "mod_md"
	MannerLego  Manner = "lego"
)

// manner is false, true for that of mod_md, or the name of another tool.
func manner() shape[Manner] {
	s := scalar(boolean|text, "true, false or lego", "lego", func(r *reader, n *node) (Manner, string, string) {
		switch {
		case n.kind == boolean && n.text == "true":
			return MannerModMD, "", ""
		case n.kind == boolean:
			return MannerNone, "", ""
		case n.text == string(MannerLego):
			return MannerLego, "", ""
		}
		return MannerNone, fmt.Sprintf("%s takes true, false or lego, not the text %q", r.is(), shorten(n.text)), ""
	}, func(m Manner) *node {
		if m == MannerLego {
			return showText(string(m))
		}
		return &node{kind: boolean, text: strconv.FormatBool(m == MannerModMD)}
	})
	s.json = func() *jsonSchema { return &jsonSchema{Enum: []any{true, false, string(MannerLego)}} }
	return s
}
