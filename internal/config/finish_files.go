package config

import (
	"cmp"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/certkeep/certkeep/internal/keys"
)

// finishFiles fills in what files leave out, and notes what is written where.
// A certificate that names a layout has no use for the files of `defaults`.
func finishFiles(r *reader, n *node, c *Certificate) {
	if !n.has("files") && (n.has("layout") || n.has("path")) {
		c.Files = nil
	}
	if c.Path == "" {
		c.Path = standardPath(c.Layout)
	}
	if c.Files == nil {
		finishLayout(r, n, c)
		return
	}
	places := make([]place, len(c.Files))
	for i := range places {
		places[i] = r.certs.at
	}
	if n.has("files") {
		places = filePlaces(n.get("files").value, len(c.Files))
		for _, k := range []string{"layout", "path"} {
			if n.has(k) {
				r.out.add(n.get(k).at, fmt.Sprintf("certificate %q has both %s and files", c.Name, k), "files are instead of a layout")
			}
		}
	}
	c.Files = claimFiles(r, n, c, c.Files, places)
}

// filePlaces is where each file of a list stands.
func filePlaces(given *node, size int) []place {
	places := make([]place, size)
	for i := range places {
		places[i] = given.at
		if given.kind == list && size == len(given.items) {
			places[i] = given.items[i].at
		}
	}
	return places
}

// claimFiles expands files, and notes what they write.
func claimFiles(r *reader, n *node, c *Certificate, files []File, places []place) []File {
	all := make([]File, 0, len(files))
	for i, f := range files {
		if !f.Password.IsZero() && n.has("files") {
			r.mark("certificates."+c.Name+".files", n.get("files").value)
		}
		for _, one := range expand(r.cfg, c, f) {
			checkFile(r, places[i], c, one)
			all = append(all, one)
			r.certs.claims = append(r.certs.claims, claim{path: one.Path, cert: len(r.certs.certs) - 1, at: places[i]})
		}
	}
	return all
}

// expand fills in what a file leaves out; {key_type} and {suffix} make one of
// it for every kind of key.
func expand(cfg *Config, c *Certificate, f File) []File {
	f.Owner, f.Group = cmp.Or(f.Owner, c.Owner), cmp.Or(f.Group, c.Group)
	f.Target = cmp.Or(f.Target, DefaultTarget)
	if f.Mode == 0 {
		f.Mode = standardMode(f)
	}
	types := c.KeyTypes
	switch {
	case f.KeyType != "":
		types = types[:0:0]
		types = append(types, f.KeyType)
	case eachKeyType(f.Path):
		f.Pattern = withName(f.Path, c.Name)
	case len(types) > 0:
		f.Plain, types = true, types[:1]
	}
	var files []File
	for _, t := range types {
		one := f
		one.KeyType = t
		one.Path = cfg.pattern(f.Path, c.Name, t)
		files = append(files, one)
	}
	return files
}

// written are files as the config lists them: before expand.
func written(files []File) []File {
	if files == nil {
		return nil
	}
	list := make([]File, 0, len(files))
	for _, f := range files {
		switch {
		case f.Pattern != "":
			f.Path, f.Pattern, f.KeyType = f.Pattern, "", ""
		case f.Plain:
			f.Plain, f.KeyType = false, ""
		}
		if !slices.ContainsFunc(list, func(g File) bool { return g.Path == f.Path }) {
			list = append(list, f)
		}
	}
	return list
}

// standardMode lets nobody but owner and group read a private key.
func standardMode(f File) fs.FileMode {
	switch {
	case !f.holdsKey():
		return 0o644
	case f.Group != "":
		return 0o640
	}
	return 0o600
}

// checkFile looks at one file that is written.
func checkFile(r *reader, at place, c *Certificate, f File) {
	switch {
	case f.Mode&0o002 != 0:
		r.out.add(at, fmt.Sprintf("mode %04o lets everybody write %s", f.Mode, f.Path), `write "0644", or "0600" with a private key`)
	case f.holdsKey() && f.Mode&0o004 != 0:
		r.out.add(at, fmt.Sprintf("mode %04o lets everybody read the private key in %s", f.Mode, f.Path), `write "0600", or "0640" for a group`)
	case f.Mode&0o400 == 0:
		r.out.add(at, fmt.Sprintf("mode %04o does not let the owner read %s", f.Mode, f.Path), `write "0600" or "0644"`)
	}
	if f.holdsOtherKey() && c.Key == "" && !c.KeyReuse && !c.BackupKey {
		r.out.add(at, fmt.Sprintf("%s is to hold a backup or previous key, and certificate %q has none", f.Path, c.Name), "set key_reuse or backup_key, or share keys")
	}
	if f.holdsKey() && c.CSR != nil && c.CSR.KeyFile == "" {
		r.out.add(at, fmt.Sprintf("%s is to hold the private key, which the csr does not name", f.Path), "add key_file to the csr")
	}
	checkParams(r, at, c, f)
	if !slices.Contains(c.KeyTypes, f.KeyType) {
		r.out.add(at, fmt.Sprintf("%s is to hold the %s certificate, which is not among the key_types", f.Path, f.KeyType), hintAmong(string(f.KeyType), keyTypeNames(c.KeyTypes)))
	}
}

// checkBinary looks at a file that is no PEM.
func checkBinary(r *reader, n *node, f *File) {
	given := 0
	for _, k := range []string{"password_file", "password_env", "password_credential"} {
		if n.has(k) {
			given++
		}
	}
	i := slices.IndexFunc(f.Content, Part.binary)
	if i >= 0 && len(f.Content) > 1 {
		r.out.add(n.placeOf("content"), fmt.Sprintf("%s is a file by itself", f.Content[i]), "list another file for the other parts")
	}
	switch store := i >= 0 && f.Content[i].keystore(); {
	case store && given != 1:
		r.out.add(n.at, fmt.Sprintf("%s takes exactly one of password_file, password_env and password_credential, not %d", f.Content[i], given), "")
	case !store && given > 0:
		r.out.add(n.at, "a password is for pkcs12, pkcs12-legacy and jks", "leave it out")
	}
}

// standardPath is where a layout puts its files.
func standardPath(layout string) string {
	if layout == LayoutAcmebot {
		return "/etc/ssl"
	}
	return "/etc/ssl/certkeep"
}

// finishLayout notes what the certificate's layout writes.
func finishLayout(r *reader, n *node, c *Certificate) {
	if c.Layout == LayoutHAProxy && c.CSR != nil && c.CSR.KeyFile == "" {
		r.out.add(n.placeOf("csr"), "the layout haproxy holds the private key, which the csr does not name", "add key_file to the csr")
	}
	if c.Layout != LayoutAcmebot {
		r.certs.claims = append(r.certs.claims, layoutClaim(r, c))
		return
	}
	files := acmebotFiles(c)
	places := make([]place, len(files))
	for i := range places {
		places[i] = r.certs.at
	}
	c.spread = claimFiles(r, n, c, files, places)
}

// claim is a path that a certificate writes, or a folder that it fills.
type claim struct {
	path   string
	cert   int // index in certReader.certs
	at     place
	folder bool
}

// layoutClaim is what the certificate's layout writes.
func layoutClaim(r *reader, c *Certificate) claim {
	to := claim{cert: len(r.certs.certs) - 1, at: r.certs.at, folder: true}
	switch c.Layout {
	case LayoutCertbot:
		to.path = c.Path + "/live/" + c.Name
	case LayoutHAProxy:
		to.path, to.folder = c.Path+"/"+c.Name+".pem", false
	default:
		to.path = c.Path + "/" + c.Name
	}
	if strings.HasSuffix(c.Path, "/") {
		to.path = path.Clean(to.path)
	}
	return to
}

// checkClaims makes sure that no two targets write the same path, and that
// none writes into the folder of another's layout.
func checkClaims(r *reader, claims []claim) {
	byPath := make(map[string]int, len(claims))
	folders := false
	for i, c := range claims {
		folders = folders || c.folder
		if first, ok := byPath[c.path]; ok {
			r.conflict(claims[first], c, fmt.Sprintf("%s is written twice", c.path))
			continue
		}
		byPath[c.path] = i
	}
	if !folders {
		return
	}
	for _, c := range claims {
		for dir := path.Dir(c.path); len(dir) > 1; dir = path.Dir(dir) {
			if i, ok := byPath[dir]; ok && claims[i].folder {
				r.conflict(claims[i], c, fmt.Sprintf("%s lies in the folder of a layout", c.path))
				break
			}
		}
	}
}

// checkTarget looks at the name of a target. Names that begin with an underscore
// are those of files beside the certificate's own.
func checkTarget(name string) (wrong, hint string) {
	if strings.HasPrefix(name, "_") {
		return fmt.Sprintf("the target name %q begins with an underscore", shorten(name)), "such names are Certkeep's own"
	}
	return checkIdentifier("the target name", name)
}

// conflict reports two claims that exclude each other, at the later one.
func (r *reader) conflict(a, b claim, words string) {
	nameA, nameB := r.certs.certs[a.cert].name, r.certs.certs[b.cert].name
	hint := fmt.Sprintf("certificate %q writes it %s", nameA, seenAt(r, b.at, a.at))
	if a.cert == b.cert {
		hint = fmt.Sprintf("certificate %q writes both", nameA)
	}
	r.out.add(b.at, fmt.Sprintf("certificate %q: %s", nameB, words), hint)
}

func keyTypeNames(types []keys.Type) []string {
	var names []string
	for _, t := range types {
		names = append(names, string(t))
	}
	return names
}
