package config

// What becomes of a certificate that `certkeep revoke` is asked about.
const (
	RevokeReplace  = "replace"  // another one takes its place, and then it is revoked
	RevokeWithdraw = "withdraw" // it is revoked, and its files and TLSA records go; the next run brings another one
)

func revokeKey() key[Config] {
	return fieldOr("revoke", oneOf("order of things", RevokeReplace, RevokeWithdraw), func(c *Config) *string { return &c.Revoke }, RevokeReplace, about{
		doc: "In which order `certkeep revoke` does things. `replace` issues another certificate, installs and verifies it, and then has the old one revoked; keys that outlive certificates stay, unless they are compromised. `withdraw`, as acmebot does, has every certificate on the key revoked at once, moves the files of the certificates and of the key to the archive, and removes their TLSA records; the next run makes the key that is kept ready the primary one, whatever the reason, and issues on it. Between the two nothing is there for a service that restarts. The option `--withdraw` comes first.",
	})
}
