package dane

import (
	"crypto"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"fmt"
	"slices"
	"testing"
)

// texts writes records by hand, from the standard library alone.
func texts(prefix string, ders ...[]byte) []string {
	var all []string
	for _, der := range ders {
		all = append(all, fmt.Sprintf("%s 1 %x", prefix, sha256.Sum256(der)), fmt.Sprintf("%s 2 %x", prefix, sha512.Sum512(der)))
	}
	slices.Sort(all)
	return all
}

func TestMake(t *testing.T) {
	h, next := newHouse(t), newHouse(t)
	spki := func(key crypto.PublicKey) []byte {
		der, err := x509.MarshalPKIXPublicKey(key)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	backup, previous := newKey(t).Public(), newKey(t).Public()
	m := h.material()
	m.Leaves = append(m.Leaves, next.leaf)
	m.Keys = append(m.Keys, backup, previous, backup)
	m.Authorities = append(m.Authorities, h.root.cert, h.inner.cert) // twice, as chains of two key types have them
	byKey := [][]byte{spki(h.key.Public()), spki(next.key.Public()), spki(backup), spki(previous)}
	byLeaf := [][]byte{h.leaf.Raw, next.leaf.Raw}
	byAuthority := [][]byte{h.inner.cert.Raw, h.root.cert.Raw}
	byAuthorityKey := [][]byte{h.inner.cert.RawSubjectPublicKeyInfo, h.root.cert.RawSubjectPublicKeyInfo}
	for prefix, ders := range map[Params][][]byte{
		{PKIXTA, Cert, 0}: byAuthority, {PKIXTA, SPKI, 0}: byAuthorityKey, {DANETA, Cert, 0}: byAuthority, {DANETA, SPKI, 0}: byAuthorityKey,
		{PKIXEE, Cert, 0}: byLeaf, {PKIXEE, SPKI, 0}: byKey, {DANEEE, Cert, 0}: byLeaf, {DANEEE, SPKI, 0}: byKey,
	} {
		got := mustMake(t, Want{Usage: prefix.Usage, Selector: prefix.Selector}, m).Texts()
		slices.Sort(got)
		if want := texts(fmt.Sprintf("%d %d", prefix.Usage, prefix.Selector), ders...); !slices.Equal(got, want) {
			t.Errorf("%v: got %q, want %q", prefix, got, want)
		}
	}
}

func TestMakeMatchingTypes(t *testing.T) {
	h := newHouse(t)
	full := mustMake(t, Want{Usage: DANETA, Matching: []Matching{Full, SHA512, Full}}, Material{Authorities: []*x509.Certificate{h.root.cert}})
	want := []string{fmt.Sprintf("2 0 0 %x", h.root.cert.Raw), fmt.Sprintf("2 0 2 %x", sha512.Sum512(h.root.cert.Raw))}
	if got := full.Texts(); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	if set := mustMake(t, Want{Usage: DANETA}, Material{Leaves: []*x509.Certificate{h.leaf}}); len(set) != 0 {
		t.Errorf("without a chain there are %q", set.Texts())
	}
	for _, w := range []Want{{Usage: 4}, {Selector: 2}, {Matching: []Matching{3}}} {
		if set, err := Make(w, h.material()); err == nil {
			t.Errorf("%v: got %q", w, set.Texts())
		}
	}
	if _, err := Make(Want{Usage: DANEEE, Selector: SPKI}, Material{Keys: []crypto.PublicKey{"no key"}}); err == nil {
		t.Error("a record was made of what is no key")
	}
}
