package config

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// kind is what a value in a file looks like before anybody asks what it means.
type kind uint8

const (
	null kind = 1 << iota
	boolean
	number
	text
	list
	table
)

// node is a value in a configuration file, or one that Show writes. A node
// may be reachable twice (a YAML alias), so nobody changes one that was read.
type node struct {
	kind  kind
	at    place
	text  string  // of a scalar: its value; of a number: as it was written
	items []*node // of a list
	pairs []pair  // of a table, in the order of the file
}

// pair is a key of a table with its value.
type pair struct {
	key   string
	at    place
	value *node
}

// place is a position in one of the files that were read.
type place struct {
	file   int32 // index into findings.files
	line   int32 // from 1
	column int32 // in characters, from 1
}

// get returns the pair of a key, or nil.
func (n *node) get(key string) *pair {
	if n == nil {
		return nil
	}
	for i := range n.pairs {
		if n.pairs[i].key == key {
			return &n.pairs[i]
		}
	}
	return nil
}

// has reports whether the table has the key.
func (n *node) has(key string) bool { return n.get(key) != nil }

// placeOf is where the value of a key stands, or where the table begins.
func (n *node) placeOf(key string) place {
	if p := n.get(key); p != nil {
		return p.value.at
	}
	return n.at
}

// describe says what the value is, for "…, not …".
func (n *node) describe() string {
	switch n.kind {
	case null:
		return "nothing"
	case boolean, number:
		return n.text
	case text:
		return fmt.Sprintf("the text %q", shorten(n.text))
	case list:
		return "a list"
	default:
		return "a table of keys"
	}
}

// shorten bounds what an error quotes, and keeps it on one line.
func shorten(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// findings gathers what is wrong while files are read.
type findings struct {
	files    []string
	errors   Errors
	warnings []Warning
	// translation is set where the tree that is read was made from acmebot's.
	translation *translation
	alone       bool // no file is read that it names
	broken      bool // a file cannot be read as YAML: what follows from that is not worth saying
}

// syntax records that a file cannot be read as YAML.
func (f *findings) syntax(at place, words, hint string) {
	f.broken = true
	f.add(at, words, hint)
}

// add records an error at a place.
func (f *findings) add(at place, words, hint string) {
	f.errors = append(f.errors, f.finding(at, words, hint))
}

// warn records a warning at a place.
func (f *findings) warn(at place, words, hint string) {
	f.warnings = append(f.warnings, Warning(f.finding(at, words, hint)))
}

func (f *findings) finding(at place, words, hint string) Finding {
	at, key := f.real(at)
	words = named(key, words)
	return Finding{File: f.files[at.file], Line: int(at.line), Column: int(at.column), Words: printable(words), Hint: printable(hint)}
}

// printable escapes what a terminal would obey instead of showing it.
func printable(s string) string {
	if !strings.ContainsFunc(s, func(c rune) bool { return !unicode.IsPrint(c) }) {
		return s
	}
	var b strings.Builder
	for _, c := range s {
		if unicode.IsPrint(c) {
			b.WriteRune(c)
		} else {
			b.WriteString(strings.Trim(strconv.QuoteRune(c), "'"))
		}
	}
	return b.String()
}

// where renders a place for the words of a finding elsewhere.
func (f *findings) where(at place) string {
	at, _ = f.real(at)
	return fmt.Sprintf("%s:%d:%d", f.files[at.file], at.line, at.column)
}
