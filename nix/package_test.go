package nix

import (
	"encoding/base64"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/certkeep/certkeep/internal/servertest"
)

// TestVendorHash holds the hash in package.nix equal to the libraries of
// go.mod: with another one nix builds nothing.
func TestVendorHash(t *testing.T) {
	t.Parallel()
	hash := servertest.Find(t, "nix-hash")
	vendor := filepath.Join(t.TempDir(), "vendor")
	cmd := exec.Command("go", "mod", "vendor", "-o", vendor)
	cmd.Dir = ".."
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go mod vendor: %v\n%s", err, out)
	}
	out, err := exec.Command(hash, "--type", "sha256", vendor).Output()
	if err != nil {
		t.Fatal(err)
	}
	sum, err := hex.DecodeString(strings.TrimSpace(string(out)))
	if err != nil {
		t.Fatal(err)
	}
	if want := "sha256-" + base64.StdEncoding.EncodeToString(sum); !strings.Contains(read(t, "package.nix"), `vendorHash = "`+want+`"`) {
		t.Errorf("package.nix should say vendorHash = %q", want)
	}
}

// TestPackage calls the package with what nixpkgs would hand to it, and looks
// whether the source that it takes is all that the build reads.
func TestPackage(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	var p struct {
		Pname, Program string
		Packages       []string
		Sources        []string
	}
	err := m.try(t, `let
		p = import `+absolute("package.nix")+` {
			buildGoModule = a: a; installShellFiles = "";
			stdenv = { buildPlatform.canExecute = _: true; hostPlatform = { }; };
			lib = {
				fileset = { toSource = a: a.fileset; unions = l: l; fileFilter = _: _: "*.go"; };
				licenses.asl20 = ""; platforms.unix = ""; optionalString = c: s: if c then s else "";
			};
		};
	in { inherit (p) pname; program = p.meta.mainProgram; packages = p.subPackages; sources = map (s: baseNameOf (toString s)) p.src; }`, &p)
	if err != nil {
		t.Fatal(err)
	}
	want(t, "program", []any{p.Pname, p.Program, p.Packages}, []any{"certkeep", "certkeep", []string{"cmd/certkeep"}})
	want(t, "sources", p.Sources, []string{"go.mod", "go.sum", "cmd", "internal", "*.go"})

	list := exec.Command("go", "list", "-deps", "-f", `{{if not .Standard}}{{with .Module}}{{if .Main}}{{$.Dir}}{{end}}{{end}}{{end}}`, "./cmd/certkeep")
	list.Dir = ".."
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	for dir := range strings.FieldsSeq(string(out)) {
		rel, err := filepath.Rel(absolute(".."), dir)
		if err != nil {
			t.Fatal(err)
		}
		top, _, _ := strings.Cut(rel, string(os.PathSeparator))
		if top != "cmd" && top != "internal" {
			t.Errorf("the build reads %s, which package.nix leaves out", rel)
		}
	}
}

// TestFlake evaluates the flake's outputs with a nixpkgs that has what it asks for.
func TestFlake(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	var f struct {
		Module  string
		Package string
		Systems []string
	}
	err := m.try(t, `let
		lib = import `+absolute("testdata/lib.nix")+`;
		o = (import `+absolute("../flake.nix")+`).outputs {
			self = { };
			nixpkgs = { inherit lib; legacyPackages = lib.genAttrs [ "x86_64-linux" "aarch64-linux" ] (system: { callPackage = path: _: toString path; }); };
		};
	in { module = toString o.nixosModules.default; package = o.packages.x86_64-linux.default; systems = builtins.attrNames o.packages; }`, &f)
	if err != nil {
		t.Fatal(err)
	}
	want(t, "flake", f, struct {
		Module, Package string
		Systems         []string
	}{absolute("module.nix"), absolute("package.nix"), []string{"aarch64-linux", "x86_64-linux"}})
}
