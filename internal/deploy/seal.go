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
			return s.keyType == p.KeyType && slices.ContainsFunc(s.parts, func(part Part) bool { return part == PartKey || part == PartDERKey || part.otherKey() })
		}
		if !slices.ContainsFunc(slots, holds) {
			continue
		}
		var err error
		to := &c.Pairs[i]
		if to.sealed, err = t.sealed(p.Key); err == nil {
			if to.sealedNext, err = t.sealed(p.Next); err == nil {
				to.sealedPrevious, err = t.sealed(p.Previous)
			}
		}
		if err != nil {
			return Content{}, fmt.Errorf("protect the private key of %s: %w", t.Cert, err)
		}
	}
	return c, nil
}

// sealed is a key under the passphrase; of none, none.
func (t Target) sealed(text []byte) ([]byte, error) {
	if text == nil {
		return nil, nil
	}
	key, err := keys.Parse(text)
	if err != nil {
		return nil, err
	}
	return keys.MarshalEncrypted(key, []byte(t.Passphrase), cmp.Or(t.KDF, keys.PBKDF2))
}

// next is the key that is kept ready, as files hold it.
func (p Pair) next() []byte {
	if p.sealedNext != nil {
		return p.sealedNext
	}
	return p.Next
}

// previous is the key before the last change, as files hold it.
func (p Pair) previous() []byte {
	if p.sealedPrevious != nil {
		return p.sealedPrevious
	}
	return p.Previous
}

// HoldsKey reports whether some file of the target is to hold a private key
// that Passphrase protects.
func (t Target) HoldsKey() bool {
	if t.layout() == LayoutFiles {
		return slices.ContainsFunc([]Part{PartKey, PartDERKey, PartBackupKey, PartPreviousKey}, t.Holds)
	}
	return t.Public == nil
}
