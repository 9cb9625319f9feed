package deploy

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/keys"
	"github.com/certkeep/certkeep/internal/params"
)

// someParams are a group and a curve.
func someParams(t testing.TB) Params {
	t.Helper()
	group, err := params.Group(2048)
	if err != nil {
		t.Fatal(err)
	}
	dh, err := group.PEM()
	if err != nil {
		t.Fatal(err)
	}
	ec, err := params.Curve("secp384r1")
	if err != nil {
		t.Fatal(err)
	}
	return Params{DH: dh, EC: ec}
}

// acmebotLike is a target with every output of acmebot's that is about one
// certificate.
func acmebotLike(t testing.TB, dir string) Target {
	params := []Part{PartDHParams, PartECParams}
	file := func(name string, parts ...Part) File { return File{Path: filepath.Join(dir, name), Content: parts} }
	return Target{Cert: "c", Name: "d", KeyTypes: []string{p256}, Params: someParams(t), Files: []File{
		file("private/c.ecdsa.key", PartKey),
		file("private/c_full.ecdsa.key", slices.Concat([]Part{PartKey, PartCertificate, PartChain}, params)...),
		file("certs/c.ecdsa.pem", slices.Concat([]Part{PartCertificate, PartChain}, params)...),
		file("certs/c+root.ecdsa.pem", slices.Concat([]Part{PartCertificate, PartChain, PartRoot}, params)...),
		file("certs/c_chain.ecdsa.pem", PartChain),
		file("certs/c_root.ecdsa.pem", PartRoot),
		file("params/c_param.pem", params...),
		file("params/c_ec.pem", PartECParams),
	}}
}

// rooted is a content whose root is known.
func rooted(t testing.TB, version string) Content {
	t.Helper()
	rootKey, root := issue(t, nil, nil, &x509.Certificate{Subject: pkix.Name{CommonName: "the root"}, IsCA: true}, nil)
	interKey, inter := issue(t, root, rootKey, &x509.Certificate{Subject: pkix.Name{CommonName: "inter"}, IsCA: true}, nil)
	ca := &testCA{inter: inter, interKey: interKey}
	c := ca.content(t, version, "a.test")
	c.Pairs[0].Root = pemOf(root)
	return c
}

func readFile(t testing.TB, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// Every file holds its parts in their order, is private where it holds a key,
// comes back when it is deleted or altered, and is not written twice.
func TestFilesBesideTheCertificate(t *testing.T) {
	dir := t.TempDir()
	target, c := acmebotLike(t, dir), rooted(t, "v1")
	p, with := c.Pairs[0], target.Params
	d := New(Options{State: dir + "/state", Disk: durable.NoSync{}})
	files := mustPut(t, d, target, c).Files
	for name, want := range map[string][][]byte{
		"private/c.ecdsa.key":      {p.Key},
		"private/c_full.ecdsa.key": {p.Key, p.Leaf, p.Rest, with.DH, with.EC},
		"certs/c.ecdsa.pem":        {p.Leaf, p.Rest, with.DH, with.EC},
		"certs/c+root.ecdsa.pem":   {p.Leaf, p.Rest, p.Root, with.DH, with.EC},
		"certs/c_chain.ecdsa.pem":  {p.Rest},
		"certs/c_root.ecdsa.pem":   {p.Root},
		"params/c_param.pem":       {with.DH, with.EC},
		"params/c_ec.pem":          {with.EC},
	} {
		if got := readFile(t, dir+"/"+name); got != string(bytes.Join(want, nil)) {
			t.Errorf("%s holds\n%s", name, got)
		}
	}
	if worked, complete, err := served(target); !worked || !complete || err != nil {
		t.Errorf("served() = %v, %v, %v", worked, complete, err)
	}
	inspector := NewInspector()
	for _, f := range files {
		right := readFile(t, f.Path)
		for what, harm := range map[string]func() error{
			"deleted": func() error { return os.Remove(f.Path) },
			"altered": func() error { return os.WriteFile(f.Path, []byte(strings.Replace(right, "A", "B", 1)), 0o600) },
		} {
			if err := harm(); err != nil {
				t.Fatal(err)
			}
			if altered := inspector.Altered(files); !slices.Equal(altered, []string{f.Path}) {
				t.Errorf("%s %s: altered %v", f.Path, what, altered)
			}
			if again := mustPut(t, d, target, c); !again.Changed || readFile(t, f.Path) != right {
				t.Errorf("%s did not come back after it was %s", f.Path, what)
			}
			files = mustPut(t, d, target, c).Files
		}
	}
	before := tree(t, dir)
	if again := mustPut(t, d, target, c); again.Changed || fmt.Sprint(tree(t, dir)) != fmt.Sprint(before) {
		t.Error("a second run changed something")
	}
	opensslReads(t, dir)
}

// opensslReads lets openssl look at what it can.
func opensslReads(t *testing.T, dir string) {
	t.Helper()
	for _, args := range []string{
		"dhparam -check -noout -in params/c_param.pem", "ecparam -check -noout -in params/c_ec.pem",
		"verify -CAfile certs/c_root.ecdsa.pem -untrusted certs/c_chain.ecdsa.pem certs/c.ecdsa.pem", "pkey -noout -in private/c_full.ecdsa.key",
	} {
		cmd := exec.Command("openssl", strings.Fields(args)...)
		cmd.Dir = dir
		if said, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("openssl %s: %v\n%s", args, err, said)
		}
	}
}

// What is not known is left out: a file of nothing else is not written, and
// nobody misses it.
func TestPartsThatAreMissing(t *testing.T) {
	dir := t.TempDir()
	target, c := acmebotLike(t, dir), rooted(t, "v1")
	target.Params, c.Pairs[0].Root = Params{}, nil
	d := New(Options{State: dir + "/state", Disk: durable.NoSync{}})
	files := mustPut(t, d, target, c).Files
	var names []string
	for _, f := range files {
		names = append(names, filepath.Base(f.Path))
	}
	if want := []string{"c.ecdsa.key", "c_full.ecdsa.key", "c.ecdsa.pem", "c+root.ecdsa.pem", "c_chain.ecdsa.pem"}; !slices.Equal(names, want) {
		t.Errorf("written: %v, want %v", names, want)
	}
	if got, want := readFile(t, dir+"/certs/c+root.ecdsa.pem"), readFile(t, dir+"/certs/c.ecdsa.pem"); got != want {
		t.Errorf("without a root there is\n%s", got)
	}
	if worked, complete, err := served(target); !worked || !complete || err != nil {
		t.Errorf("served() = %v, %v, %v", worked, complete, err)
	}
	if again := mustPut(t, d, target, c); again.Changed {
		t.Error("a second run changed something")
	}
}

// A chain that ends in its root has it once.
func TestRootIsWrittenOnce(t *testing.T) {
	c := rooted(t, "v1")
	p := c.Pairs[0]
	p.Rest = join(p.Rest, p.Root)
	got, err := p.render([]Part{PartCertificate, PartChain, PartRoot}, Params{})
	if err != nil || !bytes.Equal(got, join(p.Leaf, p.Rest)) {
		t.Errorf("%s, %v", got, err)
	}
}

// A service finds all files that it needs beside a placeholder.
func TestPlaceholderHasAllParts(t *testing.T) {
	dir := t.TempDir()
	target := acmebotLike(t, dir)
	c, err := PlaceholderFor(target, []string{"a.test"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if files := mustPut(t, New(Options{State: dir + "/state", Disk: durable.NoSync{}}), target, c).Files; len(files) != len(target.Files) {
		t.Errorf("%d of %d files: %+v", len(files), len(target.Files), files)
	}
}

// keyTarget holds keys in every way in which files can.
func keyTarget(dir string) Target {
	return Target{
		Cert: "c", Name: "d", KeyTypes: []string{p256}, Passphrase: "correct horse", Files: []File{
			{Path: dir + "/c.key", Content: []Part{PartKey}},
			{Path: dir + "/full.pem", Content: []Part{PartKey, PartFullchain}},
			{Path: dir + "/c.der", Content: []Part{PartDERKey}},
			{Path: dir + "/c.p12", Content: []Part{PartPKCS12}, Password: "battery"},
		},
	}
}

// Under a passphrase no file holds the key in the clear, openssl opens it, and
// a second run changes no byte; another passphrase does.
func TestKeysUnderAPassphrase(t *testing.T) {
	for _, way := range keys.KDFs() {
		dir := t.TempDir()
		target, c := keyTarget(dir+"/out"), rooted(t, "v1")
		target.KDF = way
		d := New(Options{State: dir + "/state", Disk: durable.NoSync{}})
		files := mustPut(t, d, target, c).Files
		before := fmt.Sprint(tree(t, dir))
		if again := mustPut(t, d, target, c); again.Changed || fmt.Sprint(tree(t, dir)) != before || NewInspector().Altered(files) != nil {
			t.Errorf("%s: a second run changed something", way)
		}
		for name, form := range map[string]string{"c.key": "PEM", "full.pem": "PEM", "c.der": "DER"} {
			data := readFile(t, dir+"/out/"+name)
			if strings.Contains(data, string(c.Pairs[0].Key)) || form == "PEM" && !strings.Contains(data, "ENCRYPTED PRIVATE KEY") {
				t.Errorf("%s: %s holds the key in the clear", way, name)
			}
			cmd := exec.Command("openssl", "pkey", "-inform", form, "-in", dir+"/out/"+name, "-passin", "stdin")
			cmd.Stdin = strings.NewReader("correct horse\n")
			if said, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(said), "BEGIN PRIVATE KEY") {
				t.Errorf("%s: openssl pkey of %s: %v\n%s", way, name, err, said)
			}
		}
		if way != keys.PBKDF2 {
			continue // the rest is no matter of the way, and each step takes seconds with -race
		}
		if worked, complete, err := served(target); !worked || !complete || err != nil {
			t.Errorf("%s: served() = %v, %v, %v", way, worked, complete, err)
		}
		target.Passphrase = "another one"
		if again := mustPut(t, d, target, c); !again.Changed || fmt.Sprint(tree(t, dir)) == before {
			t.Errorf("%s: another passphrase changed nothing", way)
		}
	}
}

// Keys are taken over under the passphrase that is configured. Without it, or
// with another, they are left alone and nothing is put over them.
func TestFoundUnderAPassphrase(t *testing.T) {
	dir := t.TempDir()
	target, c := keyTarget(dir), rooted(t, "v1")
	mustPut(t, New(Options{State: dir + "/state", Disk: durable.NoSync{}}), target, c)
	found, ok, why := Found(target, []string{"a.test"}, time.Now())
	if !ok || !bytes.Equal(found.Pairs[0].Key, c.Pairs[0].Key) {
		t.Fatalf("Found() = %v, %s", ok, why)
	}
	for _, passphrase := range []Password{"", "wrong"} {
		target.Passphrase = passphrase
		_, ok, why := Found(target, []string{"a.test"}, time.Now())
		if ok || !strings.Contains(why, "passphrase") || strings.Contains(why, "wrong") {
			t.Errorf("%q: Found() = %v, %s", string(passphrase), ok, why)
		}
	}
}
