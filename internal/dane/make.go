package dane

import (
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
)

// Want is what is published for one name.
type Want struct {
	Usage    Usage
	Selector Selector
	// Matching are the matching types; none means SHA-256 and SHA-512.
	Matching []Matching
}

// params are the combinations that stand in the set.
func (w Want) params() []Params {
	matching := w.Matching
	if len(matching) == 0 {
		matching = []Matching{SHA256, SHA512}
	}
	var all []Params
	for _, m := range matching {
		all = append(all, Params{Usage: w.Usage, Selector: w.Selector, Matching: m})
	}
	return all
}

// Material is what records are made of.
type Material struct {
	// Leaves are what is served, and what is about to be: one for each key
	// type and version.
	Leaves []*x509.Certificate
	// Authorities are the certificates above them: chains and roots.
	Authorities []*x509.Certificate
	// Keys are those that a leaf has, will have, or had: the primary, the next
	// one kept ready, and previous ones that are still wanted.
	Keys []crypto.PublicKey
}

// Make returns the records of one name, each once:
//
//   - about the leaf by its key (EE, spki): of all Keys, and of the leaves' own;
//   - about the leaf as a whole (EE, cert): of the leaves;
//   - about an authority (TA): of all Authorities.
//
// Material that a want does not speak of is passed over, so that one Material
// serves all names of a certificate. Made of one chain alone, the set is what
// has to be in DNS before that chain is served.
func Make(w Want, m Material) (Set, error) {
	var ders [][]byte
	from := m.Leaves
	if !w.Usage.EndEntity() {
		from = m.Authorities
	}
	for _, cert := range from {
		ders = append(ders, w.Selector.selected(cert))
	}
	if w.Usage.EndEntity() && w.Selector == SPKI {
		for _, key := range m.Keys {
			der, err := x509.MarshalPKIXPublicKey(key)
			if err != nil {
				return nil, fmt.Errorf("make a TLSA record of a key: %w", err)
			}
			ders = append(ders, der)
		}
	}
	var records []Record
	for _, p := range w.params() {
		if !p.known() {
			return nil, errUnknown
		}
		for _, der := range ders {
			records = append(records, recordOf(p, der))
		}
	}
	return NewSet(records...), nil
}

var errUnknown = errors.New("TLSA records are made with usages 0 to 3, selectors 0 and 1, and matching types 0 to 2")
