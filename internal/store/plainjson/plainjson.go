// Package plainjson reads JSON records several times as fast as encoding/json
// does, with the same result.
//
// A cold start reads a record for each of 100,000 certificates, and decoding
// is what takes the time. A Decoder knows its type beforehand and reads, in
// one pass, the plain text that encoding/json writes for it: fields that the
// type has, each once. Whatever is not plain (an unknown field, another
// spelling, a kind of value that records do not have, anything wrong) it
// leaves to encoding/json, from the beginning. So that package alone decides
// what is an error, and this one only decides how fast.
//
// Make a Decoder with New, once for a type, and call Decode.
package plainjson

import (
	"encoding/json"
	"hash/maphash"
	"reflect"
	"sync"
)

// Decoder decodes values of one type. It may be used by several goroutines.
type Decoder[T any] struct {
	read    reader // nil for a type that is not plain
	parsers sync.Pool
}

// New makes a Decoder for T.
func New[T any]() *Decoder[T] {
	seed := maphash.MakeSeed()
	return &Decoder[T]{
		read:    compile(reflect.TypeFor[T]()),
		parsers: sync.Pool{New: func() any { return &parser{seed: seed} }},
	}
}

// Decode gives what json.Unmarshal puts into a zero T, and its error. The
// result shares no memory with text.
func (d *Decoder[T]) Decode(text []byte) (T, error) {
	var v T
	if d.read != nil {
		p := d.parsers.Get().(*parser)
		defer d.parsers.Put(p)
		p.text, p.at = text, 0
		plain := d.read(p, reflect.ValueOf(&v).Elem()) && p.end()
		p.text = nil
		if plain {
			return v, nil
		}
		v = *new(T)
	}
	err := json.Unmarshal(text, &v)
	return v, err
}
