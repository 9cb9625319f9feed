package config

// staticFiles is one pair of files, or several.
func staticFiles() shape[[]Static] {
	one := object("static", "Files of a certificate that somebody else makes.", []key[Static]{
		field("certificate", absolute("/etc/ssl/www.pem"), func(s *Static) *string { return &s.Certificate }, about{
			doc: "The certificate, then its chain (PEM). Required. Nobody but its owner and root may write there.", example: "/etc/ssl/www.pem",
		}),
		field("key", absolute("/etc/ssl/private/www.key"), func(s *Static) *string { return &s.Key }, about{
			doc: "Its private key (PEM), which may be under the certificate's passphrase.", standard: "it is in the same file", example: "/etc/ssl/private/www.key",
		}),
	}, func(r *reader, n *node, s *Static) {
		if !n.has("certificate") {
			r.out.add(n.at, r.is()+" has no certificate", "for example {certificate: /etc/ssl/www.pem, key: /etc/ssl/private/www.key}")
		}
		if s.Key == "" {
			s.Key = s.Certificate
		}
	})
	one.kinds = table
	several := filled(listOf(one, "a list of pairs of files", "[{certificate: /etc/ssl/www.pem}]"))
	lone := as(one, func(_ *reader, _ *node, s Static) ([]Static, bool) { return []Static{s}, true },
		func(all []Static) (Static, bool) {
			if len(all) != 1 {
				return Static{}, false
			}
			return all[0], true
		})
	both := either("a table, or a list of them", "{certificate: /etc/ssl/www.pem, key: /etc/ssl/private/www.key}", lone, several)
	show := both.show
	both.show = func(all []Static) *node {
		if len(all) == 0 {
			return nil
		}
		return show(all)
	}
	return both
}
