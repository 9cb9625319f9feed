package config

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/configuration.md and docs/config.schema.json")

func TestDocs(t *testing.T) {
	for path, want := range map[string][]byte{
		"../../docs/configuration.md":   []byte(Markdown()),
		"../../docs/config.schema.json": Schema(),
	} {
		if *update {
			if err := os.WriteFile(path, want, 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s does not match the schema in this package: run go test ./internal/config -run TestDocs -update", path)
		}
	}
}

func TestMarkdownNamesEveryKey(t *testing.T) {
	md := Markdown()
	schema().table.walk("", func(path string, table *tableDoc) {
		for _, k := range table.keys {
			if !strings.Contains(md, "`"+k.name+"`") {
				t.Errorf("%s.%s is not documented", path, k.name)
			}
			if !strings.HasSuffix(k.doc, ".") {
				t.Errorf("%s.%s: %q is no sentence", path, k.name, k.doc)
			}
		}
	})
	for _, link := range regexp.MustCompile("\\[`([^`]*)`\\]\\(#([^)]*)\\)").FindAllStringSubmatch(md, -1) {
		if !strings.Contains(md, "\n## `"+link[1]+"`\n") || anchor(link[1]) != link[2] {
			t.Errorf("%s leads nowhere", link[0])
		}
	}
	for i, line := range strings.Split(md, "\n") {
		if cells := strings.Count(strings.ReplaceAll(line, `\|`, ""), "|"); strings.HasPrefix(line, "|") && cells != 5 {
			t.Errorf("line %d has %d bars: %s", i+1, cells, line)
		}
	}
}

func TestExampleLoads(t *testing.T) {
	_, warnings, err := LoadBytes("example", []byte(Example()))
	if err != nil || len(warnings) > 0 {
		t.Fatal(warnings, err)
	}
}

// Defaults and examples are values that their keys take.
func TestSchemaExamples(t *testing.T) {
	var root map[string]any
	if err := json.Unmarshal(Schema(), &root); err != nil {
		t.Fatal(err)
	}
	tables := maps.Clone(root["$defs"].(map[string]any))
	tables["configuration"] = root
	checked := 0
	for name, one := range tables {
		keys, _ := one.(map[string]any)["properties"].(map[string]any)
		for key, p := range keys {
			property := p.(map[string]any)
			values, _ := property["examples"].([]any)
			if standard, ok := property["default"]; ok {
				values = append(slices.Clone(values), standard)
			}
			for _, v := range values {
				checked++
				if wrong := matches(root, property, v); wrong != "" {
					t.Errorf("%s.%s: %v: %s", name, key, v, wrong)
				}
			}
		}
	}
	if checked < 50 {
		t.Errorf("only %d values were checked", checked)
	}
}

// matches is as much of JSON Schema as Schema uses. It returns what is wrong.
func matches(root, s map[string]any, v any) string {
	if ref, ok := s["$ref"].(string); ok {
		defs, _ := root["$defs"].(map[string]any)
		def, _ := defs[strings.TrimPrefix(ref, "#/$defs/")].(map[string]any)
		if def == nil {
			return "unknown reference " + ref
		}
		return matches(root, def, v)
	}
	if all, ok := s["anyOf"].([]any); ok {
		var wrong []string
		for _, one := range all {
			w := matches(root, one.(map[string]any), v)
			if w == "" {
				return ""
			}
			wrong = append(wrong, w)
		}
		return "none of: " + strings.Join(wrong, " / ")
	}
	if enum, ok := s["enum"].([]any); ok && !slices.Contains(enum, v) {
		return fmt.Sprintf("%v is not among %v", v, enum)
	}
	if types := asStrings(s["type"]); len(types) > 0 && !slices.ContainsFunc(types, func(name string) bool { return isType(name, v) }) {
		return fmt.Sprintf("%v is no %v", v, types)
	}
	switch v := v.(type) {
	case string:
		if p, ok := s["pattern"].(string); ok && !regexp.MustCompile(p).MatchString(v) {
			return fmt.Sprintf("%q does not match %s", v, p)
		}
	case float64:
		if least, ok := s["minimum"].(float64); ok && v < least {
			return fmt.Sprintf("%v is less than %v", v, least)
		}
		if most, ok := s["maximum"].(float64); ok && v > most {
			return fmt.Sprintf("%v is more than %v", v, most)
		}
	case []any:
		if least, ok := s["minItems"].(float64); ok && float64(len(v)) < least {
			return "too few items"
		}
		items, _ := s["items"].(map[string]any)
		for _, i := range v {
			if w := matches(root, items, i); w != "" {
				return w
			}
		}
	case map[string]any:
		return matchesTable(root, s, v)
	}
	return ""
}

func matchesTable(root, s, v map[string]any) string {
	known, _ := s["properties"].(map[string]any)
	for key, value := range v {
		below, ok := known[key].(map[string]any)
		if !ok {
			switch more := s["additionalProperties"].(type) {
			case bool:
				return "unknown key " + key
			case map[string]any:
				below = more
			}
		}
		if w := matches(root, below, value); w != "" {
			return key + ": " + w
		}
	}
	return ""
}

func asStrings(v any) []string {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		var all []string
		for _, one := range v {
			all = append(all, one.(string))
		}
		return all
	}
	return nil
}

func isType(name string, v any) bool {
	switch v := v.(type) {
	case nil:
		return name == "null"
	case bool:
		return name == "boolean"
	case float64:
		return name == "number" || name == "integer" && v == float64(int(v))
	case string:
		return name == "string"
	case []any:
		return name == "array"
	case map[string]any:
		return name == "object"
	}
	return false
}

// The JSON Schema takes what Load takes, and refuses the findings that are
// about keys, types and words.
func TestSchemaAgreesWithLoad(t *testing.T) {
	var root map[string]any
	if err := json.Unmarshal(Schema(), &root); err != nil {
		t.Fatal(err)
	}
	check := func(yaml string) string {
		out := &findings{files: []string{"x"}}
		n := parseYAML(out, 0, []byte(yaml))
		if n == nil {
			return ""
		}
		data, err := json.Marshal(n.plain())
		if err != nil {
			t.Fatal(err)
		}
		var v any
		if err := json.Unmarshal(data, &v); err != nil {
			t.Fatal(err)
		}
		return matches(root, root, v)
	}
	for _, yaml := range []string{everything, Example(), mustLoad(t, everything).Show(), "", "certificates:\n  a.example:\n"} {
		if wrong := check(yaml); wrong != "" {
			t.Errorf("%s\nin\n%s", wrong, yaml)
		}
	}
	caught := 0
	for _, c := range findingCases(t) {
		wrong := check(c.yaml)
		if len(c.errors) == 0 && wrong != "" {
			t.Errorf("%s\nin\n%s", wrong, c.yaml)
		}
		unknown := slices.ContainsFunc(c.errors, func(e string) bool { return strings.Contains(e, "unknown key \"") })
		if unknown && wrong == "" {
			t.Errorf("the unknown key is not caught in\n%s", c.yaml)
		}
		if wrong != "" {
			caught++
		}
	}
	if caught < 50 {
		t.Errorf("only %d of the wrong configurations are caught", caught)
	}
}
