package config

import (
	"fmt"
	"os"
	"strings"
)

// exposed says that everybody on this machine can read a file that holds a
// secret; "" where that is not so, or the file cannot be looked at.
func exposed(s SecretRef) string {
	if s.File == "" {
		return ""
	}
	path, _, _ := strings.Cut(s.File, "#/")
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm()&0o007 == 0 {
		return ""
	}
	return fmt.Sprintf("%s can be read by everybody on this machine; chmod o= %s", path, path)
}
