package packaging

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/certkeep/certkeep/internal/servertest"
)

// rpmRoot is a folder in which rpm installs, with what the package's scripts run.
type rpmRoot struct {
	*testing.T
	dir string
}

// newRPMRoot lays down the host's own programs, with their libraries.
func newRPMRoot(t *testing.T) rpmRoot {
	t.Helper()
	r := rpmRoot{t, t.TempDir()}
	if err := os.Chmod(r.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	lib := regexp.MustCompile(`(/\S+) \(0x`)
	for _, program := range []string{"sh", "install", "systemctl", "systemd-sysusers"} {
		found := servertest.Find(t, program)
		r.add("/usr/bin/"+program, found)
		for _, m := range lib.FindAllStringSubmatch(says(t, "ldd", found), -1) {
			r.add(m[1], m[1])
		}
	}
	if err := os.Symlink("usr/bin", r.at("/bin")); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"/etc/passwd": "root:x:0:0:root:/root:/bin/sh\n", "/etc/group": "root:x:0:\n", "/usr/lib/systemd/system-preset/00.preset": "enable certkeep.service\n",
		"/usr/lib/systemd/system/multi-user.target": "[Unit]\nDescription=Multi-User System\n", "/dev/null": "",
	} {
		r.write(name, text)
	}
	return r
}

func (r rpmRoot) at(path string) string { return filepath.Join(r.dir, path) }

// add copies a file, with its mode.
func (r rpmRoot) add(path, from string) {
	r.Helper()
	if err := os.MkdirAll(filepath.Dir(r.at(path)), 0o755); err != nil {
		r.Fatal(err)
	}
	says(r.T, "cp", "-L", from, r.at(path))
}

func (r rpmRoot) write(path, text string) {
	r.Helper()
	if err := os.MkdirAll(filepath.Dir(r.at(path)), 0o755); err != nil {
		r.Fatal(err)
	}
	if err := os.WriteFile(r.at(path), []byte(text), 0o644); err != nil {
		r.Fatal(err)
	}
}

// rpm has rpm do something there. The distribution has no rpm packages, so
// nothing is there that a package could depend on.
func (r rpmRoot) rpm(args ...string) string {
	r.Helper()
	out, err := exec.Command(servertest.Find(r.T, "rpm"), append([]string{"--root", r.dir, "--nodeps", "--force-debian"}, args...)...).CombinedOutput()
	if err != nil {
		r.Fatalf("rpm %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// owned compares owners and modes; "" is a file that is not there.
func (r rpmRoot) owned(when string, want map[string]string) {
	r.Helper()
	for path, want := range want {
		out, err := exec.Command("stat", "-c", "%u:%g %a", r.at(path)).Output()
		if got := strings.TrimSpace(string(out)); got != want || (err == nil) != (want != "") {
			r.Errorf("%s: %s is %q, want %q", when, path, got, want)
		}
	}
}

// tree is all that is there.
func (r rpmRoot) tree() map[string]bool {
	r.Helper()
	all := map[string]bool{}
	err := filepath.WalkDir(r.dir, func(path string, _ fs.DirEntry, err error) error {
		all[strings.TrimPrefix(path, r.dir+"/")] = true
		return err
	})
	if err != nil {
		r.Fatal(err)
	}
	return all
}

// enabled says whether the service starts at boot.
func (r rpmRoot) enabled() bool {
	_, err := os.Lstat(r.at("/etc/systemd/system/multi-user.target.wants/certkeep.service"))
	return err == nil
}

// TestRPM installs the package for RPM in a folder of its own, upgrades it over a
// changed configuration, and takes it away. The system is none of RPM: programs that
// its scripts run are Debian's.
func TestRPM(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("needs root, as rpm changes the root folder for scripts")
	}
	r := newRPMRoot(t)
	before := r.tree()
	if said := r.rpm("-i", built(t, "..", "1.2.3")+".rpm"); regexp.MustCompile(`(?i)warning|error|fail`).MatchString(said) {
		t.Errorf("the installation says:\n%s", said)
	}
	installed := map[string]string{
		"/usr/bin/certkeep": "0:0 755", "/etc/certkeep": "0:0 755", "/etc/certkeep/certkeep.yaml": "0:0 644", "/var/lib/certkeep": "0:0 700",
		"/usr/lib/systemd/system/certkeep.service": "0:0 644", "/usr/lib/sysusers.d/certkeep.conf": "0:0 644", "/usr/share/man/man1/certkeep.1.gz": "0:0 644",
		"/usr/share/doc/certkeep/examples/s6/certkeep/run": "0:0 755", "/etc/init.d": "",
	}
	r.owned("installed", installed)
	if said := r.rpm("-V", "certkeep"); said != "" {
		t.Errorf("rpm finds what it installed different:\n%s", said)
	}
	if passwd := read(t, r.at("/etc/passwd")); !regexp.MustCompile(`(?m)^certkeep:x?!?\*?:\d+:\d+:[^:]*:/var/lib/certkeep:`).MatchString(passwd) {
		t.Errorf("no user was made:\n%s", passwd)
	}
	if !r.enabled() {
		t.Error("the distribution's preset was not followed")
	}
	if out := says(t, "chroot", r.dir, "/usr/bin/certkeep", "version"); !strings.Contains(out, "1.2.3") {
		t.Errorf("it is %s", out)
	}

	const mine = "email: me@example.com\n"
	r.write("/etc/certkeep/certkeep.yaml", mine)
	r.write("/var/lib/certkeep/kept", "")
	if err := os.Remove(r.at("/etc/systemd/system/multi-user.target.wants/certkeep.service")); err != nil {
		t.Fatal(err)
	}
	r.rpm("-U", built(t, "..", "1.2.4")+".rpm")
	r.owned("upgraded", installed)
	if text := read(t, r.at("/etc/certkeep/certkeep.yaml")); text != mine {
		t.Errorf("the upgrade replaced the configuration: %s", text)
	}
	if r.enabled() {
		t.Error("the upgrade enabled what was disabled")
	}
	if out := says(t, "chroot", r.dir, "/usr/bin/certkeep", "version"); !strings.Contains(out, "1.2.4") {
		t.Errorf("upgraded it is %s", out)
	}

	says(t, "chroot", r.dir, "/usr/bin/systemctl", "--no-reload", "enable", "certkeep.service")
	r.rpm("-e", "certkeep")
	r.owned("removed", map[string]string{"/etc/certkeep/certkeep.yaml.rpmsave": "0:0 644", "/var/lib/certkeep": "0:0 700", "/var/lib/certkeep/kept": "0:0 644"})
	for path := range r.tree() {
		// Other folders are the distribution's.
		ours := strings.Contains(path, "certkeep") && !strings.HasPrefix(path, "var/lib/certkeep") && !strings.HasPrefix(path, "etc/certkeep")
		if ours && !before[path] {
			t.Errorf("removed, it leaves %s", path)
		}
	}
	if r.enabled() {
		t.Error("removed, it is still enabled")
	}
}
