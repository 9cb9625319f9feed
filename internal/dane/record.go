package dane

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Record is one TLSA record. Records are equal where == says so.
type Record struct {
	Params

	data string // the association data, as it is on the wire
}

// maxText bounds what Parse reads: a record's data ends at 65,532 bytes.
const maxText = 160 << 10

// Parse reads a record in presentation form (RFC 6698 section 2.2), as in
// "3 1 1 0C72…": three numbers, then hex digits, which may be cut by blanks.
// It reads records that no validator could use as well; see Usable.
func Parse(text string) (Record, error) {
	if len(text) > maxText {
		return Record{}, fmt.Errorf("a TLSA record of %d characters is too long", len(text))
	}
	words := strings.Fields(text)
	if len(words) < 4 {
		return Record{}, errors.New("a TLSA record has usage, selector, matching type and data, as in: 3 1 1 0C72…")
	}
	var numbers [3]uint8
	for i, what := range []string{"usage", "selector", "matching type"} {
		n, err := strconv.ParseUint(words[i], 10, 8)
		if err != nil {
			return Record{}, fmt.Errorf("the %s of a TLSA record is a number up to 255, not %.20q", what, words[i])
		}
		numbers[i] = uint8(n)
	}
	data, err := hex.DecodeString(strings.Join(words[3:], ""))
	if err != nil {
		return Record{}, fmt.Errorf("the data of a TLSA record: %w", err)
	}
	p := Params{Usage: Usage(numbers[0]), Selector: Selector(numbers[1]), Matching: Matching(numbers[2])}
	return Record{Params: p, data: string(data)}, nil
}

// String is the record in presentation form: three numbers and lower-case hex,
// one blank between each.
func (r Record) String() string { return r.Params.String() + " " + hex.EncodeToString([]byte(r.data)) }

// Usable reports whether a validator could use the record: it knows the
// numbers, and the data can be what they say (RFC 6698 section 4).
func (r Record) Usable() bool {
	if !r.known() {
		return false
	}
	switch r.Matching {
	case SHA256:
		return len(r.data) == sha256.Size
	case SHA512:
		return len(r.data) == sha512.Size
	}
	if r.Selector == Cert {
		_, err := x509.ParseCertificate([]byte(r.data))
		return err == nil
	}
	_, err := x509.ParsePKIXPublicKey([]byte(r.data))
	return err == nil
}

// recordOf is the record of what a selector means, given in DER.
func recordOf(p Params, der []byte) Record {
	switch p.Matching {
	case SHA256:
		sum := sha256.Sum256(der)
		der = sum[:]
	case SHA512:
		sum := sha512.Sum512(der)
		der = sum[:]
	}
	return Record{Params: p, data: string(der)}
}

// selected is the part of a certificate that the selector means.
func (s Selector) selected(cert *x509.Certificate) []byte {
	if s == SPKI {
		return cert.RawSubjectPublicKeyInfo
	}
	return cert.Raw
}

// of reports whether the record is the one of the certificate, whatever the
// usage is.
func (r Record) of(cert *x509.Certificate) bool {
	return recordOf(r.Params, r.Selector.selected(cert)) == r
}

// Set is the records of one name: sorted, each once. Make one by NewSet, Make
// or ParseSet.
type Set []Record

// NewSet is the set of these records.
func NewSet(records ...Record) Set {
	set := slices.Clone(records)
	slices.SortFunc(set, func(a, b Record) int {
		return cmp.Or(cmp.Compare(a.Usage, b.Usage), cmp.Compare(a.Selector, b.Selector), cmp.Compare(a.Matching, b.Matching),
			bytes.Compare([]byte(a.data), []byte(b.data)))
	})
	return slices.Compact(set)
}

// ParseSet reads records in presentation form, in any order.
func ParseSet(texts []string) (Set, error) {
	var records []Record
	for _, text := range texts {
		r, err := Parse(text)
		if err != nil {
			return nil, err
		}
		records = append(records, r)
	}
	return NewSet(records...), nil
}

// Texts is the set in presentation form.
func (s Set) Texts() []string {
	var texts []string
	for _, r := range s {
		texts = append(texts, r.String())
	}
	return texts
}

// Equal reports whether both have the same records.
func (s Set) Equal(other Set) bool { return slices.Equal(s, other) }

// Union is the records that stand in either.
func (s Set) Union(other Set) Set { return NewSet(slices.Concat(s, other)...) }
