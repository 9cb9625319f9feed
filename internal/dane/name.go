package dane

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Name is where the records of a service stand, RFC 6698 section 3.
type Name struct {
	Port  uint16
	Proto string // "tcp", "udp" or "sctp"
	Host  string // in ASCII and lower case, without a trailing dot
}

// String is the name in DNS, as in _25._tcp.mail.example.com.
func (n Name) String() string { return fmt.Sprintf("_%d._%s.%s", n.Port, n.Proto, n.Host) }

var errName = errors.New("not a name of TLSA records, which is _PORT._tcp.HOST")

// ParseName reads what String writes. Case and a trailing dot make no
// difference; the host must be a plain one without "*", which DNS would not
// take for a wildcard there (RFC 4592 section 2.1.1).
func ParseName(text string) (Name, error) {
	fail := fmt.Errorf("%q: %w", text, errName)
	lower := strings.ToLower(strings.TrimSuffix(text, "."))
	labels := strings.SplitN(lower, ".", 3)
	if len(labels) != 3 || len(lower) > 253 || !strings.HasPrefix(labels[0], "_") {
		return Name{}, fail
	}
	digits := labels[0][1:]
	port, err := strconv.ParseUint(digits, 10, 16)
	if err != nil || port == 0 || digits[0] < '1' || digits[0] > '9' {
		return Name{}, fail
	}
	name := Name{Port: uint16(port), Proto: strings.TrimPrefix(labels[1], "_"), Host: labels[2]}
	switch labels[1] {
	case "_tcp", "_udp", "_sctp":
	default:
		return Name{}, fail
	}
	for label := range strings.SplitSeq(name.Host, ".") {
		strange := strings.ContainsFunc(label, func(c rune) bool {
			return (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_'
		})
		if label == "" || len(label) > 63 || strange {
			return Name{}, fail
		}
	}
	return name, nil
}
