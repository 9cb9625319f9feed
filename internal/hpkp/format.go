package hpkp

import (
	"errors"
	"fmt"
	"strings"
)

// Formats are the files that are written where nothing else is said, by
// server.
func Formats() map[string]string {
	return map[string]string{
		"apache": "Header always set Public-Key-Pins \"{header}\"\n",
		"nginx":  "add_header Public-Key-Pins \"{header}\" always;\n",
	}
}

// Fields are what a format may name.
type Fields struct {
	Header string // {header}
	Server string // {server}: the name of the format
	Name   string // {name}, also {key_name}: of the private key
}

// Format is the text of a server's file, with fields in braces as in Python's
// format strings; a doubled brace stands for itself.
type Format struct{ pieces []piece }

// piece is text, and the field behind it; the last piece has none.
type piece struct{ text, field string }

// Parse reads a format.
func Parse(text string) (Format, error) {
	var f Format
	var plain strings.Builder
	for rest := text; rest != ""; {
		at := strings.IndexAny(rest, "{}")
		if at < 0 {
			plain.WriteString(rest)
			break
		}
		plain.WriteString(rest[:at])
		brace := rest[at : at+1]
		if rest = rest[at+1:]; strings.HasPrefix(rest, brace) {
			plain.WriteString(brace)
			rest = rest[1:]
			continue
		}
		name, after, closed := strings.Cut(rest, "}")
		if brace == "}" || !closed {
			return Format{}, errors.New(`read format of public key pins: a single brace; write "{{" or "}}" for one that stands for itself`)
		}
		if (Fields{}).field(name) == nil {
			return Format{}, fmt.Errorf("read format of public key pins: no field {%s}; there are {header}, {server} and {name}", name)
		}
		f.pieces = append(f.pieces, piece{plain.String(), name})
		plain.Reset()
		rest = after
	}
	f.pieces = append(f.pieces, piece{text: plain.String()})
	return f, nil
}

// File is the text of the file.
func (f Format) File(fields Fields) string {
	var b strings.Builder
	for _, p := range f.pieces {
		b.WriteString(p.text)
		if value := fields.field(p.field); value != nil {
			b.WriteString(*value)
		}
	}
	return b.String()
}

// field is the value of a field, or nil where there is none of that name.
// {key_name} stands in acmebot's description, {name} is what acmebot takes.
func (f Fields) field(name string) *string {
	switch name {
	case "header":
		return &f.Header
	case "server":
		return &f.Server
	case "name", "key_name":
		return &f.Name
	}
	return nil
}
