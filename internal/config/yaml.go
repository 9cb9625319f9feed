package config

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// maxDepth bounds how deeply lists and tables may lie in each other. Our
// deepest key needs 8; the parser's time grows with the square of the depth.
const maxDepth = 64

// parseYAML reads one file, YAML or JSON, into a tree. JSON is read as the
// subset of YAML that it is. Nil stands for an empty file, and for one that
// could not be read at all; the reason is among the findings then.
func parseYAML(out *findings, file int, data []byte) *node {
	src := clean(data)
	if at, words := unreadable(file, src); words != "" {
		out.syntax(at, words, "")
		return nil
	}
	if len(src) < chunkFrom {
		return parseWhole(out, file, src)
	}
	return parseLarge(out, file, src)
}

// parseLarge reads a file in pieces, or whole where that cannot be done.
func parseLarge(out *findings, file int, src string) *node {
	before := *out
	out.broken = false
	c := newConverter(out, file, src)
	root, ok := c.parsePieces(src, chunkKeys)
	if !ok || out.broken && len(src) < chunkTrust {
		*out = before // what was found so far is found again
		return parseWhole(out, file, src)
	}
	out.broken = out.broken || before.broken
	return root
}

// parseWhole reads a file at once.
func parseWhole(out *findings, file int, src string) *node {
	c := newConverter(out, file, src)
	tokens := lexer.Tokenize(src)
	var d depth
	for _, t := range tokens {
		if d.exceeded(t) {
			out.syntax(placeOfToken(file, t), fmt.Sprintf("more than %d lists and tables lie in each other", maxDepth), "")
			return nil
		}
	}
	if body := c.parse(tokens); body != nil {
		return c.node(body)
	}
	return nil
}

// parse returns the root of the only document, or nil.
func (c *converter) parse(tokens token.Tokens) ast.Node {
	const second, remedy = "a second document begins here", `a configuration is one document; remove the line "---"`
	headers, content := 0, (*token.Token)(nil)
	for _, t := range tokens {
		switch t.Type {
		case token.CommentType, token.DocumentEndType, token.DirectiveType:
		case token.DocumentHeaderType:
			if headers++; headers > 1 {
				c.out.syntax(placeOfToken(int(c.file), t), second, remedy)
				return nil
			}
		default:
			content = cmp.Or(content, t)
		}
	}
	parsed, err := parseTokens(tokens)
	if err != nil {
		c.out.syntax(explainSyntax(int(c.file), c.src, err))
		return nil
	}
	var body ast.Node
	for _, doc := range parsed.Docs {
		if _, directive := doc.Body.(*ast.DirectiveNode); directive || doc.Body == nil {
			continue
		}
		if body != nil {
			c.out.syntax(c.start(doc.Body), second, remedy)
			return nil
		}
		body = doc.Body
	}
	if body == nil && content != nil { // what is there must not be lost in silence
		c.out.syntax(placeOfToken(int(c.file), content), "cannot be read as YAML: it belongs to no document", "")
	}
	return body
}

// clean takes away what editors add: a byte order mark, and the carriage
// returns that make the lexer count lines twice.
func clean(data []byte) string {
	src := strings.TrimPrefix(string(data), "\ufeff")
	if strings.IndexByte(src, '\r') < 0 {
		return src
	}
	return strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(src)
}

// unreadable finds the first thing that YAML allows in no file: control
// characters, and bytes that are no UTF-8 (YAML 1.2 section 5.1).
func unreadable(file int, src string) (at place, words string) {
	bad := strings.IndexFunc(src, func(c rune) bool {
		return c < ' ' && c != '\n' && c != '\t' || c == 0x7f || c == utf8.RuneError
	})
	if bad < 0 {
		return at, ""
	}
	before := src[:bad]
	at = place{file: int32(file), line: int32(1 + strings.Count(before, "\n"))}
	at.column = int32(1 + utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:]))
	if c, size := utf8.DecodeRuneInString(src[bad:]); c != utf8.RuneError || size > 1 {
		return at, fmt.Sprintf("the character %q has no place in a text file", c)
	}
	return at, "the file is not UTF-8 here"
}

// parseTokens runs the parser. It is known to panic on some malformed
// documents; a person who mistyped a configuration must not see a stack trace.
func parseTokens(tokens token.Tokens) (file *ast.File, err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("the structure makes no sense")
		}
	}()
	return parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
}

// placeOfToken is where a token begins.
func placeOfToken(file int, t *token.Token) place {
	at := place{file: int32(file), line: 1, column: 1}
	if t != nil && t.Position != nil {
		at.line, at.column = int32(t.Position.Line), int32(t.Position.Column)
	}
	return at
}

// syntaxError is what the parser's errors offer besides their text, which
// spans lines.
type syntaxError interface {
	error
	GetToken() *token.Token
	GetMessage() string
}

// explainSyntax says where and why the parser gave up.
func explainSyntax(file int, src string, err error) (at place, words, hint string) {
	at = placeOfToken(file, nil)
	syntax, ok := errors.AsType[syntaxError](err)
	if !ok {
		return at, "cannot be read as YAML: " + err.Error(), ""
	}
	at = placeOfToken(file, syntax.GetToken())
	words = "cannot be read as YAML: " + strings.ReplaceAll(syntax.GetMessage(), "\t", `\t`)
	line := strings.TrimLeft(lineOf(src, int(at.line)), " -")
	switch {
	case strings.HasPrefix(strings.TrimLeft(line, " "), "\t"):
		hint = "indent with spaces, not with tabs"
	case strings.HasPrefix(line, "*"):
		hint = `text that begins with "*" must be quoted`
	case strings.HasPrefix(line, "%"), strings.HasPrefix(line, "@"), strings.HasPrefix(line, "`"):
		hint = fmt.Sprintf("text that begins with %q must be quoted", line[:1])
	}
	return at, words, hint
}

// lineOf returns one line of the file, counted from 1, without its end.
func lineOf(src string, line int) string {
	for ; line > 1; line-- {
		_, rest, ok := strings.Cut(src, "\n")
		if !ok {
			return ""
		}
		src = rest
	}
	first, _, _ := strings.Cut(src, "\n")
	return first
}
