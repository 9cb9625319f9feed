package config

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/certkeep/certkeep/internal/keys"
)

// What stands in paths for something else.
const (
	nameMark    = "{name}"     // the certificate's name
	keyTypeMark = "{key_type}" // such as ecdsa-p256
	suffixMark  = "{suffix}"   // see Suffixes
	kindMark    = "{kind}"     // rsa or ecdsa
)

// Suffixes are what {suffix} stands for, by the kind of key.
type Suffixes struct {
	RSA   string
	ECDSA string
}

// of is the suffix of a key type.
func (s Suffixes) of(t keys.Type) string {
	if strings.HasPrefix(string(t), "rsa-") {
		return s.RSA
	}
	return s.ECDSA
}

// eachKeyType reports whether a path stands for one file of every key type.
func eachKeyType(path string) bool {
	return strings.Contains(path, keyTypeMark) || strings.Contains(path, suffixMark) || strings.Contains(path, kindMark)
}

// pattern fills in a path.
func (c *Config) pattern(path, cert string, t keys.Type) string {
	kind, _, _ := strings.Cut(string(t), "-")
	return strings.NewReplacer(keyTypeMark, string(t), suffixMark, c.Suffixes.of(t), kindMark, kind).Replace(withName(path, cert))
}

// withName fills in the name of a certificate. Names of files hold no "*",
// which shells expand.
func withName(path, cert string) string {
	return strings.ReplaceAll(path, nameMark, strings.ReplaceAll(cert, "*", "_"))
}

// checkFilePath looks at a path that may hold these marks.
func checkFilePath(s string) (wrong, hint string) {
	bare := strings.NewReplacer(nameMark, "x", keyTypeMark, "x", suffixMark, "x", kindMark, "x").Replace(s)
	if strings.ContainsAny(bare, "{}") {
		return fmt.Sprintf("%q has an unknown placeholder", shorten(s)), "known: {name}, {key_type}, {kind}, {suffix}"
	}
	if strings.HasSuffix(s, "/") {
		return fmt.Sprintf("%q names a folder", shorten(s)), "name the file"
	}
	return checkPath(s)
}

// plainSuffix is what may stand at the end of a file's name.
var plainSuffix = regexp.MustCompile(`^[A-Za-z0-9._-]*$`)

// suffixKey is the key `key_type_suffixes`.
func suffixKey() key[Config] {
	return field("key_type_suffixes", suffixes(), func(c *Config) *Suffixes { return &c.Suffixes }, about{
		doc: "What `{suffix}` stands for in paths.",
	})
}

func suffixes() shape[Suffixes] {
	one := func(such string) shape[string] {
		return scalar(text, "an ending of file names", such, func(r *reader, n *node) (string, string, string) {
			if !plainSuffix.MatchString(n.text) {
				return "", fmt.Sprintf("%s: %q is no ending of a file's name", r.is(), shorten(n.text)), "letters, digits, dots, dashes and underscores"
			}
			return n.text, "", ""
		}, func(s string) *node { return &node{kind: text, text: s} })
	}
	return object("suffixes", "What `{suffix}` stands for in paths, by the kind of key.", []key[Suffixes]{
		fieldOr("rsa", one(".rsa"), func(s *Suffixes) *string { return &s.RSA }, ".rsa", about{doc: "Of RSA keys."}),
		fieldOr("ecdsa", one(".ecdsa"), func(s *Suffixes) *string { return &s.ECDSA }, ".ecdsa", about{doc: "Of ECDSA keys."}),
	}, func(r *reader, n *node, s *Suffixes) {
		if s.RSA == s.ECDSA {
			r.out.add(n.at, fmt.Sprintf("both kinds of key have the suffix %q", s.RSA), "files of one would replace those of the other; choose different ones")
		}
	})
}
