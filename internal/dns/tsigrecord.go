package dns

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// keyAlgorithms are the algorithms of the KEY records in which dnssec-keygen
// wrote shared keys until BIND 9.13, by their numbers there.
func keyAlgorithms() map[int]string {
	return map[int]string{
		157: "hmac-md5", 161: "hmac-sha1", 162: "hmac-sha224", 163: "hmac-sha256", 164: "hmac-sha384", 165: "hmac-sha512",
	}
}

// keyRecord finds the KEY record of a file such as
// Kupdate.example.com.+163+12345.key:
//
//	update.example.com. IN KEY 512 3 163 c2VjcmV0
//
// It is not ok where the file is no such one: it may have BIND's other syntax.
func keyRecord(text string) (name, algorithm, secret string, ok bool) {
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, ";")
		fields := strings.Fields(line)
		at := slices.IndexFunc(fields, func(f string) bool { return strings.EqualFold(f, "KEY") })
		if at < 1 || at > 3 || len(fields) < at+5 {
			continue
		}
		number, err := strconv.Atoi(fields[at+3])
		if err != nil || fields[at+2] != "3" {
			continue
		}
		algorithm = keyAlgorithms()[number]
		if algorithm == "" {
			algorithm = fmt.Sprintf("number %d", number)
		}
		return fields[0], algorithm, strings.Join(fields[at+4:], ""), true
	}
	return "", "", "", false
}
