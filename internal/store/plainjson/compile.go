package plainjson

import (
	"encoding"
	"encoding/json"
	"reflect"
	"strings"
	"time"
)

// reader reads one value into v, which is zero and can be set. It reports
// false when the text is not plain.
type reader func(p *parser, v reflect.Value) bool

// compile makes the reader of a type, or nil where a type is not plain.
func compile(t reflect.Type) reader {
	if t == reflect.TypeFor[time.Time]() {
		return readTime
	}
	if hasOwnWay(t) {
		return nil
	}
	switch t.Kind() {
	case reflect.String:
		return readString
	case reflect.Bool:
		return readBool
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return readInt
	case reflect.Struct:
		return compileStruct(t)
	case reflect.Pointer:
		return compilePointer(t)
	case reflect.Slice:
		return compileSlice(t)
	case reflect.Map:
		return compileMap(t)
	}
	return nil
}

// hasOwnWay reports whether a type decodes itself.
func hasOwnWay(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	return p.Implements(reflect.TypeFor[json.Unmarshaler]()) || p.Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

// field is one field of a struct, perhaps of one that is embedded in it.
type field struct {
	name  string
	index []int
	read  reader
}

// compileStruct reads objects. Fields that are written in their order, as
// encoding/json does, are found at once.
func compileStruct(t reflect.Type) reader {
	fields, ok := fieldsOf(t, nil)
	if !ok || len(fields) > 64 {
		return nil
	}
	return func(p *parser, v reflect.Value) bool {
		var seen uint64
		next := 0
		return p.object(func(name []byte) bool {
			i := find(fields, next, name)
			if i < 0 || seen&(1<<i) != 0 {
				return false // unknown, or given twice
			}
			seen |= 1 << i
			next = i + 1
			to := v
			for _, n := range fields[i].index {
				to = to.Field(n)
			}
			return p.null() || fields[i].read(p, to)
		})
	}
}

// find looks for a field, first at next.
func find(fields []field, next int, name []byte) int {
	for n := range fields {
		if i := (next + n) % len(fields); fields[i].name == string(name) {
			return i
		}
	}
	return -1
}

// fieldsOf lists the fields of a struct under their JSON names. It reports
// false where encoding/json has rules that are not known here.
func fieldsOf(t reflect.Type, index []int) ([]field, bool) {
	var fields []field
	names := map[string]bool{}
	for i := range t.NumField() {
		f := t.Field(i)
		tag, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		at := append(index[:len(index):len(index)], i)
		var found []field
		switch {
		case tag == "-" && options == "":
			continue
		case f.Anonymous && tag == "" && f.Type.Kind() == reflect.Struct && !hasOwnWay(f.Type):
			inner, ok := fieldsOf(f.Type, at)
			if !ok {
				return nil, false
			}
			found = inner
		case f.Anonymous:
			return nil, false
		case !f.IsExported():
			continue
		default:
			if tag == "" {
				tag = f.Name
			}
			read := compile(f.Type)
			if read == nil || strings.Contains(options, "string") {
				return nil, false
			}
			found = []field{{name: tag, index: at, read: read}}
		}
		for _, f := range found {
			if names[f.name] {
				return nil, false // which of two is meant depends on depth and tags
			}
			names[f.name] = true
		}
		fields = append(fields, found...)
	}
	return fields, true
}

// compilePointer reads what a pointer leads to.
func compilePointer(t reflect.Type) reader {
	read := compile(t.Elem())
	if read == nil {
		return nil
	}
	return func(p *parser, v reflect.Value) bool {
		to := reflect.New(t.Elem())
		if !read(p, to.Elem()) {
			return false
		}
		v.Set(to)
		return true
	}
}

// compileSlice reads arrays.
func compileSlice(t reflect.Type) reader {
	read := compile(t.Elem())
	if read == nil || t.Elem().Kind() == reflect.Uint8 {
		return nil
	}
	return func(p *parser, v reflect.Value) bool {
		v.Set(reflect.MakeSlice(t, 0, 0)) // [] is not nil
		n := 0
		return p.array(func() bool {
			v.Grow(1)
			v.SetLen(n + 1)
			n++
			v.Index(n - 1).SetZero()
			return p.null() || read(p, v.Index(n-1))
		})
	}
}

// compileMap reads objects with any names.
func compileMap(t reflect.Type) reader {
	read := compile(t.Elem())
	if read == nil || t.Key().Kind() != reflect.String || hasOwnWay(t.Key()) {
		return nil
	}
	return func(p *parser, v reflect.Value) bool {
		v.Set(reflect.MakeMap(t))
		return p.object(func(name []byte) bool {
			key := reflect.New(t.Key()).Elem()
			key.SetString(p.keep(name))
			value := reflect.New(t.Elem()).Elem()
			if !p.null() && !read(p, value) {
				return false
			}
			v.SetMapIndex(key, value)
			return true
		})
	}
}
