package config

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"golang.org/x/term"

	"github.com/certkeep/certkeep/internal/config/acmebot"
)

// translation remembers where each value of a tree that was translated from
// acmebot's words comes from.
type translation struct {
	file    int32 // stands for the tree in a place; its lines count origins from 1
	origins []acmebot.Origin
}

// translated is the tree of the same configuration in our words, where the
// files are acmebot's. It is not ok where they are not; nil stands for files
// in which something is wrong.
func translated(out *findings, trees []*node, facts acmebot.Facts) (root *node, ok bool) {
	if len(trees) == 0 || out.broken {
		return nil, false
	}
	seen := make(map[*node]*acmebot.Value)
	values := make([]*acmebot.Value, len(trees))
	for i, tree := range trees {
		values[i] = valueOf(tree, seen)
	}
	ours := acmebot.Foreign{Top: schema().table.keyNames(), Certificates: certificate().table.keyNames()}
	if !acmebot.Recognize(values, ours) {
		return nil, false
	}
	for _, tree := range trees {
		if tree != nil && tree.kind != table && tree.kind != null {
			out.add(tree.at, "a configuration is a table of keys, not "+tree.describe(), "")
			return nil, true
		}
	}
	facts.Nearest = nearest
	facts.Name = func(name string) (wrong, hint string) {
		_, wrong, hint = checkName(name)
		return wrong, hint
	}
	for _, file := range out.files {
		if absolute, err := filepath.Abs(file); err == nil && file != "" {
			file = absolute
		}
		facts.Files = append(facts.Files, file)
	}
	res := acmebot.Translate(acmebot.Merge(values), facts)
	for _, f := range res.Warnings {
		out.warn(placeOf(f.At), named(f.Key, f.Words), f.Hint)
	}
	for _, f := range res.Errors {
		out.add(placeOf(f.At), named(f.Key, f.Words), f.Hint)
	}
	if len(out.errors) > 0 {
		return nil, true
	}
	out.files = append(out.files, "")
	out.translation = &translation{file: int32(len(out.files) - 1), origins: res.Origins}
	return nodeOf(res.Config, out.translation.file), true
}

// named puts the name of acmebot's key before words about it.
func named(key, words string) string {
	if key == "" {
		return words
	}
	return key + ": " + words
}

func placeOf(at acmebot.Place) place {
	return place{file: int32(at.File), line: int32(at.Line), column: int32(at.Column)}
}

// real is where a value stands in a file, and what acmebot's key of it is.
func (f *findings) real(at place) (_ place, key string) {
	t := f.translation
	if t == nil || at.file != t.file || at.line < 1 || int(at.line) > len(t.origins) {
		return at, ""
	}
	origin := t.origins[at.line-1]
	return placeOf(origin.At), origin.Key
}

// foreign reports whether a value was translated.
func (f *findings) foreign(at place) bool {
	return f.translation != nil && at.file == f.translation.file
}

// kinds are acmebot's kinds of value for ours.
func kindsOfValues() map[kind]acmebot.Kind {
	return map[kind]acmebot.Kind{
		null: acmebot.Null, boolean: acmebot.Bool, number: acmebot.Number,
		text: acmebot.Text, list: acmebot.List, table: acmebot.Table,
	}
}

// valueOf is a tree as package acmebot reads it. What is reachable twice stays so.
func valueOf(n *node, seen map[*node]*acmebot.Value) *acmebot.Value {
	if n == nil {
		return nil
	}
	if v, ok := seen[n]; ok {
		return v
	}
	v := &acmebot.Value{Kind: kindsOfValues()[n.kind], At: foreignPlace(n.at), Text: n.text}
	for _, item := range n.items {
		v.Items = append(v.Items, valueOf(item, seen))
	}
	for _, p := range n.pairs {
		v.Pairs = append(v.Pairs, acmebot.Pair{Key: p.key, At: foreignPlace(p.at), Value: valueOf(p.value, seen)})
	}
	seen[n] = v
	return v
}

func foreignPlace(at place) acmebot.Place {
	return acmebot.Place{File: int(at.file), Line: int(at.line), Column: int(at.column)}
}

// nodeOf is the reverse of valueOf, for a result.
func nodeOf(v *acmebot.Value, file int32) *node {
	n := &node{at: place{file: file, line: int32(v.At.Line), column: 1}, text: v.Text}
	for ours, theirs := range kindsOfValues() {
		if theirs == v.Kind {
			n.kind = ours
		}
	}
	for _, item := range v.Items {
		n.items = append(n.items, nodeOf(item, file))
	}
	for _, p := range v.Pairs {
		n.pairs = append(n.pairs, pair{key: p.Key, at: place{file: file, line: int32(p.At.Line), column: 1}, value: nodeOf(p.Value, file)})
	}
	return n
}

// factsOf is what a translation has to know of this machine.
func factsOf(path string) acmebot.Facts {
	if absolute, err := filepath.Abs(path); err == nil {
		path = absolute
	}
	return acmebot.Facts{
		Dir:        filepath.Dir(path),
		Now:        time.Now(),
		Passphrase: passphraseWay(),
		User: func(name string) string {
			u, err := user.Lookup(name)
			switch {
			case err != nil:
				return fmt.Sprintf("there is no user %q", name)
			case os.Geteuid() != 0 && u.Uid != strconv.Itoa(os.Geteuid()):
				return fmt.Sprintf("only root can give files to the user %q", name)
			}
			return ""
		},
		Group: func(name string) string {
			g, err := user.LookupGroup(name)
			if err != nil {
				return fmt.Sprintf("there is no group %q", name)
			}
			mine, err := os.Getgroups()
			if id, wrong := strconv.Atoi(g.Gid); os.Geteuid() != 0 && (err != nil || wrong != nil || !slices.Contains(mine, id) && id != os.Getegid()) {
				return fmt.Sprintf("only its members can give files to the group %q", name)
			}
			return ""
		},
		Exposed: func(path string) string { return exposed(SecretRef{File: path}) },
		Exists: func(path string) bool {
			_, err := os.Stat(path)
			return err == nil
		},
	}
}

// noFacts are facts without a look at the machine.
func noFacts() acmebot.Facts {
	nothing := func(string) string { return "" }
	return acmebot.Facts{Dir: "/", Passphrase: PassphraseStdin, User: nothing, Group: nothing, Exposed: nothing, Exists: func(string) bool { return false }}
}

// passphraseWay is how acmebot would get a passphrase now.
func passphraseWay() string {
	switch {
	case os.Getenv("ACMEBOT_PASSPHRASE") != "":
		return "env"
	case term.IsTerminal(int(os.Stdin.Fd())):
		return PassphrasePrompt
	}
	return PassphraseStdin
}
