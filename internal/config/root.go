package config

import "github.com/certkeep/certkeep/internal/keys"

// Root says where the part `root` is taken from.
type Root struct {
	File string // PEM; may hold {name}, {key_type} and {suffix}. "" looks at the issuer's roots and the system's
	None bool   // the part is empty
}

// RootFile is the file of roots that counts for a certificate's pair of a key
// type; "" where none is named.
func (c *Config) RootFile(cert *Certificate, t keys.Type) string {
	return c.pattern(cert.Root.File, cert.Name, t)
}

// rootFile is where the part `root` comes from.
func rootFile() shape[Root] {
	file := as(checked("an absolute path", "/etc/certkeep/roots.pem", checkFilePath),
		func(_ *reader, _ *node, path string) (Root, bool) { return Root{File: path}, true },
		func(r Root) (string, bool) { return r.File, r.File != "" })
	return either("an absolute path or false", "/etc/certkeep/roots.pem",
		file, off(Root{None: true}, func(r Root) bool { return r.None }))
}
