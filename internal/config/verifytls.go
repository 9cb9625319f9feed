package config

// verifyTLS is the one setting by which a CA's server is believed unseen.
func verifyTLS() key[Issuer] {
	no := as(truth(),
		func(r *reader, n *node, verified bool) (bool, bool) {
			if !verified {
				r.out.warn(n.at, "whoever answers in the CA's place is believed: what it hands out is installed",
					"name the root of the CA's server in roots_file instead")
			}
			return !verified, true
		},
		func(unverified bool) (bool, bool) { return !unverified, true })
	return fieldOr("verify_tls", no, func(i *Issuer) *bool { return &i.Unverified }, false, about{
		doc: "false believes the CA's web server without looking at its certificate, with a warning each time. Whoever can answer in its place then decides which certificates are installed. `roots_file` does without it.", off: true,
	})
}
