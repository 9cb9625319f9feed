package config

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"slices"

	"github.com/certkeep/certkeep/internal/chain"
	"github.com/certkeep/certkeep/internal/keys"
)

// maxStatic bounds what is read as a certificate with its chain, in bytes.
const maxStatic = 1 << 20

// Static is where somebody else puts a certificate and its key.
type Static struct {
	Certificate string // PEM, with the chain behind it
	Key         string // PEM; the same path where both are in one file

	seen staticSeen // when the configuration was read
}

// staticSeen is what a configuration takes from the certificate in a file.
type staticSeen struct {
	keyType keys.Type
	names   string // joined; "" where the configuration says the names itself
}

// unfit are the keys that say how a certificate is ordered.
func unfit() []string {
	return []string{
		"csr", "key", "key_types", "key_reuse", "backup_key", "common_name", "must_staple", "issuer", "profile", "profile_mandatory",
		"quarantine", "protected", "renew", "challenges",
	}
}

// finishStatic looks at the files of a certificate that somebody else makes:
// the kind of key, and the names where none are given, are those in them. A
// file that cannot be used is that certificate's problem alone: a warning
// here, and a Problem later.
func finishStatic(r *reader, n *node, c *Certificate) {
	switch static := len(c.Static) > 0; {
	case !static && c.Mode == ModeStatic && !n.has("static"):
		r.out.add(n.placeOf("mode"), fmt.Sprintf("certificate %q has mode: static, and nothing says where it is", c.Name), "add static: {certificate: /etc/ssl/www.pem, key: /etc/ssl/private/www.key}")
	case static && n.has("mode") && c.Mode != ModeStatic:
		r.out.add(n.placeOf("mode"), fmt.Sprintf("certificate %q has files that somebody else makes, and mode: %s", c.Name, c.Mode), "write mode: static, or remove static")
	}
	if len(c.Static) == 0 {
		return
	}
	for _, k := range unfit() {
		if n.has(k) {
			r.out.add(n.placeOf(k), fmt.Sprintf("certificate %q has both static and %s", c.Name, k), "somebody else makes the certificate; remove it")
		}
	}
	c.Mode, c.CSR, c.Key, c.Issuers = ModeStatic, nil, "", nil
	c.KeyReuse, c.BackupKey, c.MustStaple, c.Quarantine, c.Profile, c.CommonName = false, false, false, false, "", ""
	c.Renew.ARI = false
	r.mark("certificates."+c.Name+".static", n.get("static").value)
	given := c.Names != nil
	types := make([]keys.Type, 0, len(c.Static))
	for i := range c.Static {
		s := &c.Static[i]
		if s.Certificate == "" {
			return // reported already
		}
		if r.out.alone {
			continue
		}
		leaf, err := readStatic(s.Certificate)
		if err != nil {
			r.out.warn(n.placeOf("static"), fmt.Sprintf("certificate %q cannot be taken in: %v", c.Name, err), "")
			continue
		}
		s.seen = readOf(leaf, given)
		if slices.Contains(types, s.seen.keyType) {
			r.out.add(n.placeOf("static"), fmt.Sprintf("certificate %q has two certificates with a key of type %s", c.Name, s.seen.keyType), "one for each kind of key")
		}
		types = append(types, s.seen.keyType)
		if !given && c.Names == nil {
			c.Names = properNames(leaf)
		}
	}
	if len(types) == len(c.Static) {
		c.KeyTypes = types
		return
	}
	c.KeyTypes = c.KeyTypes[:min(len(c.KeyTypes), len(c.Static))]
	if _, wrong, _ := checkName(c.Name); c.Names == nil && wrong != "" {
		c.Names = []string{} // known once the file can be read
	}
}

// readOf is what is taken from a certificate.
func readOf(leaf *x509.Certificate, namesGiven bool) staticSeen {
	kind, _ := keys.TypeOf(leaf.PublicKey) // readStatic has seen to it
	is := staticSeen{keyType: kind}
	if !namesGiven {
		is.names = fmt.Sprint(properNames(leaf))
	}
	return is
}

// properNames are the names of a certificate that are such.
func properNames(leaf *x509.Certificate) []string {
	var names []string
	for _, one := range chain.Names(leaf) {
		if name, wrong, _ := checkName(one); wrong == "" {
			names = append(names, name)
		}
	}
	return names
}

// readStatic reads the certificate in a file: the first that signs no others,
// else the first.
func readStatic(path string) (*x509.Certificate, error) {
	data, err := readBounded(path, maxStatic)
	if err != nil {
		return nil, err
	}
	var leaf *x509.Certificate
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", path, err)
		}
		if leaf == nil || leaf.IsCA && !cert.IsCA {
			leaf = cert
		}
	}
	if leaf == nil {
		return nil, fmt.Errorf("read %s: no certificate is in it (PEM)", path)
	}
	if _, err := keys.TypeOf(leaf.PublicKey); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return leaf, nil
}

// StaticFiles are the paths of all certificates and keys that somebody else
// makes, each once.
func (c *Config) StaticFiles() []string {
	var all []string
	for i := range c.Certificates {
		for _, s := range c.Certificates[i].Static {
			all = append(all, s.Certificate, s.Key)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// StaticDiffers reports whether a certificate that somebody else makes is of
// another kind now than when the configuration was read, or has other names
// where those count: it has to be read again then. One that cannot be read
// changes nothing.
func (c *Config) StaticDiffers() bool {
	for i := range c.Certificates {
		for _, s := range c.Certificates[i].Static {
			leaf, err := readStatic(s.Certificate)
			if err == nil && readOf(leaf, s.seen.keyType != "" && s.seen.names == "") != s.seen {
				return true
			}
		}
	}
	return false
}

// checkOwnFiles refuses to write over the files that somebody else makes.
func checkOwnFiles(r *reader, n *node, c *Certificate) {
	for _, t := range c.Targets() {
		for _, f := range t.Files {
			if slices.ContainsFunc(c.Static, func(s Static) bool { return f.Path == s.Certificate || f.Path == s.Key }) {
				r.out.add(n.placeOf("files"), fmt.Sprintf("certificate %q would be written to %s, from where it is taken", c.Name, f.Path), "files: [] where the services read the files of `static` themselves")
			}
		}
	}
}
