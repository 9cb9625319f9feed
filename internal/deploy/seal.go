package deploy

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/certkeep/certkeep/internal/keys"
)

// key is the private key as files in PEM and DER hold it.
func (p Pair) key() []byte {
	if p.sealed != nil {
		return p.sealed
	}
	return p.Key
}

// seal puts the keys that files are to hold under the target's passphrase,
// each once: that takes a tenth of a second. The same key and passphrase give
// the same bytes, so that files which are right already are left alone.
func (t Target) seal(c Content, slots []slot) (Content, error) {
	if t.Passphrase == "" {
		return c, nil
	}
	c.Pairs = slices.Clone(c.Pairs)
	for i, p := range c.Pairs {
		holds := func(s slot) bool {
			return s.keyType == p.KeyType && (slices.Contains(s.parts, PartKey) || slices.Contains(s.parts, PartDERKey))
		}
		if p.Key == nil || !slices.ContainsFunc(slots, holds) {
			continue
		}
		key, err := keys.Parse(p.Key)
		if err != nil {
			return Content{}, err
		}
		if c.Pairs[i].sealed, err = keys.MarshalEncrypted(key, []byte(t.Passphrase), cmp.Or(t.KDF, keys.PBKDF2)); err != nil {
			return Content{}, fmt.Errorf("protect the private key of %s: %w", t.Cert, err)
		}
	}
	return c, nil
}

// HoldsKey reports whether some file of the target is to hold a private key
// that Passphrase protects.
func (t Target) HoldsKey() bool {
	if t.layout() == LayoutFiles {
		return t.Holds(PartKey) || t.Holds(PartDERKey)
	}
	return t.Public == nil
}
