package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	programs "github.com/certkeep/certkeep/internal/command"
)

// readConfigFile reads one file of the configuration, or says why it is
// refused. Whoever can write it decides what runs as us.
func readConfigFile(path string) ([]byte, *Finding) {
	refuse := func(words, hint string) ([]byte, *Finding) {
		return nil, &Finding{File: path, Words: words, Hint: hint}
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a FIFO must not make us wait
	if errors.Is(err, fs.ErrNotExist) {
		return refuse("there is no such file", "\"certkeep config example\" prints one to begin with")
	}
	if err != nil {
		return refuse(fmt.Sprintf("cannot be opened: %v", cause(err)), "")
	}
	defer f.Close() // opened for reading: nothing can be lost
	info, err := f.Stat()
	if err != nil {
		return refuse(fmt.Sprintf("cannot be read: %v", cause(err)), "")
	}
	if !info.Mode().IsRegular() {
		return refuse("is not a regular file", "")
	}
	if words, hint := programs.Exposed(path, info); words != "" {
		return refuse(words, hint)
	}
	if finding := checkWay(path); finding != nil {
		return nil, finding
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return refuse(fmt.Sprintf("cannot be read: %v", cause(err)), "")
	}
	if len(data) > maxFile {
		return refuse(fmt.Sprintf("is larger than %d MB", maxFile>>20), "")
	}
	return data, nil
}

// checkWay refuses a file or folder that others may exchange, be it by a folder
// or symlink that leads to it.
func checkWay(path string) *Finding {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return &Finding{File: path, Words: fmt.Sprintf("cannot be found: %v", err)}
	}
	where, words, hint, err := programs.ExposedWay(absolute)
	if err != nil {
		return &Finding{File: path, Words: fmt.Sprintf("cannot be read: %v", cause(err))}
	}
	if words != "" {
		return &Finding{File: where, Words: words, Hint: hint}
	}
	return nil
}
