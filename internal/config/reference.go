package config

import "regexp"

// Section is a table of the configuration, as a reference describes it.
type Section struct {
	Path string // such as "certificates.NAME.files[]"; "" is the file itself
	Doc  string
	Keys []KeyText
	// Shared are keys that may stand here as well as under `defaults`.
	Shared []string
}

// KeyText is what a reference says of a key. Text between backquotes is as it
// is typed.
type KeyText struct{ Name, Value, Default, Meaning string }

// Reference is the description of all keys, for manuals of other forms than
// Markdown.
func Reference() []Section {
	root := schema().table
	headings := make(map[string]string)
	root.walk("", func(path string, t *tableDoc) { headings[t.name] = path })
	link := regexp.MustCompile(`\[([^]]*)\]\([^)]*\)`)
	var all []Section
	root.walk("", func(path string, t *tableDoc) {
		if len(t.keys) == 0 {
			return
		}
		s := Section{Path: path, Doc: t.doc}
		for _, k := range t.keys {
			if k.shared {
				s.Shared = append(s.Shared, k.name)
				continue
			}
			s.Keys = append(s.Keys, KeyText{Name: k.name, Value: k.words, Default: link.ReplaceAllString(k.standardWords(headings), "$1"), Meaning: k.meaning()})
		}
		all = append(all, s)
	})
	return all
}
