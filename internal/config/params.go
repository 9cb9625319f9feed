package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/certkeep/certkeep/internal/params"
)

// DHParams says which Diffie-Hellman parameters the part `dh-params` holds.
type DHParams struct {
	Group   int  // size in bits of a group of RFC 7919; 0: none
	Own     int  // size in bits of a group that is searched for, and replaces Group; 0: none
	WithKey bool // search again when the key changes
	Off     bool // said to be none
}

// On reports whether there are any.
func (d DHParams) On() bool { return d.Group > 0 }

// Sizes in bits of groups of one's own: less is weak (RFC 9325 section 4.4),
// more takes hours.
const (
	leastOwn = 2048
	mostOwn  = 4096
)

// dhParams is the name of a group, a table, or false.
func dhParams() shape[DHParams] {
	var names []string
	for _, bits := range params.GroupSizes() {
		names = append(names, "ffdhe"+strconv.Itoa(bits))
	}
	group := as(oneOf("group", names...),
		func(_ *reader, n *node, name string) (DHParams, bool) {
			bits, err := strconv.Atoi(strings.TrimPrefix(name, "ffdhe"))
			return DHParams{Group: bits}, err == nil
		},
		func(d DHParams) (string, bool) { return "ffdhe" + strconv.Itoa(d.Group), d.Group > 0 && d.Own == 0 })
	own := object("dh_params", "A Diffie-Hellman group of one's own.", []key[DHParams]{
		field("own", ownSize(), func(d *DHParams) *int { return &d.Own }, about{
			doc: "Its size in bits, from 2048 to 4096. The search takes a core for some seconds, or minutes with 4096; until it ends the group of RFC 7919 with that size, or the next larger one, is in the files. `run` searches beside all else, `apply` when all else is done. Required.", example: "2048",
		}),
		fieldOr("with_key", truth(), func(d *DHParams) *bool { return &d.WithKey }, false, about{
			doc: "Whether another one is searched for when the key changes.",
		}),
	}, func(r *reader, n *node, d *DHParams) {
		d.Group, d.Off = params.GroupOf(d.Own), false
		d.WithKey = d.WithKey && n.has("with_key") // not what `defaults` says
		if !n.has("own") {
			r.out.add(n.at, r.is()+" has no size", "for example {own: 2048}, or ffdhe2048 for the group of RFC 7919")
		}
	})
	own.kinds, own.fresh = table, nil
	show := own.show
	own.show = func(d DHParams) *node {
		if d.Own == 0 {
			return nil
		}
		return show(d)
	}
	return either("a group, a table or false", "ffdhe2048", group, own, off(DHParams{Off: true}, func(d DHParams) bool { return d.Off }))
}

// ownSize is the size of a group to search for. A group of RFC 7919 that is no
// smaller stands in for it meanwhile.
func ownSize() shape[int] {
	s := whole("a size in bits", leastOwn, mostOwn)
	s.such = strconv.Itoa(leastOwn)
	read := s.read
	s.read = func(r *reader, n *node, v *int) {
		if bits, err := strconv.Atoi(n.text); err == nil && bits > 0 && bits < leastOwn {
			r.out.add(n.at, fmt.Sprintf("%s: %d bits are too few: such groups have been broken", r.is(), bits), "write 2048 to 4096")
			return
		}
		read(r, n, v)
	}
	return s
}

// ecParams is a list of curves, or false.
func ecParams() shape[[]string] {
	curve := checked("a curve", "secp384r1", func(s string) (wrong, hint string) {
		if _, err := params.Curve(s); err != nil {
			return err.Error(), "leave it out"
		}
		return "", ""
	})
	return either("a list of curves or false", "[secp384r1]",
		distinct(listOf(curve, "a list of curves", "[secp384r1]")), off([]string{}, func(v []string) bool { return v != nil && len(v) == 0 }))
}

// checkParams refuses parts about which nothing was said.
func checkParams(r *reader, at place, c *Certificate, f File) {
	if c.Files == nil {
		return // of a layout, which leaves out what is not there
	}
	for _, part := range f.Content {
		switch {
		case part == PartDHParams && !c.DHParams.On() && !c.DHParams.Off:
			r.out.add(at, fmt.Sprintf("%s is to hold dh-params, and certificate %q has none", f.Path, c.Name), "add dh_params: ffdhe2048, or dh_params: false to leave them out")
		case part == PartECParams && c.ECParams == nil:
			r.out.add(at, fmt.Sprintf("%s is to hold ec-params, and certificate %q has none", f.Path, c.Name), "add ec_params: [secp384r1], or ec_params: false to leave them out")
		}
	}
}

// checkUnused warns of what a certificate says of parts that none of its files
// holds.
func checkUnused(r *reader, n *node, c *Certificate) {
	for _, k := range []struct {
		name string
		part Part
		on   bool
	}{
		{"dh_params", PartDHParams, c.DHParams.On()},
		{"ec_params", PartECParams, len(c.ECParams) > 0},
		{"root_file", PartRoot, len(c.Root.Files) > 0},
	} {
		if k.on && n.has(k.name) && !c.holds(k.part) {
			r.out.warn(n.placeOf(k.name), fmt.Sprintf("certificate %q: no file holds %s", c.Name, k.part), fmt.Sprintf("name the part %s in the content of one of its files", k.part))
		}
	}
}

// holds reports whether some file of the certificate has a part.
func (c *Certificate) holds(part Part) bool {
	return slices.ContainsFunc(c.Targets(), func(t Target) bool { return t.holds(part) })
}

// holds reports whether some file of the target has a part.
func (t Target) holds(part Part) bool {
	return slices.ContainsFunc(t.Files, func(f File) bool { return slices.Contains(f.Content, part) })
}
