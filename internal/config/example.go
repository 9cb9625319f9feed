package config

import "strings"

// Example is a configuration that shows every key: with an example where the
// administrator has to say something, and as a comment where there is a
// default or another way. It loads as it is.
func Example() string {
	e := exampleWriter{}
	e.line("# Certkeep: every key there is. Lines that begin with \"#\" and a key are off; where they show a")
	e.line("# value and nothing else is said, it is the default. See docs/configuration.md.")
	for _, k := range schema().table.keys {
		e.line("")
		e.key(k, "", false)
	}
	return e.String()
}

type exampleWriter struct{ strings.Builder }

func (e *exampleWriter) line(s string) { e.WriteString(strings.TrimRight(s, " ") + "\n") }

// exampleNames are what the entries of a table with free names are called.
func exampleName(table string) string {
	switch table {
	case "issuer":
		return "corp"
	case "dns":
		return "main"
	case "service":
		return "web"
	case "hook":
		return EventInstalled
	case "keys":
		return "shared"
	default:
		return "www"
	}
}

// key writes a key with what is below it. Within a table that is off,
// everything is.
func (e *exampleWriter) key(k keyDoc, indent string, off bool) {
	e.comment(k, indent)
	off = off || k.off || k.example == "" && k.standardNode != nil
	head := k.name + ":"
	switch {
	case k.example != "":
		e.value(indent, head+" "+k.example, off)
	case k.table == nil || k.standardNode != nil:
		e.value(indent, head+" "+e.standard(k), off || k.standardNode == nil)
	default:
		e.table(k, indent, off)
	}
}

// table writes the keys below a key.
func (e *exampleWriter) table(k keyDoc, indent string, off bool) {
	below, dashes := indent+"  ", ""
	off = off || onlyDefaults(k.table)
	switch {
	case strings.HasPrefix(k.below, "[]"):
		e.value(indent, k.name+":", off)
		dashes = "- "
	case k.below != "":
		e.value(indent, k.name+":", off)
		e.value(below, exampleName(k.table.name)+":", off)
		below += "  "
	default:
		e.value(indent, k.name+":", off)
	}
	first := dashes != ""
	shared := false
	for _, inner := range k.table.keys {
		if inner.shared {
			if !shared {
				e.line(below + "# Every key of `defaults` may stand here too, for this certificate alone.")
				e.value(below, "services: [nginx]", off)
			}
			shared = true
			continue
		}
		if first {
			e.comment(inner, below)
			e.value(below, "- "+inner.name+": "+inner.example, off)
			below, first = below+"  ", false
			continue
		}
		e.key(inner, below, off)
	}
}

// onlyDefaults reports whether nothing below a table has to be said.
func onlyDefaults(t *tableDoc) bool {
	for _, k := range t.keys {
		if k.table != nil && k.standardNode == nil && k.example == "" && !onlyDefaults(k.table) {
			return false
		}
		if k.example != "" && !k.off {
			return false
		}
	}
	return true
}

func (e *exampleWriter) standard(k keyDoc) string {
	if k.standardNode == nil {
		return ""
	}
	return renderFlow(k.standardNode)
}

// value writes a line of YAML, as a comment where it is off.
func (e *exampleWriter) value(indent, text string, off bool) {
	if off {
		indent += "#"
	}
	e.line(indent + text)
}

// comment writes what a key means, wrapped.
func (e *exampleWriter) comment(k keyDoc, indent string) {
	words := k.doc
	if k.standard != "" {
		words += " Default: " + k.standard + "."
	}
	const width = 110
	line := indent + "#"
	for _, w := range strings.Fields(words) {
		if len(line)+1+len(w) > width {
			e.line(line)
			line = indent + "#"
		}
		line += " " + w
	}
	e.line(line)
}
