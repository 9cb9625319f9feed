package acmebot

import "slices"

// Foreign are the keys of Certkeep's own configuration.
type Foreign struct {
	Top          []string
	Certificates []string // of a certificate
}

// Recognize reports whether files, of which any may be nil, are acmebot's: one
// of them has a section that only acmebot knows, a certificate with a key that
// only acmebot knows, or a text where Certkeep has a table. A key at the top
// that only Certkeep knows makes them Certkeep's; so does one of a certificate,
// where no section tells.
func Recognize(trees []*Value, foreign Foreign) bool {
	section, own, other := false, false, false
	for _, root := range trees {
		if root == nil || root.Kind != Table {
			continue
		}
		for _, p := range root.Pairs {
			if _, known := sections()[p.Key]; !known && slices.Contains(foreign.Top, p.Key) {
				return false
			}
			section = section || slices.Contains(distinctive(), p.Key)
			switch p.Key {
			case "certificates":
				mine, theirs := certificatesTell(p.Value, foreign.Certificates)
				own, other = own || mine, other || theirs
			case "hooks":
				other = other || hasText(p.Value, Hooks())
			case "services":
				other = other || hasText(p.Value, nil)
			}
		}
	}
	return section || other && !own
}

// distinctive are the sections that only acmebot has.
func distinctive() []string {
	return []string{
		"account", "settings", "directories", "file_names", "private_keys", "http_challenges", "zone_update_keys", "hpkp_headers",
	}
}

// certificatesTell reports whether a certificate has a key that only Certkeep
// knows, and whether one has a key that only acmebot knows.
func certificatesTell(all *Value, foreign []string) (certkeeps, acmebots bool) {
	known := append(keyKeys(), certificateKeys()...)
	for _, c := range all.pairs() {
		for _, p := range c.Value.pairs() {
			theirs, ours := slices.Contains(known, p.Key), slices.Contains(foreign, p.Key)
			certkeeps, acmebots = certkeeps || ours && !theirs, acmebots || theirs && !ours
		}
	}
	return certkeeps, acmebots
}

// hasText reports whether a table has a text at one of some keys, or at any
// where none are given.
func hasText(v *Value, keys []string) bool {
	return slices.ContainsFunc(v.pairs(), func(p Pair) bool {
		return p.Value != nil && p.Value.Kind == Text && (keys == nil || slices.Contains(keys, p.Key))
	})
}
