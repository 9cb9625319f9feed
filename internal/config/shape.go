package config

import (
	"fmt"
	"slices"
	"strings"
)

// shape is what a value may look like: how it is read into a V, shown, and
// described to people and to editors. Shapes are put together from smaller
// ones; the shape of the whole configuration is made by schema().
type shape[V any] struct {
	kinds kind               // what it may look like in a file
	words string             // "a list of names"
	such  string             // an example in YAML, for errors
	takes func(n *node) bool // tells shapes of the same kinds apart; nil takes all

	// read reads n, whose kind fits, into *v; what n does not speak of stays
	// as it is. What is wrong goes to r.
	read func(r *reader, n *node, v *V)
	// show is the reverse of read; nil means that there is nothing to show.
	show func(v V) *node
	// fresh is the value before anything was read: its defaults. Nil stands
	// for V's zero value.
	fresh func() V

	json  func() *jsonSchema
	table *tableDoc // the described keys below it, if any
	below string    // how they lie below the key: "" directly, "NAME", "[]"
}

// new returns the value that read starts from.
func (s shape[V]) new() V {
	if s.fresh == nil {
		var zero V
		return zero
	}
	return s.fresh()
}

// reader carries what shapes need while they read.
type reader struct {
	cfg *Config // what was read so far; keys are read in the schema's order
	out *findings

	key  string // the key whose value is being read, for words
	item bool   // an entry of its list is being read

	root  *tableDoc // the description of everything
	certs certReader
}

// is starts a sentence about the value being read.
func (r *reader) is() string {
	if r.item {
		return fmt.Sprintf("an entry of %q", r.key)
	}
	return fmt.Sprintf("%q", r.key)
}

// readInto reads n by a shape, or reports that n looks like something else.
func readInto[V any](r *reader, s shape[V], n *node, v *V) {
	if n.kind&s.kinds != 0 {
		s.read(r, n, v)
		return
	}
	hint := ""
	if s.such != "" {
		hint = "for example " + s.such
	} else if n.kind&(number|boolean) != 0 && s.kinds&text != 0 {
		hint = fmt.Sprintf("if that is meant as text, quote it: %q", n.text)
	}
	if n.kind == null {
		r.out.add(n.at, r.is()+" has no value; it takes "+s.words, hint)
		return
	}
	r.out.add(n.at, fmt.Sprintf("%s takes %s, not %s", r.is(), s.words, n.describe()), hint)
}

// key is one key of a table that is read into a T.
type key[T any] struct {
	keyDoc
	read  func(r *reader, n *node, t *T)
	show  func(t *T) *node
	reset func(t *T) // sets the default
}

// about is what people are told of a key.
type about struct {
	doc      string // what it means, one or more sentences
	standard string // the default in words, where it is no constant
	example  string // YAML
	off      bool   // the example is shown as a comment
}

// field describes the key of a table whose value lies at a field of T. What
// is not given stays as the value's shape makes it.
func field[T, V any](name string, s shape[V], at func(*T) *V, a about) key[T] {
	k := key[T]{
		keyDoc: keyDoc{name: name, about: a, words: s.words, json: s.json, table: s.table, below: s.below},
		read: func(r *reader, n *node, t *T) {
			key, item := r.key, r.item
			r.key, r.item = name, false
			readInto(r, s, n, at(t))
			r.key, r.item = key, item
		},
		show: func(t *T) *node { return s.show(*at(t)) },
	}
	if s.fresh != nil {
		k.reset = func(t *T) { *at(t) = s.fresh() }
	}
	return k
}

// fieldOr is field with a default. The documentation shows the same value.
func fieldOr[T, V any](name string, s shape[V], at func(*T) *V, standard V, a about) key[T] {
	k := field(name, s, at, a)
	k.reset = func(t *T) { *at(t) = standard }
	k.standardNode = s.show(standard)
	return k
}

// object is a table with known keys. They are read in the order in which they
// are listed here, so that later ones may look at earlier ones. Afterwards
// check, if any, looks at the whole.
func object[T any](name, doc string, keys []key[T], check func(r *reader, n *node, t *T)) shape[T] {
	t := &tableDoc{name: name, doc: doc}
	for _, k := range keys {
		t.keys = append(t.keys, k.keyDoc)
	}
	return shape[T]{
		kinds: table | null,
		words: "a table of keys",
		table: t,
		json:  t.jsonSchema,
		fresh: func() T {
			var v T
			for _, k := range keys {
				if k.reset != nil {
					k.reset(&v)
				}
			}
			return v
		},
		read: func(r *reader, n *node, v *T) {
			readKeys(r, n, v, keys, t)
			if check != nil {
				check(r, n, v)
			}
		},
		show: func(v T) *node {
			to := &node{kind: table}
			for _, k := range keys {
				if shown := k.show(&v); shown != nil {
					to.pairs = append(to.pairs, pair{key: k.name, value: shown})
				}
			}
			return to
		},
	}
}

// readKeys reads the pairs of n and reports the unknown ones.
func readKeys[T any](r *reader, n *node, v *T, keys []key[T], t *tableDoc) {
	for i := range keys {
		if p := n.get(keys[i].name); p != nil {
			keys[i].read(r, p.value, v)
		}
	}
	for i := range n.pairs {
		p := &n.pairs[i]
		if !slices.ContainsFunc(keys, func(k key[T]) bool { return k.name == p.key }) {
			r.unknownKey(p.at, p.key, t)
		}
	}
}

// unknownKey reports a key that its table does not have, with the nearest one
// that it has, else where such a key belongs, else all that it has.
func (r *reader) unknownKey(at place, name string, t *tableDoc) {
	if r.out.foreign(at) {
		r.out.add(at, "this version of Certkeep cannot do that yet", fmt.Sprintf("in its own words it would be %q", name))
		return
	}
	known := t.keyNames()
	hint := ""
	if near := nearest(name, known); near != "" {
		hint = didYouMean(near)
	} else if homes := r.root.homesOf(name); len(homes) > 0 {
		hint = "it belongs below " + strings.Join(homes, " or ")
	} else {
		hint = "known here: " + strings.Join(known, ", ")
	}
	r.out.add(at, fmt.Sprintf("unknown key %q", name), hint)
}
