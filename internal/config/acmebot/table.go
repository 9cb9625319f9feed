package acmebot

import (
	"fmt"
	"strconv"
	"strings"
)

// table is a table of acmebot's that is being read.
type table struct {
	t    *translator
	path string // "settings", "certificates.www"; "" is the root
	at   Place  // of its key
	v    *Value // nil where the table is not there
}

// option is the value of a key, or what stands for it.
type option struct {
	t *translator
	v *Value // nil is acmebot's default
	Origin
}

func (in table) keyOf(key string) string {
	if in.path == "" {
		return key
	}
	return in.path + "." + key
}

// pairs are the keys that stand in the file.
func (in table) pairs() []Pair {
	if in.v == nil {
		return nil
	}
	return in.v.Pairs
}

// table returns the table below a key; an absent one, and one without a
// value, has no keys.
func (in table) table(key string) table {
	o := in.option(key)
	to := table{t: in.t, path: o.Key, at: o.At}
	switch {
	case o.v == nil || o.v.Kind == Null:
	case o.v.Kind != Table:
		in.t.fail(o.Origin, "takes a table of keys, not "+o.v.describe(), "")
	default:
		to.v = o.v
	}
	return to
}

// option returns the value of a key.
func (in table) option(key string) option {
	if in.v != nil {
		for i := range in.v.Pairs {
			if p := &in.v.Pairs[i]; p.Key == key {
				return option{t: in.t, v: p.Value, Origin: Origin{Key: in.keyOf(key), At: p.Value.At}}
			}
		}
	}
	at := in.at
	if at == (Place{}) {
		at = in.t.place
	}
	return option{t: in.t, Origin: Origin{Key: in.keyOf(key), At: at, Default: true}}
}

// inherited returns the value of a key that settings have for those that do
// not say otherwise.
func (in table) inherited(key string) option {
	if o := in.option(key); !o.Default {
		return o
	}
	return in.t.settings.option(key)
}

// source makes values of the result that come from this key.
func (o option) source() *source { return o.t.sourceOf(o.Origin) }

// given reports whether the key stands in a file.
func (o option) given() bool { return o.v != nil }

// null reports whether the key stands there without a value.
func (o option) null() bool { return o.v != nil && o.v.Kind == Null }

// number reads a whole number of at least 0. Without a value it is 0.
func (o option) number(standard int) int {
	if o.v == nil {
		return standard
	}
	switch o.v.Kind {
	case Null:
		return 0
	case Number, Text:
		n, err := strconv.Atoi(strings.TrimSpace(o.v.Text))
		if err == nil && n >= 0 && n <= 1<<30 {
			return n
		}
	case Bool:
		if o.v.Text == "false" {
			return 0
		}
	}
	o.t.fail(o.Origin, "takes a whole number, not "+o.v.describe(), "")
	return standard
}

// truth reads true or false, also in the words that YAML 1.1 has for them, which
// acmebot reads. Without a value it is false.
func (o option) truth(standard bool) bool {
	if o.v == nil {
		return standard
	}
	switch {
	case o.v.Kind == Bool:
		return o.v.Text == "true"
	case o.v.Kind == Null, o.v.Kind == Number && o.v.Text == "0":
		return false
	case o.v.Kind == Number && o.v.Text == "1":
		return true
	}
	if o.v.Kind == Text {
		switch strings.ToLower(o.v.Text) {
		case "yes", "on":
			return true
		case "no", "off":
			return false
		}
	}
	o.t.fail(o.Origin, "takes true or false, not "+o.v.describe(), "")
	return standard
}

// text reads a text. Without a value it is "".
func (o option) text(standard string) string {
	if o.v == nil {
		return standard
	}
	switch o.v.Kind {
	case Text:
		if strings.HasPrefix(o.v.Text, "<") && strings.HasSuffix(o.v.Text, ">") {
			o.t.fail(o.Origin, fmt.Sprintf("still holds the placeholder %s", quoted(o.v.Text)), "write the real value, or remove the key")
			return ""
		}
		return o.v.Text
	case Null:
		return ""
	case Number:
		return o.v.Text
	case Bool:
		if o.v.Text == "false" {
			return ""
		}
	}
	o.t.fail(o.Origin, "takes a text, not "+o.v.describe(), "")
	return standard
}

// items reads a list; a single value is a list of one, none is an empty one.
func (o option) items() []option {
	switch {
	case o.v == nil || o.v.Kind == Null:
		return nil
	case o.v.Kind != List:
		return []option{o}
	}
	var items []option
	for _, v := range o.v.Items {
		if v.Kind != Null { // acmebot skips them
			items = append(items, option{t: o.t, v: v, Origin: Origin{Key: o.Key, At: v.At}})
		}
	}
	return items
}

// texts reads a list of texts.
func (o option) texts(standard ...string) []string {
	if o.v == nil {
		return standard
	}
	texts := []string{}
	for _, item := range o.items() {
		if item.v.Kind == List || item.v.Kind == Table || item.v.Kind == Bool {
			o.t.fail(item.Origin, "takes texts, not "+item.v.describe(), "")
			continue
		}
		if text := strings.TrimSpace(item.text("")); text != "" {
			texts = append(texts, text)
		}
	}
	return texts
}

// fields is the table that an entry of a list is.
func (o option) fields() table {
	return table{t: o.t, path: o.Key, at: o.At, v: o.v}
}
