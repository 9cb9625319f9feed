package config

import "slices"

// tableDoc describes a table: what it is for, and its keys in the order in
// which they are read and shown.
type tableDoc struct {
	name string // unique; names a definition of the JSON Schema and a heading
	doc  string
	keys []keyDoc
}

// keyDoc describes a key.
type keyDoc struct {
	name string
	about
	standardNode *node // the default, where it is a constant
	words        string
	json         func() *jsonSchema
	table        *tableDoc // the keys below it, if any
	below        string    // how they lie below it: "", "[]", ".NAME"
	shared       bool      // described under `defaults`, which also says the default
}

func (t *tableDoc) keyNames() []string {
	var names []string
	for _, k := range t.keys {
		names = append(names, k.name)
	}
	return names
}

// homesOf lists the paths of the tables below that have a key of that name. A
// table that is reached twice, as the rules of a certificate, counts where it
// is reached first.
func (t *tableDoc) homesOf(name string) []string {
	var homes []string
	t.walk("", func(path string, table *tableDoc) {
		if path != "" && slices.Contains(table.keyNames(), name) {
			homes = append(homes, path)
		}
	})
	return homes
}

// walk calls visit for the table and all tables below it, each once, with its
// path, such as "certificates.NAME.files[]"; the root's is "".
func (t *tableDoc) walk(path string, visit func(path string, t *tableDoc)) {
	seen := make(map[string]bool)
	var step func(path string, t *tableDoc)
	step = func(path string, t *tableDoc) {
		if seen[t.name] {
			return
		}
		seen[t.name] = true
		visit(path, t)
		for _, k := range t.keys {
			if k.table == nil {
				continue
			}
			below := k.name + k.below
			if path != "" {
				below = path + "." + below
			}
			step(below, k.table)
		}
	}
	step(path, t)
}
