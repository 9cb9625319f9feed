package config

import (
	"fmt"
	"maps"
	"slices"
)

// listOf is a list of values of a shape.
func listOf[V any](s shape[V], words, such string) shape[[]V] {
	return shape[[]V]{
		kinds: list,
		words: words,
		such:  such,
		table: s.table,
		below: "[]" + s.below,
		read: func(r *reader, n *node, v *[]V) {
			item := r.item
			r.item = true
			values := make([]V, 0, len(n.items))
			for _, i := range n.items {
				value := s.new()
				before := len(r.out.errors)
				readInto(r, s, i, &value)
				if len(r.out.errors) == before {
					values = append(values, value)
				}
			}
			r.item = item
			*v = values
		},
		show: func(v []V) *node {
			if v == nil {
				return nil
			}
			to := &node{kind: list}
			for _, value := range v {
				if shown := s.show(value); shown != nil {
					to.items = append(to.items, shown)
				}
			}
			return to
		},
		json: func() *jsonSchema { return &jsonSchema{Type: "array", Items: s.json()} },
	}
}

// distinct refuses values that stand in a list twice.
func distinct[V ~string](s shape[[]V]) shape[[]V] {
	read := s.read
	s.read = func(r *reader, n *node, v *[]V) {
		read(r, n, v)
		for i, value := range *v {
			if slices.Contains((*v)[:i], value) {
				at := n.at
				if len(*v) == len(n.items) {
					at = n.items[i].at
				}
				r.out.add(at, fmt.Sprintf("%q holds %q twice", r.key, string(value)), "remove one")
			}
		}
	}
	return s
}

// filled refuses an empty list.
func filled[V any](s shape[[]V]) shape[[]V] {
	read, json := s.read, s.json
	s.read = func(r *reader, n *node, v *[]V) {
		if len(n.items) == 0 {
			r.out.add(n.at, r.is()+" is an empty list", "leave the key out instead")
			return
		}
		read(r, n, v)
	}
	s.json = func() *jsonSchema {
		j := json()
		j.MinItems = 1
		return j
	}
	return s
}

// single reads one value as a list of one.
func single[V any](s shape[V]) shape[[]V] {
	return shape[[]V]{
		kinds: s.kinds,
		words: s.words,
		such:  s.such,
		read: func(r *reader, n *node, v *[]V) {
			value := s.new()
			before := len(r.out.errors)
			s.read(r, n, &value)
			if len(r.out.errors) == before {
				*v = []V{value}
			}
		},
		show: func([]V) *node { return nil },
		json: s.json,
	}
}

// mapOf is a table whose keys are names that the administrator chooses. An
// entry that exists already is changed key by key.
func mapOf[V any](name string, s shape[V], words string, check func(r *reader, at place, name string) bool, named func(v *V, name string)) shape[map[string]V] {
	return shape[map[string]V]{
		kinds: table | null,
		words: words,
		table: s.table,
		below: "." + name + s.below,
		read: func(r *reader, n *node, v *map[string]V) {
			if *v == nil && len(n.pairs) > 0 {
				*v = make(map[string]V, len(n.pairs))
			}
			for i := range n.pairs {
				p := &n.pairs[i]
				if !check(r, p.at, p.key) {
					continue
				}
				value, ok := (*v)[p.key]
				if !ok {
					value = s.new()
				}
				named(&value, p.key)
				key := r.key
				r.key = p.key
				readInto(r, s, p.value, &value)
				r.key = key
				(*v)[p.key] = value
			}
		},
		show: func(v map[string]V) *node {
			to := &node{kind: table}
			for _, name := range slices.Sorted(maps.Keys(v)) {
				if shown := s.show(v[name]); shown != nil {
					to.pairs = append(to.pairs, pair{key: name, value: shown})
				}
			}
			if len(to.pairs) == 0 {
				return nil
			}
			return to
		},
		json: func() *jsonSchema { return &jsonSchema{Type: "object", AdditionalProperties: s.json()} },
	}
}

// either is one of several shapes that look different in a file: the first
// that takes a value reads it, else the last whose kind fits, so that its
// words explain what is wrong. It is shown by the first that has something to
// show.
func either[V any](words, such string, shapes ...shape[V]) shape[V] {
	to := shape[V]{words: words, such: such, fresh: shapes[0].fresh}
	for _, s := range shapes {
		to.kinds |= s.kinds
		if s.table != nil {
			to.table, to.below = s.table, s.below
		}
	}
	to.read = func(r *reader, n *node, v *V) {
		var fits shape[V]
		for _, s := range shapes {
			if n.kind&s.kinds == 0 {
				continue
			}
			fits = s
			if s.takes == nil || s.takes(n) {
				break
			}
		}
		fits.read(r, n, v) // one of them has the kind, or the value would not have come here
	}
	to.show = func(v V) *node {
		for _, s := range shapes {
			if shown := s.show(v); shown != nil {
				return shown
			}
		}
		return nil
	}
	to.json = func() *jsonSchema {
		j := &jsonSchema{}
		for _, s := range shapes {
			j.AnyOf = append(j.AnyOf, s.json())
		}
		return j
	}
	return to
}

// as reads a V by way of a form that looks like the file. In returns false
// when the form makes no V; it has said why by then.
func as[V, F any](s shape[F], in func(r *reader, n *node, f F) (V, bool), out func(V) (F, bool)) shape[V] {
	return shape[V]{
		kinds: s.kinds,
		words: s.words,
		such:  s.such,
		table: s.table,
		below: s.below,
		json:  s.json,
		takes: s.takes,
		read: func(r *reader, n *node, v *V) {
			form := s.new()
			before := len(r.out.errors)
			s.read(r, n, &form)
			if len(r.out.errors) > before {
				return
			}
			if value, ok := in(r, n, form); ok {
				*v = value
			}
		},
		show: func(v V) *node {
			form, ok := out(v)
			if !ok {
				return nil
			}
			return s.show(form)
		},
	}
}
