package deploy

import "slices"

// Keys that several certificates share have files of their own, which are
// switched together with those of all these certificates: one target, whose
// content has the pairs of all of them. A file says with File.Cert whose pair it
// holds; the key is the same in all of them.

// The parts that are keys beside the one of the certificate. One that does not
// exist is not written, nor a file that would hold nothing else.
const (
	PartBackupKey   Part = "backup-key"
	PartPreviousKey Part = "previous-key"
)

// otherKey reports whether a part is a key beside the certificate's.
func (p Part) otherKey() bool { return p == PartBackupKey || p == PartPreviousKey }

// pairFor returns the pair that a file is made of.
func (c Content) pairFor(s slot) (Pair, bool) {
	i := slices.IndexFunc(c.Pairs, func(p Pair) bool { return p.KeyType == s.keyType && (s.cert == "" || p.Cert == s.cert) })
	if i < 0 {
		return Pair{}, false
	}
	return c.Pairs[i], true
}

// certs are those of a content of several.
func (c Content) certs() []string {
	var all []string
	for _, p := range c.Pairs {
		if !slices.Contains(all, p.Cert) {
			all = append(all, p.Cert)
		}
	}
	return all
}

// PathsOf lists the files that hold something of a certificate, of a target of
// several; of "" those that belong to none.
func (t Target) PathsOf(cert string) []string {
	s, err := t.shape(t.KeyTypes)
	if err != nil {
		return nil
	}
	var paths []string
	for _, slot := range s.slots {
		if slot.cert == cert {
			paths = append(paths, slot.name)
		}
	}
	return paths
}
