package config

import (
	"errors"
	"fmt"
	"strings"

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
	if len(src) < chunkFrom {
		return parseWhole(out, file, src)
	}
	return parseLarge(out, file, src)
}

// parseLarge reads a file in pieces, or whole where that cannot be done.
func parseLarge(out *findings, file int, src string) *node {
	before := *out
	c := newConverter(out, file, src)
	root, ok := c.parsePieces(src, chunkKeys)
	if !ok {
		*out = before // what was found so far is found again
		return parseWhole(out, file, src)
	}
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
	parsed, err := parseTokens(tokens)
	if err != nil {
		c.out.syntax(explainSyntax(int(c.file), c.src, err))
		return nil
	}
	var body ast.Node
	for _, doc := range parsed.Docs {
		if doc.Body == nil {
			continue
		}
		if body != nil {
			c.out.syntax(c.start(doc.Body), "a second document begins here", `a configuration is one document; remove the line "---" before it`)
			return nil
		}
		body = doc.Body
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
