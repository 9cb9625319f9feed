package plainjson

import (
	"encoding/json"
	"hash/maphash"
	"reflect"
	"strconv"
	"time"
)

// parser goes through a text once. Its methods report false when the text is
// not plain; what they leave behind then is of no use.
type parser struct {
	text []byte
	at   int

	// words holds strings that were read before: records repeat names, key
	// types and digests, and one copy of each is enough.
	seed  maphash.Seed
	words [512]string
}

// longestWord is the length of a digest: longer strings are seldom repeated.
const longestWord = 64

// keep makes a string of b, or takes one that is there.
func (p *parser) keep(b []byte) string {
	if len(b) > longestWord {
		return string(b)
	}
	word := &p.words[maphash.Bytes(p.seed, b)%uint64(len(p.words))]
	if *word != string(b) {
		*word = string(b)
	}
	return *word
}

// blank passes over white space.
func (p *parser) blank() {
	for p.at < len(p.text) {
		switch p.text[p.at] {
		case ' ', '\n', '\t', '\r':
			p.at++
		default:
			return
		}
	}
}

// end reports whether nothing is left.
func (p *parser) end() bool {
	p.blank()
	return p.at == len(p.text)
}

// byte passes over white space and one given byte, if it is there.
func (p *parser) byte(c byte) bool {
	p.blank()
	if p.at < len(p.text) && p.text[p.at] == c {
		p.at++
		return true
	}
	return false
}

// literal passes over white space and a given word, if it is there.
func (p *parser) literal(word string) bool {
	p.blank()
	if end := p.at + len(word); end <= len(p.text) && string(p.text[p.at:end]) == word {
		p.at = end
		return true
	}
	return false
}

// null passes over a null, if it is there. It leaves every plain type at the
// zero value that it has.
func (p *parser) null() bool { return p.literal("null") }

// object goes through an object and calls member behind each name.
func (p *parser) object(member func(name []byte) bool) bool {
	if !p.byte('{') {
		return false
	}
	if p.byte('}') {
		return true
	}
	for {
		name, plain, ok := p.quoted()
		if !ok || !plain || !p.byte(':') || !member(name[1:len(name)-1]) {
			return false
		}
		if !p.byte(',') {
			return p.byte('}')
		}
	}
}

// array goes through an array and calls element before each of them.
func (p *parser) array(element func() bool) bool {
	if !p.byte('[') {
		return false
	}
	if p.byte(']') {
		return true
	}
	for {
		if !element() {
			return false
		}
		if !p.byte(',') {
			return p.byte(']')
		}
	}
}

// quoted passes over a string and returns it with its quotes. It is plain
// when it stands for itself: only printable ASCII, and no escape.
func (p *parser) quoted() (text []byte, plain, ok bool) {
	if !p.byte('"') {
		return nil, false, false
	}
	start := p.at - 1
	plain = true
	for ; p.at < len(p.text); p.at++ {
		switch c := p.text[p.at]; {
		case c == '"':
			p.at++
			return p.text[start:p.at], plain, true
		case c == '\\':
			plain = false
			p.at++
		case c >= 0x80:
			plain = false
		case c < ' ':
			return nil, false, false
		}
	}
	return nil, false, false
}

// readString reads a string.
func readString(p *parser, v reflect.Value) bool {
	text, plain, ok := p.quoted()
	if !ok {
		return false
	}
	if plain {
		v.SetString(p.keep(text[1 : len(text)-1]))
		return true
	}
	var s string
	if json.Unmarshal(text, &s) != nil {
		return false
	}
	v.SetString(s)
	return true
}

// readBool reads a truth.
func readBool(p *parser, v reflect.Value) bool {
	if p.literal("true") {
		v.SetBool(true)
		return true
	}
	return p.literal("false")
}

// readInt reads a whole number that fits.
func readInt(p *parser, v reflect.Value) bool {
	p.blank()
	start := p.at
	if p.at < len(p.text) && p.text[p.at] == '-' {
		p.at++
	}
	first := p.at
	for p.at < len(p.text) && '0' <= p.text[p.at] && p.text[p.at] <= '9' {
		p.at++
	}
	if p.at-first > 1 && p.text[first] == '0' {
		return false // JSON has no leading zeros
	}
	n, err := strconv.ParseInt(string(p.text[start:p.at]), 10, 64)
	if err != nil || v.OverflowInt(n) {
		return false
	}
	v.SetInt(n)
	return true // a fraction or exponent behind it is no plain end of a value
}

// readTime reads an instant, as time.Time reads itself.
func readTime(p *parser, v reflect.Value) bool {
	text, plain, ok := p.quoted()
	if !ok || !plain {
		return false
	}
	t := v.Addr().Interface().(*time.Time)
	return t.UnmarshalJSON(text) == nil
}
