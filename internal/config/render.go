package config

import (
	"encoding/json"
	"regexp"
	"strings"
)

// render writes a tree as YAML that parseYAML reads as the same tree: tables
// as blocks, lists of scalars and whatever lies below a list in one line.
func render(n *node) string {
	var b strings.Builder
	renderBlock(&b, n, "")
	return b.String()
}

func renderBlock(b *strings.Builder, n *node, indent string) {
	for _, p := range n.pairs {
		b.WriteString(indent)
		b.WriteString(renderText(p.key))
		b.WriteByte(':')
		switch {
		case p.value.kind == table && len(p.value.pairs) > 0:
			b.WriteByte('\n')
			renderBlock(b, p.value, indent+"  ")
		case p.value.kind == list && p.value.nested():
			b.WriteByte('\n')
			for _, i := range p.value.items {
				b.WriteString(indent + "  - " + renderFlow(i) + "\n")
			}
		default:
			b.WriteString(" " + renderFlow(p.value) + "\n")
		}
	}
}

// nested reports whether a list holds more than scalars.
func (n *node) nested() bool {
	for _, i := range n.items {
		if i.kind == list || i.kind == table {
			return true
		}
	}
	return false
}

// renderFlow writes a value in one line.
func renderFlow(n *node) string {
	switch n.kind {
	case list:
		var items []string
		for _, i := range n.items {
			items = append(items, renderFlow(i))
		}
		return "[" + strings.Join(items, ", ") + "]"
	case table:
		var pairs []string
		for _, p := range n.pairs {
			pairs = append(pairs, renderText(p.key)+": "+renderFlow(p.value))
		}
		return "{" + strings.Join(pairs, ", ") + "}"
	case text:
		return renderText(n.text)
	case null:
		return "null"
	}
	return n.text
}

// renderText writes text without quotes where no reader could take it for
// anything else.
func renderText(s string) string {
	if plainText.MatchString(s) && !reserved(s) {
		return s
	}
	return quote(s)
}

// plainText matches what is certainly text: it begins with a letter or a
// slash, or is a duration or a percentage. Of 192.0.2.7 nothing is certain.
var plainText = regexp.MustCompile(`^([A-Za-z/_][A-Za-z0-9_./+@-]*|https?://[A-Za-z0-9_./+@-]+|[0-9]+(ms|s|m|h|d|w|y|%))$`)

// reserved reports whether a word means something else in some YAML.
func reserved(s string) bool {
	switch strings.ToLower(s) {
	case "true", "false", "yes", "no", "on", "off", "y", "n", "null", "nan", "inf":
		return true
	}
	return false
}

// quote writes text in double quotes. JSON's are also YAML's.
func quote(s string) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		return `""` // never: a string always encodes
	}
	// These may stand in no file as they are.
	return strings.NewReplacer("\x7f", `\x7f`, "\ufffd", `\ufffd`).Replace(strings.TrimSuffix(b.String(), "\n"))
}
