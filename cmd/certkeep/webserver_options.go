package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/certkeep/certkeep/internal/webserver"
)

// options adds the flags that matter each time the files are written. They stand
// in the first line of these: see command.
func (w *webWish) options(cmd *cobra.Command) {
	f := cmd.Flags()
	serverFlag(cmd, &w.server)
	f.BoolVar(&w.add, "add-ssl", false, "HTTPS beside HTTP (the default)")
	f.BoolVar(&w.force, "force-ssl", false, "HTTP sends visitors to HTTPS")
	f.BoolVar(&w.only, "only-ssl", false, "HTTP answers nobody but CAs")
	f.StringVar(&w.useHost, "use-host", "", "use the certificate `NAME` of the config, which has to have the names")
	f.StringVar(&w.root, "acme-root", "", "`FOLDER` whose .well-known/acme-challenge has the answers (default: as the config's rules say, else a folder of its own)")
	f.StringVar(&w.fallback, "fallback-host", "", "nginx: ask `HOST` for answers that are not here")
	f.StringVar(&w.hsts, "hsts", "", "tell browsers to use HTTPS alone for this `TIME`, such as 180d")
	f.BoolVar(&w.status, "certificate-status", false, "show /.httpd/certificate-status, from listen.status")
}

// command is what enables a site with the same options, as a shell takes it.
// The mode always stands there: a line without one was changed by hand.
func (w *webWish) command(names []string) string {
	words := []string{"enable"}
	for _, name := range names {
		words = append(words, shellWord(name))
	}
	words = append(words, "--"+string(w.mode())+"-ssl")
	for _, o := range []struct{ flag, value string }{
		{"--server", w.server},
		{"--use-host", w.useHost},
		{"--acme-root", w.root},
		{"--fallback-host", w.fallback},
		{"--hsts", w.hsts},
	} {
		if o.value != "" {
			words = append(words, o.flag, shellWord(o.value))
		}
	}
	if w.status {
		words = append(words, "--certificate-status")
	}
	return strings.Join(words, " ")
}

// shellWord is a value as a shell takes it. None has a quote: see check.
func shellWord(value string) string {
	if strings.Trim(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_./:@%+=,") == "" {
		return value
	}
	return "'" + value + "'"
}

// shellWords takes a command apart that was put together of shellWord.
func shellWords(text string) []string {
	var words []string
	for text = strings.TrimLeft(text, " "); text != ""; text = strings.TrimLeft(text, " ") {
		word, end := "", " "
		if text[0] == '\'' {
			text, end = text[1:], "'"
		}
		word, text, _ = strings.Cut(text, end)
		words = append(words, word)
	}
	return words
}

// errOptions says that a first line is none that a command would be read from.
var errOptions = errors.New("its first line does not say the options that it was written with")

// recall reads what command has written: the names, of which the first is what
// the site is called.
func recall(command string) (names []string, w webWish, err error) {
	words := shellWords(command)
	if len(words) < 3 || words[0] != "enable" {
		return nil, w, errOptions
	}
	cmd := &cobra.Command{}
	cmd.SetErr(io.Discard)
	w.options(cmd)
	if err := cmd.ParseFlags(words[1:]); err != nil {
		return nil, w, fmt.Errorf("%w: %w", errOptions, err)
	}
	names = cmd.Flags().Args()
	if len(names) == 0 || !w.add && !w.force && !w.only {
		return nil, w, errOptions
	}
	if err := w.check(names); err != nil {
		return nil, w, fmt.Errorf("%w: %w", errOptions, err)
	}
	return names, w, nil
}

// calledAfter is what a site of such names is called.
func calledAfter(names []string) string {
	return strings.TrimPrefix(strings.Join(names[:min(1, len(names))], ""), "*.")
}

// remembered is a site that was enabled before.
type remembered struct {
	name  string
	names []string // that its command says
	wish  webWish
	files []string // of Certkeep's own that are there for it
}

// recallAll finds what was enabled, by name: from the entries of the config and
// the snippets beside it. All files of a site have to say the same; those of its
// HTTP alone may be left from other options.
func recallAll(p *proposal) ([]remembered, error) {
	var found []remembered
	patterns := []string{filepath.Join(filepath.Dir(p.accountFile()), "webserver-*.yaml")}
	for _, server := range webserver.Servers() {
		patterns = append(patterns, filepath.Join(p.folder(server), "*.conf"))
	}
	commands := map[string]string{}
	for _, pattern := range patterns {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			return nil, fmt.Errorf("look for what was written before: %w", err)
		}
		for _, path := range paths {
			if filepath.Base(path) == webserver.CatchAllName+".conf" {
				continue // it has no options
			}
			command, err := commandIn(path)
			if err != nil {
				return nil, err
			}
			names, wish, err := recall(command)
			name := calledAfter(names)
			base := strings.TrimSuffix(strings.TrimPrefix(strings.TrimSuffix(filepath.Base(path), ".yaml"), "webserver-"), ".conf")
			beside := base == name+"-http"
			if err != nil || base != name && !beside {
				return nil, changedByHand(path, err)
			}
			i := slices.IndexFunc(found, func(r remembered) bool { return r.name == name })
			if i < 0 {
				i = len(found)
				found = append(found, remembered{name: name, names: names, wish: wish})
			}
			found[i].files = append(found[i].files, path)
			if before := commands[name]; !beside && before != "" && before != command {
				return nil, &hintedError{code: exitUnexpected, words: fmt.Sprintf("the files of %s were written with different options: `%s` and, in %s, `%s`", name, before, path, command), hint: "run `certkeep webserver enable` with those that are meant, and --write"}
			}
			if !beside {
				commands[name], found[i].names, found[i].wish = command, names, wish
			}
		}
	}
	slices.SortFunc(found, func(a, b remembered) int { return strings.Compare(a.name, b.name) })
	return found, nil
}

// commandIn is the command in the first line of a file.
func commandIn(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read what was written before: %w", err)
	}
	command, ok := webserver.CommandOf(string(text))
	if !ok {
		return "", changedByHand(path, errOptions)
	}
	return command, nil
}

// changedByHand refuses a file whose first line is not as it was written.
func changedByHand(path string, err error) error {
	words := path + " was not written by Certkeep under this name, or its first line was changed"
	if err != nil {
		words += ": " + err.Error()
	}
	return &hintedError{
		code: exitUnexpected, words: words, err: err,
		hint: "run `certkeep webserver enable` with the options that are meant, and --write; move the file away if it is your own",
	}
}
