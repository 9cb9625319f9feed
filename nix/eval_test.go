package nix

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/servertest"
)

// system is what the module makes of a configuration.
type system struct {
	Broken  []string // messages of the assertions that do not hold
	File    string   // Certkeep's configuration, in the store
	Units   map[string]unit
	Targets map[string]target
	Tmpfile map[string]map[string]map[string]rule `json:"tmpfiles"`
	Nginx   map[string]virtualHost
	Httpd   map[string]virtualHost
	Certs   map[string]map[string]any
	Users   map[string]struct {
		IsSystemUser bool
		Group        string
	}
}

// rule is one of systemd-tmpfiles.
type rule struct{ Mode, User, Group string }

type unit struct {
	Description   string
	Documentation []string
	WantedBy      []string
	Wants         []string
	Requires      []string
	PartOf        []string
	After         []string
	Before        []string
	ServiceConfig map[string]any
	UnitConfig    map[string]any
}

type target struct {
	Description     string
	Requires, After []string
}

type virtualHost struct {
	ServerName, HostName                             string
	ServerAliases, ListenAddresses                   []string
	AddSSL, OnlySSL, ForceSSL, EnableACME            bool
	SSLCertificate, SSLCertificateKey, SSLServerCert string
	SSLTrustedCertificate, SSLServerKey, ExtraConfig string
	Locations                                        map[string]location
}

type location struct {
	Root, ProxyPass, Return, ExtraConfig string
	RecommendedProxySettings             bool
}

// machine is a place to evaluate in: a store of its own, and the programs that
// units name.
type machine struct {
	dir string
	nix string
}

func newMachine(t *testing.T) machine {
	t.Helper()
	m := machine{dir: t.TempDir(), nix: servertest.Find(t, "nix-instantiate")}
	// What nix reads is read here too: go takes a result that it remembers for
	// the present one unless it knows that a file changed.
	for _, pattern := range []string{"*.nix", "testdata/*.nix", "testdata/examples/*.nix", "../flake.nix"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			read(t, file)
		}
	}
	for program, text := range map[string]string{
		"certkeep/bin/certkeep": "exit 0", "coreutils/bin/kill": "exit 0", "systemd/bin/systemctl": `echo systemctl "$@"`,
		"systemd/bin/systemd-run": `printf '%s\n' "$@"`,
	} {
		path := filepath.Join(m.programs(), program)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

// root is the folder that has the store, as /nix/store.
func (m machine) root() string { return filepath.Join(m.dir, "root") }

// made is where a file of the store is.
func (m machine) made(path string) string { return filepath.Join(m.root(), path) }

// executable lets the scripts of the store be run, as nix does that builds them.
func (m machine) executable(t *testing.T) {
	t.Helper()
	scripts, err := filepath.Glob(m.made("/nix/store/*-certkeep-*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, script := range scripts {
		if err := os.Chmod(script, 0o555); err != nil {
			t.Fatal(err)
		}
	}
}

func (m machine) programs() string { return filepath.Join(m.dir, "programs") }

// try evaluates an expression, without network and daemon. What nix says is the
// error.
func (m machine) try(t *testing.T, expression string, into any) error {
	t.Helper()
	cmd := exec.Command(m.nix, "--eval", "--strict", "--json", "--read-write-mode", "-E", expression)
	cmd.Env = append(os.Environ(), "NIX_REMOTE="+m.root(), "NIX_CONF_DIR="+filepath.Join(m.dir, "etc"),
		"NIX_CONFIG=build-users-group =", "NIX_PATH=", "HOME="+m.dir)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nixError(stderr.String())
	}
	if err := json.Unmarshal(out, into); err != nil {
		t.Fatalf("read what nix printed: %v\n%s", err, out)
	}
	return nil
}

// nixError is what nix says of an expression that cannot be evaluated.
type nixError string

func (e nixError) Error() string { return string(e) }

// call is the expression that evaluates the module with a configuration, and
// takes attributes of the result.
func (m machine) call(configuration, attributes string) string {
	return callWith(m.programs(), configuration, attributes)
}

func callWith(programs, configuration, attributes string) string {
	return `let r = import ` + absolute("testdata/eval.nix") + ` { configuration = ` + configuration +
		`; system = "` + programs + `"; }; in { inherit (r) ` + attributes + `; }`
}

func (m machine) evaluate(t *testing.T, configuration string) system {
	t.Helper()
	var s system
	if err := m.try(t, m.call(configuration, "broken file units targets tmpfiles nginx httpd certs users"), &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// example evaluates one of the examples, which has to be right, and loads the
// configuration that it leads to.
func (m machine) example(t *testing.T, name string) (system, *config.Config) {
	t.Helper()
	s := m.evaluate(t, absolute("testdata/examples/"+name+".nix"))
	if len(s.Broken) > 0 {
		t.Fatalf("assertions are broken: %q", s.Broken)
	}
	cfg, warnings, err := config.Load(m.made(s.File))
	if err != nil {
		t.Fatalf("%v\n%s", err, read(t, m.made(s.File)))
	}
	if len(warnings) > 0 {
		t.Errorf("warnings: %v", warnings)
	}
	return s, cfg
}

func absolute(path string) string {
	full, err := filepath.Abs(path)
	if err != nil {
		panic(err) // there is no working folder
	}
	return full
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
