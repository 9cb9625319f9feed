// Package acmebot reads the configuration of acmebot, another certificate
// manager, and says the same in Certkeep's words. Recognize tells such a
// configuration from Certkeep's own, Merge puts the files of conf.d over the
// main one as acmebot does, and Translate is the function to call then: it
// takes the tree of what stands in acmebot's files and returns the tree of a
// Certkeep configuration, with acmebot's defaults filled in key by key.
//
// It promises that no key is dropped in silence. What is wrong is reported
// under acmebot's name of the key, where it stands in acmebot's file; so is
// what Certkeep's own reader finds in the result, since every value of it
// remembers which key it comes from. What acmebot's keys become is written
// down in docs/from-acmebot.md, and a test holds both together.
//
// The package does no I/O: what it has to know of the machine is in Facts.
package acmebot

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"
)

// Facts are what a translation has to know besides the files.
type Facts struct {
	// Dir is the absolute folder of the main file: relative paths begin there.
	Dir string
	// User and Group say why files cannot be given to a user or a group; ""
	// when they can.
	User, Group func(name string) string
	// Exists reports whether a file is there.
	Exists func(path string) bool
	// Exposed says that everybody can read a file that holds a secret, and what
	// to do; "" where that is not so.
	Exposed func(path string) string
	// Passphrase is how a passphrase is got from whoever runs this: "env" from
	// ACMEBOT_PASSPHRASE, "prompt" or "stdin".
	Passphrase string
	// Files are the absolute paths of the files, as Place.File counts them.
	Files []string
	// Now is when the files are read.
	Now time.Time
	// Nearest returns the candidate that a word was probably meant to be, or "".
	Nearest func(word string, candidates []string) string
	// Name says what is wrong with a name for a certificate, and what to write
	// instead; "" where it can have it.
	Name func(name string) (wrong, hint string)
}

// Finding is something that a person should look at.
type Finding struct {
	Key   string // acmebot's name of it: "settings.key_size"; "" where no key is meant
	At    Place
	Words string
	Hint  string // what to write instead; may be ""
}

// Origin is where a value of the result comes from.
type Origin struct {
	Key     string
	At      Place
	Default bool // acmebot's default: the key stands nowhere
}

// Result is what a translation gives.
type Result struct {
	// Config is the root of a Certkeep configuration. The Line of each Place in
	// it counts Origins from 1.
	Config   *Value
	Origins  []Origin
	Errors   []Finding
	Warnings []Finding
}

// translator gathers the result while sections are read.
type translator struct {
	facts Facts
	res   *Result
	place Place // of the main file's beginning, for what stands nowhere

	settings table
	dirs     table
	names    table
	suffixes map[string]string // by acmebot's key type

	issuerName    string          // who is asked, as Certkeep calls it
	toldOfStore   bool            // see passphraseCovers
	toldOfFolders []string        // see earlierFolder
	services      map[string]bool // that certificates name
	logs          map[string]log  // by name
	headers       headers
	updates       map[string]bool // zones with an update key
	proofs        proofs
	keys          []*privateKey
	owner         *Value // of installed files; nil leaves them to who runs
	group         *Value
}

// Translate says in Certkeep's words what an acmebot configuration says. Root
// is the merged tree.
func Translate(root *Value, facts Facts) Result {
	t := &translator{facts: facts, res: &Result{}, services: make(map[string]bool)}
	if root == nil {
		root = &Value{Kind: Table}
	}
	t.place = root.At
	top := table{t: t, v: root}
	t.unknown(top, sectionNames())
	t.settings, t.dirs, t.names = t.section(top, "settings"), t.section(top, "directories"), t.section(top, "file_names")
	t.suffixes = t.readSuffixes(t.section(top, "key_type_suffixes"))
	t.readOwner()
	t.keys = t.readKeys(top)

	out := t.object(t.origin("", root.At))
	t.general(out, top)
	t.issuer(out)
	t.proof(out, top)
	t.logsTo(out, t.section(top, "ct_logs"))
	t.headers = t.readHeaders(t.section(top, "hpkp_headers"))
	t.servicesTo(out, t.section(top, "services"))
	t.hooksTo(out, t.section(top, "hooks"))
	t.keysTo(out, top)
	t.obsolete()
	t.res.Config = out.v
	byPlace(t.res.Errors)
	byPlace(t.res.Warnings)
	return *t.res
}

// section is a table of the root with a fixed set of keys, or with keys of
// the administrator's choice.
func (t *translator) section(top table, name string) table {
	s := top.table(name)
	if known := sections()[name]; known != nil {
		t.unknown(s, known)
	}
	return s
}

// unknown warns of keys that acmebot does not know. It ignores them itself.
func (t *translator) unknown(in table, known []string) {
	for _, p := range in.pairs() {
		if slices.Contains(known, p.Key) {
			continue
		}
		hint := "acmebot ignores it; remove it"
		if near := t.facts.Nearest(p.Key, known); near != "" {
			hint = fmt.Sprintf("acmebot ignores it; did you mean %q?", near)
		}
		t.warn(Origin{Key: in.keyOf(p.Key), At: p.At}, "unknown key", hint)
	}
}

// fail records an error about a key, once.
func (t *translator) fail(o Origin, words, hint string) {
	t.res.Errors = added(t.res.Errors, Finding{Key: o.Key, At: o.At, Words: words, Hint: hint})
}

// warn records a warning about a key, once.
func (t *translator) warn(o Origin, words, hint string) {
	t.res.Warnings = added(t.res.Warnings, Finding{Key: o.Key, At: o.At, Words: words, Hint: hint})
}

// added is the list with a finding, which is there once: what settings say is
// looked at for each certificate.
func added(list []Finding, f Finding) []Finding {
	if slices.Contains(list, f) {
		return list
	}
	return append(list, f)
}

// byPlace sorts findings by where they stand.
func byPlace(list []Finding) {
	slices.SortStableFunc(list, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.At.File, b.At.File), cmp.Compare(a.At.Line, b.At.Line), cmp.Compare(a.At.Column, b.At.Column))
	})
}

// absolute makes a path absolute as acmebot does: relative to the folder of
// the configuration.
func (t *translator) absolute(p string) string {
	if !path.IsAbs(p) {
		p = t.facts.Dir + "/" + p
	}
	return path.Clean(p)
}

// didYouMean is the hint for a word that is none of those allowed.
func (t *translator) didYouMean(word string, allowed []string) string {
	if near := t.facts.Nearest(word, allowed); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	if len(allowed) == 0 {
		return "none is declared"
	}
	return "known: " + strings.Join(allowed, ", ")
}
