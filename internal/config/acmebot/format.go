package acmebot

import (
	"fmt"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// format fills in a Python format string with the fields that acmebot gives
// it: {name}, and {{ for a brace. What is wrong with it comes back in words.
func format(pattern string, fields map[string]string) (filled, wrong string) {
	var b strings.Builder
	for rest := pattern; rest != ""; {
		i := strings.IndexAny(rest, "{}")
		if i < 0 {
			b.WriteString(rest)
			break
		}
		b.WriteString(rest[:i])
		brace := rest[i : i+1]
		rest = rest[i+1:]
		if strings.HasPrefix(rest, brace) {
			b.WriteString(brace)
			rest = rest[1:]
			continue
		}
		if brace == "}" {
			return "", fmt.Sprintf("%s has a } without {", quoted(pattern))
		}
		field, after, closed := strings.Cut(rest, "}")
		if !closed {
			return "", fmt.Sprintf("%s has a { without }", quoted(pattern))
		}
		text, known := fields[field]
		if !known {
			return "", fmt.Sprintf("%s has an unknown field {%s}", quoted(pattern), field)
		}
		b.WriteString(text)
		rest = after
	}
	return b.String(), ""
}

// fileIn is the path of a file of acmebot's: a folder of `directories`, and a
// name of `file_names`. It is not ok where something is wrong, or where the
// folder or the name is null.
func (t *translator) fileIn(folder option, standardFolder, file, standardFile string, fields map[string]string) (string, bool) {
	dir := folder.text(standardFolder)
	pattern := t.names.option(file)
	base := pattern.text(standardFile)
	if dir == "" || base == "" {
		return "", false
	}
	dir, wrong := format(dir, fields)
	if wrong != "" {
		t.fail(folder.Origin, wrong, "known: "+fieldNames(fields))
		return "", false
	}
	base, wrong = format(base, fields)
	if wrong != "" {
		t.fail(pattern.Origin, wrong, "known: "+fieldNames(fields))
		return "", false
	}
	if !filepath.IsLocal(base) {
		t.fail(pattern.Origin, fmt.Sprintf("%s is not below its folder", quoted(base)), "set directories."+file)
		return "", false
	}
	return path.Join(t.absolute(dir), strings.ReplaceAll(base, "*", "_")), true
}

// fieldNames lists fields for hints.
func fieldNames(fields map[string]string) string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		names = append(names, "{"+name+"}")
	}
	return strings.Join(names, ", ")
}
