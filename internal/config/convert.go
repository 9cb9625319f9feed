package config

import (
	"fmt"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// converter turns the parser's tree into ours: keys as strings, aliases and
// merge keys resolved, keys given twice reported. The parser's tree, several
// times as large, is free afterwards.
type converter struct {
	out     *findings
	file    int32
	src     string // the file, for what errors say
	anchors map[string]*node
	odd     bool // some piece was not what its lines looked like
}

func newConverter(out *findings, file int, src string) *converter {
	return &converter{out: out, file: int32(file), src: src, anchors: make(map[string]*node)}
}

// place is where a node of the parser begins.
func (c *converter) place(n ast.Node) place { return placeOfToken(int(c.file), n.GetToken()) }

// start is where a value begins; the parser takes the colon of its first key
// for the place of a table.
func (c *converter) start(n ast.Node) place {
	if m, ok := n.(*ast.MappingNode); ok && len(m.Values) > 0 {
		return c.place(m.Values[0].Key)
	}
	return c.place(n)
}

// node converts one value.
func (c *converter) node(n ast.Node) *node {
	switch n := n.(type) {
	case *ast.MappingNode:
		return c.mapping(n, n.Values)
	case *ast.MappingValueNode:
		return c.mapping(n, []*ast.MappingValueNode{n})
	case *ast.SequenceNode:
		to := &node{kind: list, at: c.place(n), items: make([]*node, 0, len(n.Values))}
		for _, item := range n.Values {
			to.items = append(to.items, c.node(item))
		}
		return to
	case *ast.AnchorNode:
		to := c.node(n.Value)
		c.anchors[n.Name.GetToken().Value] = to
		return to
	case *ast.AliasNode:
		return c.alias(n)
	case *ast.TagNode:
		return c.tag(n)
	case nil:
		return &node{kind: null, at: placeOfToken(int(c.file), nil)}
	}
	return c.scalar(n)
}

// scalar converts what holds no other value.
func (c *converter) scalar(n ast.Node) *node {
	to := &node{kind: text, at: c.place(n)}
	switch n := n.(type) {
	case *ast.StringNode:
		to.text = n.Value
	case *ast.LiteralNode:
		to.text = n.Value.Value
	case *ast.NullNode:
		to.kind = null
	case *ast.BoolNode:
		to.kind, to.text = boolean, "false"
		if n.Value {
			to.text = "true"
		}
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		to.kind, to.text = number, n.GetToken().Value
	default:
		to.kind = null
		c.out.add(to.at, "something that YAML allows and a configuration does not", "")
	}
	return to
}

// alias returns what an anchor stands for. The usual reason for an unknown one
// is a wildcard name without quotes.
func (c *converter) alias(n *ast.AliasNode) *node {
	at := c.place(n)
	name := n.Value.GetToken().Value
	if to, ok := c.anchors[name]; ok {
		return to
	}
	hint := ""
	if strings.HasPrefix(name, ".") {
		hint = fmt.Sprintf(`quote it: "*%s"`, name)
	}
	c.out.add(at, fmt.Sprintf("*%s refers to a YAML anchor that does not exist", name), hint)
	if hint == "" {
		return &node{kind: null, at: at}
	}
	return &node{kind: text, at: at, text: "*" + name}
}

// tag takes "!!str" for what it says; the other standard tags change nothing
// that the keys themselves do not demand.
func (c *converter) tag(n *ast.TagNode) *node {
	to := c.node(n.Value)
	switch tag := n.Start.Value; tag {
	case "!!str":
		if to.kind == number || to.kind == boolean {
			to.kind = text
		}
	case "!!int", "!!bool", "!!float", "!!null", "!!seq", "!!map":
	default:
		c.out.add(placeOfToken(int(c.file), n.Start), fmt.Sprintf("the YAML tag %s is unknown", tag), "remove it")
	}
	return to
}

// mapping converts a table.
func (c *converter) mapping(n ast.Node, values []*ast.MappingValueNode) *node {
	t := newTable(c, len(values))
	t.to.at = c.place(n)
	for _, v := range values {
		t.add(v)
	}
	return t.done()
}

// tableBuilder gathers the pairs of a table.
type tableBuilder struct {
	c      *converter
	to     *node
	seen   *keySet
	merged []*node
}

func newTable(c *converter, size int) *tableBuilder {
	to := &node{kind: table, at: placeOfToken(int(c.file), nil), pairs: make([]pair, 0, size)}
	return &tableBuilder{c: c, to: to, seen: newKeySet(size)}
}

// add adds a pair, or notes a merge key ("<<").
func (t *tableBuilder) add(v *ast.MappingValueNode) {
	if _, ok := v.Key.(*ast.MergeKeyNode); ok {
		t.merged = append(t.merged, t.c.node(v.Value))
		return
	}
	t.addPair(v.Key, func() *node { return t.c.node(v.Value) })
}

func (t *tableBuilder) addPair(key ast.Node, value func() *node) {
	p := pair{at: t.c.place(key)}
	var ok bool
	if p.key, ok = t.c.key(key); !ok {
		t.c.out.add(p.at, "a key has to be text", "")
		return
	}
	p.value = value()
	if p.value.kind == null {
		p.value = &node{kind: null, at: p.at} // an absent value has no place of its own
	}
	if first := t.seen.index(t.to.pairs, p.key); first >= 0 {
		t.c.out.add(p.at, fmt.Sprintf("key %q is given twice", p.key), fmt.Sprintf("the first is in line %d", t.to.pairs[first].at.line))
		return
	}
	t.to.pairs = append(t.to.pairs, p)
	t.seen.add(p.key, len(t.to.pairs)-1)
}

// done returns the table. It begins where its first key does; a merge key adds
// the keys that the table does not have itself.
func (t *tableBuilder) done() *node {
	if len(t.to.pairs) > 0 {
		t.to.at = t.to.pairs[0].at
	}
	for _, m := range t.merged {
		t.c.merge(t.to, m, t.seen)
	}
	return t.to
}

// merge adds to a table the pairs of another that it lacks.
func (c *converter) merge(to, from *node, seen *keySet) {
	if from.kind == list {
		for _, item := range from.items {
			c.merge(to, item, seen)
		}
		return
	}
	if from.kind == null {
		return
	}
	if from.kind != table {
		c.out.add(from.at, `"<<" takes a table, not `+from.describe(), "")
		return
	}
	for _, p := range from.pairs {
		if seen.index(to.pairs, p.key) < 0 {
			to.pairs = append(to.pairs, p)
			seen.add(p.key, len(to.pairs)-1)
		}
	}
}

// key returns the text of a key. Numbers and words like true are text here.
func (c *converter) key(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.MappingKeyNode:
		return c.key(n.Value)
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.NullNode, *ast.InfinityNode, *ast.NanNode:
		if t := n.GetToken(); t != nil && t.Type != token.ImplicitNullType {
			return t.Value, true
		}
	}
	return "", false
}

// keySet finds keys of a table: by looking through a small one, by a map in a
// large one.
type keySet struct{ byKey map[string]int }

func newKeySet(size int) *keySet {
	if size <= 16 {
		return &keySet{}
	}
	return &keySet{byKey: make(map[string]int, size)}
}

func (s *keySet) add(key string, i int) {
	if s.byKey != nil {
		s.byKey[key] = i
	}
}

// index returns the index of a key among pairs, or -1.
func (s *keySet) index(pairs []pair, key string) int {
	if s.byKey != nil {
		if i, ok := s.byKey[key]; ok {
			return i
		}
		return -1
	}
	for i := range pairs {
		if pairs[i].key == key {
			return i
		}
	}
	return -1
}
