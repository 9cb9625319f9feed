package config

import (
	"fmt"
	"strings"
)

// readWithin reads a secret that stands within a YAML or JSON file, such as
// another program's configuration. The place is a JSON pointer (RFC 6901) after
// a "#". No error quotes what the file holds.
func readWithin(ref string) ([]byte, error) {
	file, pointer, _ := strings.Cut(ref, "#")
	data, err := readBounded(file, maxFile)
	if err != nil {
		return nil, err
	}
	out := &findings{files: []string{file}}
	at := parseYAML(out, 0, data)
	if out.broken {
		return nil, fmt.Errorf("read secret: %s is neither YAML nor JSON", file)
	}
	for _, part := range strings.Split(pointer, "/")[1:] {
		p := at.get(strings.NewReplacer("~1", "/", "~0", "~").Replace(part))
		if p == nil {
			return nil, fmt.Errorf("read secret: %s has no %s", file, pointer)
		}
		at = p.value
	}
	if at.kind != text && at.kind != number {
		return nil, fmt.Errorf("read secret: %s in %s is no text", pointer, file)
	}
	return []byte(at.text), nil
}
