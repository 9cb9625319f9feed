package config

import (
	"fmt"
	"os"
	"strings"
)

// secret reports a secret that cannot be read, or that too many can read.
func (k *checker) secret(what string, s SecretRef) {
	if _, err := s.Read(); err != nil {
		k.add(what, err.Error())
	}
	k.exposed(what, s)
}

// secretFile does so for a file of secrets that is no secret as a whole.
func (k *checker) secretFile(what, path string) {
	k.readable(what, path)
	k.exposed(what, SecretRef{File: path})
}

func (k *checker) exposed(what string, s SecretRef) {
	if words := exposed(s); words != "" {
		k.add(what, words)
	}
}

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
