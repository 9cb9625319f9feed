package config

import (
	"slices"

	"github.com/certkeep/certkeep/internal/keys"
)

// Root says where the part `root` is taken from.
type Root struct {
	Files []string // PEM; may hold {name}, {key_type} and {suffix}. None looks at the issuer's roots and the system's
	None  bool     // the part is empty
}

// RootFiles are the files of roots that count for a certificate's pair of a
// key type; none where none is named.
func (c *Config) RootFiles(cert *Certificate, t keys.Type) []string {
	var files []string
	for _, file := range cert.Root.Files {
		files = append(files, c.pattern(file, cert.Name, t))
	}
	return files
}

// rootFile is where the part `root` comes from.
func rootFile() shape[Root] {
	path := checked("an absolute path", "/etc/certkeep/roots.pem", checkFilePath)
	files := as(either("an absolute path or a list of paths", "/etc/certkeep/roots.pem",
		single(path), filled(distinct(listOf(path, "a list of paths", "[/etc/certkeep/roots.pem]")))),
		func(_ *reader, _ *node, paths []string) (Root, bool) { return Root{Files: paths}, true },
		func(r Root) ([]string, bool) { return r.Files, len(r.Files) > 0 })
	return either("a path, a list of paths or false", "/etc/certkeep/roots.pem",
		files, off(Root{None: true}, func(r Root) bool { return r.None }))
}

// put covers it.
func (r Root) put(d *digester) {
	d.put("root")
	d.count(len(r.Files))
	d.put(r.Files...)
	if r.None {
		d.put("none")
	}
}

// unreadableRoots looks for files of roots that cannot be read.
func (k *checker) unreadableRoots(cert *Certificate) {
	if !cert.holds(PartRoot) {
		return
	}
	var seen []string
	for _, t := range cert.KeyTypes {
		for _, file := range k.cfg.RootFiles(cert, t) {
			if !slices.Contains(seen, file) {
				k.readable("certificates."+cert.Name+".root_file", file)
				seen = append(seen, file)
			}
		}
	}
}
