package nix

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// build is what makes a file when a system is built.
type build struct {
	Name, Commands, Written string
	Inputs                  []string
}

// TestCheck runs what the build of a system would, with the real program: a bad
// configuration ends it with Certkeep's words, and a good one is taken as it is,
// though none of the files that it names is there.
func TestCheck(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	bin := t.TempDir()
	compile := exec.Command("go", "build", "-o", filepath.Join(bin, "certkeep"), "../cmd/certkeep")
	compile.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := compile.CombinedOutput(); err != nil {
		t.Fatalf("build the program: %v\n%s", err, out)
	}
	for setting, says := range map[string]string{
		`settings.store_key_file = "/run/secrets/key"; certs."b.example.com" = { csr = "/etc/b.csr"; listenHTTP = ":80"; };`: "",
		`settings.certificats = { };`:       `did you mean "certificates"`,
		`settings.concurrency = "many";`:    "concurrency",
		`settings.defaults.path = "etc/x";`: "path",
	} {
		var made struct{ Build *build }
		configuration := `{ services.certkeep = { enable = true; acceptTerms = true; certs."a.example.com".listenHTTP = ":80"; ` + setting + ` }; }`
		if err := m.try(t, m.call(configuration, "build"), &made); err != nil || made.Build == nil {
			t.Fatalf("%s: %v", setting, err)
		}
		want(t, "programs", made.Build.Inputs, []string{m.programs() + "/certkeep"})
		out := filepath.Join(t.TempDir(), "out")
		sh := exec.Command("sh", "-e", "-c", made.Build.Commands)
		sh.Dir, sh.Env = t.TempDir(), []string{"PATH=" + bin + ":/usr/bin:/bin", "HOME=/homeless-shelter", "out=" + out, "written=" + m.made(made.Build.Written)}
		said, err := sh.CombinedOutput()
		if (err == nil) != (says == "") || !strings.Contains(string(said), says) {
			t.Errorf("%s: %v\n%s", setting, err, said)
		}
		if text, err := os.ReadFile(out); says == "" && (err != nil || string(text) != read(t, m.made(made.Build.Written))) {
			t.Errorf("%s: made %q, %v", setting, text, err)
		}
	}
	var made struct{ Build *build }
	if err := m.try(t, m.call(`{ services.certkeep = { enable = true; checkConfig = false; settings.certificats = { }; }; }`, "build"), &made); err != nil || made.Build != nil {
		t.Errorf("unchecked: %+v, %v", made.Build, err)
	}
}
