package config

import (
	"fmt"
	"io/fs"
	"strconv"

	"github.com/certkeep/certkeep/internal/keys"
)

// fileList is the files that are written; false and null are an empty list.
func fileList() shape[[]File] {
	none := shape[[]File]{
		kinds: null | boolean,
		words: "false",
		read: func(r *reader, n *node, v *[]File) {
			if n.kind == boolean && n.text == "true" {
				r.out.add(n.at, r.is()+" cannot be just true", "list the files, or say false")
				return
			}
			*v = []File{}
		},
		show: func([]File) *node { return nil },
		json: func() *jsonSchema { return &jsonSchema{Enum: []any{false, nil}} },
	}
	return either("a list of files or false", `[{path: /etc/postfix/tls.pem, content: [key, fullchain]}]`,
		listOf(file(), "a list of files", `[{path: /etc/postfix/tls.pem, content: [key, fullchain]}]`), none)
}

func file() shape[File] {
	parts := oneOf("part", fileParts()...)
	return object("file", "A file that is written.", []key[File]{
		field("path", checked("an absolute path", "/etc/postfix/tls.pem", checkFilePath), func(f *File) *string { return &f.Path }, about{
			doc: "Where. `{name}` stands for the certificate's name, with `_` for `*`; `{key_type}` for the kind of key, and `{suffix}` for its ending in `key_type_suffixes`: these two write a file for each. Required.", example: "/etc/postfix/tls.pem",
		}),
		field("content", either("a part or a list of parts", "fullchain",
			single(parts), filled(listOf(parts, "a list of parts", "[key, fullchain]"))), func(f *File) *[]Part { return &f.Content }, about{
			doc: "What, in this order: `key`, `certificate` (the leaf alone), `chain` (all but the leaf), `fullchain` (both), `backup-key` and `previous-key` (where the keys outlive the certificate), `root` (that the chain leads to, see `root_file`), `dh-params` and `ec-params` (see the keys of like names). A file of which nothing is known, such as a root or a previous key alone, is not written. Or one by itself: `pkcs12` or `jks` (all of it, under a password), `pkcs12-legacy` (for programs that know old encryption only), `der-key`, `der-certificate`. Required.", example: "[key, fullchain]",
		}),
		field("password_file", checked("an absolute path", "/etc/certkeep/app.password", checkSecretFile), func(f *File) *string { return &f.Password.File }, about{
			doc: "File that holds the password of a key store. A changed password counts from the next installation on.", example: "/etc/certkeep/app.password", off: true,
		}),
		field("password_env", checked("the name of an environment variable", "APP_PASSWORD", checkEnv), func(f *File) *string { return &f.Password.Env }, about{
			doc: "Environment variable that holds it.", example: "APP_PASSWORD", off: true,
		}),
		field("password_credential", identifier("credential", "app"), func(f *File) *string { return &f.Password.Credential }, about{
			doc: "systemd credential (LoadCredential=) that holds it.", example: "app-password", off: true,
		}),
		field("owner", userName(), func(f *File) *string { return &f.Owner }, about{doc: "Owner.", standard: "the certificate's", example: "root", off: true}),
		field("group", userName(), func(f *File) *string { return &f.Group }, about{doc: "Group.", standard: "the certificate's", example: "ssl-cert", off: true}),
		field("mode", mode(), func(f *File) *fs.FileMode { return &f.Mode }, about{
			doc: "Permissions, a quoted octal number. A folder that is made for files with permissions of their own is entered by those who may read them, and written by its owner alone.", standard: "`\"0644\"`; with a private key `\"0600\"`, or `\"0640\"` with a group", example: `"0640"`, off: true,
		}),
		field("target", checked("a name", "app", checkTarget), func(f *File) *string { return &f.Target }, about{
			doc: "Files with the same target are switched together.", standard: "`" + DefaultTarget + "`", example: "mail", off: true,
		}),
		field("key_type", keyType(), func(f *File) *keys.Type { return &f.KeyType }, about{
			doc: "Whose certificate, where `key_types` lists several.", standard: "the first", example: "ecdsa-p256", off: true,
		}),
	}, func(r *reader, n *node, f *File) {
		for _, k := range []string{"path", "content"} {
			if !n.has(k) {
				r.out.add(n.at, fmt.Sprintf("a file has no %s", k), "for example {path: /etc/postfix/tls.pem, content: [key, fullchain]}")
			}
		}
		checkBinary(r, n, f)
	})
}

// mode is a quoted octal number: without quotes YAML would read 0640 as 416.
func mode() shape[fs.FileMode] {
	s := scalar(text|number, "a quoted octal number", `"0640"`, func(r *reader, n *node) (fs.FileMode, string, string) {
		digits := n.text
		if n.kind == number {
			if len(digits) == 3 {
				digits = "0" + digits
			}
			return 0, fmt.Sprintf("%s takes a quoted octal number, not the bare number %s", r.is(), n.text), fmt.Sprintf("write %q", digits)
		}
		m, err := strconv.ParseUint(digits, 8, 32)
		if err != nil || len(digits) < 3 || len(digits) > 4 || m > 0o777 {
			return 0, fmt.Sprintf("%s: %q is not an octal number of permissions", r.is(), shorten(digits)), `write one such as "0640"`
		}
		return fs.FileMode(m), "", ""
	}, func(m fs.FileMode) *node {
		if m == 0 {
			return nil // not said
		}
		return &node{kind: text, text: fmt.Sprintf("%04o", m)}
	})
	s.json = func() *jsonSchema { return &jsonSchema{Type: "string", Pattern: "^0?[0-7]{3}$"} }
	return s
}
