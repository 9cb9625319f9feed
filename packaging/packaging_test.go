// Package packaging tests the packages that `packaging/build` makes: what is
// in them, that the same source gives the same bytes, and, in a container with
// a real systemd, a life of the one for Debian from installation to purge.
package packaging

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/certkeep/certkeep/internal/servertest"
)

// built makes the packages of a version from the source in root.
func built(t *testing.T, root, version string) (name string) {
	t.Helper()
	tools, err := filepath.Abs("../build/tools")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(root+"/packaging/build", dir, "amd64")
	cmd.Env = append(os.Environ(), "VERSION="+version, "SOURCE_DATE_EPOCH=1700000000")
	if os.Getenv("CERTKEEP_TOOLS") == "" {
		cmd.Env = append(cmd.Env, "CERTKEEP_TOOLS="+tools)
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return fmt.Sprintf("%s/certkeep_%s_amd64", dir, version)
}

// elsewhere is a copy of what packages are made from, in another folder.
func elsewhere(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "copy")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"go.mod", "go.sum", "cmd", "internal", "packaging", "contrib", "docs", "README.md", "CHANGELOG.md"} {
		if out, err := exec.Command("cp", "-r", "../"+name, dir+"/").CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	return dir
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// says runs a program that is to succeed.
func says(t *testing.T, program string, args ...string) string {
	t.Helper()
	out, err := exec.Command(servertest.Find(t, program), args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", program, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// TestPackages makes the packages and looks at them.
func TestPackages(t *testing.T) {
	t.Parallel()
	name := built(t, "..", "1.2.3")
	t.Run("contents", func(t *testing.T) { contents(t, name) })
	t.Run("scripts", func(t *testing.T) { scripts(t, name) })
	t.Run("examples", func(t *testing.T) { examples(t, name) })
	t.Run("bill of materials", func(t *testing.T) { billOfMaterials(t, name) })
	t.Run("reproducible", func(t *testing.T) { reproducible(t, name) })
}

// reproducible: another folder and other times of files give the same
// bytes. What the compiler made may come from its cache both times; linking
// and packing are done twice.
func reproducible(t *testing.T, first string) {
	copied := elsewhere(t)
	says(t, "chmod", "-R", "g-rwx,o-rwx", copied+"/contrib")
	second := built(t, copied, "1.2.3")
	for _, suffix := range []string{".deb", ".rpm", ".apk", ".cdx.json"} {
		if read(t, first+suffix) != read(t, second+suffix) {
			t.Errorf("%s differs", suffix)
		}
	}
}

// contents looks into the three packages. Nothing here runs an rpm or an
// apk system.
func contents(t *testing.T, name string) {
	everywhere := []string{
		"/usr/bin/certkeep", "/etc/certkeep/certkeep.yaml", "/usr/share/man/man1/certkeep.1.gz", "/usr/share/man/man1/certkeep-webserver-enable.1.gz", "/usr/share/man/man5/certkeep.yaml.5.gz",
		"/usr/share/bash-completion/completions/certkeep", "/usr/share/fish/vendor_completions.d/certkeep.fish",
		"/usr/share/doc/certkeep/examples/haproxy/certkeep-haproxy", "/usr/share/doc/certkeep/examples/cron/certkeep", "/usr/share/doc/certkeep/examples/s6/certkeep/run",
		"/usr/share/doc/certkeep/examples/s6/certkeep-helper/log/run", "/usr/share/doc/certkeep/examples/s6-rc/certkeep-finished-www/dependencies.d/certkeep", "/usr/share/doc/certkeep/examples/runit/certkeep/check",
		"/usr/share/doc/certkeep/README.md", "/usr/share/doc/certkeep/docs/services.md", "/usr/share/doc/certkeep/copyright", "/usr/share/doc/certkeep/sbom.cdx.json",
	}
	systemd := []string{
		"/usr/lib/systemd/system/certkeep.service", "/usr/lib/systemd/system/certkeep-apply.timer", "/usr/lib/systemd/system/certkeep-webserver.service", "/usr/lib/systemd/system/certkeep-webserver.timer", "/usr/lib/systemd/system/certkeep-finished@.target", "/usr/lib/sysusers.d/certkeep.conf",
		"/usr/share/doc/certkeep/examples/unprivileged.conf", "/usr/share/doc/certkeep/examples/with-helper.conf", "/usr/share/doc/certkeep/examples/consumer.service",
	}
	openrc := []string{"/etc/init.d/certkeep", "/etc/init.d/certkeep-helper"}
	deb := says(t, "dpkg-deb", "-c", name+".deb")
	rpm := says(t, "rpm", "-qpl", name+".rpm")
	apk := says(t, "tar", "--warning=no-unknown-keyword", "-tzf", name+".apk")
	for _, p := range []struct {
		format, list string
		has, hasNot  []string
	}{
		{"deb", deb, slices.Concat(everywhere, systemd, []string{"/usr/share/zsh/vendor-completions/_certkeep"}), openrc},
		{"rpm", rpm, slices.Concat(everywhere, systemd, []string{"/usr/share/zsh/site-functions/_certkeep"}), openrc},
		{"apk", apk, slices.Concat(everywhere, openrc, []string{"/usr/share/zsh/site-functions/_certkeep"}), systemd},
	} {
		listed := func(path string) bool {
			return regexp.MustCompile(`(?m)(^|\s|\.)/?` + regexp.QuoteMeta(strings.TrimPrefix(path, "/")) + `$`).MatchString(p.list)
		}
		for _, path := range p.has {
			if !listed(path) {
				t.Errorf("%s lacks %s:\n%s", p.format, path, p.list)
			}
		}
		for _, path := range p.hasNot {
			if listed(path) {
				t.Errorf("%s has %s", p.format, path)
			}
		}
	}
}

// scripts looks for those of the packages, and for what services start. They are
// read by a shell, not run.
func scripts(t *testing.T, name string) {
	apk := says(t, "tar", "--warning=no-unknown-keyword", "-tzf", name+".apk")
	if conf := says(t, "rpm", "-qpc", name+".rpm"); conf != "/etc/certkeep/certkeep.yaml\n" {
		t.Errorf("files of configuration of the rpm: %q", conf)
	}
	if scripts := says(t, "rpm", "-qp", "--scripts", name+".rpm"); strings.Count(scripts, "scriptlet (using /bin/sh)") != 3 {
		t.Errorf("scripts of the rpm:\n%s", scripts)
	}
	for _, script := range []string{".pre-install", ".post-install", ".post-upgrade", ".pre-deinstall"} {
		if !strings.Contains(apk, script+"\n") {
			t.Errorf("the apk has no %s:\n%s", script, apk)
		}
	}
	for _, script := range []string{"etc/init.d/certkeep", "etc/init.d/certkeep-helper"} {
		if out := says(t, "tar", "--warning=no-unknown-keyword", "-xzOf", name+".apk", script); !strings.Contains(out, "/usr/bin/certkeep") {
			t.Errorf("the apk's %s does not name its program:\n%s", script, out)
		}
	}
}

// examples: what is to be copied can be run, and is the administrator's to write
// alone, whatever the modes of the checkout.
func examples(t *testing.T, name string) {
	dir := t.TempDir()
	says(t, "dpkg-deb", "-x", name+".deb", dir)
	at := dir + "/usr/share/doc/certkeep/examples/"
	for path, want := range map[string]string{"haproxy/certkeep-haproxy": "755", "s6/certkeep/run": "755", "s6/certkeep/timeout-kill": "644", "runit/certkeep/log/run": "755", "s6-rc": "755", "unprivileged.conf": "644"} {
		if got := says(t, "stat", "-c", "%a", at+path); got != want+"\n" {
			t.Errorf("%s has mode %s, not %s", path, got, want)
		}
	}
	for _, folder := range []string{"cron", "haproxy", "runit", "s6", "s6-rc"} {
		says(t, "diff", "-r", "../contrib/"+folder, at+folder)
	}
}

// TestScripts has the shell of Debian read every script of the packages.
func TestScripts(t *testing.T) {
	t.Parallel()
	scripts, err := filepath.Glob("scripts/*")
	if err != nil || len(scripts) != 10 {
		t.Fatalf("scripts %q: %v", scripts, err)
	}
	for _, path := range scripts {
		if text := read(t, path); !strings.HasPrefix(text, "#!/bin/sh\n") {
			t.Errorf("%s is not for /bin/sh", path)
		}
		says(t, "sh", "-n", path)
	}
}

// TestVersion has versions that can be compared.
func TestVersion(t *testing.T) {
	t.Parallel()
	for described, want := range map[string]string{
		"v1.2.3":                      "1.2.3",
		"v1.2.3-rc1":                  "1.2.3-rc1",
		"v1.2.3-5-gabcdef0":           "1.2.3+5.gabcdef0",
		"v1.2.3-rc1-5-gabcdef0-dirty": "1.2.3-rc1+5.gabcdef0.dirty",
		"v1.2.3-dirty":                "1.2.3+0.dirty",
	} {
		if got := says(t, "bash", "./version", described); got != want+"\n" {
			t.Errorf("%s is %q, want %s", described, got, want)
		}
	}
	if got := says(t, "bash", "./version", "abcdef0"); !regexp.MustCompile(`^0\.0\.0-git20\d{6}\n$`).MatchString(got) {
		t.Errorf("without a tag: %q", got)
	}
	name := built(t, "..", "1.2.3+5.gabcdef0")
	info := says(t, "tar", "--warning=no-unknown-keyword", "-xzOf", name+".apk", ".PKGINFO")
	if !strings.Contains(info, "\npkgver = 1.2.3_p5\n") || !regexp.MustCompile(`^([a-z]+ = [^\n]+\n)+$`).MatchString(info) {
		t.Errorf("the apk says of itself:\n%s", info)
	}
	if got := says(t, "dpkg-deb", "-f", name+".deb", "Version"); got != "1.2.3+5.gabcdef0\n" {
		t.Errorf("version of the deb: %q", got)
	}
	if got := says(t, "rpm", "-qp", "--qf", "%{VERSION}", name+".rpm"); got != "1.2.3+5.gabcdef0" {
		t.Errorf("version of the rpm: %q", got)
	}
}

// billOfMaterials compares what the bill says with what the toolchain
// noted in the program.
func billOfMaterials(t *testing.T, name string) {
	var bill struct {
		Format   string `json:"bomFormat"`
		Spec     string `json:"specVersion"`
		Serial   string `json:"serialNumber"`
		Metadata struct {
			Timestamp string
			Component struct {
				Name, Version string
				Hashes        []struct{ Alg, Content string }
			}
		}
		Components []struct {
			Name, Version, PURL string
			Licenses            []struct{ License struct{ ID string } }
		}
		Dependencies []struct{ DependsOn []string }
	}
	if err := json.Unmarshal([]byte(read(t, name+".cdx.json")), &bill); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	says(t, "dpkg-deb", "-x", name+".deb", dir)
	program := dir + "/usr/bin/certkeep"
	if got := says(t, program, "version"); !strings.HasPrefix(got, "certkeep 1.2.3 ") {
		t.Errorf("the program says it is %s", got)
	}
	if bill.Format != "CycloneDX" || bill.Spec != "1.6" || bill.Metadata.Timestamp != "2023-11-14T22:13:20Z" ||
		!regexp.MustCompile(`^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(bill.Serial) {
		t.Errorf("head: %+v", bill)
	}
	digest, _, _ := strings.Cut(says(t, "sha256sum", program), " ")
	if c := bill.Metadata.Component; c.Name != "github.com/certkeep/certkeep" || c.Version != "v1.2.3" || len(c.Hashes) != 1 || c.Hashes[0].Content != digest {
		t.Errorf("the program: %+v, not %s", c, digest)
	}
	noted := regexp.MustCompile(`(?m)^\tdep\t(\S+)\t(\S+)`).FindAllStringSubmatch(says(t, "go", "version", "-m", program), -1)
	if len(noted) < 10 || len(bill.Components) != len(noted)+1 || len(bill.Dependencies) != 1 || len(bill.Dependencies[0].DependsOn) != len(noted)+1 {
		t.Fatalf("%d modules are noted, %d in the bill", len(noted), len(bill.Components))
	}
	copyright := read(t, dir+"/usr/share/doc/certkeep/copyright")
	for i, c := range bill.Components {
		if i < len(noted) && (c.Name != noted[i][1] || c.Version != noted[i][2]) {
			t.Errorf("noted %s %s, in the bill %+v", noted[i][1], noted[i][2], c)
		}
		if !strings.HasPrefix(c.PURL, "pkg:golang/"+c.Name+"@") || len(c.Licenses) != 1 || c.Licenses[0].License.ID == "" {
			t.Errorf("component %+v", c)
		}
		if !strings.Contains(copyright, "\n"+c.Name+" "+c.Version+", ") {
			t.Errorf("the copyright does not name %s", c.Name)
		}
	}
	if in := read(t, dir+"/usr/share/doc/certkeep/sbom.cdx.json"); in != read(t, name+".cdx.json") {
		t.Error("the bill in the package is another one")
	}
}
