package hpkp

import "strings"

// PinsIn are the pins that a header's value names, in its order. What is no
// directive of a pin is passed over, as clients do (RFC 7469 section 2.1).
func PinsIn(header string) []string {
	var pins []string
	for _, directive := range directives(header) {
		name, value, ok := strings.Cut(directive, "=")
		if !ok || !strings.EqualFold(strings.TrimSpace(name), "pin-sha256") {
			continue
		}
		value = strings.TrimSpace(value)
		if inner, ok := strings.CutPrefix(value, `"`); ok {
			value = strings.TrimSuffix(inner, `"`)
		}
		pins = append(pins, value)
	}
	return pins
}

// directives splits a value at the semicolons that stand in no quotes.
func directives(header string) []string {
	var all []string
	begin, within := 0, false
	for i := range len(header) {
		switch {
		case header[i] == '"':
			within = !within
		case header[i] == ';' && !within:
			all = append(all, header[begin:i])
			begin = i + 1
		}
	}
	return append(all, header[begin:])
}
