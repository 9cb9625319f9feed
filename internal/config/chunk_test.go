package config

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// inPieces reads yaml in pieces of so many keys, without going back to
// parsing it whole.
func inPieces(yaml string, keys int) (n *node, out *findings, ok bool) {
	out = &findings{files: []string{"x"}}
	n, ok = newConverter(out, 0, yaml).parsePieces(yaml, keys)
	return n, out, ok
}

func atOnce(yaml string) (*node, *findings) {
	out := &findings{files: []string{"x"}}
	return parseWhole(out, 0, yaml), out
}

// piecesCases are texts on the border between lines that begin keys and lines
// that do not.
var piecesCases = []string{
	everything,
	"a: 1\nb:\n  c: 1\n  d: [1,\n  2]\n  e: |\n    x: y\n   \n  f: >-\n    g\nh: x\n",
	"a:\n  b: 'x\n  c: y'\n  d: 1\n",
	"a:\n  b: \"x\n\n  c: y\"\n  d: 1\n",
	"a: |\n  b: c\n  d: e\nf: g\n",
	"a: # b\n  c: 1 # d\n  # e\n  f:\n  g: ~\nh:\n",
	"a:\n- b: c\n  d: e\n- f\ng: h\n",
	"a:\n  - b: c\n  - d: e\n",
	"a: &x {b: 1}\nc:\n  d: *x\n  e: {<<: *x, f: 2}\n  g: *x\n",
	"a:\n  <<: {b: 1}\n  c: 2\n",
	"a:\n  b: 1\n  b: 2\n  c: 3\n  c: 4\na: 5\n",
	"---\na: 1\nb: 2\n",
	"a: 1\n---\nb: 2\n",
	"a:\n  b: c\n d: e\n",
	"a:\n    b: c\n  d: e\n",
	"a:\n  b: [\n  c: d\n",
	"a:\n  b: {c: d\n  }\n  e: f\n",
	"a:\n  b: x\n    y\n  c: z\n",
	"a:\n  ? b\n  : c\n  d: e\n",
	"a:\n  &k b: c\n  d: *k\n",
	"a: x\n\n\n# c\nb: \"y # z\"\n",
	"\"a b\": 1\n'c': 2\n3: 4\ntrue: 5\n",
	"a:\n  b:\n  c:\n  d:\ne:\n",
	"a:\n  b: 1\n\n  c: 2\n   \n  d: 3",
	"a:<<: \n  <<c", "a: &x # y\nb: z\n", "a:\n  - # x\n    y\nb: z\n", "a:\nd<<: {b1}", "0:\n !\n0:\n", "a: \n-\nb:", "a:\n  - b\n  -\nc: d\n", "a: &x\n  b: 1\nc: *x\n", "a: !!str\nb: c\n",
	"{a: 1, b: 2}\n", "- a\n- b\n", "a\n", "", "# x\n", "a:\n\tb: 1\n", "a: 'x\nb: y'\n", "a: [\nb\n]\n",
}

// Reading in pieces changes nothing that whole reading would say, places
// included.
func TestPiecesAreTheWhole(t *testing.T) {
	done := 0
	for _, yaml := range piecesCases {
		want, wantOut := atOnce(yaml)
		for keys := 1; keys < 4; keys++ {
			got, gotOut, ok := inPieces(yaml, keys)
			if !ok {
				continue
			}
			done++
			if wantOut.broken != gotOut.broken {
				t.Errorf("%q by %d: %v, want %v", yaml, keys, gotOut.errors, wantOut.errors)
			}
			if wantOut.broken || gotOut.broken {
				continue
			}
			if !reflect.DeepEqual(got, want) || !reflect.DeepEqual(gotOut.errors, wantOut.errors) {
				t.Errorf("%q by %d:\n%s%v\nwant\n%s%v", yaml, keys, dump(got), gotOut.errors, dump(want), wantOut.errors)
			}
		}
	}
	if done < 40 {
		t.Errorf("only %d were read in pieces", done)
	}
}

// dump renders a tree with its places.
func dump(n *node) string {
	var b strings.Builder
	var step func(n *node, indent string)
	step = func(n *node, indent string) {
		if n == nil {
			b.WriteString(indent + "nil\n")
			return
		}
		fmt.Fprintf(&b, "%s%d %q at %d:%d\n", indent, n.kind, n.text, n.at.line, n.at.column)
		for _, i := range n.items {
			step(i, indent+"  - ")
		}
		for _, p := range n.pairs {
			fmt.Fprintf(&b, "%s  %q at %d:%d\n", indent, p.key, p.at.line, p.at.column)
			step(p.value, indent+"    ")
		}
	}
	step(n, "")
	return b.String()
}

// The place of an error in a large file is right too, and the rest of the
// file is not lost in silence.
func TestErrorsInLargeFiles(t *testing.T) {
	good := string(manyCertificates(2000))
	lines := strings.Count(good, "\n")
	for tail, want := range map[string]string{
		"  x: {names: [x.example]\n":                 "cannot be read as YAML: could not find flow mapping end token '}'",
		"  x: \"unclosed\n":                          "cannot be read as YAML: could not find end character of double-quoted text",
		"  x: {nmaes: [x.example]}\n":                "unknown key \"nmaes\"",
		"  site5.example.com: {}\n":                  "key \"site5.example.com\" is given twice",
		"  *.example.com: {}\n":                      "cannot be read as YAML: ",
		"  x: {names: [a_b.example]}\nstate: /srv\n": "\"a_b.example\" has an underscore, which no certificate may carry",
	} {
		_, _, err := LoadBytes("c.yaml", []byte(good+tail))
		if err == nil || !strings.HasPrefix(err.Error(), fmt.Sprintf("c.yaml:%d:", lines+1)) || !strings.Contains(err.Error(), want) {
			t.Errorf("with %q in line %d: %v", tail, lines+1, err)
		}
	}
	cfg := mustLoad(t, good+"  last.example:\nstate: /srv/last\n")
	if len(cfg.Certificates) != 2001 || cfg.State != "/srv/last" {
		t.Errorf("%d certificates, state %s", len(cfg.Certificates), cfg.State)
	}
}

// Large JSON has no lines that begin keys.
func TestLargeJSON(t *testing.T) {
	var b strings.Builder
	b.WriteString("{\n\t\"email\": \"a@example.com\",\n\t\"certificates\": {\n")
	for i := range 3000 {
		fmt.Fprintf(&b, "\t\t\"site%d.example\": {\"names\": [\"site%d.example\"]},\n", i, i)
	}
	b.WriteString("\t\t\"last.example\": null\n\t}\n}\n")
	if got := len(mustLoad(t, b.String()).Certificates); got != 3001 {
		t.Errorf("%d certificates", got)
	}
}

func FuzzPieces(f *testing.F) {
	for _, yaml := range piecesCases {
		f.Add(yaml, 1)
		f.Add(yaml, 3)
	}
	f.Fuzz(func(t *testing.T, yaml string, keys int) {
		yaml = clean([]byte(yaml))
		if _, words := unreadable(0, yaml); words != "" {
			return
		}
		got, gotOut, ok := inPieces(yaml, 1+max(keys, 0)%8)
		if !ok || gotOut.broken {
			return // it is read whole then
		}
		want, wantOut := atOnce(yaml)
		if len(wantOut.errors) > 0 {
			return // an error either way, or the parser is stricter about what follows what
		}
		// Of text that goes on in other lines the lexer gives another place
		// when nothing follows it.
		if renderFlow(got) != renderFlow(want) {
			t.Fatalf("%q:\n%s\nwant\n%s", yaml, dump(got), dump(want))
		}
	})
}
