package webserver

import (
	"errors"
	"fmt"
	"strings"
)

// maxDepth is how deep blocks may lie in each other; nginx has no limit, and
// nobody comes near this one.
const maxDepth = 64

// reader takes nginx's syntax apart: words, quoted or not, that end in a
// semicolon or a block.
type reader struct {
	text string
	file string
	at   int
	line int
}

// directives reads until the end of the text, or of a block.
func (r *reader) directives(depth int) ([]directive, error) {
	if depth > maxDepth {
		return nil, r.wrong("blocks lie too deep in each other")
	}
	var found []directive
	for {
		r.skip()
		if r.at == len(r.text) {
			if depth > 0 {
				return nil, r.wrong("a block has no end")
			}
			return found, nil
		}
		if r.text[r.at] == '}' {
			if depth == 0 {
				return nil, r.wrong("a } ends nothing")
			}
			r.at++
			return found, nil
		}
		d, err := r.directive(depth)
		if err != nil {
			return nil, err
		}
		if d.name != "" {
			found = append(found, d)
		}
	}
}

// directive reads one, with its block. The empty one, a stray semicolon, has
// no name.
func (r *reader) directive(depth int) (directive, error) {
	d := directive{file: r.file, line: r.line}
	for first := true; ; first = false {
		r.skip()
		if r.at == len(r.text) {
			return d, r.wrong(fmt.Sprintf("the directive %q has no end", d.name))
		}
		switch r.text[r.at] {
		case ';':
			r.at++
			return d, nil
		case '}':
			return d, r.wrong(fmt.Sprintf("the directive %q has no end", d.name))
		case '{':
			r.at++
			if strings.HasSuffix(d.name, "_by_lua_block") {
				return d, r.skipLua()
			}
			block, err := r.directives(depth + 1)
			d.block = block
			return d, err
		}
		word, err := r.word()
		if err != nil {
			return d, err
		}
		if first {
			d.name = word
		} else {
			d.args = append(d.args, word)
		}
	}
}

// skip passes over blanks and comments.
func (r *reader) skip() {
	for r.at < len(r.text) {
		switch r.text[r.at] {
		case ' ', '\t', '\r':
		case '\n':
			r.line++
		case '#':
			end := strings.IndexByte(r.text[r.at:], '\n')
			if end < 0 {
				end = len(r.text) - r.at
			}
			r.at += end - 1
		default:
			return
		}
		r.at++
	}
}

// word reads one, quoted or bare. In a bare word a brace after a dollar sign
// belongs to a variable.
func (r *reader) word() (string, error) {
	quote := r.text[r.at]
	if quote == '"' || quote == '\'' {
		return r.quoted(quote)
	}
	var b strings.Builder
	for ; r.at < len(r.text); r.at++ {
		c := r.text[r.at]
		switch {
		case strings.IndexByte(" \t\r\n;", c) >= 0, c == '{' && !strings.HasSuffix(b.String(), "$"):
			return b.String(), nil
		case c == '\\' && r.at+1 < len(r.text):
			r.escaped(&b)
			continue
		}
		b.WriteByte(c)
	}
	return b.String(), nil
}

func (r *reader) quoted(quote byte) (string, error) {
	var b strings.Builder
	for r.at++; r.at < len(r.text); r.at++ {
		c := r.text[r.at]
		switch {
		case c == quote:
			r.at++
			return b.String(), nil
		case c == '\\' && r.at+1 < len(r.text):
			r.escaped(&b)
			continue
		case c == '\n':
			r.line++
		}
		b.WriteByte(c)
	}
	return "", r.wrong("a quotation has no end")
}

// escaped takes the two bytes of an escape as nginx does: those that it does
// not know stay as they are, for regular expressions.
func (r *reader) escaped(b *strings.Builder) {
	r.at++
	switch c := r.text[r.at]; c {
	case '"', '\'', '\\':
		b.WriteByte(c)
	case 't':
		b.WriteByte('\t')
	case 'r':
		b.WriteByte('\r')
	case 'n':
		b.WriteByte('\n')
	default:
		if c == '\n' {
			r.line++
		}
		b.WriteByte('\\')
		b.WriteByte(c)
	}
}

// skipLua passes over a block of Lua, whose braces count outside of its strings
// and comments.
func (r *reader) skipLua() error {
	for depth := 1; r.at < len(r.text); r.at++ {
		switch c := r.text[r.at]; c {
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				r.at++
				return nil
			}
		case '\n':
			r.line++
		case '"', '\'':
			if _, err := r.quoted(c); err != nil {
				return err
			}
			r.at-- // the loop goes on behind the quote
		case '[':
			r.skipLuaBrackets()
		case '-':
			if !strings.HasPrefix(r.text[r.at:], "--") {
				continue
			}
			if r.at += 2; r.skipLuaBrackets() {
				continue
			}
			for r.at < len(r.text) && r.text[r.at] != '\n' {
				r.at++
			}
			r.at-- // the loop goes on with the end of the line
		}
	}
	return r.wrong("a block of Lua has no end")
}

// skipLuaBrackets passes over a string or comment in long brackets, [[ or [==[,
// up to the last byte of its end, if one begins here.
func (r *reader) skipLuaBrackets() bool {
	rest := r.text[r.at:]
	if !strings.HasPrefix(rest, "[") {
		return false
	}
	level := len(rest[1:]) - len(strings.TrimLeft(rest[1:], "="))
	if !strings.HasPrefix(rest[1+level:], "[") {
		return false
	}
	end := "]" + strings.Repeat("=", level) + "]"
	_, after, found := strings.Cut(rest[2+level:], end)
	if !found {
		after = ""
	}
	last := len(r.text) - len(after) - 1
	r.line += strings.Count(r.text[r.at:last+1], "\n")
	r.at = last
	return true
}

// ErrSyntax is what a dump that cannot be understood comes to.
var ErrSyntax = errors.New("the configuration cannot be understood")

func (r *reader) wrong(what string) error {
	return fmt.Errorf("%w: %s:%d: %s", ErrSyntax, r.file, r.line, what)
}
