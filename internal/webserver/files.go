package webserver

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// Files has a server print which files its configuration consists of. It fails as
// Read does.
func Files(ctx context.Context, server string) ([]string, error) {
	names, args, parse := []string{"nginx"}, []string{"-T", "-q"}, nginxListed
	if server == Apache {
		names, args, parse = apachePrograms(), []string{"-t", "-D", "DUMP_INCLUDES"}, apacheListed
	}
	program, ok := find(names...)
	if !ok {
		return nil, ErrNotInstalled
	}
	dump, err := dumped(ctx, server, program, args...)
	if err != nil {
		return nil, err
	}
	files := parse(dump)
	if len(files) == 0 {
		return nil, fmt.Errorf("%w: %s printed no list of its files", ErrSyntax, server)
	}
	return files, nil
}

// nginxListed are the files in the output of `nginx -T`.
func nginxListed(dump string) []string {
	var files []string
	for line := range strings.Lines(dump) {
		if rest, ok := strings.CutPrefix(line, nginxMark); ok {
			if file, ok := strings.CutSuffix(strings.TrimRight(rest, "\r\n"), ":"); ok {
				files = append(files, "/"+file)
			}
		}
	}
	return files
}

// apacheListed are those of `-D DUMP_INCLUDES`: each after the line of its include,
// in parentheses.
func apacheListed(dump string) []string {
	var files []string
	for line := range strings.Lines(dump) {
		where, file, ok := strings.Cut(strings.TrimSpace(line), ") ")
		if ok && strings.HasPrefix(where, "(") && strings.HasPrefix(file, "/") {
			files = append(files, file)
		}
	}
	return files
}

// Inclusion is a line of a server's file that includes another file.
type Inclusion struct {
	File string
	Line int // from 1
	Text string
	// Alone says that nothing else stands in the line.
	Alone bool
}

// directiveOf finds what a line includes by a whole name.
var directiveOf = map[string]*regexp.Regexp{
	Nginx:  regexp.MustCompile(`(?:^|[\s;{}])include\s+(?:"([^"]+)"|'([^']+)'|([^\s;"']+))\s*;`),
	Apache: regexp.MustCompile(`(?i)^\s*Include(?:Optional)?\s+(?:"([^"]+)"|'([^']+)'|([^\s"']+))\s*$`),
}

// Inclusions finds in a server's file the lines that include a file which is one.
func Inclusions(server, path, text string, one func(file string) bool) []Inclusion {
	var found []Inclusion
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimRight(line, "\r\n")
		if strings.HasPrefix(strings.TrimLeft(line, " \t"), "#") {
			continue
		}
		for _, m := range directiveOf[server].FindAllStringSubmatch(line, -1) {
			if !slices.ContainsFunc(m[1:], func(file string) bool { return file != "" && one(file) }) {
				continue
			}
			rest, comment, _ := strings.Cut(strings.Replace(line, strings.TrimLeft(m[0], " \t;{}"), "", 1), "#")
			found = append(found, Inclusion{File: path, Line: number, Text: strings.TrimSpace(line), Alone: strings.TrimSpace(rest) == "" && comment == ""})
		}
	}
	return found
}

// ErrWhole says that nothing of a file would be left. patch(1) would delete it, which
// others may include by its name.
var ErrWhole = errors.New("nothing would be left of the file")

// PatchOut is a change of a file as a unified diff, which takes whole lines out; see
// Patch.
func PatchOut(path, text string, out []int) (string, error) {
	if strings.ContainsFunc(path, unicode.IsControl) {
		return "", fmt.Errorf("%q: %w", path, ErrName)
	}
	lines := slices.Collect(strings.Lines(text))
	if len(out) == 0 || slices.Min(out) < 1 || slices.Max(out) > len(lines) {
		return "", errors.New("there is no such line")
	}
	if len(out) == len(lines) {
		return "", fmt.Errorf("%s: %w", path, ErrWhole)
	}
	from, to := max(slices.Min(out)-1-contextLines, 0), min(slices.Max(out)+contextLines, len(lines))
	var hunk strings.Builder
	after := 0
	for i := from; i < to; i++ {
		mark := byte(' ')
		if slices.Contains(out, i+1) {
			mark = '-'
		} else {
			after++
		}
		hunk.WriteString(diffLine(mark, lines[i]))
	}
	name := strings.TrimPrefix(path, "/")
	return fmt.Sprintf("--- a/%s\t\n+++ b/%s\t\n@@ -%d,%d +%d,%d @@\n%s", name, name, from+1, to-from, from+1, after, &hunk), nil
}
