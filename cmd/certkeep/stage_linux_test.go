package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/certkeep/certkeep/internal/acmetest"
)

// stage is an installation at which somebody tries something. All that the
// program prints is kept.
type stage struct {
	*testing.T
	program, dir string
	env          []string
	said         strings.Builder
}

// newStage makes one with files; $DIR, $DIRECTORY and $HTTP in them are filled in.
// Names that begin with "bin/" are programs.
func newStage(t *testing.T, program string, ca *acmetest.CA, files map[string]string) *stage {
	t.Helper()
	s := &stage{T: t, program: program, dir: t.TempDir()}
	fill := strings.NewReplacer("$DIRECTORY", fmt.Sprintf("%q", ca.DirectoryURL()), "$DIR", s.dir, "$HTTP", fmt.Sprintf("127.0.0.1:%d", ca.HTTPPort()))
	errs := []error{
		os.Chmod(s.dir, 0o700), os.Mkdir(s.at("bin"), 0o700),
		os.WriteFile(s.at("roots.pem"), ca.RootPEM(), 0o600),
	}
	for name, text := range files {
		mode := os.FileMode(0o600)
		if strings.HasPrefix(name, "bin/") {
			mode = 0o700
		}
		errs = append(errs, os.WriteFile(s.at(name), []byte(fill.Replace(text)), mode))
	}
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *stage) at(name string) string { return filepath.Join(s.dir, name) }

// run runs the program, which may fail: what it says is what matters.
func (s *stage) run(args ...string) string {
	s.Helper()
	cmd := exec.Command(s.program, append([]string{"--config", s.at("certkeep.yaml")}, args...)...)
	cmd.Env = append(os.Environ(), s.env...)
	out, err := cmd.CombinedOutput()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		s.Fatal(err)
	}
	fmt.Fprintf(&s.said, "$ certkeep %s\n%s", strings.Join(args, " "), out)
	return string(out)
}

// read is the text of a file.
func (s *stage) read(name string) string {
	s.Helper()
	text, err := os.ReadFile(s.at(name))
	if err != nil {
		s.Error(err)
	}
	return string(text)
}
