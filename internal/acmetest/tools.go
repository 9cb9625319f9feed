package acmetest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
)

// tools are the programs this package runs.
type tools struct {
	pebble, dns string
}

// MissingToolError says that a program is not built.
type MissingToolError struct {
	Path string
}

// Error says what to do.
func (e *MissingToolError) Error() string {
	return fmt.Sprintf("%s is not there: run `make tools`, or set CERTKEEP_TOOLS to its folder", e.Path)
}

// findTools looks in $CERTKEEP_TOOLS, else in build/tools of the module.
func findTools() (tools, error) {
	dir := os.Getenv("CERTKEEP_TOOLS")
	if dir == "" {
		root, err := moduleRoot()
		if err != nil {
			return tools{}, err
		}
		dir = filepath.Join(root, "build", "tools")
	}
	t := tools{pebble: filepath.Join(dir, "pebble"), dns: filepath.Join(dir, "pebble-challtestsrv")}
	for _, path := range []string{t.pebble, t.dns} {
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return tools{}, &MissingToolError{Path: path}
		} else if err != nil {
			return tools{}, fmt.Errorf("look for the test CA: %w", err)
		}
	}
	return t, nil
}

// moduleLine recognises our own go.mod; tools/go.mod is another module.
var moduleLine = regexp.MustCompile(`(?m)^module github\.com/certkeep/certkeep$`)

// moduleRoot walks up from the working folder, which for a test is the
// folder of its package.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the module: %w", err)
	}
	for {
		text, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		switch {
		case err == nil && moduleLine.Match(text):
			return dir, nil
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			return "", fmt.Errorf("find the module: %w", err)
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New("find the module: no go.mod of Certkeep above the working folder; set CERTKEEP_TOOLS")
		}
		dir = up
	}
}
