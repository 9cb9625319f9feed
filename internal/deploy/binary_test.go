package deploy

import (
	"bytes"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/certkeep/certkeep/internal/durable"
)

// stores is a target of files that are no PEM.
func stores(dir string) Target {
	file := func(name string, part Part) File {
		return File{Path: filepath.Join(dir, name), Content: []Part{part}, Password: "the password"}
	}
	return Target{Cert: "c", Name: "d", Layout: LayoutFiles, KeyTypes: []string{p256}, Files: []File{
		file("new.p12", PartPKCS12), file("old.p12", PartPKCS12Legacy), file("java.jks", PartJKS),
		file("key.der", PartDERKey), file("cert.der", PartDERCertificate),
	}}
}

// Key stores and DER files are installed like others: openssl reads them, they
// are private where they hold a key, and installing again changes nothing.
func TestBinaryFiles(t *testing.T) {
	dir := t.TempDir()
	ca, target := newCA(t, "ca"), stores(dir+"/out")
	d := New(Options{State: dir + "/state", Disk: durable.NoSync{}})
	c := ca.content(t, "v1", "a.test")
	mustPut(t, d, target, c)
	for _, name := range []string{"new.p12", "old.p12"} {
		said, err := exec.Command("openssl", "pkcs12", "-in", dir+"/out/"+name, "-passin", "pass:the password", "-nodes").CombinedOutput()
		if err != nil || !bytes.Contains(said, bytes.TrimSpace(c.Pairs[0].Leaf)) || !bytes.Contains(said, bytes.TrimSpace(c.Pairs[0].Rest)) {
			t.Errorf("openssl pkcs12 of %s: %v\n%s", name, err, said)
		}
	}
	for name, text := range map[string][]byte{"key.der": c.Pairs[0].Key, "cert.der": c.Pairs[0].Leaf} {
		block, _ := pem.Decode(text)
		if got, err := os.ReadFile(dir + "/out/" + name); err != nil || !bytes.Equal(got, block.Bytes) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
	for name, want := range map[string]os.FileMode{"new.p12": 0o600, "old.p12": 0o600, "java.jks": 0o600, "key.der": 0o600, "cert.der": 0o644} {
		if info, err := os.Stat(dir + "/out/" + name); err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
	before := tree(t, dir+"/out")
	if again := mustPut(t, d, target, c); again.Changed || fmt.Sprint(tree(t, dir+"/out")) != fmt.Sprint(before) {
		t.Errorf("installed again: changed %v", again.Changed)
	}
	if again := mustPut(t, d, target, ca.content(t, "v2", "a.test")); !again.Changed {
		t.Error("another version changed nothing")
	}
	if worked, complete, err := served(target); !worked || !complete || err != nil {
		t.Errorf("served() = %v, %v, %v", worked, complete, err)
	}
}

func TestBinaryRefused(t *testing.T) {
	ca := newCA(t, "ca")
	c := ca.content(t, "v1", "a.test")
	keyless := ca.content(t, "v1", "a.test")
	keyless.Pairs[0].Key = nil
	for name, test := range map[string]struct {
		file File
		c    Content
		want string
	}{
		"two things":             {File{Path: "/x", Content: []Part{PartDERKey, PartChain}}, c, "a file by itself"},
		"no password":            {File{Path: "/x", Content: []Part{PartJKS}}, c, "wants a password"},
		"a password too short":   {File{Path: "/x", Content: []Part{PartJKS}, Password: "short"}, c, "shorter than 6"},
		"the key is elsewhere":   {File{Path: "/x", Content: []Part{PartPKCS12}, Password: "secret"}, keyless, "held elsewhere"},
		"its DER is elsewhere":   {File{Path: "/x", Content: []Part{PartDERKey}}, keyless, "held elsewhere"},
		"of a key type it lacks": {File{Path: "/x", Content: []Part{PartDERKey}, KeyType: "rsa-2048"}, c, "has no file for a key of type"},
	} {
		_, err := Render(Target{Cert: "c", Name: "d", Layout: LayoutFiles, KeyTypes: []string{p256}, Files: []File{test.file}}, test.c)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
	if said := fmt.Sprintf("%v %+v %#v", File{Password: "secret"}, File{Password: "secret"}, File{Password: "secret"}); strings.Contains(said, "secret") {
		t.Errorf("the password is printed: %s", said)
	}
}
