package dir

import (
	"fmt"
	"strings"

	"github.com/certkeep/certkeep/internal/store/backend"
)

// maxPart bounds a part of a key, so that its file name, escaped and with
// all that a temporary adds, stays below the 255 bytes of file systems.
const maxPart = 128

// maxFile bounds a part after escaping.
const maxFile = 200

// locate turns a key into the location of its file.
func locate(key, suffix string) (location, error) {
	folder, err := locateFolder(key)
	if err != nil {
		return location{}, err
	}
	last := len(folder) - 1
	name := escape(key[strings.LastIndexByte(key, '/')+1:])
	return location{folder: folder[:last], file: name + suffix}, nil
}

// locateFolder turns a key, or the folder part of one, into parts of a path.
func locateFolder(key string) ([]string, error) {
	parts := strings.Split(key, "/")
	for i, part := range parts {
		if part == "" || len(part) > maxPart {
			return nil, fmt.Errorf("key %.200q: %w: a part is empty or longer than %d bytes", key, backend.ErrKey, maxPart)
		}
		parts[i] = escapeFolder(part)
		if len(parts[i]) > maxFile {
			return nil, fmt.Errorf("key %.200q: %w: a part is too long when escaped", key, backend.ErrKey)
		}
	}
	return parts, nil
}

// escape makes a file name of a part: letters, digits, "_", "-" and "." stand
// for themselves, all else and a dot at the beginning becomes %XX. So no part
// is "..", hidden, a temporary, or more than one part.
func escape(part string) string {
	plain := func(i int) bool {
		c := part[i]
		return c == '.' && i > 0 || c == '_' || c == '-' ||
			'0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
	}
	var b strings.Builder
	for i := range len(part) {
		if plain(i) {
			b.WriteByte(part[i])
		} else {
			fmt.Fprintf(&b, "%%%02X", part[i])
		}
	}
	return b.String()
}

// escapeFolder makes the name of a folder of a part. It differs from escape
// in names that could be those of files: the record "a" is the file a.json,
// so the folder of "a.json/b" is called a%2Ejson.
func escapeFolder(part string) string {
	name := escape(part)
	for _, suffix := range []string{valueSuffix, historySuffix} {
		if stem, found := strings.CutSuffix(name, suffix); found {
			return stem + "%2E" + suffix[1:]
		}
	}
	return name
}

// unescape is the part of which escaping made name. It reports false for a
// name that escaping does not make: such a file or folder is not ours.
func unescape(name string, escaping func(string) string) (string, bool) {
	if !strings.ContainsRune(name, '%') {
		return name, name != "" && name == escaping(name)
	}
	var b strings.Builder
	for i := 0; i < len(name); i++ {
		if name[i] != '%' {
			b.WriteByte(name[i])
			continue
		}
		var c byte
		if i+3 > len(name) {
			return "", false
		}
		if _, err := fmt.Sscanf(name[i:i+3], "%%%02X", &c); err != nil {
			return "", false
		}
		b.WriteByte(c)
		i += 2
	}
	part := b.String()
	return part, escaping(part) == name
}
