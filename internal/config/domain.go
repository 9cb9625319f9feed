package config

import (
	"fmt"
	"net/netip"
	"strings"

	"golang.org/x/net/idna"
)

const (
	maxName  = 253 // RFC 1035 section 2.3.4, without the root's dot
	maxLabel = 63
	maxCN    = 64 // ub-common-name, RFC 5280 appendix A.1
)

// isIP reports whether name is an IP address.
func isIP(name string) bool {
	if strings.IndexByte(name, ':') < 0 && (name == "" || name[len(name)-1] < '0' || name[len(name)-1] > '9') {
		return false // the usual name, without the price of parsing
	}
	_, err := netip.ParseAddr(name)
	return err == nil
}

// checkName returns the form in which a DNS name, a wildcard or an IP address
// is kept, or what is wrong with it and what to write instead.
func checkName(name string) (canonical, wrong, hint string) {
	if isIP(name) {
		return checkIP(name)
	}
	for i := range len(name) {
		if name[i] >= 0x80 {
			return checkUnicode(name)
		}
	}
	name = strings.ToLower(name)
	if wrong, hint := checkLook(name); wrong != "" {
		return "", wrong, hint
	}
	host, wildcard := strings.CutPrefix(name, "*.")
	if strings.Contains(host, "*") {
		return "", fmt.Sprintf(`in %q the "*" is not a label of its own at the beginning`, shorten(name)), "a wildcard looks like *.example.com"
	}
	if wildcard && !strings.Contains(host, ".") {
		return "", fmt.Sprintf("%q would cover a whole top-level domain", shorten(name)), "a wildcard looks like *.example.com"
	}
	if len(name) > maxName {
		return "", fmt.Sprintf("a name of %d characters is longer than DNS allows", len(name)), fmt.Sprintf("at most %d", maxName)
	}
	if wrong := checkLabels(host); wrong != "" {
		return "", wrong, ""
	}
	return name, "", ""
}

// checkIP refuses zones, which mean something on one machine only, and writes
// an IPv4 address that is dressed as IPv6 as what it is.
func checkIP(name string) (canonical, wrong, hint string) {
	addr, err := netip.ParseAddr(name)
	if err != nil {
		return "", fmt.Sprintf("%q is no IP address", shorten(name)), ""
	}
	if addr.Zone() != "" {
		return "", fmt.Sprintf("%q carries a zone, which no certificate can", shorten(name)), fmt.Sprintf("write %q", addr.WithZone("").String())
	}
	return addr.Unmap().String(), "", ""
}

// checkUnicode suggests the form that DNS and certificates use (RFC 5891).
func checkUnicode(name string) (canonical, wrong, hint string) {
	wrong = fmt.Sprintf("%q is not ASCII", shorten(name))
	host, wildcard := strings.CutPrefix(name, "*.")
	ascii, err := idna.Lookup.ToASCII(host)
	if err != nil {
		return "", wrong, "write it in punycode"
	}
	if wildcard {
		ascii = "*." + ascii
	}
	return "", wrong, fmt.Sprintf("write %q", shorten(ascii))
}

// checkLook recognises what is not meant as a name, or is one in a form that
// certificates do not use.
func checkLook(name string) (wrong, hint string) {
	quoted := fmt.Sprintf("%q", shorten(name))
	switch {
	case name == "":
		return "a name is empty", ""
	case strings.Contains(name, "://"):
		_, host, _ := strings.Cut(name, "://")
		host, _, _ = strings.Cut(host, "/")
		return quoted + " is a URL", fmt.Sprintf("write the name alone: %q", shorten(host))
	case strings.ContainsAny(name, ", \t\r\n;"):
		return quoted + " holds more than one name", "write a list: [example.com, www.example.com]"
	case strings.Contains(name, "@"):
		return quoted + " is not a DNS name", "certificates for mail addresses are not supported"
	case strings.Contains(name, ":"):
		return quoted + " is neither a DNS name nor an IP address", "write it without a port"
	case strings.HasSuffix(name, ".") && strings.Trim(name, ".") != "":
		return quoted + " ends in a dot", fmt.Sprintf("write %q", strings.TrimRight(name, "."))
	}
	return "", ""
}

// checkLabels looks at each label by the rules of host names (RFC 1123
// section 2.1), which public CAs apply.
func checkLabels(host string) (wrong string) {
	label := ""
	for rest, more := host, true; more; {
		label, rest, more = strings.Cut(rest, ".")
		switch {
		case label == "":
			return fmt.Sprintf("%q has an empty label", shorten(host))
		case len(label) > maxLabel:
			return fmt.Sprintf("%q has a label of %d characters; DNS allows %d", shorten(host), len(label), maxLabel)
		case label[0] == '-' || label[len(label)-1] == '-':
			return fmt.Sprintf("in %q the label %q begins or ends with a hyphen", shorten(host), label)
		}
		if i := strings.IndexFunc(label, notInLabel); i >= 0 {
			if label[i] == '_' {
				return fmt.Sprintf("%q has an underscore, which no certificate may carry", shorten(host))
			}
			return fmt.Sprintf("%q has the character %q, which DNS names do not", shorten(host), label[i:i+1])
		}
	}
	if strings.Trim(label, "0123456789") == "" {
		return fmt.Sprintf("%q is neither a DNS name nor an IP address", shorten(host))
	}
	return ""
}

func notInLabel(c rune) bool {
	return (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-'
}

// checkCertificateName looks at the name that a certificate has in the
// configuration, in records and in paths.
func checkCertificateName(name string) (wrong, hint string) {
	if below, ok := strings.CutPrefix(name, "*."); ok {
		return fmt.Sprintf("the certificate name %q is a wildcard", shorten(name)), fmt.Sprintf(`call it "wildcard.%s" and write names: ["%s"]`, shorten(below), shorten(name))
	}
	return checkIdentifier("the certificate name", name)
}

// checkIdentifier looks at a name that may become part of a path.
func checkIdentifier(what, name string) (wrong, hint string) {
	const allowed = "letters, digits, dot, hyphen and underscore are allowed, and neither dot nor hyphen first"
	switch {
	case name == "":
		return what + " is empty", ""
	case len(name) > 128:
		return fmt.Sprintf("%s is %d characters long", what, len(name)), "at most 128"
	case name[0] == '.' || name[0] == '-':
		return fmt.Sprintf("%s %q begins with %q", what, shorten(name), name[:1]), allowed
	}
	for _, c := range name {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '.' && c != '_' && c != '-' {
			return fmt.Sprintf("%s %q has the character %q", what, shorten(name), string(c)), allowed
		}
	}
	return "", ""
}

// checkPattern is checkName for the patterns of a rule: ".x" too, and in "*.x"
// the x may be short.
func checkPattern(pattern string) (canonical, wrong, hint string) {
	if below, ok := strings.CutPrefix(pattern, "."); ok {
		canonical, wrong, hint = checkName(below)
		if wrong == "" && (strings.HasPrefix(canonical, "*.") || isIP(canonical)) {
			return "", fmt.Sprintf("%q is no pattern", shorten(pattern)), "write a name, *.example.com for one label, or .example.com for any depth"
		}
		return "." + canonical, wrong, hint
	}
	if pattern == "*" {
		return "", `"*" is no pattern`, "leave names out to match all of them"
	}
	return checkName(pattern)
}

// commonName is the default common name: the first DNS name that is short
// enough for one.
func commonName(names []string) string {
	for _, n := range names {
		if len(n) <= maxCN && !isIP(n) {
			return n
		}
	}
	return ""
}
