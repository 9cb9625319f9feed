package config

import (
	"fmt"
	"slices"
)

// quarantineKey says whether names are set aside.
func quarantineKey[T any](at func(*T) *Settings) key[T] {
	return inherited(field("quarantine", truth(), func(t *T) *bool { return &at(t).Quarantine }, about{
		doc: "Whether a name that keeps failing its proof is set aside, so that the others get their certificate. It is tried again daily, and comes back by itself; a problem tells of it meanwhile. A wildcard takes the names along that it covers. See `protected`.",
	}), truth().show(false))
}

// protectedKey is the list of names that no quarantine sets aside.
func protectedKey() key[Certificate] {
	return field("protected", distinct(listOf(wordsOf("a name", "example.com"), "a list of names", "[example.com]")), func(c *Certificate) *[]string { return &c.Protected }, about{
		doc: "Names that `quarantine` never sets aside.", standard: "the common name, or the first name", example: "[example.com, www.example.com]", off: true,
	})
}

// finishProtected checks that the names are the certificate's, and writes them
// as its names are written.
func finishProtected(r *reader, n *node, c *Certificate) {
	for i, given := range c.Protected {
		name, wrong, _ := checkName(given)
		if wrong == "" && slices.Contains(c.Names, name) {
			c.Protected[i] = name
			continue
		}
		r.out.add(n.placeOf("protected"), fmt.Sprintf("certificate %q protects %q, which is none of its names", c.Name, shorten(given)), nearest(given, c.Names))
	}
	if c.CSR != nil && c.Quarantine && n.has("quarantine") {
		r.out.add(n.placeOf("quarantine"), fmt.Sprintf("certificate %q has a signing request, whose names cannot be changed", c.Name), "leave quarantine out")
	}
}

// protected are the names of a certificate that are never set aside.
func protected(c *Certificate) []string {
	switch {
	case !c.Quarantine:
		return nil
	case c.Protected != nil:
		return c.Protected
	case c.CommonName != "":
		return []string{c.CommonName}
	case len(c.Names) > 0:
		return c.Names[:1]
	}
	return nil
}
