package config

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestSplitCommand(t *testing.T) {
	for text, want := range map[string][]string{
		"nginx -t":                      {"nginx", "-t"},
		"  a\tb\n c ":                   {"a", "b", "c"},
		`a 'b c' "d e" f\ g`:            {"a", "b c", "d e", "f g"},
		`a'b'"c"d`:                      {"abcd"},
		`a '' ""`:                       {"a", "", ""},
		`a "x\"y\\z\n" '\'`:             {"a", `x"y\z\n`, `\`},
		`a '$x | y' "$(z)" \;`:          {"a", "$x | y", "$(z)", ";"},
		`/bin/é --x=ü`:                  {"/bin/é", "--x=ü"},
		`a *.pem ~/x [0-9] {a,b} # c !`: {"a", "*.pem", "~/x", "[0-9]", "{a,b}", "#", "c", "!"},
	} {
		if got, err := SplitCommand(text); err != nil || !slices.Equal(got, want) {
			t.Errorf("SplitCommand(%q) = %q, %v; want %q", text, got, err, want)
		}
	}
	for _, text := range []string{"", " ", `a "b`, "a 'b", `a\`, `"" a`, "a\x00b", "a '\x00'", "a \"\x00\"", "a \\\x00"} {
		if got, err := SplitCommand(text); err == nil {
			t.Errorf("SplitCommand(%q) = %q, want an error", text, got)
		}
	}
	for _, text := range []string{"a && b", "a | b", "a; b", "a > b", "a < b", "a $HOME", "a `b`", "a &"} {
		got, err := SplitCommand(text)
		if _, ok := errors.AsType[*shellError](err); !ok {
			t.Errorf("SplitCommand(%q) = %q, %v; want a hint at a shell", text, got, err)
		}
	}
}

// join quotes arguments so that SplitCommand gives them back.
func joinArguments(args []string) string {
	var quoted []string
	for _, a := range args {
		quoted = append(quoted, "'"+strings.ReplaceAll(a, "'", `'\''`)+"'")
	}
	return strings.Join(quoted, " ")
}

func FuzzSplitCommand(f *testing.F) {
	for _, s := range []string{"nginx -t", `a 'b c' "d\"e" f\ g`, "a && b", `''`, `"`, `\`, "a\\\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		args, err := SplitCommand(text)
		if err != nil {
			return
		}
		if len(args) == 0 || args[0] == "" {
			t.Fatalf("SplitCommand(%q) = %q: no program", text, args)
		}
		if slices.ContainsFunc(args, func(a string) bool { return strings.Contains(a, "\x00") }) {
			t.Fatalf("SplitCommand(%q) = %q: a zero byte", text, args)
		}
		again, err := SplitCommand(joinArguments(args))
		if err != nil || !slices.Equal(again, args) {
			t.Fatalf("%q splits into %q, quoted again into %q, %v", text, args, again, err)
		}
	})
}
