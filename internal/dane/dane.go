// Package dane makes, reads and judges TLSA records (RFC 6698, RFC 7671): what
// stands in DNS of the certificate or key that a server presents.
//
// Make turns certificates and keys into the Set of records of one name. Sets
// are compared by Equal, written and read by Texts and ParseSet. Missing says
// whether a chain may be served while clients may hold a set; Check says what
// a validator makes of a live server.
//
// Everything here is a function of its arguments: nothing is asked of DNS,
// the network or the clock. Records that others wrote are not trusted; one
// that no validator could use is kept apart, never an error of a whole set.
package dane

import (
	"fmt"
	"strings"
)

// Usage says how a validator uses a record, RFC 6698 section 2.1.1.
type Usage uint8

// The usages, in the names of RFC 7218.
const (
	PKIXTA Usage = 0 // the chain is trusted as ever, and leads through this CA
	PKIXEE Usage = 1 // the chain is trusted as ever, and its leaf is this one
	DANETA Usage = 2 // the chain leads to this authority, whoever trusts it
	DANEEE Usage = 3 // the leaf is this one; nothing else counts
)

// Usages returns the names of the usages, as configs write them, in order.
func Usages() []string { return []string{"pkix-ta", "pkix-ee", "dane-ta", "dane-ee"} }

// ParseUsage reads a name out of Usages.
func ParseUsage(name string) (Usage, error) {
	n, err := index("TLSA usage", name, Usages())
	return Usage(n), err
}

// EndEntity reports whether the record is about the leaf; otherwise it is
// about an authority above it.
func (u Usage) EndEntity() bool { return u == PKIXEE || u == DANEEE }

// LooksAtExpiry reports whether a validator refuses a chain that has ended.
// With DANE-EE it looks at neither names nor times (RFC 7671 section 5.1); with
// DANE-TA (section 5.2) and both PKIX usages at both.
func (u Usage) LooksAtExpiry() bool { return u != DANEEE }

// Selector says what of a certificate is meant, RFC 6698 section 2.1.2.
type Selector uint8

// The selectors.
const (
	Cert Selector = 0 // the whole certificate
	SPKI Selector = 1 // its SubjectPublicKeyInfo
)

// Selectors returns the names of the selectors, as configs write them.
func Selectors() []string { return []string{"cert", "spki"} }

// ParseSelector reads a name out of Selectors.
func ParseSelector(name string) (Selector, error) {
	n, err := index("TLSA selector", name, Selectors())
	return Selector(n), err
}

// Matching says what stands in the record of it, RFC 6698 section 2.1.3.
type Matching uint8

// The matching types.
const (
	Full   Matching = 0 // all of it
	SHA256 Matching = 1
	SHA512 Matching = 2
)

func index(what, name string, names []string) (int, error) {
	for i, known := range names {
		if name == known {
			return i, nil
		}
	}
	return 0, fmt.Errorf("unknown %s %q; allowed are %s", what, name, strings.Join(names, ", "))
}

// Params are the three numbers of a record. Records with the same ones stand
// for each other; a client may support one combination and not another, so
// that each that is published has to match whatever is served (RFC 7671
// section 8.4).
type Params struct {
	Usage    Usage
	Selector Selector
	Matching Matching
}

// String is the numbers as a zone file has them.
func (p Params) String() string { return fmt.Sprintf("%d %d %d", p.Usage, p.Selector, p.Matching) }

// known reports whether a validator knows what the numbers mean.
func (p Params) known() bool { return p.Usage <= DANEEE && p.Selector <= SPKI && p.Matching <= SHA512 }
