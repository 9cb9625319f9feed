package config

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

// Whatever the bytes, Load ends, blames a place inside the file in one line,
// and what it accepts is shown in a form that loads to the same.
func FuzzLoad(f *testing.F) {
	f.Add([]byte(everything))
	f.Add([]byte(Example()))
	for _, c := range findingCases(f) {
		f.Add([]byte(c.yaml))
	}
	for _, yaml := range piecesCases {
		f.Add([]byte(yaml))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if strings.Contains(string(data), "csr") {
			return // would read files
		}
		cfg, warnings, err := LoadBytes("c.yaml", data)
		lines := 1 + strings.Count(string(data), "\n") + strings.Count(string(data), "\r")
		for _, w := range warnings {
			checkPlace(t, Finding(w), lines)
		}
		if err != nil {
			all, ok := errors.AsType[Errors](err)
			if !ok || len(all) == 0 || cfg != nil {
				t.Fatalf("%T %v with %v", err, err, cfg)
			}
			for _, e := range all {
				checkPlace(t, e, lines)
			}
			return
		}
		shown := cfg.Show()
		again, _, err := LoadBytes("shown", []byte(shown))
		if err != nil {
			t.Fatalf("%v\nin\n%s", err, shown)
		}
		if !reflect.DeepEqual(unmarked(again), unmarked(cfg)) {
			t.Fatalf("loads as\n%+v\nshown as\n%s\nloads as\n%+v", unmarked(cfg), shown, unmarked(again))
		}
		cfg.Wanted()
		cfg.Check()
	})
}

func checkPlace(t *testing.T, f Finding, lines int) {
	t.Helper()
	if f.File != "c.yaml" || f.Line < 1 || f.Line > lines+1 || f.Column < 0 {
		t.Fatalf("%d lines, but %+v", lines, f)
	}
	if strings.ContainsAny(f.String(), "\n\t\r\x00\x1b") {
		t.Fatalf("not one clean line: %q", f.String())
	}
}
