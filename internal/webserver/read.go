package webserver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
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

var (
	// ErrNotInstalled says that a server is not on this machine.
	ErrNotInstalled = errors.New("it is not installed")
	// ErrNotSetUp says that the program is there, and no configuration for it:
	// it came with something else, or was removed and its files with it.
	ErrNotSetUp = errors.New("it has no configuration")
)

// ErrNoSSL says that Apache refuses a line that only mod_ssl understands.
var ErrNoSSL = errors.New("mod_ssl is not loaded")

// noSSL is what Apache says then.
var noSSL = regexp.MustCompile(`Invalid command 'SSL`)

// missing is what servers say of the file that all of their configuration
// starts from. Of a file that is included they say where, before it.
var missing = map[string]*regexp.Regexp{
	Nginx:  regexp.MustCompile(`(?m)^nginx: configuration file (\S+) test failed$`),
	Apache: regexp.MustCompile(`(?m)^\S+: Could not open configuration file (\S+): No such file or directory$`),
}

// Read has a server print its configuration, and returns its virtual hosts.
// It fails with ErrNotInstalled or ErrNotSetUp, with a *command.Error where the server
// refuses its configuration, or with words that tell what was not understood.
func Read(ctx context.Context, server string) ([]Host, error) {
	switch server {
	case Nginx:
		program, ok := find("nginx")
		if !ok {
			return nil, ErrNotInstalled
		}
		dump, err := dumped(ctx, Nginx, program, "-T", "-q")
		if err != nil {
			return nil, err
		}
		return ParseNginx(dump)
	case Apache:
		return readApache(ctx)
	}
	return nil, fmt.Errorf("%q is no web server that is known", server)
}

// apachePrograms are what starts Apache, the best first.
func apachePrograms() []string { return []string{"apache2ctl", "apachectl", "httpd", "apache2"} }

// readApache tries the places where mod_info lies, which prints the
// configuration. Where the server has loaded it, the word is passed over.
func readApache(ctx context.Context) ([]Host, error) {
	program, ok := find(apachePrograms()...)
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
	dump, err := dumped(ctx, Apache, program, args...)
	if err != nil {
		return nil, err
	}
	return ParseApache(dump)
}

func dumped(ctx context.Context, server, program string, args ...string) (string, error) {
	result, err := command.Run(ctx, command.Command{Args: append([]string{program}, args...), Timeout: patience, MaxOutput: maxDump})
	if failed, ok := errors.AsType[*command.Error](err); ok && server == Apache && noSSL.Match(failed.Stderr) {
		return "", fmt.Errorf("%w: %w", ErrNoSSL, err)
	}
	if file := absent(server, err); file != "" {
		return "", fmt.Errorf("%w: %s is not there", ErrNotSetUp, file)
	}
	if err != nil {
		return "", fmt.Errorf("have the configuration printed: %w", err)
	}
	if result.Truncated {
		return "", fmt.Errorf("%w: it is larger than %d MB", ErrSyntax, maxDump>>20)
	}
	return string(result.Stdout), nil
}

// absent is the file that a server missed when it looked for its
// configuration, or "".
func absent(server string, err error) string {
	failed, ok := errors.AsType[*command.Error](err)
	if !ok {
		return ""
	}
	said := missing[server].FindSubmatch(failed.Stderr)
	if said == nil {
		return ""
	}
	if _, err := os.Lstat(string(said[1])); !errors.Is(err, fs.ErrNotExist) {
		return "" // nginx says the same of a file with a mistake in it
	}
	return string(said[1])
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
