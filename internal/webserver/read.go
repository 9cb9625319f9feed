package webserver

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/certkeep/certkeep/internal/command"
)

const (
	// maxDump is how much configuration is read: that of a host of 100,000
	// names is about 50 MB.
	maxDump = 256 << 20
	// patience is how long a server may take to read its configuration: it
	// looks names up, and reads every certificate.
	patience = 5 * time.Minute
)

// ErrNotInstalled says that a server is not on this machine.
var ErrNotInstalled = errors.New("it is not installed")

// Read has a server print its configuration, and returns its virtual hosts.
// It fails with ErrNotInstalled, with a *command.Error where the server
// refuses its configuration, or with words that tell what was not understood.
func Read(ctx context.Context, server string) ([]Host, error) {
	switch server {
	case Nginx:
		program, ok := find("nginx")
		if !ok {
			return nil, ErrNotInstalled
		}
		dump, err := dumped(ctx, program, "-T", "-q")
		if err != nil {
			return nil, err
		}
		return ParseNginx(dump)
	case Apache:
		return readApache(ctx)
	}
	return nil, fmt.Errorf("%q is no web server that is known", server)
}

// readApache tries the places where mod_info lies, which prints the
// configuration. Where the server has loaded it, the word is passed over.
func readApache(ctx context.Context) ([]Host, error) {
	program, ok := find("apache2ctl", "apachectl", "httpd", "apache2")
	if !ok {
		return nil, ErrNotInstalled
	}
	args := []string{"-t", "-D", "DUMP_CONFIG", "-D", "DUMP_RUN_CFG"}
	for _, pattern := range []string{
		"/usr/lib/apache2/modules", "/usr/lib*/httpd/modules", "/usr/lib/apache2*", "/usr/local/libexec/apache2*", "/etc/httpd/modules",
	} {
		if found, err := filepath.Glob(filepath.Join(pattern, "mod_info.so")); err == nil && len(found) > 0 {
			args = append([]string{"-C", "LoadModule info_module " + found[0]}, args...)
			break
		}
	}
	dump, err := dumped(ctx, program, args...)
	if err != nil {
		return nil, err
	}
	return ParseApache(dump)
}

func dumped(ctx context.Context, program string, args ...string) (string, error) {
	result, err := command.Run(ctx, command.Command{Args: append([]string{program}, args...), Timeout: patience, MaxOutput: maxDump})
	if err != nil {
		return "", fmt.Errorf("have the configuration printed: %w", err)
	}
	if result.Truncated {
		return "", fmt.Errorf("%w: it is larger than %d MB", ErrSyntax, maxDump>>20)
	}
	return string(result.Stdout), nil
}

// find looks for a program in PATH and where distributions keep servers, which
// not every PATH has.
func find(names ...string) (string, bool) {
	for _, name := range names {
		for _, folder := range []string{"", "/usr/sbin", "/usr/local/sbin", "/usr/local/bin"} {
			if found, err := exec.LookPath(filepath.Join(folder, name)); err == nil {
				return found, true
			}
		}
	}
	return "", false
}
