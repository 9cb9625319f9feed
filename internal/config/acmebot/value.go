package acmebot

import (
	"fmt"
	"strconv"
)

// Kind is what a value looks like.
type Kind uint8

// The kinds.
const (
	Null Kind = iota
	Bool
	Number
	Text
	List
	Table
)

// Place is a position in one of the files that were read.
type Place struct{ File, Line, Column int }

// Value is a value in a configuration. Those that were read are not changed.
type Value struct {
	Kind  Kind
	At    Place
	Text  string // of a scalar
	Items []*Value
	Pairs []Pair
}

// Pair is a key of a table with its value.
type Pair struct {
	Key   string
	At    Place
	Value *Value
}

// get returns the value of a key, or nil.
func (v *Value) get(key string) *Value {
	if v == nil {
		return nil
	}
	for i := range v.Pairs {
		if v.Pairs[i].Key == key {
			return v.Pairs[i].Value
		}
	}
	return nil
}

// pairs are the pairs of a table; nothing else has any.
func (v *Value) pairs() []Pair {
	if v == nil || v.Kind != Table {
		return nil
	}
	return v.Pairs
}

// describe says what the value is, for "..., not ...".
func (v *Value) describe() string {
	switch v.Kind {
	case Null:
		return "nothing"
	case Bool, Number:
		return v.Text
	case Text:
		return "the text " + quoted(v.Text)
	case List:
		return "a list"
	}
	return "a table of keys"
}

// quoted bounds what a finding repeats.
func quoted(s string) string {
	const most = 80
	if r := []rune(s); len(r) > most {
		s = string(r[:most]) + "…"
	}
	return strconv.Quote(s)
}

// origin notes where values of the result come from, and returns its place in
// Result.Origins.
func (t *translator) origin(key string, at Place) *source {
	return t.sourceOf(Origin{Key: key, At: at})
}

func (t *translator) sourceOf(o Origin) *source {
	t.res.Origins = append(t.res.Origins, o)
	return &source{t: t, line: len(t.res.Origins)}
}

// source makes values of the result that come from one key.
type source struct {
	t    *translator
	line int
}

func (s *source) place() Place { return Place{Line: s.line, Column: 1} }

func (s *source) text(text string) *Value { return &Value{Kind: Text, At: s.place(), Text: text} }

func (s *source) number(n int) *Value {
	return &Value{Kind: Number, At: s.place(), Text: strconv.Itoa(n)}
}

func (s *source) truth(yes bool) *Value {
	return &Value{Kind: Bool, At: s.place(), Text: strconv.FormatBool(yes)}
}

// texts is a list of texts.
func (s *source) texts(texts ...string) *Value {
	list := &Value{Kind: List, At: s.place()}
	for _, text := range texts {
		list.Items = append(list.Items, s.text(text))
	}
	return list
}

// seconds and days are durations.
func (s *source) seconds(n int) *Value { return s.text(fmt.Sprintf("%ds", n)) }

func (s *source) days(n int) *Value { return s.text(fmt.Sprintf("%dd", n)) }

// object is a table of the result that is being filled.
type object struct {
	s *source
	v *Value
}

// object begins a table.
func (t *translator) object(s *source) object {
	return object{s: s, v: &Value{Kind: Table, At: s.place()}}
}

// set adds a key; a nil value adds nothing.
func (o object) set(key string, v *Value) {
	if v != nil {
		o.v.Pairs = append(o.v.Pairs, Pair{Key: key, At: v.At, Value: v})
	}
}

// child adds a table below a key, and returns it.
func (o object) child(key string, s *source) object {
	c := o.s.t.object(s)
	o.set(key, c.v)
	return c
}
