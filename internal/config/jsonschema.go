package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
)

// Schema is the JSON Schema (draft 2020-12) of a configuration, for editors.
// It says what Load says about keys, types and words; what needs more than
// one value to decide is left to Load.
func Schema() []byte {
	root := schema()
	j := root.json()
	j.Schema = "https://json-schema.org/draft/2020-12/schema"
	j.Title = "Certkeep configuration"
	j.Defs = properties{}
	root.table.walk("", func(path string, t *tableDoc) {
		if path != "" {
			j.Defs = append(j.Defs, property{t.name, t.definition()})
		}
	})
	// The root stands at the top itself, not behind a reference.
	top := root.table.definition()
	top.Schema, top.Title, top.Defs = j.Schema, j.Title, j.Defs
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(top); err != nil {
		panic(fmt.Sprintf("config: the schema does not encode: %v", err)) // a defect of the tables in this package
	}
	return b.Bytes()
}

// jsonSchema is what we use of JSON Schema.
type jsonSchema struct {
	Schema               string        `json:"$schema,omitempty"`
	Title                string        `json:"title,omitempty"`
	Description          string        `json:"description,omitempty"`
	Ref                  string        `json:"$ref,omitempty"`
	Type                 any           `json:"type,omitempty"` // a string, or several
	Enum                 []any         `json:"enum,omitempty"`
	Pattern              string        `json:"pattern,omitempty"`
	Minimum              *int          `json:"minimum,omitempty"`
	Maximum              *int          `json:"maximum,omitempty"`
	Items                *jsonSchema   `json:"items,omitempty"`
	MinItems             int           `json:"minItems,omitempty"`
	AnyOf                []*jsonSchema `json:"anyOf,omitempty"`
	Properties           properties    `json:"properties,omitempty"`
	AdditionalProperties any           `json:"additionalProperties,omitempty"` // false, or a schema
	Default              any           `json:"default,omitempty"`
	Examples             []any         `json:"examples,omitempty"`
	Defs                 properties    `json:"$defs,omitempty"`
}

// properties are named schemas in an order of their own.
type properties []property

type property struct {
	name   string
	schema *jsonSchema
}

// MarshalJSON writes an object whose keys keep their order.
func (p properties) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	b.WriteByte('{')
	for i, one := range p {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.Quote(one.name))
		b.WriteByte(':')
		if err := enc.Encode(one.schema); err != nil {
			return nil, err
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// jsonType names the JSON types that a value may have.
func jsonType(kinds kind) any {
	var types []string
	for _, k := range []struct {
		kind kind
		name string
	}{{text, "string"}, {boolean, "boolean"}, {number, "number"}, {list, "array"}, {table, "object"}, {null, "null"}} {
		if kinds&k.kind != 0 {
			types = append(types, k.name)
		}
	}
	if len(types) == 1 {
		return types[0]
	}
	return types
}

// jsonSchema refers to the definition of the table.
func (t *tableDoc) jsonSchema() *jsonSchema { return &jsonSchema{Ref: "#/$defs/" + t.name} }

// definition is the schema of the table itself.
func (t *tableDoc) definition() *jsonSchema {
	j := &jsonSchema{Type: jsonType(table | null), Description: t.doc, AdditionalProperties: false, Properties: properties{}}
	for _, k := range t.keys {
		s := k.json()
		s.Description = k.doc
		if k.standardNode != nil && !k.shared {
			s.Default = k.standardNode.plain()
		}
		if k.example != "" {
			s.Examples = []any{parseExample(k.example).plain()}
		}
		j.Properties = append(j.Properties, property{k.name, s})
	}
	return j
}

// parseExample reads the YAML of an example in this package.
func parseExample(yaml string) *node {
	out := &findings{files: []string{"example"}}
	n := parseYAML(out, 0, []byte(yaml))
	if n == nil || len(out.errors) > 0 {
		panic(fmt.Sprintf("config: the example %q is no YAML", yaml)) // a defect of the tables in this package
	}
	return n
}

// plain is the node as encoding/json writes it.
func (n *node) plain() any {
	switch n.kind {
	case boolean:
		return n.text == "true"
	case number:
		if json.Valid([]byte(n.text)) {
			return json.Number(n.text)
		}
		return n.text // 0600, .inf and their like have no form in JSON
	case text:
		return n.text
	case list:
		items := make([]any, 0, len(n.items))
		for _, i := range n.items {
			items = append(items, i.plain())
		}
		return items
	case table:
		values := make(map[string]any, len(n.pairs))
		for _, p := range n.pairs {
			values[p.key] = p.value.plain()
		}
		return values
	}
	return nil
}
