package issuer

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/mholt/acmez/v3/acme"

	"github.com/certkeep/certkeep/internal/challenge"
)

// The types of identifier.
const (
	typeDNS = "dns" // RFC 8555 section 9.7.7
	typeIP  = "ip"  // RFC 8738
)

// identifiers turns names into what an order asks for, each once.
func identifiers(names []string) []acme.Identifier {
	var ids []acme.Identifier
	seen := make(map[acme.Identifier]bool)
	for _, name := range names {
		id := acme.Identifier{Type: typeDNS, Value: strings.ToLower(name)}
		if addr, err := netip.ParseAddr(name); err == nil {
			id = acme.Identifier{Type: typeIP, Value: addr.Unmap().String()}
		}
		if !seen[id] {
			seen[id] = true
			ids = append(ids, id)
		}
	}
	return ids
}

// asked finds the identifier of an authorisation among those that were
// ordered. A CA may not make us prove anything else: what it names here
// becomes part of DNS names and paths.
func asked(authz acme.Authorization, ordered []acme.Identifier) (challenge.Identifier, error) {
	id, wildcard := authz.Identifier, authz.Wildcard
	id.Value = strings.ToLower(id.Value)
	if id.Type == typeIP {
		if addr, err := netip.ParseAddr(id.Value); err == nil {
			id.Value = addr.Unmap().String()
		}
	}
	// RFC 8555 section 7.1.4 wants the base name and the field "wildcard";
	// some CAs do only one of the two.
	base, found := strings.CutPrefix(id.Value, "*.")
	wildcard = wildcard || found
	plain, star := acme.Identifier{Type: id.Type, Value: base}, acme.Identifier{Type: id.Type, Value: "*." + base}
	out := challenge.Identifier{Value: base, IP: id.Type == typeIP}
	for _, o := range ordered {
		switch {
		case o == star && id.Type == typeDNS && (wildcard || !slices.Contains(ordered, plain)):
			out.Wildcard = true
			return out, nil
		case o == plain && !wildcard:
			return out, nil
		}
	}
	return out, fmt.Errorf("the CA wants proof for %s %q, which was not ordered",
		clean(authz.Identifier.Type, 50), clean(authz.Identifier.Value, 300))
}

// display is an identifier as people write it.
func display(id challenge.Identifier) string {
	if id.Wildcard {
		return "*." + id.Value
	}
	return id.Value
}

// list names a few of many.
func list(names []string) string {
	const few = 3
	if len(names) <= few {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:few], ", "), len(names)-few)
}

// isToken reports whether a CA's token is one: RFC 8555 section 8.1 allows
// the URL-safe base64 alphabet and nothing else. So it never is a path.
func isToken(token string) bool {
	if token == "" || len(token) > 512 {
		return false
	}
	for _, r := range token {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_':
		default:
			return false
		}
	}
	return true
}
