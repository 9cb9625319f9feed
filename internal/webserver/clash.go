package webserver

import (
	"fmt"
	"slices"
	"strings"
)

// takeOut says what stands in a host that cannot stay beside a snippet: "" where
// nothing does. Certificates that it names itself would be shown instead of ours,
// and nginx refuses a location, or a line for stapling, that is there twice.
func (h Host) takeOut(w Wish, certificates bool) string {
	var words []string
	if own := h.own(); certificates && len(own) > 0 {
		words = append(words, fmt.Sprintf("take out the certificate of %s:%d, and its key", own[0].file, own[0].line))
	}
	if h.Server == Apache {
		return strings.Join(words, "; ")
	}
	twice := func(d directive) {
		words = append(words, fmt.Sprintf("take out the %s of %s:%d, which nginx does not take twice", d.name, d.file, d.line))
	}
	for _, d := range all(h.block, "location") {
		kind, path := locationOf(d)
		if w.Answers != "" && kind != "=" && path == challengePath || w.Status != "" && kind == "=" && path == statusPath {
			twice(d)
		}
	}
	if certificates && w.Staple != "" {
		for _, d := range slices.Concat(all(h.block, "ssl_stapling"), all(h.block, "ssl_stapling_file")) {
			twice(d)
		}
	}
	return strings.Join(words, "; ")
}

// locationOf takes the modifier of a location off its path. Those of regular
// expressions never are the same as a path.
func locationOf(d directive) (kind, path string) {
	text := strings.Join(d.args, "")
	for _, kind := range []string{"=", "^~", "~*", "~"} {
		if path, found := strings.CutPrefix(text, kind); found {
			if strings.HasPrefix(kind, "~") {
				return kind, ""
			}
			return kind, path
		}
	}
	return "", text
}
