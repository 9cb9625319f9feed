package store

import (
	"net/url"
	"strings"
)

// keyOf forms the key of a record below a folder. A name becomes one part of
// it whatever it holds, so that no name reaches another's record.
func keyOf(folder string, names ...string) string {
	var b strings.Builder
	b.WriteString(folder)
	for _, name := range names {
		b.WriteByte('/')
		if strings.ContainsAny(name, "%/") {
			name = url.PathEscape(name)
		}
		b.WriteString(name)
	}
	return b.String()
}

// lastName is the last name of which a key was formed.
func lastName(key string) string {
	part := key[strings.LastIndexByte(key, '/')+1:]
	if name, err := url.PathUnescape(part); err == nil && strings.ContainsRune(part, '%') {
		return name
	}
	return part
}
