package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// copySelf puts a copy of this program into dir and returns its path. The
// config names it as the program that writes DNS records, and Certkeep runs
// none that others may write: where this one was built may belong to anybody.
func copySelf(dir string) (path string, err error) {
	original, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find this program: %w", err)
	}
	from, err := os.Open(original)
	if err != nil {
		return "", fmt.Errorf("copy this program: %w", err)
	}
	defer from.Close() // opened for reading: nothing can be lost
	path = filepath.Join(dir, "demo")
	to, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if err != nil {
		return "", fmt.Errorf("copy this program: %w", err)
	}
	_, err = io.Copy(to, from)
	if err := errors.Join(err, to.Close()); err != nil {
		return "", fmt.Errorf("copy this program: %w", err)
	}
	return path, nil
}
