package contrib

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/certkeep/certkeep/internal/acmetest"
)

// TestContainer lays down the files of the image, as the last stage of the
// Containerfile has them, and runs the program among them and nothing else, as
// the image's user: it finds the CA trustworthy, and obtains a certificate. No
// container engine takes part; what is before the last stage is read only.
func TestContainer(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("needs root: changes the root folder of a process")
	}
	first, last, found := strings.Cut(read(t, "container/Containerfile"), "FROM scratch\n")
	if !found || !regexp.MustCompile(`(?m)^FROM docker\.io/library/golang:\d+\.\d+\.\d+-\w+ AS build$`).MatchString(first) {
		t.Fatalf("not the stages that are expected:\n%s", first)
	}
	for _, m := range regexp.MustCompile(`(?m)^COPY (\S.*) \S+$`).FindAllStringSubmatch(first, -1) {
		for source := range strings.FieldsSeq(m[1]) {
			if paths, err := filepath.Glob("../" + source); err != nil || len(paths) == 0 {
				t.Errorf("the source has no %s: %v", source, err)
			}
		}
	}
	ca := acmetest.Start(t, acmetest.Options{})
	dir := t.TempDir()
	write(t, dir+"/roots.pem", string(ca.RootPEM()))
	run := func(program string, args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), program, args...)
		cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s %q: %v\n%s", program, args, err, out)
		}
		return string(out)
	}
	run("container/layout", program(t, dir), dir+"/roots.pem", dir+"/image")
	copies := regexp.MustCompile(`(?m)^COPY --from=build (?:--chown=(\S+) )?/image/(\S+)/ (\S+)$`).FindAllStringSubmatch(last, -1)
	if len(copies) != 3 || strings.Count(last, "COPY ") != 3 {
		t.Fatalf("copies: %q", copies)
	}
	for _, c := range copies {
		to := filepath.Join(dir, "root", c[3])
		if err := os.MkdirAll(to, 0o755); err != nil {
			t.Fatal(err)
		}
		from := filepath.Join(dir, "image", c[2])
		if c[1] != "" {
			run("chown", "-R", c[1], from)
		}
		entries, err := filepath.Glob(from + "/*")
		if err != nil {
			t.Fatal(err)
		}
		run("cp", append([]string{"-a", "--target-directory=" + to}, entries...)...)
	}
	user := regexp.MustCompile(`(?m)^USER (\d+:\d+)$`).FindStringSubmatch(last)
	entry := regexp.MustCompile(`(?m)^ENTRYPOINT \["(\S+)"\]$`).FindStringSubmatch(last)
	if user == nil || strings.HasPrefix(user[1], "0") || entry == nil {
		t.Fatalf("no user, or no program:\n%s", last)
	}
	inside := func(args ...string) string {
		t.Helper()
		return run("chroot", append([]string{"--userspec=" + user[1], dir + "/root", entry[1]}, args...)...)
	}
	if out := inside("config", "check"); !strings.Contains(out, "/etc/certkeep/certkeep.yaml is valid") {
		t.Errorf("the config of the image: %s", out)
	}
	write(t, dir+"/root/etc/certkeep/certkeep.yaml", fmt.Sprintf(`
accept_terms: true
listen: {http: "127.0.0.1:%d", status: false}
issuers: {test: {directory: "%s"}}
defaults: {issuer: [test]}
certificates: {www: {names: [www.example.test]}}
`, ca.HTTPPort(), ca.DirectoryURL()))
	if out := inside("apply"); !strings.Contains(out, "www  ok  issued, installed") {
		t.Errorf("apply:\n%s", out)
	}
	for path, mode := range map[string]os.FileMode{"etc/ssl/certkeep/www/privkey.pem": 0o600, "etc/ssl/certkeep/www/fullchain.pem": 0o644, "var/lib/certkeep": 0o700 | os.ModeDir} {
		info, err := os.Stat(filepath.Join(dir, "root", path))
		if err != nil || info.Mode() != mode {
			t.Errorf("%s: %v, want %v: %v", path, info.Mode(), mode, err)
		}
	}
}
