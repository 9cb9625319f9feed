package serve

import (
	"slices"
	"strings"
)

// index finds the certificate of a name. It is guarded by Shelf.mu.
type index struct {
	exact map[string]*entry
	wild  map[string]*entry // of "*.example.com" by "example.com"
	// rivals are the certificates of names that several have; names that one
	// alone has, which are nearly all, need no list.
	rivals map[string][]*entry
}

func newIndex() index {
	return index{exact: map[string]*entry{}, wild: map[string]*entry{}, rivals: map[string][]*entry{}}
}

// find returns the entry for a name in small letters, nil where there is
// none. A certificate with the very name comes before a wildcard.
func (x *index) find(name string) *entry {
	if e := x.exact[name]; e != nil {
		return e
	}
	if dot := strings.IndexByte(name, '.'); dot > 0 {
		return x.wild[name[dot+1:]]
	}
	return nil
}

// place is the table that a name stands in, and its key there.
func (x *index) place(name string) (table map[string]*entry, key string) {
	if parent, ok := strings.CutPrefix(name, "*."); ok {
		return x.wild, parent
	}
	return x.exact, name
}

// add enters a certificate under a name.
func (x *index) add(name string, e *entry) {
	table, key := x.place(name)
	now := table[key]
	if now == nil || now == e {
		table[key] = e
		return
	}
	rivals := x.rivals[name]
	if rivals == nil {
		rivals = []*entry{now}
	}
	if !slices.Contains(rivals, e) {
		rivals = append(rivals, e)
	}
	x.rivals[name] = rivals
	table[key] = slices.MaxFunc(rivals, better)
}

// remove strikes a certificate out under a name.
func (x *index) remove(name string, e *entry) {
	table, key := x.place(name)
	rivals := slices.DeleteFunc(x.rivals[name], func(r *entry) bool { return r == e })
	switch {
	case len(rivals) > 1:
		x.rivals[name] = rivals
		table[key] = slices.MaxFunc(rivals, better)
	case len(rivals) == 1:
		delete(x.rivals, name)
		table[key] = rivals[0]
	case table[key] == e:
		delete(table, key)
	}
}

// better orders certificates for the same name: one that is there before one
// that is awaited, then the later made, then by name.
func better(a, b *entry) int {
	if there := compareBool(a.summary.version != "", b.summary.version != ""); there != 0 {
		return there
	}
	if later := a.summary.created.Compare(b.summary.created); later != 0 {
		return later
	}
	return strings.Compare(b.cert, a.cert)
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}
