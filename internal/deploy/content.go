package deploy

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"slices"

	"github.com/certkeep/certkeep/internal/chain"
	"github.com/certkeep/certkeep/internal/keys"
)

// Content is what a target is to serve: a version with its certificates,
// chains and private keys in PEM.
type Content struct {
	Version string
	Pairs   []Pair
}

// Pair is one certificate with its key.
type Pair struct {
	KeyType string
	Key     []byte // nil where the private key is held elsewhere (an administrator's CSR)
	Leaf    []byte // the certificate
	Rest    []byte // its chain without the leaf; may be empty
	Root    []byte // what the chain leads to; nil where that is not known

	sealed []byte // Key under the target's passphrase; nil without one

	// Alone is a key that no certificate of the content is on, for files of keys
	// alone: it has neither Leaf nor Rest.
	Alone bool

	Cert     string // whose, in a content of several; else ""
	Next     []byte // the key that is kept ready; nil without one
	Previous []byte // the key before the last change; nil without one

	sealedNext, sealedPrevious []byte
	// Params are the certificate's, in a content of several; else nil.
	Params *Params
}

// Part names what a file is made of.
type Part string

// The parts in PEM. A chain that is empty is written as the certificate
// itself, for servers refuse an empty file. The last three may be missing: a
// file of nothing else is not written then.
const (
	PartKey         Part = "key"
	PartCertificate Part = "certificate"
	PartChain       Part = "chain"
	PartFullchain   Part = "fullchain"
	PartRoot        Part = "root"
	PartDHParams    Part = "dh-params"
	PartECParams    Part = "ec-params"
)

// UnfitError says that a content must not be installed: Apache ends itself,
// and Dovecot loses TLS, over a key that does not belong to its certificate.
type UnfitError struct {
	KeyType string
	Err     error
}

// Error says which pair does not fit and why.
func (e *UnfitError) Error() string {
	return fmt.Sprintf("the %s pair does not fit together: %v", e.KeyType, e.Err)
}

// Unwrap returns the reason.
func (e *UnfitError) Unwrap() error { return e.Err }

// Check proves that each key belongs to its certificate and that each chain
// leads on from it. Its error is an *UnfitError. Dates and signatures are not
// looked at: a chain was proven before it was kept.
func (c Content) Check() error {
	if len(c.Pairs) == 0 {
		return &UnfitError{KeyType: "first", Err: errors.New("there is none")}
	}
	for _, p := range c.Pairs {
		if err := p.check(); err != nil {
			return &UnfitError{KeyType: p.KeyType, Err: err}
		}
	}
	return nil
}

func (p Pair) check() error {
	if p.Alone {
		_, err := keys.Parse(p.Key)
		return err
	}
	leaf, err := chain.Parse(p.Leaf)
	if err != nil {
		return err
	}
	if n := len(leaf.Certs); n != 1 {
		return fmt.Errorf("%d certificates where one is expected", n)
	}
	whole := leaf
	if len(bytes.TrimSpace(p.Rest)) > 0 {
		rest, err := chain.Parse(p.Rest)
		if err != nil {
			return err
		}
		whole.Certs = append(whole.Certs, rest.Certs...)
	}
	var public crypto.PublicKey = leaf.Leaf().PublicKey
	if p.Key != nil {
		key, err := keys.Parse(p.Key)
		if err != nil {
			return err
		}
		public = key.Public()
	}
	if err := whole.Fits(public); err != nil {
		return err
	}
	return whole.Leads()
}

// pair returns the pair of a key type.
func (c Content) pair(keyType string) (Pair, bool) {
	i := slices.IndexFunc(c.Pairs, func(p Pair) bool { return p.KeyType == keyType })
	if i < 0 {
		return Pair{}, false
	}
	return c.Pairs[i], true
}

// keyTypes are those of its pairs, in their order.
func (c Content) keyTypes() []string {
	var has []string
	for _, p := range c.Pairs {
		has = append(has, p.KeyType)
	}
	return has
}

// keyless returns a pair whose private key is held elsewhere, or none.
func (c Content) keyless() Pair {
	i := slices.IndexFunc(c.Pairs, func(p Pair) bool { return p.Key == nil })
	if i < 0 {
		return Pair{}
	}
	return c.Pairs[i]
}

// errNoKey is a file that cannot be made.
var errNoKey = errors.New("the private key is held elsewhere (CSR), so no file can contain it")

// render puts parts of the pair together in their order. A root that stands
// in the chain already is not written twice.
func (p Pair) render(parts []Part, beside Params) ([]byte, error) {
	var b []byte
	for _, part := range parts {
		switch part {
		case PartKey:
			if p.Key == nil {
				return nil, errNoKey
			}
			b = join(b, p.key())
		case PartCertificate:
			b = join(b, p.Leaf)
		case PartChain:
			if len(bytes.TrimSpace(p.Rest)) > 0 {
				b = join(b, p.Rest)
			} else if len(parts) == 1 {
				b = join(b, p.Leaf)
			}
		case PartFullchain:
			b = join(b, p.Leaf, p.Rest)
		case PartRoot:
			if root := bytes.TrimSpace(p.Root); !bytes.Contains(b, root) {
				b = join(b, root)
			}
		case PartDHParams:
			b = join(b, beside.DH)
		case PartECParams:
			b = join(b, beside.EC)
		case PartBackupKey:
			b = join(b, p.next())
		case PartPreviousKey:
			b = join(b, p.previous())
		default:
			return nil, fmt.Errorf("unknown content %q", part)
		}
	}
	return b, nil
}

// join appends PEM texts, each ending in one line feed. No blank line gets
// between them: HAProxy's socket takes it for the end of a payload.
func join(texts ...[]byte) []byte {
	var b []byte
	for _, text := range texts {
		if text = bytes.TrimSpace(text); len(text) > 0 {
			b = append(append(b, text...), '\n')
		}
	}
	return b
}
