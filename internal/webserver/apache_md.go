package webserver

import (
	"fmt"
	"slices"
)

// Managed says where mod_md of Apache has one of the host's names, or "". It
// answers CAs for these ahead of all that a snippet could say, and knows no
// answers but its own.
func (h Host) Managed() string {
	if h.Server != Apache {
		return ""
	}
	for _, d := range h.outer {
		names := d.args
		switch d.name {
		case "mdomain", "manageddomain":
		case "<mdomainset", "<manageddomain":
			for _, member := range slices.Concat(all(d.block, "mdmember"), all(d.block, "mdmembers")) {
				names = append(slices.Clone(names), member.args...)
			}
		default:
			continue
		}
		if slices.ContainsFunc(names, func(name string) bool { return slices.Contains(h.Names, name) }) {
			return fmt.Sprintf("%s:%d", d.file, d.line)
		}
	}
	return ""
}
