package challenge

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
)

// pattern is the path of a webroot with placeholders, cut at them: texts and
// placeholders take turns, beginning with a text.
type pattern []string

var errPattern = errors.New("not a usable webroot")

// parsePattern checks a webroot of the config.
func parsePattern(text string) (pattern, error) {
	if !strings.HasPrefix(text, "/") || strings.ContainsRune(text, 0) {
		return nil, fmt.Errorf("%q: %w: it has to be an absolute path", text, errPattern)
	}
	var p pattern
	rest := text
	for {
		before, after, found := strings.Cut(rest, "{")
		if strings.Contains(before, "}") {
			return nil, fmt.Errorf("%q: %w: a } without {", text, errPattern)
		}
		p = append(p, before)
		if !found {
			return p, nil
		}
		name, tail, closed := strings.Cut(after, "}")
		switch {
		case !closed:
			return nil, fmt.Errorf("%q: %w: a { without }", text, errPattern)
		case name != "zone" && name != "host" && name != "fqdn":
			return nil, fmt.Errorf("%q: %w: {%s} is none of {zone}, {host} and {fqdn}", text, errPattern, name)
		}
		p = append(p, name)
		rest = tail
	}
}

// folder fills in an identifier. Its value was checked when the config was
// read; that it cannot leave the folder is made sure of here all the same.
func (p pattern) folder(id Identifier) string {
	fqdn := strings.ToLower(id.Value)
	if strings.ContainsAny(fqdn, "/\x00") || strings.Contains("."+fqdn+".", "..") {
		fqdn = "-"
	}
	zone, host := fqdn, "."
	if first, rest, _ := strings.Cut(fqdn, "."); !id.IP && strings.Contains(rest, ".") {
		zone, host = rest, first
	}
	var b strings.Builder
	for i, part := range p {
		if i%2 == 1 {
			part = map[string]string{"zone": zone, "host": host, "fqdn": fqdn}[part]
		}
		b.WriteString(part)
	}
	return filepath.Clean(b.String())
}
