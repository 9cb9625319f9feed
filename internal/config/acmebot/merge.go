package acmebot

// Merge puts the trees of conf.d over that of the main file, as acmebot does:
// tables are merged key by key, to any depth; anything else, lists too,
// replaces what was there. A table without anything takes nothing away.
func Merge(trees []*Value) *Value {
	var root *Value
	for _, tree := range trees {
		switch {
		case tree == nil || tree.Kind == Null:
		case root == nil:
			root = tree
		default:
			root = merged(root, tree)
		}
	}
	return root
}

func merged(base, extra *Value) *Value {
	if extra.Kind != Table {
		return extra
	}
	if base.Kind != Table {
		base = &Value{Kind: Table, At: extra.At}
	}
	to := &Value{Kind: Table, At: base.At, Pairs: make([]Pair, len(base.Pairs), len(base.Pairs)+len(extra.Pairs))}
	copy(to.Pairs, base.Pairs)
	index := make(map[string]int, len(to.Pairs))
	for i, p := range to.Pairs {
		index[p.Key] = i
	}
	for _, p := range extra.Pairs {
		i, there := index[p.Key]
		if !there {
			index[p.Key] = len(to.Pairs)
			to.Pairs = append(to.Pairs, p)
			continue
		}
		to.Pairs[i] = Pair{Key: p.Key, At: p.At, Value: merged(to.Pairs[i].Value, p.Value)}
	}
	return to
}
