package config

// fileKeys are the keys of what is written, beside keys and certificates.
// `defaults` and certificates share them.
func fileKeys[T any](at func(*T) *Settings) []key[T] {
	return append([]key[T]{
		field("files", fileList(), func(t *T) *[]File { return &at(t).Files }, about{
			doc: "Files to write instead of a layout. In `defaults` one list serves all certificates: use `{name}` in its paths. An empty list or `false` writes none; a certificate that names a `layout` or `path` gets that instead.", standard: "as the layout says", example: "[{path: /etc/postfix/tls.pem, content: [key, fullchain]}]", off: true,
		}),
		field("root_file", rootFile(), func(t *T) *Root { return &at(t).Root }, about{
			doc: "PEM file of roots in which the part `root` is looked for, or several; `{name}`, `{key_type}` and `{suffix}` as in the path of a file. `false` leaves that part out.", standard: "the issuer's `roots_file`, then the system's roots", example: "/etc/certkeep/roots.pem", off: true,
		}),
		field("dh_params", dhParams(), func(t *T) *DHParams { return &at(t).DHParams }, about{
			doc: "What the part `dh-params` holds: a group of RFC 7919 such as `ffdhe2048`, or `{own: 2048}` for one that nobody else has. `false` leaves that part out.", standard: "none", example: "ffdhe2048", off: true,
		}),
		field("ec_params", ecParams(), func(t *T) *[]string { return &at(t).ECParams }, about{
			doc: "Curves that the part `ec-params` names. `false` leaves that part out.", standard: "none", example: "[secp384r1]", off: true,
		}),
	}, passphraseKeys(func(t *T) *Passphrase { return &at(t).Passphrase })...)
}
