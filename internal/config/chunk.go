package config

import (
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/token"
)

// The parser's time and memory grow with the square of the number of keys in
// a block table, and ten thousand certificates are such a table. So a large
// file is given to it in pieces: each key of the root by itself, and the keys
// of a block table below one of them a few at a time. A piece is a run of
// whole lines that the lexer finds complete: no quote and no bracket is open
// at its end. A file whose lines do not plainly begin keys is parsed whole.
//
// 64 keys at a time cost little more than one each, and far less than all.
const (
	chunkFrom  = 64 << 10 // bytes; smaller files are parsed whole
	chunkTrust = 1 << 20  // bytes; in smaller files an error in a piece is looked at again, in the whole
	chunkKeys  = 64
)

// section is a key of the root with everything below it: a run of lines.
type section struct {
	from, to int   // bytes of the file
	line     int   // of from, counted from 0
	keys     []cut // where the keys of the block table below it begin; nil where it is not cut
}

// cut is the beginning of a line.
type cut struct{ from, line int }

// sections finds the keys of the root. It returns false for a file that is to
// be parsed whole.
func sections(src string) ([]section, bool) {
	var list []section
	opened := false
	for at, line := 0, 0; at < len(src); line++ {
		end := lineEnd(src, at)
		text := src[at:end]
		switch {
		case isSilent(text):
		case endsOpen(text):
			return nil, false
		case text[0] == ' ' || text[0] == '-' && !strings.HasPrefix(text, "--") && len(list) > 0:
			if len(list) == 0 {
				return nil, false
			}
		case len(list) == 0 && !opened && strings.TrimRight(text, " ") == "---":
			opened = true
		case beginsKey(text):
			if len(list) > 0 {
				list[len(list)-1].to = at
			}
			list = append(list, section{from: at, to: len(src), line: line})
		default:
			return nil, false
		}
		at = end + 1
	}
	return list, len(list) > 0
}

// divide notes where the keys of a block table begin that is the whole value
// of the section, where there are more than most.
func (s *section) divide(src string, most int) {
	at := lineEnd(src, s.from) + 1
	head, _, _ := strings.Cut(src[s.from:at-1], " #")
	if !strings.HasSuffix(strings.TrimRight(head, " "), ":") || strings.ContainsAny(head, `"'`) {
		return
	}
	indent := 0
	var keys []cut
	for line := s.line + 1; at < s.to; line++ {
		end := lineEnd(src, at)
		text := src[at:end]
		if !isSilent(text) {
			rest := strings.TrimLeft(text, " ")
			if indent == 0 {
				indent = len(text) - len(rest)
			}
			switch n := len(text) - len(rest); {
			case n < indent || indent == 0:
				return
			case n == indent && !beginsKey(rest):
				return
			case n == indent:
				keys = append(keys, cut{from: at, line: line})
			}
		}
		at = end + 1
	}
	if len(keys) > most {
		s.keys = keys
	}
}

// lineEnd is where the line that begins at a byte ends, its newline excluded.
func lineEnd(src string, at int) int {
	if i := strings.IndexByte(src[at:], '\n'); i >= 0 {
		return at + i
	}
	return len(src)
}

// isSilent reports whether a line holds nothing but blanks or a comment.
func isSilent(line string) bool {
	line = strings.TrimLeft(line, " ")
	return line == "" || line[0] == '#'
}

// endsOpen reports whether a line ends in a tag, an anchor, a dash or a
// question mark: the parser looks for what belongs to it in the lines below.
func endsOpen(line string) bool {
	if before, _, ok := strings.Cut(line, " #"); ok && !isSilent(before) && endsOpen(before) {
		return true
	}
	line = strings.TrimRight(line, " ")
	last := line[strings.LastIndexByte(line, ' ')+1:]
	return last[0] == '!' || last[0] == '&' || last == "-" || last == "?"
}

// beginsKey reports whether a line plainly begins with a key.
func beginsKey(line string) bool {
	key, rest, ok := line, "", true
	switch quote := line[0]; quote {
	case '"', '\'':
		key, rest, ok = strings.Cut(line[1:], string(quote))
		ok = ok && !strings.Contains(key, "\\") && strings.HasPrefix(rest, ":")
		rest = strings.TrimPrefix(rest, ":")
	default:
		key, rest, ok = strings.Cut(line, ":")
		ok = ok && key != "" && key[0] != '-' && strings.IndexFunc(key, notInKey) < 0
	}
	return ok && (rest == "" || rest[0] == ' ')
}

// notInKey reports whether a character may mean more than itself in a key.
func notInKey(c rune) bool {
	return (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '_' && c != '.' && c != '-'
}

// parsePieces reads a large file section by section, and tables below the
// root so many keys at a time. It returns false when the file is to be parsed
// whole.
func (c *converter) parsePieces(src string, keys int) (*node, bool) {
	list, ok := sections(src)
	if !ok {
		return nil, false
	}
	root := newTable(c, len(list))
	for _, s := range list {
		s.divide(src, keys)
		if s.keys == nil {
			tokens, complete := c.lex(src[s.from:s.to], s.line)
			if !complete {
				return nil, false
			}
			c.addPairs(root, tokens)
			continue
		}
		head, _ := c.lex(src[s.from:s.keys[0].from], s.line)
		value := c.parseDivided(src, s, keys)
		for _, v := range c.pairs(head) {
			root.addPair(v.Key, func() *node { return value })
		}
	}
	return root.done(), !c.odd
}

// parseDivided reads the table of a section so many keys at a time. Where a
// piece is not complete, it is made larger: a quote may go on.
func (c *converter) parseDivided(src string, s section, keys int) *node {
	table := newTable(c, len(s.keys))
	for first := 0; first < len(s.keys); {
		for size := keys; ; size *= 2 {
			last, end := first+size, s.to
			if last < len(s.keys) {
				end = s.keys[last].from
			}
			tokens, complete := c.lex(src[s.keys[first].from:end], s.keys[first].line)
			if complete || last >= len(s.keys) {
				c.addPairs(table, tokens)
				first = last
				break
			}
		}
	}
	return table.done()
}

// lex turns a piece into tokens, and reports whether it is complete. Line is
// that of the piece within the file, counted from 0.
func (c *converter) lex(piece string, line int) (tokens token.Tokens, complete bool) {
	tokens = lexer.Tokenize(piece)
	var d depth
	for _, t := range tokens {
		if t.Position != nil {
			t.Position.Line += line
		}
		if d.exceeded(t) || t.Type == token.InvalidType {
			return tokens, false
		}
	}
	return tokens, d.flow == 0
}

// addPairs parses the tokens of a piece and adds its pairs to a table.
func (c *converter) addPairs(t *tableBuilder, tokens token.Tokens) {
	for _, v := range c.pairs(tokens) {
		t.add(v)
	}
}

// pairs parses the tokens of a piece.
func (c *converter) pairs(tokens token.Tokens) []*ast.MappingValueNode {
	body := c.parse(tokens)
	switch body := body.(type) {
	case *ast.MappingNode:
		return body.Values
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{body}
	case nil:
	default:
		c.odd = true
	}
	return nil
}

// depth follows how deeply lists and tables lie in each other.
type depth struct{ flow, dashes int }

// exceeded takes the next token and reports whether that is too deep.
func (d *depth) exceeded(t *token.Token) bool {
	switch t.Type {
	case token.SequenceStartType, token.MappingStartType:
		d.flow++
	case token.SequenceEndType, token.MappingEndType:
		d.flow--
	case token.SequenceEntryType, token.MappingKeyType:
		d.dashes++ // "- - - x" nests within one line
		return d.flow+d.dashes > maxDepth
	}
	d.dashes = 0
	return d.flow > maxDepth
}
