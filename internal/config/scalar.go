package config

import (
	"fmt"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
)

// scalar makes the shape of a single value from how its text is understood.
// Parse returns what is wrong, and what to write instead.
func scalar[V any](kinds kind, words, such string, parse func(r *reader, n *node) (v V, wrong, hint string), show func(V) *node) shape[V] {
	return shape[V]{
		kinds: kinds,
		words: words,
		such:  such,
		read: func(r *reader, n *node, v *V) {
			value, wrong, hint := parse(r, n)
			if wrong != "" {
				r.out.add(n.at, wrong, hint)
				return
			}
			*v = value
		},
		show: show,
		json: func() *jsonSchema { return &jsonSchema{Type: jsonType(kinds)} },
	}
}

// showText shows a text, and nothing for an empty one.
func showText(s string) *node {
	if s == "" {
		return nil
	}
	return &node{kind: text, text: s}
}

// wordsOf is free text. Empty text is refused: it is hardly ever meant.
func wordsOf(words, such string) shape[string] {
	return checked(words, such, func(string) (string, string) { return "", "" })
}

// checked is text that check finds nothing wrong with.
func checked(words, such string, check func(string) (wrong, hint string)) shape[string] {
	return scalar(text, words, such, func(r *reader, n *node) (string, string, string) {
		if n.text == "" {
			return "", r.is() + " is empty", "leave the key out instead"
		}
		if strings.ContainsFunc(n.text, func(c rune) bool { return c < ' ' || c == 0x7f }) {
			return "", r.is() + " contains a control character", ""
		}
		wrong, hint := check(n.text)
		return n.text, wrong, hint
	}, showText)
}

// absolute is a path that depends on no working directory.
func absolute(such string) shape[string] {
	return checked("an absolute path", such, checkPath)
}

func checkPath(p string) (wrong, hint string) {
	switch {
	case !path.IsAbs(p):
		return fmt.Sprintf("%q is not an absolute path", shorten(p)), `begin it with "/"`
	case path.Clean(p) != strings.TrimSuffix(p, "/") && p != "/":
		return fmt.Sprintf("%q is written in a roundabout way", shorten(p)), fmt.Sprintf("write %q", path.Clean(p))
	}
	return "", ""
}

// truth is true or false.
func truth() shape[bool] {
	s := scalar(boolean|text, "true or false", "true", func(r *reader, n *node) (bool, string, string) {
		if n.kind == boolean {
			return n.text == "true", "", ""
		}
		wrong := fmt.Sprintf("%s takes true or false, not the text %q", r.is(), shorten(n.text))
		switch strings.ToLower(n.text) {
		case "yes", "on", "y", "true":
			return false, wrong, "write true"
		case "no", "off", "n", "false":
			return false, wrong, "write false"
		}
		return false, wrong, ""
	}, func(b bool) *node { return &node{kind: boolean, text: strconv.FormatBool(b)} })
	s.json = func() *jsonSchema { return &jsonSchema{Type: "boolean"} } // text is read to explain why not
	return s
}

// whole is a whole number within bounds.
func whole(words string, least, most int) shape[int] {
	such := strconv.Itoa(min(max(least, 20), most))
	s := scalar(number, words, such, func(r *reader, n *node) (int, string, string) {
		i, err := strconv.Atoi(n.text)
		if err != nil || i < least || i > most {
			return 0, fmt.Sprintf("%s takes a whole number from %d to %d, not %s", r.is(), least, most, n.text), ""
		}
		return i, "", ""
	}, func(i int) *node { return &node{kind: number, text: strconv.Itoa(i)} })
	s.json = func() *jsonSchema { return &jsonSchema{Type: "integer", Minimum: &least, Maximum: &most} }
	return s
}

// duration is a length of time of at least the given one.
func duration(least time.Duration) shape[time.Duration] {
	s := scalar(text|number, "a duration", "30d", func(r *reader, n *node) (time.Duration, string, string) {
		if n.kind == number {
			return 0, fmt.Sprintf("%s takes a duration, not the bare number %s", r.is(), n.text), fmt.Sprintf("write the unit too, such as %ss or %sd", n.text, n.text)
		}
		d, err := ParseDuration(n.text)
		if err != nil {
			return 0, fmt.Sprintf("%s: %v", r.is(), err), "write one such as 90s, 12h, 30d, 2w or 1y"
		}
		if d < least {
			return 0, fmt.Sprintf("%s has to be at least %s", r.is(), FormatDuration(least)), ""
		}
		return d, "", ""
	}, func(d time.Duration) *node { return showText(FormatDuration(d)) })
	s.json = func() *jsonSchema { return &jsonSchema{Type: "string", Pattern: durationPattern} }
	return s
}

// span is a duration or a percentage of a certificate's lifetime.
func span() shape[plan.Span] {
	s := scalar(text|number, "a duration or a percentage", "33%", func(r *reader, n *node) (plan.Span, string, string) {
		hint := "write a share of the lifetime such as 33%, or a duration such as 30d"
		if n.kind == number {
			return plan.Span{}, fmt.Sprintf("%s takes a duration or a percentage, not the bare number %s", r.is(), n.text), hint
		}
		v, err := ParseSpan(n.text)
		if err != nil {
			return v, fmt.Sprintf("%s: %v", r.is(), err), hint
		}
		return v, "", ""
	}, func(v plan.Span) *node { return showText(FormatSpan(v)) })
	s.json = func() *jsonSchema { return &jsonSchema{Type: "string", Pattern: spanPattern} }
	return s
}

// oneOf is one of a few words.
func oneOf[V ~string](what string, allowed ...V) shape[V] {
	var texts []string
	for _, a := range allowed {
		texts = append(texts, string(a))
	}
	s := scalar(text, "one of "+strings.Join(texts, ", "), texts[0], func(r *reader, n *node) (V, string, string) {
		for i, t := range texts {
			if t == n.text {
				return allowed[i], "", ""
			}
		}
		return "", fmt.Sprintf("unknown %s %q", what, shorten(n.text)), hintAmong(n.text, texts)
	}, func(v V) *node { return showText(string(v)) })
	s.json = func() *jsonSchema {
		j := &jsonSchema{Type: "string"}
		for _, t := range texts {
			j.Enum = append(j.Enum, t)
		}
		return j
	}
	return s
}

// reference is the name of something that is declared elsewhere, before this
// is read.
func reference(what, such string, declared func(*Config) []string, exists func(*Config, string) bool) shape[string] {
	return scalar(text, "the name of "+article(what)+" "+what, such, func(r *reader, n *node) (string, string, string) {
		if !exists(r.cfg, n.text) {
			return "", fmt.Sprintf("unknown %s %q", what, shorten(n.text)), hintAmong(n.text, declared(r.cfg))
		}
		return n.text, "", ""
	}, showText)
}

func article(word string) string {
	if strings.ContainsRune("aeiou", rune(word[0])) {
		return "an"
	}
	return "a"
}

// off is the value false, which turns something off by setting it to v.
func off[V any](v V, isOff func(V) bool) shape[V] {
	return shape[V]{
		kinds: boolean,
		words: "false",
		read: func(r *reader, n *node, to *V) {
			if n.text == "true" {
				r.out.add(n.at, r.is()+" cannot be just true", "say where or what, or false")
				return
			}
			*to = v
		},
		show: func(v V) *node {
			if !isOff(v) {
				return nil
			}
			return &node{kind: boolean, text: "false"}
		},
		json: func() *jsonSchema { return &jsonSchema{Enum: []any{false}} },
	}
}
