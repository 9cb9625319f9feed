package acmebot

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/certkeep/certkeep/internal/keys"
)

// The kinds of key, as acmebot calls them.
const (
	rsa   = "rsa"
	ecdsa = "ecdsa"
)

// privateKey is a private key of acmebot's: a primary and a backup one for
// each kind, and the certificates on them.
type privateKey struct {
	name   string // as acmebot's files have it
	at     Place
	tables []table  // where its options are looked up, in this order; settings come after them
	types  []string // rsa, ecdsa, as certificates want them
	sizes  map[string]keys.Type
	certs  []*certificate
}

// option returns the value of a key of the private key.
func (k *privateKey) option(key string) option {
	for _, in := range k.tables {
		if o := in.option(key); o.given() {
			return o
		}
	}
	return k.tables[0].t.settings.option(key)
}

// readKeys reads the sections private_keys and certificates. A certificate
// that stands by itself is alone on a private key of the same name.
func (t *translator) readKeys(top table) []*privateKey {
	var all []*privateKey
	shared, alone := t.section(top, "private_keys"), t.section(top, "certificates")
	for _, p := range shared.pairs() {
		in := shared.table(p.Key)
		t.unknown(in, append(keyKeys(), "certificates"))
		k := &privateKey{name: p.Key, at: p.At, tables: []table{in}}
		certs := in.table("certificates")
		for _, c := range certs.pairs() {
			body := certs.table(c.Key)
			t.unknown(body, certificateKeys())
			k.certs = append(k.certs, &certificate{name: c.Key, at: c.At, in: body, key: k})
		}
		all = append(all, k)
	}
	for _, p := range alone.pairs() {
		in := alone.table(p.Key)
		t.unknown(in, append(keyKeys(), certificateKeys()...))
		k := findKey(all, p.Key)
		if k == nil {
			k = &privateKey{name: p.Key, at: p.At}
			all = append(all, k)
		}
		if slices.ContainsFunc(k.certs, func(c *certificate) bool { return c.name == p.Key }) {
			t.fail(Origin{Key: alone.keyOf(p.Key), At: p.At}, "the certificate is configured below private_keys too", "remove one of them")
			continue
		}
		k.tables = append(k.tables, in)
		k.certs = append(k.certs, &certificate{name: p.Key, at: p.At, in: in, key: k})
	}
	t.finishKeys(all)
	return all
}

func findKey(all []*privateKey, name string) *privateKey {
	for _, k := range all {
		if k.name == name {
			return k
		}
	}
	return nil
}

// finishKeys reads what keys and certificates say.
func (t *translator) finishKeys(all []*privateKey) {
	owners := make(map[string]*certificate) // by plain name
	named := make(map[string]*privateKey)
	for _, k := range all {
		here := Origin{Key: k.tables[0].path, At: k.at}
		if len(k.certs) == 0 {
			t.fail(here, "no certificates are defined for this private key", "list them below its key \"certificates\"")
			continue
		}
		t.readTypes(k)
		said := false
		for _, c := range k.certs {
			if other := owners[plainName(c.name)]; other != nil {
				t.collide(c, other)
				said = said || plainName(other.key.name) == plainName(k.name)
				continue
			}
			owners[plainName(c.name)] = c
			t.readNames(c)
		}
		if other := named[plainName(k.name)]; other != nil && !said {
			t.fail(here, fmt.Sprintf("the private keys %s and %s would both be called %q here", quoted(other.name), quoted(k.name), plainName(k.name)), "rename one")
		}
		named[plainName(k.name)] = k
	}
}

// collide says that two certificates cannot be told apart.
func (t *translator) collide(c, other *certificate) {
	if c.name == other.name {
		t.fail(c.origin(), fmt.Sprintf("private key %q has a certificate of this name too", other.key.name), "both would write the same files; rename one")
		return
	}
	t.fail(c.origin(), fmt.Sprintf("the certificates %s and %s would both be called %q here", quoted(other.name), quoted(c.name), plainName(c.name)), "rename one")
}

// readTypes finds out which kinds of key there are: those that the key or one
// of its certificates asks for, as far as size and curve are set.
func (t *translator) readTypes(k *privateKey) {
	k.sizes = make(map[string]keys.Type)
	if bits := k.option("key_size"); bits.number(4096) > 0 {
		k.sizes[rsa] = t.rsaType(bits)
	}
	if curve := k.option("key_curve"); curve.text("secp384r1") != "" {
		k.sizes[ecdsa] = t.ecdsaType(curve)
	}
	general := k.option("key_types")
	wanted := t.types(general)
	for _, c := range k.certs {
		c.types = slices.Clone(wanted)
		if own := c.in.option("key_types"); own.given() && own.Key != general.Key {
			c.types = t.types(own)
			for _, kind := range c.types {
				if k.sizes[kind] == "" {
					t.fail(own.Origin, fmt.Sprintf("asks for the key type %s, which the private key %q does not have", kind, k.name), "set its "+sizeKey(kind))
				}
			}
		}
		c.types = slices.DeleteFunc(c.types, func(kind string) bool { return k.sizes[kind] == "" })
		if len(c.types) == 0 {
			t.fail(c.origin(), "no key types are left: key_types, key_size and key_curve turn all of them off", "set one of them")
		}
		for _, kind := range c.types {
			if !slices.Contains(k.types, kind) {
				k.types = append(k.types, kind)
			}
		}
	}
}

// sizeKey is the key that says how large keys of a kind are.
func sizeKey(kind string) string {
	if kind == rsa {
		return "key_size"
	}
	return "key_curve"
}

// types reads a list of kinds of key.
func (t *translator) types(o option) []string {
	kinds := []string{}
	for _, kind := range o.texts(rsa, ecdsa) {
		switch {
		case kind != rsa && kind != ecdsa:
			t.fail(o.Origin, fmt.Sprintf("unknown key type %s", quoted(kind)), t.didYouMean(kind, []string{rsa, ecdsa}))
		case !slices.Contains(kinds, kind):
			kinds = append(kinds, kind)
		}
	}
	return kinds
}

func (t *translator) rsaType(o option) keys.Type {
	bits := o.number(4096)
	kind, err := keys.ParseType("rsa-" + strconv.Itoa(bits))
	if err != nil {
		t.fail(o.Origin, fmt.Sprintf("RSA keys of %d bits cannot be made", bits), "known: "+strings.Join(sizesOf("rsa-"), ", ")+"; 0 makes none")
		return keys.RSA4096
	}
	return kind
}

func (t *translator) ecdsaType(o option) keys.Type {
	curve := o.text("secp384r1")
	switch strings.ToLower(curve) {
	case "secp256r1":
		return keys.ECDSAP256
	case "secp384r1":
		return keys.ECDSAP384
	case "secp521r1":
		return keys.ECDSAP521
	}
	t.fail(o.Origin, "unknown curve "+quoted(curve), t.didYouMean(curve, []string{"secp256r1", "secp384r1", "secp521r1"})+"; null makes no ECDSA key")
	return keys.ECDSAP384
}

// sizesOf lists the sizes of a kind of key.
func sizesOf(prefix string) []string {
	var sizes []string
	for _, kind := range keys.Types() {
		if size, ok := strings.CutPrefix(string(kind), prefix); ok {
			sizes = append(sizes, size)
		}
	}
	return sizes
}

// keyTypes are the kinds of key of some, in Certkeep's words.
func (k *privateKey) keyTypes(kinds []string) []string {
	var types []string
	for _, kind := range kinds {
		types = append(types, string(k.sizes[kind]))
	}
	return types
}

// plainName is a name as it may stand in Certkeep's configuration: what may not
// becomes "_". The files keep acmebot's.
func plainName(name string) string {
	plain := strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("._-", c) {
			return c
		}
		return '_'
	}, name)
	if strings.HasPrefix(plain, "-") || strings.HasPrefix(plain, ".") {
		plain = "_" + plain[1:]
	}
	return plain
}
