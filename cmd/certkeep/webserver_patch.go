package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/certkeep/certkeep/internal/webserver"
)

// patch is the lines that administrators add to files of theirs, as a diff
// that `patch -p1 -d /` carries out. What it cannot say is told instead.
func (p *proposal) patch() (string, error) {
	type place struct{ server, file string }
	additions := map[place][]webserver.Addition{}
	for _, s := range p.sites {
		for _, l := range s.Lines {
			if l.There || l.File == "" {
				continue
			}
			if l.takeOut { // the line alone would have the server refuse its configuration, or change nothing
				p.notes = append(p.notes, fmt.Sprintf("%s:%d: %s; then add the line by hand: %s", l.File, l.Line, l.Besides, l.Text))
				continue
			}
			// patch(1) writes no symlink, such as those in sites-enabled.
			file, err := filepath.EvalSymlinks(l.File)
			if errors.Is(err, fs.ErrNotExist) { // a macro of Apache has none that would be named
				p.notes = append(p.notes, fmt.Sprintf("%s, line %d, is no file that a patch could change; add the line by hand: %s", l.File, l.Line, l.Text))
				continue
			}
			if err != nil {
				return "", fmt.Errorf("find the file of a virtual host: %w", err)
			}
			at := place{l.Server, file}
			additions[at] = append(additions[at], webserver.Addition{Line: l.Line, Text: l.Text})
		}
	}
	var all strings.Builder
	places := slices.SortedFunc(maps.Keys(additions), func(a, b place) int { return strings.Compare(a.file, b.file) })
	for _, at := range places {
		text, err := os.ReadFile(at.file)
		if err != nil {
			return "", fmt.Errorf("read the file of a virtual host: %w", err)
		}
		diff, err := webserver.Patch(at.server, at.file, string(text), additions[at])
		if errors.Is(err, webserver.ErrNoPlace) || errors.Is(err, webserver.ErrName) {
			p.notes = append(p.notes, err.Error()+": add the line by hand")
			continue
		}
		if err != nil {
			return "", err
		}
		all.WriteString(diff)
	}
	return all.String(), nil
}

// showPatch prints the diff as the result, and everything else beside it, so
// that the result can be handed to patch(1).
func (a *app) showPatch(found webEnabled, diff string) error {
	a.ui.say("%s", strings.TrimSuffix(a.describeEnabled(found), "\n"))
	if isTerminal(a.ui.stdout) { // it holds lines of files that others may write
		diff = string(visible([]byte(diff)))
	}
	a.ui.print(diff)
	return nil
}
