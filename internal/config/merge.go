package config

import "fmt"

// appended is the key whose lists follow one another when files are merged:
// the first rule that matches counts, so the main file's come first.
const appended = "challenges"

// mergeFiles merges the trees of the main file and of conf.d, in that order.
func mergeFiles(out *findings, trees []*node) *node {
	var root *node
	for _, t := range trees {
		switch {
		case t == nil || t.kind == null:
		case t.kind != table:
			out.add(t.at, "a configuration is a table of keys, not "+t.describe(), `begin with a line like "certificates:"`)
		case root == nil:
			root = t
		default:
			root = mergeTables(out, root, t, true)
		}
	}
	return root
}

// mergeTables returns a table with the pairs of both. Tables below the same
// key are merged in turn, a key without a value gives way, and anything else
// set twice is an error that names both places.
func mergeTables(out *findings, a, b *node, top bool) *node {
	to := &node{kind: table, at: a.at, pairs: append(make([]pair, 0, len(a.pairs)+len(b.pairs)), a.pairs...)}
	seen := newKeySet(len(a.pairs) + len(b.pairs))
	for i, p := range to.pairs {
		seen.add(p.key, i)
	}
	for _, p := range b.pairs {
		i := seen.index(to.pairs, p.key)
		if i < 0 {
			to.pairs = append(to.pairs, p)
			seen.add(p.key, len(to.pairs)-1)
			continue
		}
		mine := &to.pairs[i]
		switch {
		case p.value.kind == null:
		case mine.value.kind == null:
			*mine = p
		case mine.value.kind == table && p.value.kind == table:
			mine.value = mergeTables(out, mine.value, p.value, false)
		case top && p.key == appended && mine.value.kind == list && p.value.kind == list:
			mine.value = &node{kind: list, at: mine.value.at, items: append(append([]*node(nil), mine.value.items...), p.value.items...)}
		default:
			out.add(p.at, fmt.Sprintf("key %q is set in two files", p.key), "the other is "+out.where(mine.at))
		}
	}
	return to
}
